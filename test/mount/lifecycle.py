#!/usr/bin/python3
"""launch_copper.sh and stop_copper.sh: what they start they end, whatever happened in between, and leave no mount,
process, segment or empty directory behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from copper_nodes import ORDINARY_USER, PYTHON, SOURCE, MountTest, Nodes, eventually, main, mounts_below, run

ROOT = os.geteuid() == 0


def works(nodes):
    """Every node answers with what the source has."""
    with open("/etc/passwd", "rb") as file:
        right = file.read()
    for i in range(nodes.count):
        with open(nodes.path(i, "/etc/passwd"), "rb") as file:
            if file.read() != right:
                return False
    return True


class RunTest(MountTest):
    limit_s = 90

    def start(self, count, **how):
        self.nodes = Nodes(count, directory=self.directory(), **how)
        self.addCleanup(self.nodes.kill)
        self.launch()
        return self.nodes

    def launch(self):
        done = self.nodes.launch()
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.nodes.logs())

    def stopped(self, done=None):
        done = done or self.nodes.stop_command()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.nodes.leftovers(), [])


class Lifecycle(RunTest):
    def test_one_node_is_mounted_at_the_mount_directory(self):
        nodes = self.start(1)
        self.assertEqual(mounts_below(nodes.mount), [nodes.mount])
        self.assertTrue(works(nodes))
        self.stopped()

    def test_four_nodes_are_mounted_below_the_mount_directory(self):
        nodes = self.start(4)
        self.assertEqual(sorted(mounts_below(nodes.mount)), [f"{nodes.mount}/node{i}" for i in range(4)])
        self.assertTrue(works(nodes))
        self.assertEqual(len(nodes.pids("copper_service")), 4)
        self.stopped()

    def test_a_mount_directory_that_was_there_stays(self):
        directory = self.directory()
        os.mkdir(os.path.join(directory, "mnt"))
        self.nodes = Nodes(1, directory=directory)
        self.addCleanup(self.nodes.kill)
        self.launch()
        self.assertEqual(self.nodes.stop_command().returncode, 0)
        self.assertEqual(self.nodes.leftovers(), [f"directory {self.nodes.mount}"])
        self.assertEqual(os.listdir(self.nodes.mount), [])

    def test_stop_works_from_another_shell_and_twice(self):
        nodes = self.start(2)
        done = run(["setsid", "env", "-i", f"PATH={os.environ['PATH']}",
                    os.path.join(nodes.wrappers, "stop_copper.sh"), "-v", nodes.mount], cwd="/")
        self.stopped(done)
        again = nodes.stop_command()
        self.assertEqual((again.returncode, again.stderr), (0, ""))

    def test_stop_ends_a_mount_that_is_in_use(self):
        nodes = self.start(1)
        program = "import os; os.chdir('etc'); f = open('passwd'); print(flush=True); input()"
        with subprocess.Popen([PYTHON, "-c", program],
                              cwd=nodes.mount, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
            user.stdout.readline()
            self.stopped()
            user.communicate(b"\n")

    def test_launch_stop_launch_works(self):
        nodes = self.start(2)
        self.stopped()
        self.launch()
        self.assertTrue(works(nodes))
        self.stopped()

    def test_a_second_launch_is_refused_and_harms_nothing(self):
        nodes = self.start(2)
        before = nodes.processes()
        second = nodes.launch_command()
        self.assertEqual(second.returncode, 2)
        self.assertEqual(len(second.stderr.splitlines()), 1, second.stderr)
        self.assertEqual(nodes.processes(), before)
        self.assertTrue(works(nodes))
        self.stopped()

    def test_two_runs_live_side_by_side(self):
        first = self.start(2)
        second = self.start(1)
        self.assertTrue(works(first) and works(second))
        self.stopped()
        self.assertTrue(works(first))
        self.nodes = first
        self.stopped()

    def test_an_interrupted_launch_leaves_nothing(self):
        self.nodes = Nodes(4, directory=self.directory())
        self.addCleanup(self.nodes.kill)
        for _ in range(5):  # until it is interrupted before it is ready
            launcher = subprocess.Popen([os.path.join(SOURCE, "wrappers", "launch_copper.sh"), "--nodes", "4", "-d",
                                         self.nodes.log_base, "-v", self.nodes.mount], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
            self.assertTrue(eventually(lambda: self.nodes.pids("copper_fuse"), pause=0.005))
            launcher.terminate()
            if launcher.wait(60) != 0:
                break
            self.nodes.stop_command()
        else:
            self.fail("launch was ready before it could be interrupted, five times")
        self.assertEqual(self.nodes.leftovers(), [])

    def test_copper_s_processes_have_a_clean_environment(self):
        at = tempfile.gettempdir()
        nodes = self.start(2, env={"LD_PRELOAD": "", "PYTHONPATH": at, "COPPER_TEST_STRAY": "1"})
        pids = nodes.pids("copper_service") + nodes.pids("copper_fuse")
        self.assertGreaterEqual(len(pids), 4)
        for pid in pids:
            self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
            with open(f"/proc/{pid}/environ", "rb") as file:
                names = {entry.split(b"=")[0] for entry in file.read().split(b"\0")}
            self.assertFalse(names & {b"COPPER_TEST_STRAY", b"PYTHONPATH"})
        self.stopped()

    def test_the_options_that_shape_a_run_are_taken(self):
        nodes = self.start(2, options=["-l", "3", "-t", "both", "-b", "0", "-T", "2", "-s", "0"])
        self.assertTrue(works(nodes))
        self.assertEqual(nodes.status(0)["trees"], 2)
        for pid in nodes.pids("copper_service") + nodes.pids("copper_fuse"):
            self.assertEqual(os.sched_getaffinity(pid), {0})
        self.assertTrue([name for _, _, files in os.walk(nodes.log_base) for name in files])
        self.stopped()

    def test_programs_that_are_not_in_path_are_found_in_the_build_tree(self):
        """Or launch says that there are none."""
        self.nodes = Nodes(1, directory=self.directory(),
                           env={"PATH": ":".join(part for part in os.environ["PATH"].split(":")
                                                 if part != os.environ["COPPER_BIN"])})
        self.addCleanup(self.nodes.kill)
        done = self.nodes.launch()
        if os.path.exists(os.path.join(SOURCE, "build/bin/copper_service")):
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.stopped()
        else:
            self.assertEqual(done.returncode, 2)
            self.assertEqual(self.nodes.leftovers(), [])

    @unittest.skipUnless(ROOT, "the other tests are an ordinary user's already")
    def test_an_ordinary_user_launches_and_stops(self):
        self.nodes = Nodes(2, directory=self.directory(), user=ORDINARY_USER)
        self.addCleanup(self.nodes.kill)
        self.launch()
        for i in range(2):
            done = run(["cat", self.nodes.path(i, "/etc/passwd")], user=ORDINARY_USER)
            with open("/etc/passwd", encoding="utf-8") as file:
                self.assertEqual((done.stdout, done.stderr), (file.read(), ""))
        self.assertEqual(self.nodes.status(0)["ranks"], 2)
        self.stopped()

    def test_an_installed_copper_launches_and_stops(self):
        build = os.path.dirname(os.environ["COPPER_BIN"])
        if not os.access(os.path.join(build, "CMakeCache.txt"), os.W_OK):
            self.skipTest(f"{build} is no build directory of this user")
        prefix = os.path.join(self.directory(), "prefix")
        done = run(["cmake", "--install", build, "--prefix", prefix])
        self.assertEqual(done.returncode, 0, done.stderr)
        path = ":".join(part for part in os.environ["PATH"].split(":") if part != os.environ["COPPER_BIN"])
        nodes = self.start(2, wrappers=os.path.join(prefix, "bin"), env={"PATH": path})
        for pid in nodes.pids("copper_service") + nodes.pids("copper_fuse"):
            self.assertTrue(os.readlink(f"/proc/{pid}/exe").startswith(prefix))
        self.assertTrue(works(nodes))
        self.stopped()
        shutil.rmtree(prefix)


class Killed(RunTest):
    def test_stop_cleans_up_when_half_of_the_processes_were_killed(self):
        for killed in ("copper_fuse", "copper_service"):
            with self.subTest(killed=killed):
                nodes = self.start(4)
                pids = nodes.pids(killed)
                for pid in pids[:len(pids) // 2]:
                    with contextlib.suppress(ProcessLookupError):  # it went with another one
                        os.kill(pid, signal.SIGKILL)
                self.stopped()

    def test_stop_cleans_up_when_processes_are_stopped(self):
        nodes = self.start(2)
        for pid in (nodes.pids("copper_fuse")[0], nodes.pids("copper_service")[-1]):
            os.kill(pid, signal.SIGSTOP)
        self.stopped()

    def test_stop_cleans_up_when_everything_was_killed(self):
        self.start(4)
        self.kill_everything()
        self.stopped()

    def test_launch_works_again_on_the_mount_of_a_killed_run(self):
        for count in (4, 1):
            with self.subTest(count=count):
                nodes = self.start(count)
                self.kill_everything()
                self.launch()
                self.assertTrue(works(nodes))
                self.stopped()


if __name__ == "__main__":
    main()
