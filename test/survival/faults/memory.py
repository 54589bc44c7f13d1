#!/usr/bin/python3
"""Shared memory is full, when a run starts and while it goes on: a line, or bytes read from storage directly; no process dies of
it. Root's: it makes /dev/shm as small as it likes, in a mount namespace of its own."""

import errno
import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, eventually, main  # noqa: E402
from files import make_files  # noqa: E402
from processes import ranks  # noqa: E402

SHARED_MIB = 160
FILES = 40
NAMES, PROVIDED_FOR = 10_000, 4_000  # in one directory; of the 4,096 that there is room for ahead some are in use


class Full(MountTest):
    limit_s = 100

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can make /dev/shm small")
        self.source = self.directory()
        make_files(self.source, FILES)
        self.ballast = "/dev/shm/ballast"
        self.addCleanup(lambda: os.path.exists(self.ballast) and os.unlink(self.ballast))

    def fill(self, left=0):
        space = os.statvfs("/dev/shm")
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - left)

    def reads(self, node=0, step=1):
        """The bytes of some files are right."""
        for n in range(0, FILES, step):
            with open(os.path.join(self.source, f"file{n}"), "rb") as right, \
                    open(self.nodes.path(node, f"{self.source}/file{n}"), "rb") as through:
                self.assertEqual(right.read(), through.read())

    def test_a_run_that_finds_it_full_says_so_and_leaves_nothing(self):
        self.fill(left=64 << 10)
        self.nodes = Nodes(1, directory=self.directory())
        self.addCleanup(self.nodes.kill)
        done = self.nodes.launch()
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
        self.assertIn("/dev/shm", done.stderr)
        self.assertEqual(self.nodes.leftovers(), [])

    def test_where_it_becomes_full_bytes_are_right_and_no_process_dies(self):
        with Nodes(2) as self.nodes:
            before = self.nodes.processes()
            self.fill()
            for node in (0, 1):
                self.reads(node)
            self.assertEqual(self.nodes.processes(), before)
            os.unlink(self.ballast)
            front_end = self.nodes.stats()["front_end"]  # for which there may have been no room before
            self.assertEqual(front_end["worker_deaths"], 0)
            self.assertGreater(front_end["fuse_direct"], 0)
            self.reads(step=8)

    def test_new_names_beyond_those_provided_for_are_refused_until_there_is_room(self):
        names = os.path.join(self.source, "names")
        os.mkdir(names)
        for n in range(NAMES):
            with open(os.path.join(names, str(n)), "wb"):
                pass
        with Nodes(1) as self.nodes:
            before = self.nodes.processes()
            self.fill()
            refused = self.refused(names)
            self.assertEqual(set(refused), {errno.ENOMEM})
            self.assertLess(len(refused), NAMES - PROVIDED_FOR)
            self.assertEqual(self.nodes.processes(), before)
            os.unlink(self.ballast)
            self.assertEqual(self.refused(names), [])
            self.assertEqual(self.nodes.stats()["front_end"]["worker_deaths"], 0)

    def refused(self, names):
        """The errors of looking at each."""
        errors = []
        for n in range(NAMES):
            try:
                os.stat(self.nodes.path(0, f"{names}/{n}"))
            except OSError as error:
                errors.append(error.errno)
        return errors

    def test_a_rank_that_dies_while_it_is_full_is_replaced(self):
        with Nodes(1) as self.nodes:
            self.fill()
            former = ranks(self.nodes)[0]
            os.kill(former, 9)
            self.reads(step=8)
            self.assertTrue(eventually(lambda: ranks(self.nodes).get(0, former) != former, seconds=30), self.nodes.logs())
            self.reads(step=8)


if __name__ == "__main__":
    main(shared_memory=f"{SHARED_MIB}m")
