#!/usr/bin/python3
"""Files larger than -M are read by each node from storage, through one descriptor, and nothing of them goes through the
trees. Counted from outside by the storage model."""

import errno
import os
import random
import shutil
import signal
import subprocess
import threading
import time

from copper_nodes import MountTest, Nodes, eventually, main, private_directory, run
from on_model import nodes_on_model

MIB = 1 << 20
UP_TO_A_MEBIBYTE = ("-M", "1M")
DESCRIPTORS = 64  # fuse_frontend/rank/large_files.h

SIZES = {"limit": MIB, "limit+1": MIB + 1, "large": 5 * MIB, "large+3": 5 * MIB + 3, "random": 40 * MIB, "slow": 5 * MIB,
         "places": 40 * MIB, "fails to read": 5 * MIB, "fails to open": 5 * MIB, "hangs": 5 * MIB, "beside": 5 * MIB}

source = None


def content(path):
    with open(path, "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(1 << 17), b""))


def setUpModule():
    global source
    source = private_directory()
    numbers = random.Random(3)
    for name, size in SIZES.items():
        with open(os.path.join(source, name), "wb") as file:
            file.write(numbers.randbytes(size))
    with open(source + "/rewritten", "wb") as file:
        file.write(b"a" * 2 * MIB)
    os.mkdir(source + "/many")
    for n in range(DESCRIPTORS + 20):
        with open(f"{source}/many/file{n}", "wb") as file:
            file.write(b"%07d\n" % n * (2 * MIB // 8))


def tearDownModule():
    shutil.rmtree(source)


class LargeFiles(MountTest):
    """Each test reads files that no other does."""

    limit_s = 90

    @classmethod
    def setUpClass(cls):
        cls.context = nodes_on_model(source, 2, options=UP_TO_A_MEBIBYTE)
        cls.nodes, cls.storage, cls.place = cls.context.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.context.__exit__(None, None, None)

    def setUp(self):
        super().setUp()
        self.storage.reset()
        self.addCleanup(self.storage.clear)

    def on(self, node, name):
        return self.nodes.path(node, f"{self.place}/{name}")

    def right(self, name):
        return content(os.path.join(source, name))

    def loads(self, nodes):
        return nodes.stats(0)["job"]["loads_block"]

    def of_storage(self):
        """Reads of large files and their bytes, as each node has counted them."""
        counted = [self.nodes.stats(i)["front_end"] for i in range(self.nodes.count)]
        return [(counters["fuse_large_loads"], counters["fuse_large_bytes"]) for counters in counted]

    def test_each_node_opens_a_larger_file_once_and_the_trees_carry_nothing_of_it(self):
        before, read_before = self.loads(self.nodes), self.of_storage()
        for name in ("limit+1", "large", "large+3"):
            for given in self.nodes.on_each(lambda i, name=name: content(self.on(i, name))):
                self.assertEqual(given, self.right(name), name)
            count, size = self.storage.counts()["/" + name], len(self.right(name))
            self.assertEqual((count.open, count.bytes), (2, 2 * size), name)
        self.assertEqual(self.loads(self.nodes), before)
        for i, (loads, read) in enumerate(self.of_storage()):  # whole blocks, however small the requests were
            self.assertEqual((loads - read_before[i][0], read - read_before[i][1]), (2 + 5 + 6, 11 * MIB + 4))
        self.assertLessEqual(self.storage.counts()["/"].opendir, 1)  # names and attributes do come through the tree

    def test_a_file_as_large_as_the_limit_goes_through_the_tree_once(self):
        before = self.loads(self.nodes)
        for given in self.nodes.on_each(lambda i: content(self.on(i, "limit"))):
            self.assertEqual(given, self.right("limit"))
        count = self.storage.counts()["/limit"]
        self.assertEqual((count.open, count.bytes, self.loads(self.nodes) - before), (1, MIB, 1))
        self.assertEqual(self.nodes.status(1)["max_cacheable_bytes"], MIB)
        self.assertIn("files larger than 1.0 MiB", run([os.environ["COPPER_BIN"] + "/copper", "status", "--mount",
                                                        self.nodes.mounts[1]]).stdout)

    def test_by_default_a_file_larger_than_the_cache_is_a_large_one(self):
        options = ("--cache-bytes", str(16 * MIB))
        with nodes_on_model(source, 1, options=options) as (self.nodes, storage, place):
            self.assertEqual(self.nodes.status()["max_cacheable_bytes"], 16 * MIB)
            before = self.loads(self.nodes)
            self.assertEqual(content(self.nodes.path(0, place + "/places")), self.right("places"))
            count = storage.counts()["/places"]
            self.assertEqual((count.open, count.bytes, self.loads(self.nodes) - before), (1, 40 * MIB, 0))
            self.assertEqual(content(self.nodes.path(0, place + "/large")), self.right("large"))
            self.assertEqual(self.loads(self.nodes) - before, 5)

    def test_with_a_limit_of_0_all_files_are_large(self):
        with nodes_on_model(source, 1, options=("-M", "0")) as (self.nodes, storage, place):
            before = self.loads(self.nodes)
            self.assertEqual(content(self.nodes.path(0, place + "/limit")), self.right("limit"))
            self.assertEqual((storage.counts()["/limit"].open, self.loads(self.nodes) - before), (1, 0))

    def test_a_few_bytes_here_and_there_cost_a_few_bytes(self):
        file = os.open(self.on(0, "random"), os.O_RDONLY)
        self.addCleanup(os.close, file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
        right = self.right("random")
        for n in random.Random(1).sample(range(1, 20), 19):
            at = 2 * n * MIB - 5 * n
            self.assertEqual(os.pread(file, 100, at), right[at:at + 100])
        self.assertLessEqual(self.storage.counts()["/random"].bytes, 2 * 19 * 4096)

    def test_readers_of_one_slow_file_on_one_node_share_its_reads(self):
        self.storage.delay("/slow", 100, "read")
        command = ["cksum", self.on(0, "slow")]
        readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
        said = {reader.communicate(timeout=60)[0] for reader in readers}
        self.assertEqual({line.split()[0] for line in said}, {run(["cksum", source + "/slow"]).stdout.split()[0]})
        count = self.storage.counts()["/slow"]
        self.assertEqual((count.open, count.bytes_again), (1, 0))

    def test_readers_at_several_places_share_one_descriptor(self):
        self.storage.delay("/places", 300, "open")
        readers = [subprocess.Popen(["dd", "if=" + self.on(0, "places"), "of=/dev/null", "bs=4k",
                                     "count=1", f"skip={n * 2048}"], stderr=subprocess.DEVNULL) for n in range(4)]
        self.assertEqual([reader.wait() for reader in readers], [0] * 4)
        self.assertEqual(self.storage.counts()["/places"].open, 1)

    def test_bytes_that_changed_while_they_were_read_are_not_given(self):
        path = self.on(0, "rewritten")
        os.stat(path)
        self.storage.hang("/rewritten", "read")
        reader = subprocess.Popen(["head", "-c", "100", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env={**os.environ, "LC_ALL": "C"})
        self.assertTrue(eventually(self.storage.waiting))
        with open(source + "/rewritten", "r+b") as file:
            file.write(b"b" * 2 * MIB)
        self.storage.release()
        said = reader.communicate(timeout=30)
        self.assertEqual((said[0], reader.returncode), (b"", 1))
        self.assertIn(b"Stale file handle", said[1])

    def test_only_so_many_descriptors_are_kept(self):
        def kept():
            count = 0
            for pid in self.nodes.pids("copper_fuse"):
                for name in os.listdir(f"/proc/{pid}/fd"):
                    try:
                        count += os.readlink(f"/proc/{pid}/fd/{name}").startswith(self.place + "/many/")
                    except FileNotFoundError:
                        pass
            return count

        for n in range(DESCRIPTORS + 20):
            self.assertEqual(content(self.on(0, f"many/file{n}"))[:8], b"%07d\n" % n)
        self.assertTrue(eventually(lambda: kept() == DESCRIPTORS), kept())

    def test_an_error_of_storage_reaches_the_reader_and_is_not_remembered(self):
        failures = (("fails to read", "read", errno.EIO), ("fails to open", "open", errno.EACCES))
        for name, op, error in failures:
            self.storage.fail("/" + name, errno.errorcode[error], op)
            for node in (0, 1):
                with self.assertRaises(OSError) as caught:
                    content(self.on(node, name))
                self.assertEqual(caught.exception.errno, error)
        self.storage.clear()
        for name, _, _ in failures:
            self.assertEqual(content(self.on(1, name)), self.right(name))

    def test_a_reader_that_hangs_can_be_interrupted_and_others_go_on(self):
        self.storage.hang("/hangs", "read")
        for number in (signal.SIGINT, signal.SIGKILL):
            reader = subprocess.Popen(["cat", self.on(0, "hangs")], stdout=subprocess.DEVNULL)
            self.addCleanup(reader.wait)
            self.addCleanup(reader.kill)
            self.assertTrue(eventually(self.storage.waiting))
            self.assertEqual(content(self.on(0, "beside")), self.right("beside"))
            began = time.monotonic()
            reader.send_signal(number)
            self.assertEqual(reader.wait(30), -number)
            self.assertLess(time.monotonic() - began, 1)
        self.storage.release()
        self.storage.clear()
        self.assertEqual(content(self.on(0, "hangs")), self.right("hangs"))


class Versions(MountTest):
    limit_s = 90

    @classmethod
    def setUpClass(cls):
        cls.nodes = Nodes(2, expiry_ms=300, options=UP_TO_A_MEBIBYTE).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.nodes.__exit__(None)

    def setUp(self):
        super().setUp()
        self.source = self.directory()

    def write(self, letter, name="file"):
        with open(f"{self.source}/{name}", "wb") as file:
            file.write(letter * (4 * MIB + 5))

    def on(self, node):
        return self.nodes.path(node, self.source + "/file")

    def age(self):
        """What has just changed is looked at again; the tests want it settled."""
        changed = os.stat(self.source + "/file").st_ctime
        self.assertTrue(eventually(lambda: time.time() > changed + 2.1))

    def letters(self, file):
        """What the rest of the file is of; None where its version is gone."""
        found = set()
        try:
            while piece := os.read(file, 100_000):
                found |= set(piece)
        except OSError as error:
            self.assertEqual(error.errno, errno.ESTALE)
            return None
        return bytes(sorted(found))

    def opened(self, node):
        file = os.open(self.on(node), os.O_RDONLY)
        self.addCleanup(os.close, file)
        return file

    def all_see(self, letter):
        self.assertTrue(eventually(lambda: all(self.letters(self.opened(node)) == letter for node in range(2)), 10))

    def test_who_began_to_read_a_file_ends_with_its_version_though_another_takes_its_name(self):
        self.write(b"a")
        self.age()
        files = [self.opened(node) for node in range(2)]
        for file in files:
            self.assertEqual(os.read(file, 1000), b"a" * 1000)
        self.write(b"b", "next")
        os.rename(self.source + "/next", self.source + "/file")
        for file in files:
            self.assertEqual(self.letters(file), b"a")
        self.all_see(b"b")

    def test_a_version_that_nobody_opened_in_time_is_stale_and_the_next_open_meets_the_new_one(self):
        self.write(b"a")
        self.age()
        files = [self.opened(node) for node in range(2)]  # which the front ends do not hear of
        self.write(b"b", "next")
        os.rename(self.source + "/next", self.source + "/file")
        for node, file in enumerate(files):
            self.assertIsNone(self.letters(file))
            self.assertEqual(self.letters(self.opened(node)), b"b")

    def test_of_a_file_rewritten_in_place_nobody_reads_two_versions(self):
        self.write(b"a")
        self.age()
        for node in range(2):
            self.assertEqual(os.read(self.opened(node), 1000), b"a" * 1000)
        self.write(b"b")
        for node in range(2):
            file = self.opened(node)
            os.lseek(file, 3 * MIB, os.SEEK_SET)
            self.assertIn(self.letters(file), (None, b"a", b"b"))
        self.all_see(b"b")

    def test_while_a_file_is_replaced_all_the_time_each_reader_gets_one_version(self):
        self.write(b"a")
        self.assertTrue(eventually(lambda: os.path.exists(self.on(0)) and os.path.exists(self.on(1))))
        seen, faults, stop = [], [], threading.Event()

        def read(node):
            while not stop.is_set():
                try:
                    file = os.open(self.on(node), os.O_RDONLY)
                except OSError as error:
                    if error.errno not in (errno.ESTALE, errno.ENOENT):
                        faults.append(error)
                    continue
                letters = self.letters(file)
                os.close(file)
                seen.append(letters)
                if letters is not None and len(letters) != 1:
                    faults.append(letters)

        readers = [threading.Thread(target=read, args=(node,)) for node in range(2) for _ in range(2)]
        for reader in readers:
            reader.start()
        for n in range(40):
            self.write(bytes([ord("a") + n % 26]), "next")
            if n % 2:
                os.rename(self.source + "/next", self.source + "/file")
            else:
                self.write(bytes([ord("A") + n % 26]), "other")
                os.rename(self.source + "/other", self.source + "/file")
            time.sleep(0.05)
        stop.set()
        for reader in readers:
            reader.join()
        self.assertEqual(faults, [])
        self.assertGreater(len({letters for letters in seen if letters}), 1)


if __name__ == "__main__":
    main()
