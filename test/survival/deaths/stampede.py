#!/usr/bin/python3
"""Every rank is dead and nobody starts another: twelve processes on each of eight nodes import numpy, and what reaches storage
stays under the bound that the nodes share. Each node has a storage client of its own, with a cache, as on a cluster.

    COPPER_DIRECT_PER_SECOND=20000 COPPER_BIN=build/bin /usr/bin/python3 test/survival/deaths/stampede.py
"""

import concurrent.futures
import json
import os
import signal
import sys
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import PYTHON, MountTest, Nodes, eventually, main, run  # noqa: E402
from client import StorageModel  # noqa: E402

BOUND = int(os.environ.get("COPPER_DIRECT_PER_SECOND", "300"))  # so low that this machine would exceed it by far
SAVED = 1.1                                                      # a second, and the tenth of one that is saved up
NODES, PROCESSES = 8, 12
PACKAGES = "/usr/lib/python3/dist-packages"
APPLICATION = os.path.join(TESTS, "survival", "application.py")
EVERY = 100  # file is compared


class Stampede(MountTest):
    limit_s = 280

    def kill_all_ranks(self):
        """And before them who would start others."""
        for pid, arguments in self.nodes.processes().items():
            if any(argument.endswith("copper_keeper.sh") for argument in arguments) and "copper_service" in arguments:
                os.kill(pid, signal.SIGKILL)
        for pid in self.nodes.pids("copper_service"):
            os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.nodes.pids("copper_service")))

    def application(self, node):
        there = self.nodes.path(node, self.places[node])
        done = run([PYTHON, APPLICATION, "numpy", there, PACKAGES, str(EVERY)], env={"PYTHONPATH": there}, timeout=250)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        said = json.loads(done.stdout)
        self.assertEqual((said["sum"], said["wrong"], said["errors"]), (45, [], []))

    def watch(self, storage, over):
        """(when, how many operations so far), again and again."""
        samples = []
        while True:
            samples.append((time.monotonic(), storage.counts().questions()))
            if over.wait(0.1):
                return samples

    def busiest(self, samples):
        """Operations in a second, of any second or a little more."""
        most = 0
        for began, before in samples:
            later = next(((at, count) for at, count in samples if at >= began + 1), None)
            if later:
                most = max(most, (later[1] - before) / (later[0] - began))
        return most

    def test_the_nodes_of_dead_ranks_share_a_bound_on_what_they_ask_of_storage(self):
        directory = self.directory()
        self.places = [f"{directory}/client{i}" for i in range(NODES)]
        with StorageModel(PACKAGES, *self.places, client_cache_ms=600_000) as storage, \
             Nodes(NODES, directory=directory, expiry_ms=600_000,
                   options=["--direct-per-second", str(BOUND)]) as self.nodes:
            self.kill_all_ranks()
            storage.reset()
            over = threading.Event()
            began = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(NODES * PROCESSES + 1) as pool:
                watched = pool.submit(self.watch, storage, over)
                done = [pool.submit(self.application, n % NODES) for n in range(NODES * PROCESSES)]
                concurrent.futures.wait(done)
                over.set()
            took = time.monotonic() - began
            for one in done:
                one.result()
            most, total = self.busiest(watched.result()), storage.counts().questions()
            print(f"{NODES} nodes x {PROCESSES} processes, every rank dead: {total} operations of storage in {took:.1f} s, at "
                  f"most {most:.0f} in a second; the bound is {BOUND}")
            self.assertGreater(total, 100 * NODES)
            self.assertLess(most, SAVED * BOUND)


if __name__ == "__main__":
    main()
