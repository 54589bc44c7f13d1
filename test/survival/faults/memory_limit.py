#!/usr/bin/python3
"""The memory cgroup's limit is hit and the system kills whom it likes: a program that takes too much, a rank, a worker. Who is
left reads right bytes. Root's: it makes a group of its own."""

import contextlib
import os
import signal
import subprocess
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import PYTHON, MountTest, Nodes, eventually, main  # noqa: E402
from files import MIB, make_files  # noqa: E402
from processes import front_end_of, lives, others_came, ranks, replaced, worker  # noqa: E402

CACHE = ["--cache-bytes", str(64 * MIB)]
LIMIT = 480 * MIB
FILES = 20


def own_group():
    """The directory of this process's memory group and the name of its limit; None where the system has no such controller."""
    with open("/proc/self/cgroup", encoding="utf-8") as lines:
        for line in lines:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controllers == "memory":
                return "/sys/fs/cgroup/memory" + path, "memory.limit_in_bytes"
            if controllers == "" and os.path.exists(f"/sys/fs/cgroup{path}/memory.max"):
                return "/sys/fs/cgroup" + path, "memory.max"
    return None


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


class MemoryLimit(MountTest):
    limit_s = 120

    def setUp(self):
        super().setUp()
        own = own_group()
        if os.geteuid() != 0 or own is None:
            self.skipTest("only root can make a memory group, where the system has them")
        group = os.path.join(own[0], f"copper-test-{os.getpid()}")
        with contextlib.suppress(OSError):
            os.mkdir(group)
            write(os.path.join(group, own[1]), LIMIT)
        if not os.path.exists(os.path.join(group, own[1])):
            self.skipTest(f"no memory group can be made below {own[0]}")
        self.addCleanup(lambda: self.assertTrue(eventually(lambda: self.removed(group))))
        self.addCleanup(write, os.path.join(own[0], "cgroup.procs"), os.getpid())
        write(os.path.join(group, "cgroup.procs"), os.getpid())
        self.source = self.directory()
        make_files(self.source, FILES)

    @staticmethod
    def removed(group):
        with contextlib.suppress(OSError):
            os.rmdir(group)
        return not os.path.exists(group)

    def reads(self):
        for node in (0, 1):
            for n in range(FILES):
                with open(os.path.join(self.source, f"file{n}"), "rb") as right, \
                        open(self.nodes.path(node, f"{self.source}/file{n}"), "rb") as through:
                    self.assertEqual(right.read(), through.read())

    def too_much(self):
        """A program that takes more than there is; how it ended."""
        return subprocess.run([PYTHON, "-c", f"bytearray(b'x') * {2 * LIMIT}"], check=False, capture_output=True).returncode

    def first_to_go(self, pid):
        write(f"/proc/{pid}/oom_score_adj", 1000)
        self.too_much()
        self.assertTrue(eventually(lambda: not lives(pid), seconds=20))

    def test_the_default_cache_is_a_quarter_of_it_at_most(self):
        with Nodes(1) as self.nodes:
            self.assertLessEqual(self.nodes.status()["cache"]["budget"], LIMIT // 4)

    def test_a_program_that_takes_too_much_ends_alone(self):
        with Nodes(2, options=CACHE) as self.nodes:
            before = self.nodes.processes()
            self.reads()
            self.assertEqual(self.too_much(), -signal.SIGKILL)
            self.reads()
            self.assertEqual(self.nodes.processes(), before)

    def test_a_rank_that_is_killed_for_it_is_replaced(self):
        with Nodes(2, options=CACHE) as self.nodes:
            self.reads()
            former = ranks(self.nodes)
            self.first_to_go(former[0])
            self.reads()
            self.assertTrue(others_came(self.nodes, former), self.nodes.logs())
            self.reads()

    def test_a_worker_that_is_killed_for_it_is_replaced(self):
        with Nodes(2, options=CACHE) as self.nodes:
            self.reads()
            parent = front_end_of(self.nodes, 0)
            former = worker(parent)
            self.first_to_go(former)
            self.assertTrue(replaced(parent, former))
            self.reads()


if __name__ == "__main__":
    main()
