#!/usr/bin/python3
"""Hosts of a virtual cluster on which programs import, read and compare, while at random moments workers and ranks are killed
or stopped, cables pulled, storage hangs or fails. No program may see other bytes, or an error but the one that storage gave;
and nothing may grow. The same seed gives the same faults at the same times.

    COPPER_BIN=build/bin COPPER_MPI=mpich COPPER_MPIEXEC=mpiexec.hydra test/survival/soak/soak.py --minutes 60 [--seed N]
"""

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "virtual_cluster", "storage_model", "mount")]

# pylint: disable=wrong-import-position
from client import StorageModel  # noqa: E402
from cluster import HOME, LOGIN, STORAGE, Cluster, enter, eventually  # noqa: E402
from growth import Growth, bytes_below  # noqa: E402
from processes import eldest, lives  # noqa: E402
from schedule import schedule  # noqa: E402

PYTHON = "/usr/bin/python3"
PACKAGES = "/usr/lib/python3/dist-packages"
APPLICATION = os.path.join(TESTS, "survival", "application.py")
MOUNT = "/tmp/mnt"
THERE = MOUNT + STORAGE
FAILS = "numpy/core/include"  # what storage refuses now and then; no import reads it
EVERY = 25                    # file is compared each time, beginning with another one
THINK_S = 3.0                 # between two programs of a host
SAMPLE_S = 5.0
PATIENCE_S = 180              # of a program, with the machine's other load
BACK_S = 60                   # until a service that ended is back


class Soak:
    def __init__(self, cluster, storage, faults):
        self.cluster = cluster
        self.storage = storage
        self.faults = faults
        self.growth = Growth()
        self.wrong = []
        self.errors = []
        self.failed = []  # when storage did: from, until
        self.programs = 0
        self.stalls = []
        self.befell = collections.Counter()
        self.workers_ended = 0
        self._over = threading.Event()

    # ---- programs ----

    def use(self, number, host):
        first = number
        while not self._over.is_set():
            self.program(host, EVERY, first)
            first = (first + len(self.cluster.hosts)) % EVERY
            self._over.wait(THINK_S)

    def program(self, host, every=1, first=0):
        began = time.monotonic()
        try:
            done = self.cluster.run(host, [PYTHON, APPLICATION, "numpy", THERE, PACKAGES, str(every), str(first)],
                                    env={"PYTHONPATH": THERE}, timeout=PATIENCE_S)
            said = json.loads(done.stdout) if done.returncode == 0 and not done.stderr else None
        except subprocess.TimeoutExpired:
            self.errors.append(f"{host}: not ended in {PATIENCE_S} s, begun at {began:.1f}")
            return
        self.programs += 1
        if said is None or said["sum"] != 45:
            self.errors.append(f"{host}: exit {done.returncode}: {done.stdout[-300:]} {done.stderr[-1000:]}")
            return
        self.stalls.append(said["stall_s"])
        self.wrong += [f"{host}: {name}" for name in said["wrong"]]
        ended = time.monotonic()
        refused = any(begin < ended and end > began for begin, end in self.failed)
        self.errors += [f"{host}: {name}: {error}" for name, error in said["errors"]
                        if not (refused and error == os.strerror(5) and name.startswith(FAILS))]

    # ---- what befalls them ----

    def pids(self, host, program):
        return [pid for pid, words in self.cluster.processes(host).items() if os.path.basename(words[0]) == program]

    def rank(self, host):
        return next((pid for pid in self.pids(host, "copper_service") if lives(pid)), None)

    def parent_and_worker(self, host):
        pids = self.pids(host, "copper_fuse")
        with contextlib.suppress(StopIteration, OSError):
            parent = eldest(pids)
            return parent, next((pid for pid in pids if pid != parent and lives(pid)), None)
        return None, None

    @staticmethod
    def signal(pid, number):
        """False where there is none just now."""
        with contextlib.suppress(ProcessLookupError):
            if pid is not None:
                os.kill(pid, number)
                return True
        return False

    def befall(self, fault):
        """Returns when it is over."""
        host = self.cluster.hosts[fault.host]
        happened = True
        if fault.name == "kill worker":
            happened = self.signal(self.parent_and_worker(host)[1], signal.SIGKILL)
            self.workers_ended += happened
        elif fault.name == "kill ranks":
            hosts = {host, *(name for i, name in enumerate(self.cluster.hosts) if fault.also >> i & 1)}
            happened = any([self.signal(self.rank(name), signal.SIGKILL) for name in hosts])
        elif fault.name.startswith("stop"):
            pid = self.parent_and_worker(host)[1] if "worker" in fault.name else self.rank(host)
            happened = self.signal(pid, signal.SIGSTOP)
            self._over.wait(fault.lasts)
            if happened and not lives(pid) and "worker" in fault.name:
                self.workers_ended += 1  # its parent had no more patience
            self.signal(pid, signal.SIGCONT)
        elif fault.name.startswith("unplug"):
            self.cluster.unplug(host)
            self._over.wait(fault.lasts)
            self.cluster.plug(host)
        elif fault.name == "storage hangs":
            self.storage.hang("/")
            self._over.wait(fault.lasts)
            self.storage.clear()
        elif fault.name == "storage fails":
            self.failed.append((time.monotonic(), float("inf")))
            self.storage.fail("/" + FAILS, "EIO")
            self._over.wait(fault.lasts)
            self.storage.clear()
            self.failed[-1] = (self.failed[-1][0], time.monotonic())
        elif fault.name == "clear":  # as far as it reaches: a host may be without its rank just now
            self.cluster.run(host, ["copper", "clear", "--mount", MOUNT], timeout=PATIENCE_S)
        self.befell[fault.name if happened else "found nothing to do"] += 1

    def all_are_back(self):
        return eventually(lambda: all(self.copper(host, "status") for host in self.cluster.hosts), BACK_S, 0.5)

    def sample(self):
        while not self._over.wait(SAMPLE_S):
            for host in self.cluster.hosts:
                parent, worker = self.parent_and_worker(host)
                for whose, pid in (("parent's", parent), ("worker's", worker), ("rank's", self.rank(host))):
                    if pid is not None:
                        self.growth.take_process(host, whose, pid)
                self.growth.take(host, "", "segment", bytes_below(self.cluster.root(host) + "/dev/shm"))

    def run(self, seconds):
        for host in self.cluster.hosts:
            self.program(host)  # all of it: what is kept is there from now on
        began = time.monotonic()
        threads = [threading.Thread(target=self.use, args=each) for each in enumerate(self.cluster.hosts)]
        threads.append(threading.Thread(target=self.sample))
        for thread in threads:
            thread.start()
        try:
            for fault in self.faults:
                if time.monotonic() + fault.pause + fault.lasts > began + seconds:
                    break
                self._over.wait(fault.pause)
                print(f"{time.monotonic() - began:7.1f} s  {fault}", flush=True)
                self.befall(fault)
            self._over.wait(max(0, began + seconds - time.monotonic()))
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    # ---- the end ----

    def copper(self, host, verb):
        done = self.cluster.run(host, ["copper", verb, "--mount", MOUNT, "--json"])
        return json.loads(done.stdout) if done.returncode == 0 else None

    def faults_in_the_end(self):
        """What is not as it should be when all is over."""
        found = []
        if not self.all_are_back():
            # A host that was silent may have been left out; when the service starts again it takes part again.
            self.signal(next(filter(None, map(self.rank, self.cluster.hosts)), None), signal.SIGKILL)
            if not self.all_are_back():
                found.append("not every rank is back")
        for host in self.cluster.hosts:
            self.program(host)
        counters = [stats["front_end"] for stats in (self.copper(host, "stats") for host in self.cluster.hosts) if stats]
        for name in ("requests_given_up", "fuse_damaged"):
            if any(counter[name] for counter in counters):
                found.append(f"{name}: {[counter[name] for counter in counters]}")
        deaths = sum(counter["worker_deaths"] for counter in counters)
        if len(counters) == len(self.cluster.hosts) and deaths != self.workers_ended:
            found.append(f"{self.workers_ended} workers were ended, {deaths} died")
        found += [f"{host} {whose} {what} has grown from {before:.0f} to {after:.0f}"
                  for (host, whose, what), (before, after) in self.growth.grown().items()]
        return found

    def left(self):
        found = []
        for host in [LOGIN, *self.cluster.hosts]:
            found += [f"{host}: {' '.join(words)}" for words in self.cluster.processes(host).values()]
            found += [f"{host}: mount {point}" for point, kind in self.cluster.mounts(host, "/tmp") if kind.startswith("fuse")]
            found += [f"{host}: {name}" for directory in ("/dev/shm", "/tmp")
                      for name in self.cluster.names(host, directory) if not name.startswith("ompi.")]
        return found


def logs():
    text = ""
    for top, _, files in os.walk(f"{HOME}/copper-logs"):
        for name in sorted(name for name in files if not name.endswith(".csv")):
            with open(os.path.join(top, name), encoding="utf-8", errors="replace") as file:
                text += f"--- {name}\n{file.read()[-8000:]}"
    return text


def soak(options):
    seconds = options.minutes * 60
    faults = schedule(options.seed, seconds, options.hosts)
    print(f"seed {options.seed}, {options.hosts} hosts, {options.minutes:g} minutes, {len(faults)} faults", flush=True)
    with StorageModel(PACKAGES, STORAGE) as storage, Cluster(options.hosts) as cluster:
        with open(f"{HOME}/site.conf", "w", encoding="utf-8") as file:
            file.write("keep = SSH_AUTH_SOCK COPPER_VIRTUAL_CLUSTER\n")
        launched = cluster.run(LOGIN, ["launch_copper.sh", "--site", f"{HOME}/site.conf", "--hosts", ",".join(cluster.hosts),
                                       "-v", MOUNT])
        if launched.returncode != 0:
            sys.exit(f"launch: exit {launched.returncode}: {launched.stderr}{logs()}")
        one = Soak(cluster, storage, faults)
        one.run(seconds)
        wrong = one.faults_in_the_end()
        stopped = cluster.run(LOGIN, ["stop_copper.sh", "-v", MOUNT])
        if stopped.returncode != 0 or not eventually(lambda: not one.left(), 10):
            wrong.append(f"stop: exit {stopped.returncode} {stopped.stderr}, left: {one.left()}")
        said = logs()
        print(f"\nseed {options.seed}: {', '.join(f'{n} {name}' for name, n in sorted(one.befell.items()))}\n"
              f"{one.programs} programs, {len(one.errors)} application errors, {len(one.wrong)} files with wrong bytes, longest "
              f"stall {max(one.stalls, default=0):.1f} s; the service was started again "
              f"{said.count('it is started again')} times\n{one.growth.text()}")
    wrong = one.wrong + one.errors + wrong
    for line in wrong[:40]:
        print(line)
    if wrong or options.logs:
        print(said)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description="programs that import, read and compare while everything goes wrong")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--logs", action="store_true", help="also where nothing was wrong")
    options = parser.parse_args()
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not os.path.isdir(PACKAGES + "/numpy"):
        print("SKIPPED, NOTHING TESTED: no /dev/fuse for us, or python3-numpy is not installed", flush=True)
        sys.exit(77)
    enter()
    sys.exit(soak(options))


if __name__ == "__main__":
    main()
