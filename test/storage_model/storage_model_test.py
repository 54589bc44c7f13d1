#!/usr/bin/python3
"""The storage model tested: does it show its source as it is, count what was asked, and suffer as told?"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import StorageModel  # noqa: E402


def eventually(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class StorageModelTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="copper-model-test-")
        self.addCleanup(shutil.rmtree, self.directory)
        self.source = os.path.join(self.directory, "source")
        os.makedirs(os.path.join(self.source, "a/b"))
        self.write("a/b/file", b"x" * 10_000)
        self.write("a/second name", b"blank")
        os.symlink("b/file", os.path.join(self.source, "a/link"))
        os.link(os.path.join(self.source, "a/b/file"), os.path.join(self.source, "a/hard"))
        self.storage = StorageModel(self.source, os.path.join(self.directory, "mount"))
        self.storage.__enter__()
        self.addCleanup(self.storage.stop)

    def write(self, name, content):
        with open(os.path.join(self.source, name), "wb") as file:
            file.write(content)

    def path(self, name):
        return os.path.join(self.storage.mountpoint, name)

    def read(self, name):
        with open(self.path(name), "rb", buffering=0) as file:
            return file.read()

    def test_it_shows_the_source_as_it_is(self):
        self.assertEqual(self.read("a/b/file"), b"x" * 10_000)
        self.assertEqual(os.readlink(self.path("a/link")), "b/file")
        self.assertEqual(sorted(os.listdir(self.path("a"))), ["b", "hard", "link", "second name"])
        for name in ("a", "a/b", "a/b/file", "a/link", "a/hard"):
            mine, its = os.lstat(self.path(name)), os.lstat(os.path.join(self.source, name))
            for field in ("st_ino", "st_mode", "st_nlink", "st_size", "st_mtime_ns", "st_ctime_ns", "st_uid"):
                self.assertEqual(getattr(mine, field), getattr(its, field), (name, field))
        with self.assertRaises(OSError) as caught:
            open(self.path("a/new"), "w")
        self.assertEqual(caught.exception.errno, errno.EROFS)

    def test_a_large_directory_is_listed_whole(self):
        os.mkdir(os.path.join(self.source, "large"))
        names = {f"{n:05d}" + "n" * 100 for n in range(5000)}
        for name in names:
            self.write("large/" + name, b"")
        self.assertEqual(set(os.listdir(self.path("large"))), names)
        self.assertEqual(self.storage.counts()["/large"].opendir, 1)

    def test_every_question_is_counted_each_time(self):
        for n in (1, 2, 3):
            os.lstat(self.path("a/b/file"))
            os.listdir(self.path("a"))
            os.readlink(self.path("a/link"))
            os.statvfs(self.path("a"))
            self.assertFalse(os.path.lexists(self.path("a/absent")))
            self.assertEqual(os.pread(fd := os.open(self.path("a/b/file"), os.O_RDONLY), 4096, 0), b"x" * 4096)
            os.close(fd)
            counts = self.storage.counts()
            self.assertEqual(counts["/a/b/file"].open, n)
            self.assertEqual(counts["/a/b/file"].read, n)
            self.assertEqual(counts["/a/b/file"].bytes, n * 4096)
            self.assertEqual(counts["/a/b/file"].bytes_again, (n - 1) * 4096)
            self.assertGreaterEqual(counts["/a/b/file"].getattr, n)
            self.assertEqual(counts["/a"].opendir, n)
            self.assertEqual(counts["/a/link"].readlink, n)
            self.assertEqual(counts["/a/absent"].absent, n)
            self.assertEqual(counts["/a/absent"].lookup, n)
            self.assertGreaterEqual(counts["/a"].statfs, n)
        self.assertEqual(self.storage.counts()["/a/hard"].open, 0, "hard links are counted apart")
        self.storage.reset()
        self.assertEqual(self.storage.counts(), {})

    def test_ranges_read_again_are_told_from_ranges_read_once(self):
        fd = os.open(self.path("a/b/file"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        for offset, size, again in ((0, 1000, 0), (2000, 1000, 0), (1000, 1000, 0), (500, 100, 100), (2500, 1000, 600),
                                    (9000, 4096, 600)):
            os.pread(fd, size, offset)
            self.assertEqual(self.storage.counts()["/a/b/file"].bytes_again, again, offset)
        self.write("a/b/file", b"y" * 5000)  # another version
        os.pread(fd, 5000, 0)
        self.assertEqual(self.storage.counts()["/a/b/file"].bytes_again, 600)
        self.assertEqual(self.storage.counts().more_than_once(), [("/a/b/file", "600 bytes again")])

    def test_blocks_are_those_that_bytes_fell_into(self):
        self.write("large", b"z" * (5 << 20))
        fd = os.open(self.path("large"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        for offset, size, blocks in ((0, 10, 1), (100, 10, 1), ((1 << 20) - 5, 10, 2), (4 << 20, 10, 3),
                                     (0, 5 << 20, 5)):
            os.pread(fd, size, offset)
            self.assertEqual(self.storage.counts()["/large"].blocks, blocks, (offset, size))

    def test_changes_of_the_source_show_at_once_and_an_open_file_stays_itself(self):
        fd = os.open(self.path("a/b/file"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        inode = os.fstat(fd).st_ino
        self.write("a/b/new", b"new")
        os.rename(os.path.join(self.source, "a/b/new"), os.path.join(self.source, "a/b/file"))
        self.assertEqual(self.read("a/b/file"), b"new")
        self.assertEqual(os.pread(fd, 4, 0), b"xxxx")
        self.assertEqual((os.fstat(fd).st_ino, os.fstat(fd).st_size), (inode, 10_000))
        self.assertNotEqual(os.stat(self.path("a/b/file")).st_ino, inode)
        os.unlink(os.path.join(self.source, "a/b/file"))
        self.assertFalse(os.path.lexists(self.path("a/b/file")))
        self.assertEqual(os.pread(fd, 4, 9_998), b"xx")

    def test_names_of_any_byte_are_counted_under_their_name(self):
        name = bytes(set(range(1, 256)) - {ord("/")})
        self.write(b"".join([os.fsencode("a/"), name]).decode("utf-8", "surrogateescape"), b"odd")
        self.assertEqual(self.read("a/" + os.fsdecode(name)), b"odd")
        self.assertEqual(self.storage.counts()["/a/" + os.fsdecode(name)].open, 1)

    def test_a_delay_delays_only_what_it_is_for(self):
        self.storage.delay("/a/b", 300, "getattr")
        began = time.monotonic()
        os.stat(self.path("a/b/file"))
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.storage.clear()
        self.storage.delay("/a/second", 60_000)  # no prefix of "/a/second name", whose first word it is
        self.assertEqual(self.read("a/second name"), b"blank")

    def test_a_failure_fails_with_the_error_named(self):
        self.storage.fail("/a/second name", "EDQUOT", "read")
        with self.assertRaises(OSError) as caught:
            self.read("a/second name")
        self.assertEqual(caught.exception.errno, errno.EDQUOT)
        self.storage.fail("/a/b", "EIO", "lookup")
        with self.assertRaises(OSError) as caught:
            os.stat(self.path("a/b/file"))
        self.assertEqual(caught.exception.errno, errno.EIO)
        self.storage.clear()
        self.assertEqual(self.read("a/second name"), b"blank")
        for nonsense in ("delay /a", "delay a open 3", "fail / open EFOO", "fail / close EIO", "hang /", "hang / close",
                         "frobnicate", ""):
            with self.assertRaises(ValueError):
                self.storage.ask(nonsense)

    def test_a_hang_lasts_until_released_and_holds_up_nobody_else(self):
        self.assertEqual(self.read("a/b/file"), b"x" * 10_000)  # else the kernel lets one ask, and the others wait
        self.storage.hang("/a/b")
        results = []
        readers = [threading.Thread(daemon=True, target=lambda: results.append(self.read("a/b/file")))
                   for _ in range(50)]
        for reader in readers:
            reader.start()
        self.assertTrue(eventually(lambda: self.storage.waiting() == ["/a/b"] * 50), self.storage.waiting())
        self.assertEqual(self.read("a/second name"), b"blank")
        self.assertEqual(results, [])
        self.storage.release()
        for reader in readers:
            reader.join(10)
        self.assertEqual(results, [b"x" * 10_000] * 50)

    def test_a_reader_that_hangs_can_be_interrupted_and_killed(self):
        self.storage.hang("/a/b/file")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            reader = subprocess.Popen(["cat", self.path("a/b/file")], stdout=subprocess.DEVNULL)
            self.assertTrue(eventually(self.storage.waiting))
            began = time.monotonic()
            reader.send_signal(number)
            self.assertEqual(reader.wait(10), -number)
            self.assertLess(time.monotonic() - began, 1)
            self.assertTrue(eventually(lambda: not self.storage.waiting()))

    def another(self, clients=1, **how):
        """A model with so many mounts, of the same source."""
        points = [tempfile.mkdtemp(dir=self.directory) for _ in range(clients)]
        storage = StorageModel(self.source, *points, **how)
        self.addCleanup(storage.stop)
        return storage.__enter__()

    def test_it_is_not_faster_than_its_latency(self):
        slow = self.another(storage="laptop,metadata_us=100000,data_us=300000")
        began = time.monotonic()
        os.lstat(slow.mountpoint)
        looked = time.monotonic()
        fd = os.open(os.path.join(slow.mountpoint, "a/b/file"), os.O_RDONLY)  # three names and an open, one by one
        opened = time.monotonic()
        os.pread(fd, 10, 0)
        read = time.monotonic()
        os.close(fd)
        self.assertGreaterEqual(looked - began, 0.1)
        self.assertGreaterEqual(opened - looked, 0.4)
        self.assertGreaterEqual(read - opened, 0.3)
        slower = self.another(storage="laptop,metadata_us=100000", slower=3)
        began = time.monotonic()
        os.lstat(slower.mountpoint)
        self.assertGreaterEqual(time.monotonic() - began, 0.3)

    def test_latencies_of_one_client_s_operations_overlap(self):
        slow = self.another(storage="laptop,metadata_us=300000,client_operations=32")
        os.lstat(slow.mountpoint)  # else the first of them asks for the root, and the others wait
        began = time.monotonic()
        lookers = [threading.Thread(target=os.path.lexists, args=(os.path.join(slow.mountpoint, f"absent{n}"),))
                   for n in range(30)]
        for looker in lookers:
            looker.start()
        for looker in lookers:
            looker.join()
        self.assertLess(time.monotonic() - began, 30 * 0.3 / 2)  # one by one 9 s

    def test_all_mounts_share_one_budget_of_operations(self):
        for clients in (1, 2, 4):
            slow = self.another(clients, storage="laptop,metadata_per_s=100,metadata_us=1", client_cache_ms=60_000)
            slow.reset()
            began = time.monotonic()
            self.everywhere(slow, lambda point: [os.path.lexists(f"{point}/absent{n}") for n in range(60 // clients)])
            seconds = time.monotonic() - began
            questions = slow.counts().questions()
            self.assertGreaterEqual(questions, 60)
            self.assertGreaterEqual(seconds, (questions - clients) / 100, f"{clients} clients")
            slow.stop()

    def test_all_mounts_share_one_budget_of_bytes(self):
        self.write("large", b"z" * (8 << 20))
        slow = self.another(2, storage="laptop,gb_per_s=0.02,client_gb_per_s=10")

        def read(point):
            with open(os.path.join(point, "large"), "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass

        began = time.monotonic()
        self.everywhere(slow, read)
        self.assertGreaterEqual(time.monotonic() - began, (16 << 20) / 0.02e9)  # 0.84 s; one alone 0.42 s
        self.assertEqual(slow.counts()["/large"].bytes, 16 << 20)

    def everywhere(self, storage, function):
        threads = [threading.Thread(target=function, args=(point,)) for point in storage.mountpoints]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_a_client_s_cache_answers_what_was_asked_before_and_other_clients_have_their_own(self):
        storage = self.another(2, client_cache_ms=60_000)

        def ask(point):
            path = os.path.join(point, "a/b/file")
            os.stat(path)
            self.assertFalse(os.path.lexists(os.path.join(point, "a/absent")))
            os.listdir(os.path.join(point, "a"))
            with open(path, "rb", buffering=0) as file:
                self.assertEqual(file.read(), b"x" * 10_000)

        ask(storage.mountpoints[0])
        storage.reset()
        os.stat(os.path.join(storage.mountpoints[0], "a/b/file"))
        self.assertEqual(storage.counts(), {})
        ask(storage.mountpoints[0])
        asked = {(path, field) for path, count in storage.counts().items() for field, n in vars(count).items() if n}
        self.assertEqual(asked, {("/a", "opendir"), ("/a/b/file", "open")}, "an open asks, as on Lustre; nothing else")
        storage.reset()
        ask(storage.mountpoints[1])
        self.assertEqual((storage.counts()["/a/absent"].absent, storage.counts()["/a/b/file"].bytes), (1, 10_000))

    def test_a_storage_that_nobody_knows_is_refused(self):
        with self.assertRaises(RuntimeError):
            self.another(storage="lustre-nowhere")

    def test_it_ends_cleanly_while_requests_wait(self):
        self.storage.hang("/a/b")
        reader = subprocess.Popen(["cat", self.path("a/b/file")], stderr=subprocess.DEVNULL)
        self.assertTrue(eventually(self.storage.waiting))
        self.storage.stop()
        self.assertEqual(reader.wait(10), 1)
        self.assertFalse(os.path.ismount(self.storage.mountpoint))


if __name__ == "__main__":
    if not os.path.exists("/dev/fuse"):
        print("SKIPPED, NOTHING TESTED: there is no /dev/fuse here")
        sys.exit(77)
    unittest.main(verbosity=2)
