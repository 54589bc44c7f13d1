#!/usr/bin/python3
"""Bad input: each program says what is wrong in one line, exits with status 2, and leaves nothing running, mounted or
in shared memory. Cases that need a machine of their own (no /dev/fuse, a small /dev/shm, a missing program) get one
made of namespaces and a PATH of links."""

import os
import shutil
import socket
import stat
import unittest

from copper_nodes import (ORDINARY_USER, SOURCE, MountTest, Nodes, is_copper, main, mounts_below, processes_naming, run,
                          runs_naming)

ROOT = os.geteuid() == 0
LAUNCH = os.path.join(SOURCE, "wrappers", "launch_copper.sh")
STOP = os.path.join(SOURCE, "wrappers", "stop_copper.sh")


def program(name):
    return os.path.join(os.environ["COPPER_BIN"], name)


class BadInput(MountTest):
    limit_s = 90

    def setUp(self):
        super().setUp()
        self.top = self.directory()
        self.mount = os.path.join(self.top, "mnt")
        self.run_dir = os.path.join(self.top, "run")
        os.mkdir(self.run_dir, 0o700)

    def refused(self, command, *words, **how):
        """One line, that has these words in it, exit 2, nothing left."""
        with self.subTest(command=[str(item).replace(self.top, "TOP") for item in command]):
            done = run(command, timeout=60, **how)
            said = done.stderr.splitlines()
            self.assertEqual((done.returncode, len(said), done.stdout), (2, 1, ""), f"{done.stdout}{done.stderr}")
            for word in words:
                self.assertIn(word.lower(), said[0].lower())
            self.nothing_left()

    def nothing_left(self):
        copper = {pid: arguments for pid, arguments in processes_naming(self.top).items() if is_copper(arguments)}
        runs = runs_naming(self.top) + runs_naming(self.top, ORDINARY_USER)
        self.assertEqual((copper, mounts_below(self.mount), runs), ({}, [], []))

    def launch(self, *options):
        return [LAUNCH, "-d", os.path.join(self.top, "logs"), "-v", self.mount, *options]

    # ---- launch_copper.sh, stop_copper.sh ----

    def test_launch_refuses_options_it_does_not_know(self):
        self.refused(self.launch("--frobnicate"), "--frobnicate")
        self.refused(self.launch("-Z"), "-Z")
        self.refused(self.launch("stray"), "stray")
        self.refused([STOP, "--frobnicate"], "--frobnicate")

    def test_launch_refuses_options_without_their_value(self):
        for option in ("-v", "-d", "-E", "-l", "-t", "-b", "-s", "--nodes", "--record", "--fanout", "--local", "--share", "-M",
                       "-N", "-I", "-F", "-a", "-n", "--site", "--platform", "--hosts", "--hostfile"):
            self.refused([LAUNCH, option], option)
        self.refused([STOP, "-v"], "-v")
        for option in ("--map-links", "--per-rank-output", "--dry-run", "--aggregate-profiling", "--full-path-profiling"):
            self.refused(self.launch(option + "=yes"), option, "no value")

    def test_launch_refuses_values_out_of_range(self):
        for option, values in (("--nodes", ("0", "-1", "x", "1000000", "1.5", "")), ("-l", ("6", "-1", "debug")),
                               ("-E", ("-1", "x", "1e3", "99999999999")), ("-t", ("nothing", "files")),
                               ("-b", ("x", "0-", "1,,2", "4095")),
                               ("-M", ("-1", "x", "1.5M", "1MB", "M", "1P")),
                               ("-T", ("0", "65", "x")), ("-s", ("-1", "x")),
                               ("--fanout", ("0", "65", "x")), ("--bulk-fanout", ("0", "65")),
                               ("--publish", ("some", "")), ("-F", (self.top + "/absent", self.top)),
                               ("-N", ("0", "x")), ("-I", ("-1", "x")), ("-a", ("guess", "facility discover")),
                               ("-n", ("cxi8", "cxi12", "cxi://eth0", "a b", "../x")),
                               ("--platform", ("cray", "")), ("--site", ("nowhere", self.top + "/absent")),
                               ("--hosts", ("a,,b", "-a", "a b")), ("--hostfile", (self.top, "/dev/null"))):
            for value in values:
                self.refused(self.launch(option, value), option)

    def test_launch_refuses_trees_that_cannot_be(self):
        for option in ("--local", "--share"):
            for value in ("", "/", "lus", "./lus", "/lus/", "//lus", "/lus//env", "/lus/./env", "/lus/../env", "/lus/.."):
                self.refused(self.launch(option, value), option)
            os.symlink(self.top, self.top + "/link")
            self.refused(self.launch(option, self.top + "/link/x"), option, "symbolic link", f"say {self.top}/x")
            os.unlink(self.top + "/link")
        self.refused(self.launch("--local", "/lus", "--share", "/lus"), "/lus", "both")

    def test_launch_refuses_places_that_do_not_go_together(self):
        self.refused(self.launch("--hosts", "a,b", "--nodes", "2"), "--nodes", "--hosts")
        self.refused(self.launch("--platform", "slurm", "--nodes", "2"), "--nodes", "--platform slurm")
        self.refused(self.launch("--platform", "local", "--hosts", "a"), "local", "--hosts")
        self.refused(self.launch("--platform", "slurm"), "SLURM_JOB_ID")
        self.refused(self.launch("--platform", "pbs"), "PBS_JOBID")
        other = "openmpi" if os.environ["COPPER_MPI"] == "mpich" else "hydra"
        self.refused(self.launch("--platform", other, "--hosts", "a"), other, os.environ["COPPER_MPI"])
        self.refused(self.launch("--platform", "pbs"), "not of PALS", env={"PBS_JOBID": "7.host", "PBS_NODEFILE": "/etc/hostname"})
        job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "x[1-"}
        self.refused(self.launch("--platform", "slurm", "--dry-run"), "SLURM_JOB_NODELIST", env=job)

    def test_launch_refuses_a_site_that_it_cannot_follow(self):
        site = os.path.join(self.top, "site.conf")
        for text, *words in (("cores 1\n", "line 1", "key = value"), ("\n# x\nflag = -x\n", "line 3", "'flag'"),
                             ("platform = cray\n", "platform", "slurm"), ("cores = first\n", "cores"),
                             ("net_type = a b\n", "net_type"), ("mount = here\n", "mount", "absolute"),
                             ("address_book = /absent\n", "address_book"), ("environment = $(id)\n", "NAME=VALUE")):
            with open(site, "w", encoding="utf-8") as file:
                file.write(text)
            options = [] if "mount" in text else ["-v", self.mount]
            self.refused([LAUNCH, "-d", self.top + "/logs", *options, "--site", site], *words)

    def test_launch_refuses_a_mount_directory_that_cannot_be(self):
        with open(self.mount, "w", encoding="utf-8"):
            pass
        self.refused(self.launch(), self.mount, "not a directory")
        os.unlink(self.mount)
        self.refused([LAUNCH, "-d", self.top + "/logs", "-v", self.top + "/absent/mnt"], "absent", "missing")
        self.refused([LAUNCH, "-d", self.mount + "/logs", "-v", self.mount], "under the mount")

    def test_launch_refuses_a_mount_directory_that_is_not_writable(self):
        if ROOT:
            os.chown(self.run_dir, ORDINARY_USER, ORDINARY_USER)  # for the logs
        user = ORDINARY_USER if ROOT else None
        command = [LAUNCH, "-d", self.run_dir, "-v"]
        locked = os.path.join(self.top, "locked")
        os.mkdir(locked, 0o555)
        self.refused([*command, os.path.join(locked, "mnt")], "not writable", user=user)
        self.refused([*command, locked], "not writable", user=user)

    def test_launch_refuses_a_record_directory_that_cannot_be(self):
        file = os.path.join(self.top, "file")
        with open(file, "w", encoding="utf-8"):
            pass
        for directory in (file, file + "/below"):
            self.refused(self.launch("--record", directory), directory, "record")
        for directory in (self.mount, self.mount + "/node0", self.mount + "/../mnt/traces"):
            self.refused(self.launch("--record", directory), "record", "under the mount")
        self.refused(self.launch("--record", ""), "--record")

    def test_launch_refuses_a_record_directory_that_is_not_writable(self):
        locked = os.path.join(self.top, "locked")
        os.mkdir(locked, 0o555)
        if ROOT:
            os.chown(self.top, ORDINARY_USER, ORDINARY_USER)
        user = ORDINARY_USER if ROOT else None
        self.refused(self.launch("--record", locked), locked, "not writable", user=user)
        self.refused(self.launch("--record", locked + "/below"), locked, "cannot make", user=user)

    def test_launch_refuses_a_mount_that_is_in_use(self):
        with Nodes(2, directory=self.directory()) as self.nodes:
            second = self.nodes.launch_command()
            self.assertEqual((second.returncode, len(second.stderr.splitlines())), (2, 1), second.stderr)
            self.assertIn(self.nodes.mount, second.stderr)
            self.assertEqual(os.stat(self.nodes.path(1, "/etc/passwd")).st_size, os.stat("/etc/passwd").st_size)

    def without(self, *patterns):
        """A PATH in which programs of these names are missing."""
        path = os.path.join(self.top, "path")
        os.makedirs(path, exist_ok=True)
        for directory in ("/bin", "/usr/bin", "/sbin", "/usr/sbin", os.environ["COPPER_BIN"]):
            for name in os.listdir(directory):
                if not any(pattern in name for pattern in patterns) and not os.path.lexists(f"{path}/{name}"):
                    os.symlink(f"{directory}/{name}", f"{path}/{name}")
        return {"PATH": path}

    def test_launch_refuses_to_begin_without_mpiexec(self):
        self.refused(self.launch(), "mpiexec", env=self.without("mpiexec", "mpirun", "hydra", "orterun", "srun"))

    def test_launch_refuses_to_begin_without_fusermount3_for_an_ordinary_user(self):
        user = ORDINARY_USER if ROOT else None
        if ROOT:
            os.chown(self.top, ORDINARY_USER, ORDINARY_USER)
        self.refused(self.launch(), "fusermount3", env=self.without("fusermount"), user=user)

    @unittest.skipUnless(ROOT, "only root can make a machine without /dev/fuse")
    def test_launch_refuses_to_begin_without_dev_fuse(self):
        dev = os.path.join(self.top, "dev")
        os.makedirs(dev + "/shm")
        for name in ("null", "zero", "urandom", "tty"):
            st = os.stat("/dev/" + name)
            os.mknod(f"{dev}/{name}", stat.S_IFCHR | 0o666, st.st_rdev)
        os.symlink("/proc/self/fd", dev + "/fd")
        script = 'mount --bind "$1" /dev && mount -t tmpfs none /dev/shm && shift && exec "$@"'
        self.refused(["unshare", "--mount", "sh", "-c", script, "-", dev, *self.launch()], "/dev/fuse")

    @unittest.skipUnless(ROOT, "only root can make /dev/shm small")
    def test_launch_refuses_a_shared_memory_that_is_too_small(self):
        script = 'mount -t tmpfs -o size=1m none /dev/shm && exec "$@"'
        self.refused(["unshare", "--mount", "sh", "-c", script, "-", *self.launch("--nodes", "2")], "/dev/shm")

    def test_help_is_no_bad_input(self):
        programs = [[program(name), "--help"] for name in ("copper", "copper_service", "copper_fuse")]
        for command in ([LAUNCH, "-h"], [STOP, "-h"], *programs):
            done = run(command)
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
            self.assertIn("sage", done.stdout)

    # ---- copper_service ----

    def service(self, *options):
        return [program("copper_service"), "--run-dir", self.run_dir, "--mount", self.mount, *options]

    def test_the_service_refuses_bad_options(self):
        self.refused(self.service("--frobnicate"), "--frobnicate")
        self.refused([program("copper_service")], "--run-dir")
        self.refused([program("copper_service"), "--run-dir", self.run_dir], "--mount")
        for option, values in (("--nodes", ("0", "x")), ("-E", ("-1", "x")), ("-l", ("6", "x")), ("-t", ("nowhere",)),
                               ("-T", ("0", "65")), ("--fanout", ("0", "65")), ("--bulk-fanout", ("0", "65")),
                               ("--publish", ("some",)), ("--cache-bytes", ("0", "x")),
                               ("-M", ("-1", "x")), ("--local", ("lus", "/", "/lus/")), ("--share", ("/lus/../x", "//lus")),
                               ("--lanes", ("0", "9")), ("-a", ("x",)), ("-n", ("a/b", "")), ("-N", ("0", "x")),
                               ("-I", ("-1", "x")), ("--ready-seconds", ("x", "-1"))):
            for value in values:
                self.refused(self.service(option, value), option.lstrip("-"))

    def book(self, text):
        file = os.path.join(self.top, "book")
        with open(file, "w", encoding="utf-8") as book:
            book.write(text)
        return file

    def refused_by_one_rank(self, *options):
        """By two ranks, of which one says why."""
        launcher = os.environ.get("COPPER_MPIEXEC", "mpiexec").split()
        done = run([*launcher, "-n", "2", *self.service("--nodes", "2", *options)])
        ours = [line for line in done.stderr.splitlines() if "copper_service: " in line]
        self.assertEqual((done.returncode, len(ours)), (2, 1), done.stderr)
        self.nothing_left()
        return ours[0]

    def test_the_service_refuses_a_malformed_address_book_with_one_line_on_all_ranks(self):
        for file in (self.book("node1 cxi://cxi0 rack1 more\n"), self.top + "/absent", self.top):
            self.assertIn(file, self.refused_by_one_rank("-F", file))

    def test_the_service_names_the_hosts_that_an_address_book_lacks(self):
        self.assertIn(socket.gethostname(), self.refused_by_one_rank("-F", self.book("elsewhere cxi://cxi0\n")))

    def test_the_service_refuses_a_book_that_discovery_has_no_use_for(self):
        self.refused(self.service("-a", "discover", "-F", self.book("")), "discover")

    def test_the_service_refuses_a_run_directory_that_is_not_there(self):
        self.refused([program("copper_service"), "--run-dir", self.top + "/absent", "--mount", self.mount], "absent")

    def test_the_service_refuses_two_ranks_on_one_node(self):
        launcher = os.environ.get("COPPER_MPIEXEC", "mpiexec").split()
        done = run([*launcher, "-n", "2", *self.service()])
        ours = [line for line in done.stderr.splitlines() if "copper_service: " in line]
        self.assertEqual((done.returncode, len(ours)), (2, 1), done.stderr)
        self.assertIn("--nodes", ours[0])
        self.nothing_left()

    def test_the_service_refuses_a_segment_of_another_layout(self):
        path = os.path.join(self.run_dir, "node0.segment")
        for content in (b"", b"x" * 100, b"\0" * (8 << 20)):
            with open(path, "wb") as file:
                file.write(content)
            os.chmod(path, 0o600)
            self.refused(self.service(), "segment")
            with open(path, "rb") as file:
                self.assertEqual(file.read(), content, "another's file was changed")

    def test_the_service_refuses_a_segment_that_is_not_its_user_s(self):
        path = os.path.join(self.run_dir, "node0.segment")
        os.symlink("/dev/null", path)
        self.refused(self.service(), "segment")
        os.unlink(path)
        with open(path, "wb"):
            os.chmod(path, 0o666)
        self.refused(self.service(), "segment")
        if ROOT:
            os.chmod(path, 0o600)
            os.chown(path, ORDINARY_USER, ORDINARY_USER)
            self.refused(self.service(), "segment")

    # ---- copper_fuse ----

    def front_end(self, *options):
        return [program("copper_fuse"), "--run-dir", self.run_dir, "--node", "0", "--mount", self.mount, *options]

    def test_the_front_end_refuses_bad_options(self):
        os.mkdir(self.mount)
        self.refused(self.front_end("--frobnicate"), "--frobnicate")
        self.refused([program("copper_fuse")], "--")
        for option, values in (("--node", ("x", "-1")), ("-l", ("6", "x")), ("-t", ("nowhere",)),
                               ("--local", ("lus", "/")), ("--share", ("/lus/",))):
            for value in values:
                self.refused([*self.front_end(), option, value], option.lstrip("-"))

    def test_both_programs_refuse_a_tree_that_is_to_be_local_and_shared(self):
        os.mkdir(self.mount)
        for command in (self.service(), self.front_end()):
            self.refused([*command, "--local", "/lus", "--share", "/lus"], "local", "shared")

    def test_the_front_end_refuses_a_recording_that_it_cannot_write(self):
        os.mkdir(self.mount)
        for path in (self.top, self.top + "/absent/trace", "/dev/null/trace", "/dev/full"):
            self.refused(self.front_end("--record", path), path)
        for path in (self.mount, self.mount + "/trace", self.run_dir + "/../mnt/trace"):
            self.refused(self.front_end("--record", path), "under the mount")

    def test_the_front_end_refuses_a_mount_directory_that_is_not_there(self):
        self.refused(self.front_end(), self.mount)

    def test_the_front_end_refuses_a_segment_of_another_layout(self):
        os.mkdir(self.mount)
        path = os.path.join(self.run_dir, "node0.segment")
        with open(path, "wb") as file:
            file.write(b"x" * (8 << 20))
        os.chmod(path, 0o600)
        self.refused(self.front_end(), "segment")

    # ---- copper ----

    def test_the_command_refuses_bad_options(self):
        self.refused([program("copper")])
        self.refused([program("copper"), "frobnicate"])
        self.refused([program("copper"), "status"], "--mount")
        self.refused([program("copper"), "stats", "--mount", "/", "--frobnicate"], "--frobnicate")

    def test_the_command_refuses_what_is_no_mount_of_copper_s(self):
        for verb in ("status", "stats", "clear"):
            for path in ("/", "/etc/passwd", "/proc", self.top + "/absent", "/dev/null"):
                self.refused([program("copper"), verb, "--mount", path], path)


if __name__ == "__main__":
    main()
