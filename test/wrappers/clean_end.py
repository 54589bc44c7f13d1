#!/usr/bin/python3
"""However a run ends, and whatever else is launched or stopped at that moment, nothing stale stays, and nobody waits long: as an
ordinary user, and as root where that is another way. (What is killed in between: ../mount/lifecycle.py.)"""

import json
import os
import shutil
import subprocess
import sys
import unittest

SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(SOURCE, "test", "mount"))

from copper_nodes import (ORDINARY_USER, PYTHON, MountTest, Nodes, as_user, eventually,  # pylint: disable=wrong-import-position
                          main, mounts_below, run)

ROOT = os.geteuid() == 0
USER = ORDINARY_USER if ROOT else None
bound_s = 60  # of a launch or a stop, on a loaded machine; alone they take one or two seconds

# Processes that read the whole time, by path, from inside and through an open file; what each of them ends with, as JSON.
READERS = """
import errno, json, os, sys
mount, count = sys.argv[1], int(sys.argv[2])
with open("/etc/passwd", "rb") as file:
    right = file.read()

def by_path():
    with open(mount + "/etc/passwd", "rb") as file:
        return file.read()

def from_inside():
    os.listdir(".")
    with open("passwd", "rb") as file:
        return file.read()

def by_descriptor():
    os.listdir(root)
    return right

root = os.open(mount, os.O_RDONLY)
os.chdir(mount + "/etc")
children = []
for i in range(count):
    child = os.fork()
    if child == 0:
        read = (by_path, from_inside, by_descriptor)[i % 3]
        try:
            while read() == right:
                pass
            os._exit(255)
        except OSError as error:
            os._exit(error.errno)
    children.append(child)
print("reading", flush=True)
ends = {}
for child in children:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    end = errno.errorcode.get(status, str(status))
    ends[end] = ends.get(end, 0) + 1
print(json.dumps(ends))
"""


class EndTest(MountTest):
    limit_s = 180
    user = USER

    def setUp(self):
        super().setUp()
        self.nodes = Nodes(1, directory=self.directory(), user=self.user)
        self.addCleanup(self.nodes.kill)

    def begin(self, script):
        """launch_copper.sh or stop_copper.sh, not waited for."""
        options = ["--nodes", "1", "-d", self.nodes.log_base] if script.startswith("launch") else []
        process = subprocess.Popen(as_user(self.user, [os.path.join(self.nodes.wrappers, script), *options, "-v", self.nodes.mount]),
                                   env={**os.environ, "HOME": self.nodes.directory}, text=True, start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.communicate)
        return process

    def ends(self, process, *statuses):
        """Within its bound; what it said on stderr."""
        _, said = process.communicate(timeout=bound_s)
        self.assertIn(process.returncode, statuses, said + self.nodes.logs())
        return said

    def launched(self):
        self.ends(self.begin("launch_copper.sh"), 0)
        self.assertTrue(self.works())

    def works(self):
        read = run(["cat", self.nodes.path(0, "/etc/passwd")], user=self.user)
        with open("/etc/passwd", encoding="utf-8") as file:
            return read.stdout == file.read()

    def stopped(self):
        self.assertEqual(self.ends(self.begin("stop_copper.sh"), 0), "")
        self.nothing_left()

    def runs(self):
        """The directories of this user's runs."""
        top = f"/dev/shm/copper-{os.geteuid() if self.user is None else self.user}"
        return [os.path.join(top, name) for name in (os.listdir(top) if os.path.isdir(top) else [])]

    def nothing_left(self):
        self.assertEqual((self.nodes.leftovers(), self.runs()), ([], []))


class CleanEnd(EndTest):
    def test_stop_while_a_hundred_processes_read(self):
        """By path they find nothing any more, from inside and through what is open no connection."""
        self.launched()
        with subprocess.Popen(as_user(self.user, [PYTHON, "-c", READERS, self.nodes.mount, "100"]), text=True,
                              stdout=subprocess.PIPE) as readers:
            self.assertEqual(readers.stdout.readline(), "reading\n")
            self.stopped()
            said, _ = readers.communicate(timeout=bound_s)
        ends = json.loads(said)
        self.assertEqual(sum(ends.values()), 100)
        self.assertLessEqual(set(ends), {"ENOENT", "ENOTCONN", "ECONNABORTED"}, ends)

    def test_launch_after_everything_was_killed_or_the_machine_has_restarted(self):
        os.mkdir(self.nodes.mount)  # of which nobody knows after a restart who has made it
        if self.user is not None:
            os.chown(self.nodes.mount, self.user, self.user)
        self.launched()
        for restarted in (False, True):
            self.kill_everything()
            self.assertIn("not connected", run(["stat", self.nodes.mount], user=self.user).stderr)
            if restarted:
                for path in self.runs():
                    shutil.rmtree(path)
            self.launched()
            self.assertEqual(mounts_below(self.nodes.mount), [self.nodes.mount])
        self.assertEqual(self.ends(self.begin("stop_copper.sh"), 0), "")
        self.assertEqual(os.listdir(self.nodes.mount), [])
        os.rmdir(self.nodes.mount)
        self.nothing_left()


@unittest.skipUnless(ROOT, "the other tests are an ordinary user's already")
class AsRoot(CleanEnd):
    user = None


class AtOnce(EndTest):
    """What happens at the same moment is decided by a lock, for which it does not matter who one is."""

    def recorded(self):
        return any(os.path.exists(f"{path}/run") for path in self.runs())

    def stopping(self):
        return any(os.path.exists(f"{path}/stopping") for path in self.runs())

    def started(self, program):
        return lambda: self.nodes.pids(program)

    def mounted(self):
        return mounts_below(self.nodes.mount)

    def begin_until(self, script, moment):
        """The script, as far as this moment, or at its end where that was sooner."""
        process = self.begin(script)
        self.assertTrue(eventually(lambda: moment() or process.poll() is not None, bound_s, pause=0.002))
        return process

    def test_two_stops_at_once_and_a_third(self):
        self.launched()
        both = [self.begin("stop_copper.sh") for _ in range(2)]
        for stop in both:
            self.assertEqual(self.ends(stop, 0), "")
        self.nothing_left()
        self.stopped()

    def test_two_launches_at_once_of_one_mount(self):
        both = [self.begin("launch_copper.sh") for _ in range(2)]
        said = [self.ends(launch, 0, 2) for launch in both]
        self.assertEqual(sorted(launch.returncode for launch in both), [0, 2], said)
        self.assertIn("in use", "".join(said))
        self.assertTrue(self.works())
        self.stopped()

    def test_stop_while_launch_is_under_way(self):
        for moment in (self.recorded, self.started("copper_fuse"), self.mounted):
            launch = self.begin_until("launch_copper.sh", moment)
            self.stopped()
            self.ends(launch, 0, 1)  # 0: it was ready
            self.nothing_left()

    def test_launch_is_killed_and_launched_again(self):
        """It is alone with what the killed one has left, or that has become a run without it."""
        for moment in (self.recorded, self.started("copper_service")):
            launch = self.begin_until("launch_copper.sh", moment)
            launch.kill()
            launch.communicate()
            again = self.begin("launch_copper.sh")
            if "in use" not in self.ends(again, 0, 2):
                self.assertEqual(again.returncode, 0)
                self.assertTrue(self.works())
            self.stopped()

    def test_launch_while_stop_is_under_way(self):
        self.launched()
        for moment in (lambda: True, self.stopping):
            stop = self.begin_until("stop_copper.sh", moment)
            launch = self.begin("launch_copper.sh")
            self.assertEqual(self.ends(stop, 0), "")
            said = self.ends(launch, 0, 2)
            if launch.returncode == 2:  # it was the first to look
                self.assertIn("in use", said)
                self.nothing_left()
                self.launched()
            self.assertTrue(self.works())
        self.stopped()

    def test_stop_is_killed_and_stopped_again(self):
        self.launched()
        stop = self.begin_until("stop_copper.sh", self.stopping)
        stop.kill()
        stop.communicate()
        self.stopped()


if __name__ == "__main__":
    main()
