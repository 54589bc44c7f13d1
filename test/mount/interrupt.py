#!/usr/bin/python3
"""Storage hangs; whoever waits for it can be interrupted at once, everybody else goes on, and what was asked is
there when storage comes back."""

import os
import shutil
import signal
import subprocess
import time

from copper_nodes import PYTHON, MountTest, eventually, main, private_directory
from on_model import nodes_on_model

AT_ONCE_S = 1.0
INTERRUPTED = 3
# Says on its standard output that it begins, and by its exit status that KeyboardInterrupt reached it.
CATCHER = f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    print("begin", flush=True)
    {{}}
except KeyboardInterrupt:
    os._exit({INTERRUPTED})
"""

source = nodes = storage = place = context = None


def setUpModule():
    global source, nodes, storage, place, context
    source = private_directory()
    for directory in ("a", "b", "c"):
        os.mkdir(os.path.join(source, directory))
        for n in range(8):
            with open(os.path.join(source, directory, f"file{n}"), "wb") as file:
                file.write(bytes([ord("0") + n]) * 3_000_000)
    context = nodes_on_model(source, count=2)
    nodes, storage, place = context.__enter__()


def tearDownModule():
    context.__exit__(None, None, None)
    shutil.rmtree(source)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0]


class Interrupt(MountTest):
    def setUp(self):
        self.nodes = nodes
        super().setUp()
        self.addCleanup(storage.clear)

    def on(self, node, name):
        return nodes.path(node, place + "/" + name)

    def content(self, node, name):
        with open(self.on(node, name), "rb") as file:
            return file.read()

    def start(self, node, *command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertTrue(eventually(storage.waiting), "storage was never asked")
        self.assertTrue(eventually(lambda: nodes.status(node)["waiting"]), "the node's rank was never asked")
        if command[0] == PYTHON:
            self.assertEqual(process.stdout.readline(), b"begin\n")
        self.assertTrue(eventually(lambda: state(process.pid) in "SD"))
        return process

    def ends_at_once(self, process, number):
        began = time.monotonic()
        process.send_signal(number)
        status = process.wait(30)
        self.assertLess(time.monotonic() - began, AT_ONCE_S)
        return status

    def test_control_c_ends_a_reader_whose_bytes_hang(self):
        os.stat(self.on(0, "a/file0"))
        storage.hang("/a/file0", "read")
        reader = self.start(0, "cat", self.on(0, "a/file0"))
        self.assertIsNone(reader.poll())
        self.assertEqual(self.ends_at_once(reader, signal.SIGINT), -signal.SIGINT)

    def test_kill_ends_a_reader_whose_bytes_hang(self):
        os.stat(self.on(1, "a/file1"))
        storage.hang("/a/file1", "read")
        reader = self.start(1, "cat", self.on(1, "a/file1"))
        self.assertEqual(self.ends_at_once(reader, signal.SIGKILL), -signal.SIGKILL)

    def test_a_handler_runs_at_once_while_a_lookup_hangs(self):
        for node, name in ((0, "b/file0"), (1, "b/file1")):
            before = nodes.stats(node)["front_end"]["fuse_interrupt"]
            storage.hang("/b", "any")
            asker = self.start(node, PYTHON, "-c", CATCHER.format("os.stat(sys.argv[1])"), self.on(node, name))
            self.assertEqual(self.ends_at_once(asker, signal.SIGINT), INTERRUPTED)
            self.assertGreater(nodes.stats(node)["front_end"]["fuse_interrupt"], before)
            storage.clear()
            self.assertEqual(os.stat(self.on(node, name)).st_size, 3_000_000)

    def test_a_handler_runs_at_once_while_a_listing_hangs(self):
        for node in (0, 1):
            storage.hang("/c", "opendir")
            asker = self.start(node, PYTHON, "-c", CATCHER.format("os.listdir(sys.argv[1])"), self.on(node, "c"))
            self.assertEqual(self.ends_at_once(asker, signal.SIGINT), INTERRUPTED)
        storage.clear()
        self.assertEqual(len(os.listdir(self.on(0, "c"))), 8)

    def test_others_go_on_while_one_file_hangs(self):
        os.stat(self.on(0, "a/file2"))
        storage.hang("/a/file2", "read")
        self.start(0, "cat", self.on(0, "a/file2"))
        for node in (0, 1):
            began = time.monotonic()
            self.assertEqual(self.content(node, "a/file3"), b"3" * 3_000_000)
            self.assertEqual(len(os.listdir(self.on(node, "a"))), 8)
            self.assertLess(time.monotonic() - began, 5)

    def test_status_says_who_waits_for_what(self):
        os.stat(self.on(1, "a/file4"))
        storage.hang("/a/file4", "read")
        self.start(1, "cat", self.on(1, "a/file4"))
        waiting = nodes.status(0)["waiting"] + nodes.status(1)["waiting"]
        mine = [item for item in waiting if place + "/a/file4" in item["key"]]
        self.assertTrue(mine, waiting)
        self.assertTrue(any(item["on"] == "storage" for item in mine), waiting)
        self.assertTrue(all(item["age_ms"] >= 0 for item in mine), waiting)

    def test_the_fetch_goes_on_and_its_bytes_are_read_once(self):
        os.stat(self.on(0, "a/file5"))
        storage.hang("/a/file5", "read")
        reader = self.start(0, "cat", self.on(0, "a/file5"))
        self.ends_at_once(reader, signal.SIGINT)
        self.assertTrue(storage.waiting(), "Copper gave up what it had asked")
        storage.clear()
        for node in (0, 1):
            self.assertEqual(self.content(node, "a/file5"), b"5" * 3_000_000)
        count = storage.counts()["/a/file5"]
        self.assertEqual((count.open, count.bytes, count.bytes_again), (1, 3_000_000, 0))

    def test_a_reader_that_waits_gets_its_bytes_after_the_hang(self):
        os.stat(self.on(1, "a/file6"))
        storage.hang("/a/file6", "read")
        reader = self.start(1, "cat", self.on(1, "a/file6"))
        storage.release()
        output, _ = reader.communicate(timeout=30)
        self.assertEqual((reader.returncode, output), (0, b"6" * 3_000_000))


class StopWhileStorageHangs(MountTest):
    def test_stop_ends_everything_while_storage_hangs(self):
        directory = private_directory()
        self.addCleanup(shutil.rmtree, directory)
        with open(os.path.join(directory, "file"), "wb") as file:
            file.write(b"x" * 5000)
        with nodes_on_model(directory, count=2) as (self.nodes, model, at):
            os.stat(self.nodes.path(0, at + "/file"))
            model.hang("/file", "read")
            reader = subprocess.Popen(["cat", self.nodes.path(0, at + "/file")], stderr=subprocess.DEVNULL)
            self.addCleanup(reader.wait)
            self.assertTrue(eventually(model.waiting))
            stopped = self.nodes.stop_command()
            self.assertEqual((stopped.returncode, stopped.stderr, self.nodes.leftovers()), (0, "", []))
            self.assertNotEqual(reader.wait(10), 0)


if __name__ == "__main__":
    main()
