#!/usr/bin/python3
"""copper doctor: one line for each thing that a machine lacks, exit status 2; on machines made of namespaces and a PATH of
links. And the modulefile, by a real Lmod."""

import os
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(SOURCE, "test", "mount"))

from copper_nodes import ORDINARY_USER, MountTest, main, run  # pylint: disable=wrong-import-position

ROOT = os.geteuid() == 0
LMOD = "/usr/share/lmod/lmod/init/bash"


class Doctor(MountTest):
    def setUp(self):
        super().setUp()
        self.top = self.directory()
        os.chmod(self.top, 0o1777)  # the ordinary user's mount is here too
        self.mount = os.path.join(self.top, "mnt")
        self.command = [os.path.join(os.environ["COPPER_BIN"], "copper"), "doctor", "-v", self.mount]

    def says(self, done, *lines):
        """These words stand in its lines, one line each, and it is not content."""
        said = done.stderr.splitlines()
        self.assertEqual((done.returncode, len(said), done.stdout), (2, len(lines), ""), done.stderr)
        for words, line in zip(lines, said):
            self.assertTrue(line.startswith("copper doctor: "), line)
            for word in words:
                self.assertIn(word, line)

    def on_machine(self, script, *more, user=None):
        """The command in mount namespaces that the script, a shell's, has changed."""
        command = self.command if user is None else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *self.command]
        return run(["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + '\nexec "$@"', "-", *command, *more])

    def programs(self, *without, instead=()):
        """A PATH in which programs are missing, and others, (name, file), are in place of them."""
        path = os.path.join(self.top, "path")
        os.mkdir(path)
        for directory in (os.environ["COPPER_BIN"], "/usr/bin", "/bin"):
            for name in os.listdir(directory):
                if not any(name.startswith(word) for word in without) and not os.path.lexists(f"{path}/{name}"):
                    os.symlink(f"{directory}/{name}", f"{path}/{name}")
        for name, file in instead:
            os.symlink(file, f"{path}/{name}")
        return {"PATH": path}

    def test_a_machine_that_has_all_is_ready(self):
        done = run(self.command)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(self.mount, done.stdout)
        self.assertFalse(os.path.exists(self.mount))

    def test_bad_options_are_refused(self):
        for options in (["--frobnicate"], ["-v"], ["-b", "x"], ["--site", "nowhere"], ["--platform", "pbs"]):
            self.says(run([*self.command, *options]), [])

    def test_a_mount_directory_that_cannot_be_is_named(self):
        with open(self.mount, "w", encoding="utf-8"):
            pass
        self.says(run(self.command), [self.mount, "not a directory"])
        self.says(run([*self.command, "-v", self.top + "/absent/mnt"]), ["absent is missing"])
        if ROOT:
            os.unlink(self.mount)
            self.says(self.on_machine(f"mkdir {self.mount}\nmount -t tmpfs none {self.mount}"), [self.mount, "mounted", "tmpfs"])

    def test_an_mpiexec_of_another_mpi_is_named(self):
        mine = os.environ["COPPER_MPI"]
        other = shutil.which("mpiexec." + ("openmpi" if mine == "mpich" else "mpich"))
        if not other:
            self.skipTest("there is only one MPI here")
        env = self.programs("mpiexec", "mpirun", "hydra", "orte", instead=[("mpiexec", other)])
        self.says(run(self.command, env=env), ["mpiexec is not of " + mine])

    def test_a_machine_without_mpiexec_lacks_it(self):
        self.says(run(self.command, env=self.programs("mpiexec", "mpirun", "hydra", "orte")), ["no mpiexec of"])

    def test_cores_that_the_machine_does_not_have_are_named(self):
        self.says(run([*self.command, "-b", "4000"]), ["4000"])

    @unittest.skipUnless(ROOT, "only root can make such a machine")
    def test_an_ordinary_user_needs_a_fusermount3_that_is_setuid_root(self):
        copied = os.path.join(self.top, "fusermount3")
        shutil.copy(shutil.which("fusermount3"), copied)
        os.chmod(copied, 0o755)
        env = self.programs("fusermount3", instead=[("fusermount3", copied)])
        self.says(run(self.command, env=env, user=ORDINARY_USER), ["fusermount3 is not setuid root"])
        os.unlink(env["PATH"] + "/fusermount3")
        self.says(run(self.command, env=env, user=ORDINARY_USER), ["fusermount3 was not found"])
        self.assertEqual(run(self.command, env=env).returncode, 0, "root needs none")

    @unittest.skipUnless(ROOT, "only root can make such a machine")
    def test_a_small_machine_is_told_all_that_it_lacks_at_once(self):
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            group = next((line.split(":", 2)[2] for line in file.read().splitlines() if line.startswith("0::")), None)
        if group is None:
            self.skipTest("no version 2 of cgroups here")
        script = f"""mount -t tmpfs -o size=1m none /dev/shm
            mount -t tmpfs none /sys/fs/cgroup
            mkdir -p /sys/fs/cgroup{group}
            echo max >/sys/fs/cgroup/memory.max
            echo 33554432 >/sys/fs/cgroup{group}/memory.max"""
        if group == "/":
            script = script.replace("echo max >/sys/fs/cgroup/memory.max", "")
        self.says(self.on_machine(script, "--nodes", "2"), ["/dev/shm", "too small", "80 MiB"], ["cgroup", "32 MiB", "80 MiB"])

    @unittest.skipUnless(ROOT, "only root can make such a machine")
    def test_a_machine_without_dev_fuse_lacks_it(self):
        self.says(self.on_machine(f"""mkdir {self.top}/shm
            mount --bind /dev/shm {self.top}/shm
            mount -t tmpfs none /dev
            mkdir /dev/shm
            mount --move {self.top}/shm /dev/shm
            mknod /dev/null c 1 3
            ln -s /proc/self/fd /dev/fd"""), ["no /dev/fuse"])

    @unittest.skipUnless(os.path.exists(LMOD), "Lmod is not here (apt install lmod)")
    def test_module_load_brings_the_programs_and_their_pages(self):
        prefix = os.path.join(self.top, "prefix")
        done = run(["cmake", "--install", os.path.dirname(os.environ["COPPER_BIN"]), "--prefix", prefix])
        if "Permission denied" in done.stderr:
            self.skipTest("the build directory is not this user's")
        self.assertEqual(done.returncode, 0, done.stderr)
        loaded = run(["env", "-i", "PATH=/usr/bin:/bin", f"HOME={self.top}", "USER=someone", "bash", "-c",
                      f". {LMOD}; module use {prefix}/share/modulefiles; module load copper && type -P launch_copper_aurora.sh && "
                      "man -w stop_copper.sh && echo $COPPER_HOME && module unload copper && type -P copper"])
        self.assertEqual(loaded.stdout.split(), [f"{prefix}/bin/launch_copper_aurora.sh", f"{prefix}/share/man/man1/stop_copper.sh.1",
                                                 prefix], loaded.stderr)


if __name__ == "__main__":
    main()
