#!/usr/bin/python3
"""What a scheduler does: it kills a step, all of its processes at once. And what is left of a mount whose parent died."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, enter_own_mounts, eventually, main, mounts_below  # noqa: E402
from files import MIB  # noqa: E402
from on_model import nodes_on_model  # noqa: E402
from processes import parent_of  # noqa: E402

AT_ONCE_S = 2.0
STALL_MAX_S = 8.0  # of one question, with the machine's other load
CONNECTIONS = "/sys/fs/fuse/connections"


def kill(pids, number=signal.SIGKILL):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def outcome(path):
    try:
        os.stat(path)
        return 0
    except OSError as error:
        return error.errno


class Step(MountTest):
    limit_s = 150

    def step(self, name):
        """A keeper and all that it started."""
        keepers = [pid for pid, arguments in self.nodes.processes().items()
                   if any(argument.endswith("copper_keeper.sh") for argument in arguments) and arguments[4].startswith(name)]
        found, at = list(keepers), 0
        while at < len(found):
            with contextlib.suppress(OSError):
                with open(f"/proc/{found[at]}/task/{found[at]}/children", encoding="ascii") as file:
                    found += map(int, file.read().split())
            at += 1
        return found

    def launch_again(self):
        self.assertEqual(self.nodes.launch().returncode, 0)
        for node in range(self.nodes.count):
            self.assertEqual(outcome(self.nodes.path(node, "/etc/passwd")), 0)

    def stopped(self):
        done = self.nodes.stop_command()
        self.assertEqual((done.returncode, done.stderr, self.nodes.leftovers()), (0, "", []))

    def started(self, count):
        self.nodes = Nodes(count, directory=self.directory())
        self.addCleanup(self.nodes.kill)
        self.launch_again()

    def test_without_the_service_s_step_the_mounts_read_on(self):
        self.started(2)
        kill(self.step("copper_service"))
        began = time.monotonic()
        for node in (0, 1):
            self.assertEqual(outcome(self.nodes.path(node, "/etc/hosts")), 0)
            self.assertEqual(outcome(self.nodes.path(node, "/usr/absent")), errno.ENOENT)
        self.assertLess(time.monotonic() - began, STALL_MAX_S)
        self.assertEqual(self.nodes.pids("copper_service"), [])
        self.stopped()

    def test_without_the_front_ends_step_every_mount_says_so_and_nothing_stays(self):
        self.started(2)
        kill(self.step("copper_fuse"))
        for mount in self.nodes.mounts:
            self.assertTrue(eventually(lambda at=mount: outcome(at + "/etc") == errno.ENOTCONN))
        self.assertEqual(len(self.nodes.pids("copper_service")), 2)
        self.launch_again()
        kill(self.step("copper_fuse"))
        self.stopped()

    def test_without_all_of_its_processes_nothing_of_a_run_stays(self):
        self.started(2)
        kill(self.step("copper"))
        self.launch_again()
        kill(self.step("copper"))
        self.stopped()


class Orphan(MountTest):
    """A worker hangs inside storage, which no signal reaches, and holds /dev/fuse; and nobody is there to answer."""

    def setUp(self):
        super().setUp()
        if not os.path.ismount(CONNECTIONS):
            self.skipTest("fusectl is not mounted: nobody can end such a mount")
        self.source = self.directory()
        for node in (0, 1):
            with open(os.path.join(self.source, f"large{node}"), "wb") as file:
                file.write(b"large" * MIB)

    def hanging_reader(self, node):
        path = self.nodes.path(node, f"{self.place}/large{node}")
        os.stat(path)
        self.storage.hold(f"/large{node}", "read")
        reader = subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(reader.kill)
        self.assertTrue(eventually(lambda: f"/large{node}" in self.storage.waiting()))
        return reader

    def front_end(self, node):
        return [pid for pid, arguments in self.nodes.processes().items()
                if arguments[0].endswith("copper_fuse") and self.nodes.mounts[node] in arguments]

    def test_its_mount_ends_with_its_parent_or_with_the_run(self):
        with nodes_on_model(self.source, count=2, options=("-M", "1M")) as (self.nodes, self.storage, self.place):
            readers = [self.hanging_reader(node) for node in (0, 1)]
            pids = self.front_end(0)
            kill(pid for pid in pids if parent_of(pid) not in pids)
            began = time.monotonic()
            self.assertNotEqual(readers[0].wait(10), 0)
            self.assertEqual(outcome(self.nodes.path(0, "/etc")), errno.ENOTCONN)
            self.assertLess(time.monotonic() - began, AT_ONCE_S)
            self.assertEqual(outcome(self.nodes.path(1, "/etc/passwd")), 0)
            pids = self.front_end(1)
            kill(pids, signal.SIGSTOP)
            kill(pids)  # all of it at once: nobody is left who could end the mount
            time.sleep(0.2)
            self.assertIsNone(readers[1].poll())
            self.assertEqual(self.nodes.stop_command().returncode, 0)
            self.assertNotEqual(readers[1].wait(10), 0)
            self.assertEqual(mounts_below(self.nodes.mount), [])
            self.storage.release()
            self.assertTrue(eventually(lambda: not self.nodes.leftovers()), self.nodes.leftovers())


def show_connections():
    if os.geteuid() == 0 and not os.path.ismount(CONNECTIONS):
        enter_own_mounts()
        subprocess.run(["mount", "-t", "fusectl", "none", CONNECTIONS], check=False)


if __name__ == "__main__":
    show_connections()
    main()
