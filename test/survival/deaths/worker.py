#!/usr/bin/python3
"""The worker of a mount is killed, at random moments and at chosen ones: the programs that use the mount must not notice.

    COPPER_KILLS=500 COPPER_BIN=build/bin /usr/bin/python3 test/survival/deaths/worker.py -k random
"""

import concurrent.futures
import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, eventually, main, run  # noqa: E402
from files import MIB, files_below  # noqa: E402
from load import NUMPY, Load  # noqa: E402
from on_model import nodes_on_model, replace_file  # noqa: E402
from processes import descriptors, front_end_of, kill_worker, replaced, state_of, worker  # noqa: E402
from record import read_trace  # noqa: E402

KILLS = int(os.environ.get("COPPER_KILLS", "20"))
PAUSE_S = 1.0      # between two kills, at most
STALL_MAX_S = 3.0  # of one question, with the machine's other load


class Killed(MountTest):
    limit_s = 90 + 3 * KILLS

    def test_programs_do_not_notice_that_workers_are_killed_at_random_moments(self):
        with Nodes(1, expiry_ms=500) as self.nodes:
            parent = front_end_of(self.nodes, 0)
            took = []
            with Load(self.nodes) as load:
                self.assertTrue(eventually(load.begun, seconds=30), load.done)
                before = descriptors(parent)
                for _ in range(KILLS):
                    time.sleep(random.random() * PAUSE_S)
                    dead = kill_worker(parent)
                    began = time.monotonic()
                    self.assertTrue(replaced(parent, dead))
                    os.path.lexists(self.nodes.path(0, f"/usr/lib/absent{random.random()}"))
                    took.append(time.monotonic() - began)
            counters = self.nodes.stats()["front_end"]
            took.sort()
            print(f"{KILLS} kills, done meanwhile: {load.done}; from a kill to the next answer {took[0] * 1000:.0f} to "
                  f"{took[-1] * 1000:.0f} ms, median {took[len(took) // 2] * 1000:.0f}; longest question "
                  f"{load.longest:.3f} s; {counters['requests_again']} requests were answered by a successor")
            self.assertEqual(load.errors, [], self.nodes.logs())
            self.assertEqual((counters["worker_deaths"], counters["requests_given_up"]), (KILLS, 0))
            self.assertLess(load.longest, STALL_MAX_S)
            self.assertEqual(descriptors(parent), before)

    def test_a_successor_is_there_within_a_tenth_of_a_second(self):
        with Nodes(1) as self.nodes:
            parent = front_end_of(self.nodes, 0)
            files_below(self.nodes.path(0, NUMPY))
            took = []
            for n in range(5):
                time.sleep(0.15)
                kill_worker(parent)
                began = time.monotonic()
                self.assertFalse(os.path.lexists(self.nodes.path(0, f"/usr/absent{n}")))
                took.append(time.monotonic() - began)
            print("from a kill to the next answer:", ", ".join(f"{seconds * 1000:.1f}" for seconds in took), "ms")
            self.assertLess(min(took), 0.1)

    def test_a_worker_that_dies_of_a_signal_of_its_own_is_replaced_too(self):
        with Nodes(1, options=["-l", "2"]) as self.nodes:
            parent = front_end_of(self.nodes, 0)
            for number in (signal.SIGSEGV, signal.SIGABRT):
                time.sleep(0.15)
                dead = worker(parent)
                os.kill(dead, number)
                self.assertTrue(replaced(parent, dead))
                self.assertTrue(os.path.exists(self.nodes.path(0, "/etc/passwd")))
                self.assertIn(f"signal {number.value} ", self.nodes.logs())
            dead = worker(parent)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(dead, number)
            self.assertTrue(os.path.exists(self.nodes.path(0, "/etc/hosts")))
            self.assertEqual(worker(parent), dead)

    def test_where_workers_die_at_once_the_mount_ends(self):
        with Nodes(1) as self.nodes:
            parent = front_end_of(self.nodes, 0)
            began = time.monotonic()
            while os.path.exists(f"/proc/{parent}/task") and state_of(parent) != "Z":
                with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
                    if pid := worker(parent):
                        os.kill(pid, signal.SIGKILL)
                if time.monotonic() - began > 40:
                    break
                time.sleep(0.002)
            took = time.monotonic() - began
            self.assertFalse(os.path.exists(self.nodes.path(0, "/etc")))
            print(f"given up after {took:.1f} s")
            self.assertGreater(took, 5)
            self.assertIn("one too many", self.nodes.logs())


class OnModel(MountTest):
    """Over the storage model, one node, everything fresh for ten minutes unless a test says otherwise."""

    def setUp(self):
        super().setUp()
        self.source = self.directory()
        self.write("in/file0", b"old")

    def write(self, name, text):
        replace_file(os.path.join(self.source, name), text)

    @contextlib.contextmanager
    def mounted(self, expiry_ms=600_000, **more):
        with nodes_on_model(self.source, count=1, expiry_ms=expiry_ms, **more) as (self.nodes, self.storage, self.place):
            self.parent = front_end_of(self.nodes, 0)
            try:
                yield
            finally:
                self.storage.clear()

    def on(self, name):
        return self.nodes.path(0, f"{self.place}/{name}")

    def content(self, name):
        with open(self.on(name), "rb") as file:
            return file.read()

    def kill(self):
        self.assertTrue(replaced(self.parent, kill_worker(self.parent)))

    def counters(self):
        return self.nodes.stats()["front_end"]

    def hang(self, path):
        """Something asks and waits for storage; returns its future: True, False (absent), or the errno."""
        def ask():
            try:
                os.lstat(self.on(path))
                return True
            except FileNotFoundError:
                return False
            except OSError as error:
                return error.errno

        pool = concurrent.futures.ThreadPoolExecutor()
        self.addCleanup(pool.shutdown)
        asked = pool.submit(ask)
        self.assertTrue(eventually(self.storage.waiting))
        return asked

    def test_a_request_that_waits_for_storage_is_answered_by_a_later_worker(self):
        self.write("slow/file", b"")
        with self.mounted():
            os.lstat(self.on("slow"))
            self.storage.hang("/slow", "any")
            asked = self.hang("slow/file")
            for _ in range(4):
                time.sleep(0.15)
                self.kill()
            self.assertEqual(self.content("in/file0"), b"old")
            self.assertFalse(asked.done())
            self.storage.clear()
            self.assertIs(asked.result(10), True)
            self.assertGreaterEqual(self.counters()["requests_again"], 4)

    def test_a_request_whose_worker_died_five_times_gets_eio_and_the_others_go_on(self):
        self.write("slow/file", b"")
        with self.mounted(options=["-l", "2"]):
            os.lstat(self.on("slow"))
            self.storage.hang("/slow", "any")
            asked = self.hang("slow/file")
            for _ in range(4):
                self.kill()
            with self.assertRaises(concurrent.futures.TimeoutError):
                asked.result(1)
            self.kill()
            self.assertEqual(asked.result(10), errno.EIO)
            self.assertIn("died 5 times: EIO", self.nodes.logs())
            self.assertEqual(self.content("in/file0"), b"old")
            self.storage.clear()
            self.assertEqual(self.counters()["requests_given_up"], 1)
            self.assertTrue(os.path.exists(self.on("slow/file")))

    def test_an_interruption_reaches_a_request_of_a_former_worker(self):
        self.write("slow/file", b"")
        with self.mounted():
            os.lstat(self.on("slow"))
            self.storage.hang("/slow", "any")
            reader = subprocess.Popen(["stat", self.on("slow/file")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(reader.kill)
            self.assertTrue(eventually(self.storage.waiting))
            self.kill()
            reader.terminate()
            self.assertEqual(reader.wait(5), -signal.SIGTERM)

    def test_a_worker_that_hangs_inside_the_kernel_is_not_waited_for(self):
        # Who looks up a name holds the directory, and a clear's notifier waits for it there, killed or not.
        self.write("slow/file", b"")
        with self.mounted():
            os.lstat(self.on("slow"))
            self.storage.hang("/slow", "any")
            asked = self.hang("slow/new")
            clear = subprocess.Popen(["copper", "clear", "--mount", self.nodes.mount], stdout=subprocess.PIPE)
            self.addCleanup(clear.stdout.close)
            self.addCleanup(clear.wait)
            dead = worker(self.parent)
            self.assertTrue(eventually(lambda: any(
                state_of(f"{dead}/task/{thread}") == "D" for thread in os.listdir(f"/proc/{dead}/task"))))
            began = time.monotonic()
            self.kill()
            self.assertTrue(os.path.exists(self.on("in/file0")))
            took = time.monotonic() - began
            self.assertEqual(state_of(dead), "Z")
            print(f"answered {took:.3f} s after the death of a worker that hangs")
            self.storage.clear()
            self.assertIs(asked.result(10), False)
            self.assertEqual((clear.wait(10), clear.stdout.read()), (0, b"copper: cleared / on 1 node\n"))
            self.assertTrue(eventually(lambda: not os.path.exists(f"/proc/{dead}")))
            self.assertLess(took, STALL_MAX_S)

    def test_a_clear_takes_back_what_a_former_worker_told_the_kernel(self):
        for n in range(4):
            self.write(f"in/file{n}", b"old")
        with self.mounted():
            for _ in range(2):
                self.assertEqual([self.content(f"in/file{n}") for n in range(4)], [b"old"] * 4)
                for name in ("in/absent", "absent", "in/gone/absent"):
                    self.assertFalse(os.path.lexists(self.on(name)))
            self.kill()
            self.write("in/absent", b"new")
            self.write("absent", b"new")
            self.write("in/file0", b"new")
            os.unlink(os.path.join(self.source, "in/file1"))
            said = run(["copper", "clear", self.place, "--mount", self.nodes.mount])
            self.assertEqual((said.returncode, said.stdout), (0, f"copper: cleared {self.place} on 1 node\n"))
            self.assertEqual([self.content(name) for name in ("in/absent", "absent", "in/file0")], [b"new"] * 3)
            self.assertEqual(sorted(os.listdir(self.on("in"))), ["absent", "file0", "file2", "file3"])
            self.assertFalse(os.path.lexists(self.on("in/file1")))

    def test_what_changed_since_the_death_shows_when_freshness_is_over(self):
        expiry_ms = 300
        for n in range(4):
            self.write(f"in/file{n}", b"old")  # many: they were listed; few: they were looked up singly
        self.write("few/file", b"old")
        os.mkdir(os.path.join(self.source, "few/deep"))
        with self.mounted(expiry_ms):
            for _ in range(2):
                self.assertEqual([self.content(f"in/file{n}") for n in range(4)], [b"old"] * 4)
                self.assertEqual(os.listdir(self.on("few/deep")), [])
                self.assertEqual(self.content("few/file"), b"old")
                time.sleep(0.4)
            self.kill()
            self.write("in/file0", b"new")
            os.unlink(os.path.join(self.source, "in/file1"))
            self.write("few/file", b"new")
            self.write("few/deep/file", b"new")
            time.sleep(3 * expiry_ms / 1000)
            self.assertEqual(self.content("in/file0"), b"new")
            self.assertFalse(os.path.lexists(self.on("in/file1")))
            self.assertEqual(self.content("few/file"), b"new")
            self.assertEqual(os.listdir(self.on("few/deep")), ["file"])
            self.assertEqual(self.content("in/file2"), b"old")

    def test_what_a_dead_worker_meant_to_tell_the_kernel_is_found_out(self):
        # Its notifier hangs, for a name is looked up in `slow`, and has more to tell: that in/file3 is another file.
        def rewritten(name):
            file = os.open(self.on(name), os.O_RDONLY)
            self.addCleanup(os.close, file)
            with open(os.path.join(self.source, name), "r+b") as source:
                source.write(b"new")
            with self.assertRaises(OSError) as refused:
                os.pread(file, 10, 0)
            self.assertEqual(refused.exception.errno, errno.ESTALE)

        for name in ("slow/file", *(f"in/file{n}" for n in range(4))):
            self.write(name, b"old")
        with self.mounted():
            self.assertEqual([self.content(f"in/file{n}") for n in range(3)], [b"old"] * 3)
            os.lstat(self.on("slow/file"))
            self.storage.hang("/slow/new", "any")
            self.hang("slow/new")
            rewritten("slow/file")
            rewritten("in/file3")
            before = self.counters()["notify_inode"]
            self.kill()
            self.assertTrue(eventually(lambda: self.counters()["notify_inode"] > before))
            self.assertEqual(self.content("in/file3"), b"new")

    def test_what_has_not_changed_stays_in_the_kernel(self):
        for n in range(8):
            self.write(f"in/file{n}", b"x" * 100_000)

        def read():
            self.assertEqual(sum(len(self.content(f"in/file{n}")) for n in range(8)), 800_000)

        with self.mounted():
            read()
            read()
            for _ in range(3):
                before = self.counters()
                self.kill()
                read()
                after = self.counters()
                asked = {name: after[name] - before[name] for name in ("fuse_lookup", "fuse_read", "fuse_readlink")}
                if not asked["fuse_read"]:  # the kernel may drop a page at any time
                    break
            self.assertEqual(asked["fuse_read"], 0, asked)
            self.assertLess(asked["fuse_lookup"], 8, asked)
            self.assertEqual(self.storage.counts().more_than_once(), [])

    def test_who_has_a_file_or_a_directory_open_keeps_it(self):
        self.write("in/deep/file", b"x" * 3 * MIB)
        with self.mounted():
            file = os.open(self.on("in/file0"), os.O_RDONLY)
            directory = os.open(self.on("in/deep"), os.O_RDONLY)
            self.addCleanup(os.close, file)
            self.addCleanup(os.close, directory)
            self.addCleanup(os.chdir, "/")
            os.fchdir(directory)
            for _ in range(3):
                self.kill()
                run(["copper", "clear", "--mount", self.nodes.mount])
                self.assertEqual(os.pread(file, 10, 0), b"old")
                self.assertEqual(os.getcwd(), self.on("in/deep"))
                self.assertEqual(os.listdir(directory), ["file"])
                self.assertEqual(os.stat("file").st_size, 3 * MIB)

    def test_a_recording_goes_on(self):
        traces = os.path.join(self.directory(), "traces")
        for n in range(4):
            self.write(f"in/file{n}", b"old")
        with self.mounted(options=["--record", traces]):
            self.content("in/file0")
            self.kill()
            self.content("in/file1")
            os.listdir(self.on("in"))
            self.kill()
            self.content("in/file0")
        requests = read_trace(os.path.join(traces, "node0.trace"))
        asked = [(request.op, request.path) for request in requests]
        for name in ("in/file0", "in/file1"):
            self.assertEqual(asked.count(("read", f"{self.place}/{name}")), 1, asked)
        self.assertIn(("readdir", f"{self.place}/in"), asked)

    def test_the_parent_s_death_ends_its_mount_and_nothing_else(self):
        self.write("slow/file", b"")
        with self.mounted():
            os.lstat(self.on("slow"))
            self.storage.hang("/slow", "any")
            asked = self.hang("slow/file")
            child = worker(self.parent)
            began = time.monotonic()
            os.kill(self.parent, signal.SIGKILL)
            self.assertIn(asked.result(10), (errno.ENOTCONN, errno.ECONNABORTED))
            with self.assertRaises(OSError) as refused:
                os.lstat(self.on("in/file0"))
            self.assertEqual(refused.exception.errno, errno.ENOTCONN)
            print(f"the mount ended in {time.monotonic() - began:.3f} s")
            self.assertTrue(eventually(lambda: not os.path.exists(f"/proc/{child}")))
            self.assertEqual(len(self.nodes.pids("copper_service")), 1)


if __name__ == "__main__":
    main()
