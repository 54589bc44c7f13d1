#!/usr/bin/python3
"""launch_copper.sh and stop_copper.sh on several hosts, started by the linked MPI's own launcher from a host that is none of
them: whatever is killed or refused when, nothing is left that was not there before, and who is to blame is named."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(SOURCE, "test", "virtual_cluster"))

from cluster import HOME, LOGIN, Cluster, eventually, main  # pylint: disable=wrong-import-position

LAUNCH = os.path.join(SOURCE, "wrappers", "launch_copper.sh")
STOP = os.path.join(SOURCE, "wrappers", "stop_copper.sh")
MOUNT = "/tmp/mnt"


class HostsTest(unittest.TestCase):
    maxDiff = 4000
    dead = ()

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(3)
        cls.addClassCleanup(cls.cluster.down)
        cls.cluster.up()
        cls.site = os.path.join(HOME, "site.conf")
        cls.write(cls.site, "keep = SSH_AUTH_SOCK COPPER_VIRTUAL_CLUSTER\n")

    def setUp(self):
        shutil.rmtree(f"{HOME}/copper-logs", ignore_errors=True)
        self.addCleanup(self.kill_everything)

    def kill_everything(self):
        for host in {LOGIN, *self.cluster.hosts} - set(self.dead):
            self.kill_processes(host)
            for point, kind in self.cluster.mounts(host, "/tmp"):
                if kind == "fuse.copper":
                    self.cluster.run(host, ["umount", "-l", point], user=0)
            for directory in ("/dev/shm", "/tmp"):
                for name in self.cluster.names(host, directory):
                    path = f"{self.cluster.root(host)}{directory}/{name}"
                    if os.path.isdir(path):
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        os.unlink(path)

    def kill_processes(self, host):
        for pid in self.cluster.processes(host):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)

    def launch_command(self, *options):
        return [LAUNCH, "--site", self.site, "--hosts", ",".join(self.cluster.hosts), "-v", MOUNT, *options]

    def launch(self, *options, host=LOGIN, **how):
        return self.cluster.run(host, ["timeout", "-k", "5", "50", *self.launch_command(*options)], **how)

    def stop(self, *options, host=LOGIN):
        return self.cluster.run(host, ["timeout", "-k", "5", "50", STOP, *options])

    def ready(self, *options, **how):
        done = self.launch(*options, **how)
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.logs())
        for host in self.cluster.hosts:
            self.assertTrue(self.works(host), host)

    def stopped(self, done):
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.logs())
        self.nothing_left()

    def works(self, host, mount=MOUNT):
        read = self.cluster.run(host, ["cat", f"{mount}/etc/passwd"])
        with open("/etc/passwd", encoding="utf-8") as file:
            return read.stdout == file.read()

    def refused(self, done, *words, status=2):
        said = done.stderr.splitlines()
        self.assertEqual((done.returncode, len(said)), (status, 1), done.stderr + self.logs())
        for word in words:
            self.assertIn(word, said[0])

    def left(self):
        found = []
        for host in [LOGIN, *self.cluster.hosts]:
            if host not in self.dead:
                found += [f"{host}: {' '.join(words)}" for words in self.cluster.processes(host).values()]
                found += [f"{host}: mount {point}" for point, kind in self.cluster.mounts(host, "/tmp") if kind.startswith("fuse")]
                found += [f"{host}: {name}" for directory in ("/dev/shm", "/tmp")
                          for name in self.cluster.names(host, directory)
                          if not name.startswith("ompi.")]  # what a killed orted leaves
        return found

    def nothing_left(self):
        eventually(lambda: not self.left(), 10)
        self.assertEqual(self.left(), [])

    def logs(self):
        text = ""
        for top, _, files in os.walk(os.path.join(HOME, "copper-logs")):
            for name in sorted(files):
                with open(os.path.join(top, name), encoding="utf-8", errors="replace") as file:
                    text += f"--- {top}/{name}\n{file.read()[-2000:]}"
        return text

    def processes(self, host, program):
        return [pid for pid, words in self.cluster.processes(host).items() if os.path.basename(words[0]) == program]


class OnHosts(HostsTest):
    def test_a_run_is_started_from_a_host_that_has_no_part_in_it_and_ended_from_another(self):
        self.ready()
        self.stopped(self.stop("-v", MOUNT, host="nid001"))
        again = self.stop("-v", MOUNT)
        self.assertEqual((again.returncode, again.stdout), (0, "Copper: nothing to stop\n"))

    def test_a_run_is_started_on_one_of_its_hosts_and_ended_from_one_that_has_no_part_in_it(self):
        self.ready(host="nid001")
        self.stopped(self.stop())

    def test_copper_s_processes_have_nothing_of_the_shell_s_environment(self):
        self.ready(env={"PYTHONPATH": f"{MOUNT}/lib", "LD_LIBRARY_PATH": f"{MOUNT}/lib:/opt/none", "STRAY": "1",
                        "MPICH_GPU_SUPPORT_ENABLED": "1"})
        for host in self.cluster.hosts:
            for pid in self.processes(host, "copper_service") + self.processes(host, "copper_fuse"):
                with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
                    variables = dict(entry.split("=", 1) for entry in file.read().split("\0") if "=" in entry)
                self.assertFalse({"PYTHONPATH", "STRAY"} & set(variables))
                libraries = variables["LD_LIBRARY_PATH"].split(":")  # Open MPI adds its own
                self.assertEqual(("/opt/none" in libraries, f"{MOUNT}/lib" in libraries), (True, False))
                self.assertEqual(variables["MPICH_GPU_SUPPORT_ENABLED"], "0")
                self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        self.stopped(self.stop())

    def test_what_a_run_is_stands_in_its_job_directory(self):
        self.ready("-T", "2")
        job, = os.listdir(f"{HOME}/copper-logs")
        with open(f"{HOME}/copper-logs/{job}/logs/node_file.txt", encoding="utf-8") as file:
            self.assertEqual(file.read().split(), self.cluster.hosts)
        with open(f"{HOME}/copper-logs/{job}/logs/options.json", encoding="utf-8") as file:
            options = json.load(file)
        self.assertEqual((options["trees"], options["hosts"], options["mount"]), (2, self.cluster.hosts, MOUNT))
        self.stopped(self.stop())
        self.assertFalse({"run", "stopping"} & set(os.listdir(f"{HOME}/copper-logs/{job}")))

    def test_a_host_that_cannot_take_part_is_named_and_the_others_are_left_as_they_were(self):
        self.write(self.cluster.root("nid001") + MOUNT, "")
        self.refused(self.launch(), "nid001", "not a directory")
        os.unlink(self.cluster.root("nid001") + MOUNT)
        self.nothing_left()

    def test_a_program_that_is_refused_on_every_host_says_why_in_one_line(self):
        self.refused(self.launch("--share", "/proc", "-b", "4000"), "cores")
        self.nothing_left()

    def test_a_second_launch_on_the_mount_is_refused_and_harms_nothing(self):
        self.ready()
        self.refused(self.launch(), "in use", "nid00")
        self.assertTrue(all(self.works(host) for host in self.cluster.hosts))
        self.stopped(self.stop())

    def test_where_shared_memory_is_full_a_rank_is_replaced_and_stop_leaves_nothing(self):
        self.ready()
        host = self.cluster.hosts[1]
        ballast = self.cluster.root(host) + "/dev/shm/ballast"

        def fill():  # and again, since those that end leave room
            space = os.statvfs(os.path.dirname(ballast))
            if space.f_bavail:
                with open(ballast, "ab") as file:
                    os.posix_fallocate(file.fileno(), file.tell(), space.f_bavail * space.f_frsize)

        def replaced():
            fill()
            return self.processes(host, "copper_service") not in ([], former)

        fill()
        former = self.processes(host, "copper_service")
        os.kill(former[0], signal.SIGKILL)
        self.assertTrue(eventually(replaced, 40, pause=0.001), self.logs())
        self.assertTrue(self.works(host))
        stopped = self.stop()
        os.unlink(ballast)
        self.stopped(stopped)

    def test_two_runs_live_side_by_side_and_are_ended_singly(self):
        self.ready()
        self.ready("-v", "/tmp/other")
        several = self.stop()
        self.refused(several, "-v", MOUNT, "/tmp/other")
        self.assertEqual(self.stop("-v", MOUNT).returncode, 0)
        self.assertTrue(self.works("nid002", "/tmp/other"))
        self.stopped(self.stop())


class Disturbed(HostsTest):
    """What is launched or stopped meanwhile, and what was killed before."""

    def starting(self):
        """A launch that cannot be ready: a rank is stopped when it comes up."""
        launch = self.cluster.start(LOGIN, self.launch_command(), stderr=subprocess.PIPE)
        self.addCleanup(launch.communicate)
        self.assertTrue(eventually(lambda: self.processes("nid001", "copper_service"), pause=0.002))
        for pid in self.processes("nid001", "copper_service"):
            os.kill(pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: all(self.processes(host, "copper_fuse") for host in self.cluster.hosts)))
        return launch

    def test_an_interrupted_launch_leaves_nothing(self):
        launch = self.starting()
        for pid, words in self.cluster.processes(LOGIN).items():
            if LAUNCH in words:
                os.kill(pid, signal.SIGTERM)
        self.assertEqual((launch.wait(30), launch.stderr.read()), (1, "launch_copper.sh: interrupted\n"))
        self.nothing_left()

    def test_a_run_can_be_stopped_elsewhere_while_it_starts(self):
        launch = self.starting()
        self.assertEqual(self.stop("-v", MOUNT, host="nid002").returncode, 0)
        self.assertEqual(launch.wait(30), 1)
        self.nothing_left()

    def test_a_launch_while_the_former_run_is_stopped_comes_before_or_after(self):
        self.ready()
        with self.cluster.start(LOGIN, [STOP, "-v", MOUNT], stdout=subprocess.DEVNULL) as stop:
            launched = self.launch()
        self.assertEqual(stop.returncode, 0)
        if launched.returncode == 0:
            self.assertTrue(all(self.works(host) for host in self.cluster.hosts))
        else:
            self.refused(launched, "in use")
        self.stopped(self.stop("-v", MOUNT))

    def test_a_run_is_stopped_from_two_hosts_at_once(self):
        self.ready()
        with self.cluster.start("nid001", [STOP, "-v", MOUNT], stdout=subprocess.DEVNULL) as other:
            done = self.stop("-v", MOUNT)
        self.assertEqual(other.returncode, 0)
        self.stopped(done)

    def test_of_two_launches_at_once_on_one_mount_one_is_ready_at_most(self):
        with self.cluster.start("nid001", self.launch_command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
            done = self.launch()
        self.assertIn(sorted((done.returncode, other.returncode)), ([0, 2], [2, 2]), done.stderr)
        if 0 in (done.returncode, other.returncode):
            self.assertTrue(all(self.works(host) for host in self.cluster.hosts))
        self.stopped(self.stop("-v", MOUNT))

    def test_stop_ends_what_is_left_of_a_run_whose_launchers_were_killed(self):
        self.ready()
        for host in [LOGIN, "nid000"]:
            self.kill_processes(host)
        self.stopped(self.stop())

    def test_a_launch_cleans_up_what_a_killed_run_left_on_its_hosts(self):
        self.ready()
        for host in [LOGIN, *self.cluster.hosts]:
            self.kill_processes(host)
        self.ready()
        for host in self.cluster.hosts:
            self.assertEqual(len(os.listdir(f"{self.cluster.root(host)}/dev/shm/copper-{self.cluster.user}")), 1)
        self.stopped(self.stop("-v", MOUNT))

    def test_stop_ends_launchers_that_hang_and_whose_keepers_were_killed(self):
        self.ready()
        for pid, words in self.cluster.processes(LOGIN).items():
            if any(word.endswith("copper_keeper.sh") for word in words):
                os.kill(pid, signal.SIGKILL)
            elif os.path.basename(words[0]).startswith("mpiexec"):
                os.kill(pid, signal.SIGSTOP)
        self.stopped(self.stop())


class DeadHost(HostsTest):
    def test_a_dead_host_is_named_and_the_others_are_ended(self):
        self.ready()
        self.cluster.kill("nid002")
        self.dead = ("nid002",)
        self.refused(self.stop(), "nid002", "cannot be reached", status=1)
        self.nothing_left()


if __name__ == "__main__":
    main()
