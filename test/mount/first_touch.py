#!/usr/bin/python3
"""What the first reader of a file on a node costs: as few requests of the kernel as it lets us have, and one question to
the rank for each block, however small the requests are."""

import os
import random
import subprocess
import unittest

from copper_nodes import ORDINARY_USER, MountTest, Nodes, as_user, main, run

MIB = 1 << 20
BLOCKS = 16


class FirstTouch(MountTest):
    def setUp(self):
        super().setUp()
        self.source = self.directory()
        self.content = random.Random(9).randbytes(BLOCKS * MIB)
        with open(self.source + "/file", "wb") as file:
            file.write(self.content)
        os.utime(self.source + "/file")

    def setting(self):
        device = os.stat(self.nodes.mounts[0]).st_dev
        return f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"

    def asked_and_read(self, read):
        """Questions to the rank and requests of the kernel that reading the file costs."""
        path = self.nodes.path(0, self.source + "/file")
        self.nodes.stats()
        run(["ls", "-l", os.path.dirname(path)], user=self.nodes.user)
        before = self.nodes.stats()["front_end"]
        self.assertEqual(read(path), self.content)
        after = self.nodes.stats()["front_end"]
        return after["fuse_asked"] - before["fuse_asked"], after["fuse_read"] - before["fuse_read"]

    @staticmethod
    def read(path):
        with open(path, "rb", buffering=0) as file:
            return b"".join(iter(lambda: file.read(MIB), b""))

    @unittest.skipUnless(os.geteuid() == 0, "only root may raise the kernel's read-ahead")
    def test_where_read_ahead_can_be_raised_requests_are_whole_blocks(self):
        with Nodes(1, expiry_ms=60_000, options=("-l", "4")) as self.nodes:
            with open(self.setting(), encoding="ascii") as file:
                self.assertEqual((int(file.read()), self.nodes.status()["read_ahead_kb"]), (1024, 1024))
            self.assertIn("the kernel reads ahead 1024 KiB", self.nodes.logs())
            _, requests = self.asked_and_read(self.read)
            self.assertLess(requests, BLOCKS + BLOCKS // 2)

    def test_where_it_cannot_it_is_said_and_a_block_in_pieces_is_asked_of_the_rank_once(self):
        user = ORDINARY_USER if os.geteuid() == 0 else None
        with Nodes(1, expiry_ms=60_000, options=("-l", "4"), user=user) as self.nodes:
            said = self.nodes.status()["read_ahead_kb"]
            self.assertLess(said, 1024)
            self.assertIn(f"the kernel reads ahead {said} KiB, not 1024", self.nodes.logs())
            asked, requests = self.asked_and_read(
                lambda path: subprocess.run(as_user(user, ["cat", path]), stdout=subprocess.PIPE, check=True).stdout)
            self.assertGreaterEqual(requests, 4 * BLOCKS)  # cat has the kernel read ahead twice as far
            self.assertLess(asked, 2 * BLOCKS)  # two threads may take the pieces in another order


if __name__ == "__main__":
    main()
