#!/usr/bin/python3
"""Somebody sets the machine's time of day, by hours, in either direction: no wait, no freshness and no trust depends on it."""

import contextlib
import os
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, eventually, main  # noqa: E402
from on_model import RACY_S, nodes_on_model, replace_file  # noqa: E402

SHIM = os.path.join(os.path.dirname(os.environ.get("COPPER_BIN", "")), "test-bin", "copper_clock_shim.so")
HOUR = 3600


class Clock(MountTest):
    limit_s = 100

    def setUp(self):
        super().setUp()
        self.source = self.directory()
        self.write("data/file", b"first")
        self.settings = self.directory()
        self.set_ahead(0)

    def write(self, name, text):
        replace_file(os.path.join(self.source, name), text)

    def set_ahead(self, seconds):
        """By so much the machine's time of day is ahead, for those who have the shim."""
        path = os.path.join(self.settings, "ahead")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(str(seconds))
        os.rename(path + ".new", path)

    def shim(self):
        return {"LD_PRELOAD": SHIM, "COPPER_TEST_CLOCK": os.path.join(self.settings, "ahead")}

    def programs_with_the_shim(self):
        """A PATH on which Copper's programs have it: launch gives them an environment of its own."""
        variables = " ".join(f"{name}={value}" for name, value in self.shim().items())
        for name in ("copper_service", "copper_fuse"):
            path = os.path.join(self.settings, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nexport {variables}\nexec {os.environ['COPPER_BIN']}/{name} \"$@\"\n")
            os.chmod(path, 0o755)
        return {"PATH": f"{self.settings}:{os.environ['PATH']}"}

    @contextlib.contextmanager
    def mounted(self, **more):
        with nodes_on_model(self.source, env=self.programs_with_the_shim(), **more) as (self.nodes, self.storage, self.place):
            yield

    def content(self, node, name):
        with open(self.nodes.path(node, f"{self.place}/{name}"), "rb") as file:
            return file.read()

    def test_nothing_waits_longer_or_shorter_and_changes_show_in_time(self):
        with self.mounted(count=2, expiry_ms=300):
            self.assertEqual([self.content(node, "data/file") for node in (0, 1)], [b"first"] * 2)
            for ahead in (2 * HOUR, -3 * HOUR, 24 * HOUR):
                self.set_ahead(ahead)
                text = b"%d" % ahead
                self.write("data/file", text)
                self.assertTrue(eventually(lambda right=text: [self.content(node, "data/file") for node in (0, 1)] == [right] * 2,
                                           seconds=20))
            self.assertLess(self.nodes.status()["uptime_s"], 100)
            job = self.nodes.stats()["job"]
            self.assertEqual((job["peers_dead"], self.nodes.stats()["front_end"]["fuse_direct"]), (0, 0))

    def test_what_has_just_changed_is_looked_at_again_though_the_clock_is_hours_ahead(self):
        with self.mounted(count=1):
            self.assertEqual(self.content(0, "data/file"), b"first")
            time.sleep(RACY_S)
            self.assertEqual(self.content(0, "data/file"), b"first")  # old enough to be trusted
            self.set_ahead(2 * HOUR)
            self.write("data/file", b"other")
            self.assertEqual(self.content(0, "data/file"), b"first")  # fresh for a long time yet
            self.write("new/file", b"young")
            self.assertEqual(self.content(0, "new/file"), b"young")
            looks = self.storage.counts()["/new/file"].lookup
            time.sleep(RACY_S)
            self.assertEqual(self.content(0, "new/file"), b"young")
            self.assertGreater(self.storage.counts()["/new/file"].lookup, looks)

    def test_launch_is_no_longer_and_no_shorter_patient(self):
        self.nodes = Nodes(2, directory=self.directory())
        self.addCleanup(self.nodes.stop_command)
        with subprocess.Popen([os.path.join(self.nodes.wrappers, "launch_copper.sh"), "--nodes", "2", "-d", self.nodes.log_base,
                               "-v", self.nodes.mount], env={**os.environ, **self.shim()}, stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, text=True) as launch:
            self.assertTrue(eventually(lambda: self.nodes.pids("copper_fuse"), pause=0.005))
            self.set_ahead(24 * HOUR)
            self.assertEqual((launch.wait(60), launch.stderr.read()), (0, ""), self.nodes.logs())


if __name__ == "__main__":
    main()
