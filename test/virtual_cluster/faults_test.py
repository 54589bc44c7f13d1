#!/usr/bin/python3
"""What a job sees of a host that dies, hangs or loses its cable while Copper runs: the other hosts read on, the service comes back
without the host, and stop ends all that can be reached."""

import contextlib
import json
import os
import signal
import subprocess
import time

from cluster import HERE, HOME, LOGIN, ROOM, SOURCE, eventually, main
from jobs_test import FILES, JobScripts, SlurmTests
from namespaces import PYTHON

ROOT, LEAF = "nid000", "nid003"  # of the only tree
BACK_S = 100  # from a fault to the next service: a minute (docs/architecture.md), and the machine's other load
STALL_S = 15  # of one read: 4 s of silence, and the machine's other load


class Faults(JobScripts):
    read = 0  # files, so far

    def by_hand(self, command, host=LOGIN, **more):
        return self.cluster.run(host, ["bash", "-c", f"module load copper && {command}"], **more)

    def launch(self, command="launch_copper.sh --hostfile hosts", **where):
        with open(f"{HOME}/hosts", "w", encoding="utf-8") as file:
            file.writelines(f"{host}\n" for host in self.cluster.hosts)
        done = self.by_hand(command, **where)
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.logs())

    def reads(self, host, name):
        """The file, read there through the mount; each answer is bounded, and right or an error."""
        done = self.cluster.run(host, ["cat", self.below(f"/many/{name}")], timeout=30)
        with open(f"{FILES}/many/{name}", encoding="utf-8") as file:
            self.assertIn((done.returncode, done.stdout), [(0, file.read()), (1, "")])
        return done.returncode == 0 or done.stderr

    def every_host_reads(self, hosts=None):
        """What none has read before."""
        Faults.read += 1
        hosts = hosts or self.cluster.hosts
        self.assertEqual([self.reads(host, f"f{Faults.read}") for host in hosts], [True] * len(hosts), self.logs())

    @contextlib.contextmanager
    def programs_that_notice_nothing(self, hosts, directories=("many", "input")):
        programs = [self.cluster.start(host, [PYTHON, f"{HERE}/reader.py", self.below(""), FILES, *directories],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE) for host in hosts]
        try:
            yield
        finally:
            said = [program.communicate(timeout=60)[0] for program in programs]
        for host, seen in zip(hosts, map(json.loads, said)):
            print(f"{host}: {seen['reads']} reads, the longest {seen['longest']:.2f} s", flush=True)
            self.assertEqual((seen["errors"], seen["wrong"]), ([], []), host)
            self.assertLess(seen["longest"], STALL_S, host)

    def service(self, host):
        """How often it was started again, without whom, and how many ranks it has; None while it does not answer."""
        done = self.by_hand(f"copper status --json --mount {self.mount}", host, timeout=30)
        status = json.loads(done.stdout) if done.returncode == 0 else {}
        return (status["restarts"], status["left_out"], status["ranks"]) if status.get("mounted") else None

    def becomes(self, service, host):
        began = time.monotonic()
        eventually(lambda: self.service(host) == service, BACK_S, 0.5)
        self.assertEqual(self.service(host), service, self.logs())
        print(f"after {time.monotonic() - began:.1f} s: {service}", flush=True)

    def loads(self, host):
        return json.loads(self.by_hand(f"copper stats --json --mount {self.mount}", host).stdout)["job"]["loads_block"]

    def rank_of(self, host):
        return next(pid for pid, words in self.cluster.processes(host).items() if words[0].endswith("copper_service"))

    def stopped(self):
        done = self.by_hand("stop_copper.sh")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.nothing_left()

    def stopped_without(self, dead):
        """Everything is ended where it can be; what waits on the login host for the dead one is no part of this."""
        done = self.by_hand("stop_copper.sh", timeout=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"on {dead}: it cannot be reached", done.stderr)
        self.assertNotIn("nid001", done.stderr)
        with open(f"{HOME}/stopped", "w", encoding="utf-8"):
            pass  # for the job script
        self.nothing_left(hosts=[host for host in self.cluster.hosts if host != dead])

    def leaf_dies_and_is_left_out(self, **how):
        self.every_host_reads()
        others = [host for host in self.cluster.hosts if host != LEAF]
        with self.programs_that_notice_nothing(others):
            self.cluster.kill(LEAF, **how)
            self.becomes((1, [LEAF], 3), ROOT)
        self.every_host_reads(others)
        self.stopped_without(LEAF)


class Reversible(Faults):
    def test_a_host_that_hangs_for_a_moment_is_read_past_and_one_whose_rank_goes_on_hanging_gets_another(self):
        self.launch()
        self.every_host_reads()
        others = [host for host in self.cluster.hosts if host != ROOT]
        with self.programs_that_notice_nothing(others):
            self.cluster.freeze(ROOT)
            try:
                self.every_host_reads(others)
            finally:
                self.cluster.thaw(ROOT)
            self.assertEqual(self.service(LEAF), (0, [], 4))
            hanging = self.rank_of(LEAF)
            os.kill(hanging, signal.SIGSTOP)
            self.becomes((1, [], 4), ROOT)
        self.assertNotEqual(self.rank_of(LEAF), hanging)
        self.every_host_reads()
        self.stopped()

    def test_a_host_without_its_cable_is_left_out_and_takes_part_again_after_the_next_restart(self):
        self.launch()
        self.every_host_reads()
        self.cluster.unplug(LEAF)
        try:
            with self.programs_that_notice_nothing(self.cluster.hosts):
                self.becomes((1, [LEAF], 3), ROOT)
        finally:
            self.cluster.plug(LEAF)
        os.kill(self.rank_of("nid001"), signal.SIGKILL)
        self.becomes((2, [], 4), LEAF)
        self.every_host_reads()
        self.stopped()


class DeadHost(Faults):
    def test_a_dead_root_is_left_out_and_what_the_others_had_is_not_loaded_again(self):
        self.launch()
        self.every_host_reads()
        others = [host for host in self.cluster.hosts if host != ROOT]
        for host in self.cluster.hosts:
            self.cluster.run(host, ["cat", self.below("/input/data")], stdout=subprocess.DEVNULL)
        self.assertIs(self.reads("nid001", "f60"), True)
        with self.programs_that_notice_nothing(others, ["input"]):
            self.cluster.kill(ROOT)
            self.every_host_reads(others)
            self.becomes((1, [ROOT], 3), LEAF)
            self.assertEqual([self.reads(host, "f60") for host in others], [True] * 3)
        self.assertEqual(self.loads(LEAF), 0)
        self.every_host_reads(others)
        self.assertEqual(self.loads(LEAF), 1)
        self.stopped_without(ROOT)
        again = self.by_hand("stop_copper.sh", timeout=100)
        self.assertEqual(again.returncode, 1)
        self.assertIn("the run is forgotten", again.stderr)
        self.assertEqual(self.by_hand("stop_copper.sh").stdout, "Copper: nothing to stop\n")


class SwitchedOff(Faults):
    def test_a_host_that_is_switched_off_ends_no_mount_of_another(self):
        self.launch()
        self.leaf_dies_and_is_left_out(silently=False)


class DeadHostOfLaunch(Faults):
    def test_without_the_host_where_launch_ran_the_others_read_on_without_a_service(self):
        self.launch(host=LEAF)
        self.every_host_reads()
        others = [host for host in self.cluster.hosts if host != LEAF]
        with self.programs_that_notice_nothing(others):
            self.cluster.kill(LEAF)
            for host in others:
                self.becomes(None, host)
        self.every_host_reads(others)
        self.stopped_without(LEAF)


class DeadHostOfASlurmJob(SlurmTests, Faults):
    def test_a_dead_host_is_left_out_and_stop_names_it(self):
        self.running("--no-kill")
        self.leaf_dies_and_is_left_out()


class DeadHostOfAPalsJob(Faults):
    """A stand-in for PALS, which takes its options and no others and is hydra inside: the steps, the probe and stop are what
    they are with PALS, not what PALS itself does when a host dies."""

    def setUp(self):
        super().setUp()
        os.symlink(f"{SOURCE}/test/wrappers/stand_in_mpiexec.py", f"{ROOM}/bin/mpiexec")
        self.job = {"PBS_JOBID": "7[3].pbs", "PBS_NODEFILE": f"{HOME}/hosts"}

    def by_hand(self, command, host=LOGIN, **more):
        return super().by_hand(command, host, env=self.job, **more)

    def test_a_dead_host_is_left_out_and_stop_names_it(self):
        self.launch("launch_copper_aurora.sh -b 0 -n auto")
        self.leaf_dies_and_is_left_out()


if __name__ == "__main__":
    main()
