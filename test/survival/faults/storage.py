#!/usr/bin/python3
"""Storage stalls, fails, and takes permission away: programs see what they would see natively, all else goes on, and when it is
back nothing of it stays."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, eventually, main  # noqa: E402
from files import MIB  # noqa: E402
from on_model import nodes_on_model  # noqa: E402
from processes import kill_rank, others_came, ranks  # noqa: E402

AT_ONCE_S = 1.0
UP_TO_A_MEBIBYTE = ("-M", "1M")


class Storage(MountTest):
    limit_s = 100

    def setUp(self):
        super().setUp()
        self.source = self.directory()
        for name in ("stalls", "goes_on", "EIO", "EACCES"):
            os.mkdir(os.path.join(self.source, name))
            for n in range(6):
                with open(os.path.join(self.source, name, f"file{n}"), "wb") as file:
                    file.write(b"%d" % n * 5000)
        with open(os.path.join(self.source, "stalls/large"), "wb") as file:
            file.write(b"large" * MIB)

    @contextlib.contextmanager
    def mounted(self, count=2, **more):
        with nodes_on_model(self.source, count=count, options=UP_TO_A_MEBIBYTE, **more) as (self.nodes, self.storage, self.place):
            try:
                yield
            finally:
                self.storage.clear()

    def on(self, node, name):
        return self.nodes.path(node, f"{self.place}/{name}")

    def content(self, node, name):
        with open(self.on(node, name), "rb") as file:
            return file.read()

    def reader(self, node, name):
        process = subprocess.Popen(["cat", self.on(node, name)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def goes_on(self):
        began = time.monotonic()
        for node in range(self.nodes.count):
            self.assertEqual(self.content(node, "goes_on/file1"), b"1" * 5000)
            self.assertEqual(len(os.listdir(self.on(node, "goes_on"))), 6)
        return time.monotonic() - began

    def test_a_stall_is_waited_for_shown_and_interruptible_and_nothing_else_stalls(self):
        with self.mounted():
            for node in (0, 1):
                os.listdir(self.on(node, ""))  # else one looks up the directory, and the kernel has the others wait for that
            self.storage.hold("/stalls")  # as file systems do: nothing interrupts who waits for them
            readers = [self.reader(node, f"stalls/file{node}") for node in (0, 1)] + [self.reader(1, "stalls/file2")]
            self.assertTrue(eventually(self.storage.waiting))
            self.assertLess(self.goes_on(), 5)
            self.assertTrue(eventually(lambda: all(
                self.nodes.status(node)["slow_requests"]["oldest_ms"] > 1000 for node in (0, 1))))
            roots = set()
            for node in (0, 1):
                waiting = [item for item in self.nodes.status(node)["waiting"] if "/stalls" in item["key"]]
                self.assertTrue(waiting)
                self.assertTrue(all(item["age_ms"] > 1000 for item in waiting), waiting)
                roots |= {item["root"] for item in waiting}
                if self.nodes.status(node)["host"] in roots:
                    self.assertTrue(all(item["on"] == "storage" for item in waiting), waiting)
            self.assertEqual(len(roots), 1)
            self.assertTrue(eventually(lambda: "has been awaited for" in self.nodes.logs()))
            for reader, number in zip(readers, (signal.SIGINT, signal.SIGKILL)):
                began = time.monotonic()
                reader.send_signal(number)
                self.assertEqual(reader.wait(10), -number)
                self.assertLess(time.monotonic() - began, AT_ONCE_S)
            self.assertIsNone(readers[2].poll())
            self.storage.release()
            output, _ = readers[2].communicate(timeout=10)
            self.assertEqual((readers[2].returncode, output), (0, b"2" * 5000))
            for node in (0, 1):
                self.assertEqual(self.content(node, f"stalls/file{node}"), b"%d" % node * 5000)
            self.assertEqual(self.nodes.stats()["job"]["peers_dead"], 0)

    def test_a_large_file_that_stalls_is_shown_too(self):
        with self.mounted(count=1):
            os.stat(self.on(0, "stalls/large"))
            self.storage.hold("/stalls", "read")
            reader = self.reader(0, "stalls/large")
            self.assertTrue(eventually(lambda: self.nodes.status()["slow_requests"]["count"] > 0))
            self.assertTrue(eventually(lambda: re.search("stalls/large has been awaited for .* s, from storage", self.nodes.logs())))
            self.assertLess(self.goes_on(), 5)
            began = time.monotonic()
            reader.kill()
            self.assertEqual(reader.wait(10), -signal.SIGKILL)
            self.assertLess(time.monotonic() - began, AT_ONCE_S)
            self.storage.release()
            self.assertEqual(self.content(0, "stalls/large"), b"large" * MIB)

    def test_what_storage_refuses_is_refused_and_not_remembered(self):
        with self.mounted():
            for error in ("EIO", "EACCES"):
                self.storage.fail("/" + error, error)
                for node in (0, 1):
                    for ask in (lambda: self.content(node, f"{error}/file3"), lambda: os.stat(self.on(node, f"{error}/file4")),
                                lambda: os.listdir(self.on(node, error))):
                        with self.assertRaises(OSError) as caught:
                            ask()
                        self.assertEqual(errno.errorcode[caught.exception.errno], error)
            self.goes_on()
            self.storage.clear()
            for error in ("EIO", "EACCES"):
                for node in (0, 1):
                    self.assertEqual(self.content(node, f"{error}/file3"), b"3" * 5000)
                    self.assertEqual(len(os.listdir(self.on(node, error))), 6)

    def test_what_is_cached_is_there_while_storage_is_not(self):
        with self.mounted():
            for node in (0, 1):
                self.goes_on()
            self.storage.fail("/", "EIO")
            self.goes_on()
            with self.assertRaises(OSError) as caught:
                os.listdir(self.on(0, "EIO"))
            self.assertEqual(caught.exception.errno, errno.EIO)

    def test_without_a_rank_a_listing_asks_for_no_name_whose_type_it_does_not_say(self):
        names = [f"untyped{n}" for n in range(20)]  # as storage_model lists them
        for name in names:
            with open(os.path.join(self.source, "goes_on", name), "wb"):
                pass
        with self.mounted(count=1):
            os.kill(ranks(self.nodes)[0], signal.SIGSTOP)  # which the end of the run continues
            self.assertEqual({name for name in os.listdir(self.on(0, "goes_on")) if name.startswith("untyped")}, set(names))
            self.assertEqual([path for path in self.storage.counts() if "untyped" in path], [])
            with open(self.on(0, "goes_on/untyped7"), "rb") as file:
                self.assertEqual(file.read(), b"")

    def test_a_rank_that_storage_does_not_let_die_is_waited_for_and_the_service_comes_back(self):
        with self.mounted():
            self.storage.hold("/stalls")
            reader = self.reader(1, "stalls/file0")
            self.assertTrue(eventually(self.storage.waiting))
            former = kill_rank(self.nodes, 0)
            self.assertTrue(eventually(lambda: "has not ended yet" in self.nodes.logs(), seconds=30), self.nodes.logs())
            self.assertEqual(self.content(1, "goes_on/file1"), b"1" * 5000)
            self.storage.clear()
            self.assertEqual(reader.communicate(timeout=10)[0], b"0" * 5000)
            self.assertTrue(others_came(self.nodes, former), self.nodes.logs())


if __name__ == "__main__":
    main()
