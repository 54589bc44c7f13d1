#!/usr/bin/python3
"""A rank is killed: the service is started again and loads nothing that it had. That programs do not notice is trials.py's."""

import concurrent.futures
import os
import signal
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, eventually, main  # noqa: E402
from files import content_from_the_front_end, files_below  # noqa: E402
from load import NUMPY  # noqa: E402
from processes import kill_rank, lives, others_came, ranks  # noqa: E402

LONG_MS = 3_600_000


class Killed(MountTest):
    limit_s = 160

    def kill(self, number):
        """Kills a rank and waits until others have come for all."""
        former = kill_rank(self.nodes, number)
        self.assertTrue(others_came(self.nodes, former), self.nodes.logs())

    def test_what_was_loaded_is_not_loaded_again(self):
        files = files_below(NUMPY)[::5]
        with Nodes(2, expiry_ms=LONG_MS) as self.nodes:
            def read(node):
                return [content_from_the_front_end(self.nodes.path(node, path)) for path in files]

            before = read(1)
            self.assertGreater(self.nodes.stats()["job"]["loads_block"], 0)
            for number in (0, 1):
                self.kill(number)
                for node in (0, 1):
                    self.assertEqual(read(node), before)
                self.assertEqual(self.nodes.stats()["job"]["loads_block"], 0)

    def test_a_service_that_dies_before_launch_has_read_that_it_is_ready_is_started_again(self):
        for _ in range(10):
            self.nodes = Nodes(1)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                held = pool.submit(self.hold_launch_and_kill)
                with self.nodes:
                    if former := held.result():
                        return self.assertTrue(others_came(self.nodes, former), self.nodes.logs())
        self.fail("launch was always faster")

    def hold_launch_and_kill(self):
        """Those that lived; None where launch was done before it could be held."""
        nodes = self.nodes
        self.assertTrue(eventually(lambda: nodes.pids("copper_service") and nodes.pids("copper_fuse"), pause=0.002))
        launch = next((pid for pid, arguments in nodes.processes().items() if "launch_copper.sh" in " ".join(arguments[:2])), None)
        try:
            os.kill(launch, signal.SIGSTOP)
        except (TypeError, ProcessLookupError):
            return None
        try:
            self.assertTrue(eventually(lambda: "copper: ready" in nodes.logs()))
            former = kill_rank(nodes, 0)
            self.assertTrue(eventually(lambda: not lives(former[0])))
            time.sleep(1)  # its keeper learns of it, while nobody reads what it tells
        finally:
            os.kill(launch, signal.SIGCONT)
        return former

    def test_a_service_that_is_killed_again_and_again_is_given_up_and_nodes_read_on(self):
        with Nodes(1) as self.nodes:
            deadline = time.monotonic() + 100
            while time.monotonic() < deadline and "directly from now on" not in self.nodes.logs():
                for pid in ranks(self.nodes).values():
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                time.sleep(0.05)
            self.assertIn("directly from now on", self.nodes.logs())
            path = files_below(NUMPY)[0]
            with open(path, "rb") as native, open(self.nodes.path(0, path), "rb") as through:
                self.assertEqual(through.read(), native.read())


if __name__ == "__main__":
    main()
