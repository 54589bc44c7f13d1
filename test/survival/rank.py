#!/usr/bin/python3
"""A rank is killed: its node and all others read on, the service is started again, and loads nothing that it had.

    COPPER_KILLS=60 COPPER_BIN=build/bin /usr/bin/python3 test/survival/rank.py
"""

import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mount"))

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, eventually, main  # noqa: E402
from load import NUMPY, Load, content_from_the_front_end, files_below  # noqa: E402

KILLS = int(os.environ.get("COPPER_KILLS", "6"))
RESTARTS_MAX = 6   # of one service (copper_keeper.sh)
STALL_MAX_S = 8.0  # of one question, with the machine's other load
PLACES = {"root": 0, "interior": 1, "leaf": 2}  # of a tree that is a chain
LONG_MS = 3_600_000


def ranks(nodes):
    """The living ranks' processes, by number."""
    found = {}
    for pid in nodes.pids("copper_service"):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = dict(line.partition(b"=")[::2] for line in file.read().split(b"\0") if b"=" in line)
        except OSError:
            continue
        number = variables.get(b"PMI_RANK", variables.get(b"OMPI_COMM_WORLD_RANK"))
        if number is not None:
            found[int(number)] = pid
    return found


def chain(count, **more):
    return Nodes(count, options=["--fanout", "1", "--bulk-fanout", "1"], **more)


class Killed(MountTest):
    limit_s = 120 + 12 * KILLS

    def kill(self, number):
        """Kills a rank and waits until others have come for all."""
        former = ranks(self.nodes)
        began = time.monotonic()
        os.kill(former[number], signal.SIGKILL)

        def others():
            now = ranks(self.nodes)
            return len(now) == len(former) and not set(now.values()) & set(former.values())

        self.assertTrue(eventually(others, seconds=40), self.nodes.logs())
        self.assertTrue(eventually(self.answers, seconds=20), self.nodes.logs())
        return time.monotonic() - began

    def answers(self):
        try:
            return all(self.nodes.status(i)["mounted"] for i in range(self.nodes.count))
        except AssertionError:
            return False

    def test_programs_do_not_notice_that_ranks_are_killed(self):
        for done in range(0, KILLS, RESTARTS_MAX):
            self.kill_some(min(KILLS - done, RESTARTS_MAX))

    def kill_some(self, kills):
        with chain(len(PLACES), expiry_ms=500) as self.nodes:
            took = []
            with Load(self.nodes, node=PLACES["leaf"], ask_the_rank=False) as load:
                self.assertTrue(eventually(load.begun, seconds=60), load.done)
                for n in range(kills):
                    time.sleep(random.random())
                    took.append(self.kill(n % len(PLACES)))
            took.sort()
            print(f"{kills} ranks killed, done meanwhile: {load.done}; all ranks were back after {took[0]:.2f} to "
                  f"{took[-1]:.2f} s; longest question {load.longest:.3f} s")
            self.assertEqual(load.errors, [], self.nodes.logs())
            self.assertLess(load.longest, STALL_MAX_S)

    def test_what_was_loaded_is_not_loaded_again(self):
        files = files_below(NUMPY)[::5]
        with chain(2, expiry_ms=LONG_MS) as self.nodes:
            def read(node):
                return [content_from_the_front_end(self.nodes.path(node, path)) for path in files]

            before = read(1)
            self.assertGreater(self.nodes.stats()["job"]["loads_block"], 0)
            for number in (0, 1):
                self.kill(number)
                for node in (0, 1):
                    self.assertEqual(read(node), before)
                self.assertEqual(self.nodes.stats()["job"]["loads_block"], 0)

    def test_a_service_that_is_killed_again_and_again_is_given_up_and_nodes_read_on(self):
        with chain(1) as self.nodes:
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
