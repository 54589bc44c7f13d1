#!/usr/bin/python3
"""Two ordinary users of one machine: what one of them has planted where Copper of the other will look is refused in one line,
nothing is started, and what was planted is as it was; and nothing of a run of the one is open to the other."""

import contextlib
import os
import shutil
import signal
import stat
import sys
import unittest

SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(SOURCE, "test", "mount"))

from copper_nodes import (ORDINARY_USER, MountTest, Nodes, eventually,  # pylint: disable=wrong-import-position
                          is_copper, main, mounts_below, private_directory, processes_naming, run)

LAUNCH = os.path.join(SOURCE, "wrappers", "launch_copper.sh")
STOP = os.path.join(SOURCE, "wrappers", "stop_copper.sh")
NODE = os.path.join(SOURCE, "wrappers", "copper_node.sh")
USER, OTHER = ORDINARY_USER, 1  # fusermount3 wants users that have names; "daemon" exists everywhere too
RUNS = f"/dev/shm/copper-{USER}"


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def owned(path, user):
    os.chown(path, user, user, follow_symlinks=False)
    return path


def directory(path, user, mode):
    os.mkdir(path)
    os.chmod(path, mode)
    return owned(path, user)


def file(path, user, mode, text=""):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)
    return owned(path, user)


def fifo(path, user, mode):
    os.mkfifo(path)
    os.chmod(path, mode)
    return owned(path, user)


def link(path, user, target):
    os.symlink(target, path)
    return owned(path, user)


def look(path):
    """What stands there, to be compared."""
    st = os.lstat(path)
    inside = sorted(os.listdir(path)) if stat.S_ISDIR(st.st_mode) else None
    return st.st_ino, st.st_mode, st.st_uid, st.st_size, inside


def program(name):
    return os.path.join(os.environ["COPPER_BIN"], name)


class TwoUsers(MountTest):
    """self.home is the user's own; self.shared is like /tmp."""

    limit_s = 120

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can be two users")
        self.top = private_directory()
        self.addCleanup(remove, self.top)
        self.home = directory(self.top + "/home", USER, 0o700)
        self.shared = directory(self.top + "/shared", 0, 0o1777)
        self.mount = self.home + "/mnt"
        self.logs = self.home + "/logs"
        self.addCleanup(remove, RUNS)

    def launch(self, *options, mount=None, logs=None):
        return [LAUNCH, "-v", mount or self.mount, "-d", logs or self.logs, *options]

    def refused(self, command, line, planted, **how):
        """Exit 2, with this line and no other; what was planted is untouched, nothing is there that was not."""
        with self.subTest(line=line.replace(self.top, "TOP")):
            before = look(planted)
            done = run(command, user=USER, **how)
            said = done.stderr.splitlines()
            self.assertEqual((done.returncode, len(said), done.stdout), (2, 1, ""), f"{done.stdout}{done.stderr}")
            self.assertIn(line, said[0])
            self.assertEqual(look(planted), before)
            self.nothing_is_there()

    def nothing_is_there(self):
        copper = {pid: words for pid, words in processes_naming(self.top).items() if is_copper(words)}
        mine = [path for path in (self.mount, self.logs, RUNS) if os.path.lexists(path) and os.lstat(path).st_uid == USER]
        self.assertEqual((copper, mounts_below(self.top), mine), ({}, [], []))

    # ---- /dev/shm ----

    def test_a_directory_of_runs_that_is_another_s_is_refused_by_launch_and_stop(self):
        private = directory(self.home + "/private", USER, 0o700)
        for plant in (lambda: directory(RUNS, OTHER, 0o777), lambda: fifo(RUNS, OTHER, 0o666), lambda: link(RUNS, OTHER, private)):
            planted = plant()
            for command in (self.launch(), [STOP, "-v", self.mount])[stat.S_ISFIFO(os.lstat(planted).st_mode) - 1:]:
                self.refused(command, f"{RUNS} is not safe: user {OTHER} has put it into a directory that everybody", planted)
            remove(RUNS)
        self.assertEqual(os.listdir(private), [])

    def test_a_host_on_which_it_is_another_s_says_so_when_a_job_starts_and_ends(self):
        directory(RUNS, OTHER, 0o777)
        job = directory(self.home + "/job", USER, 0o700)
        for command in ([NODE, "end", "--job", "7"],
                        [NODE, "service", "--job", "7", "--mount", self.mount, "--job-dir", job, "--log-dir", job + "/logs",
                         "--", "/bin/false"]):
            done = run(command, user=USER)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(f"copper: refused: {os.uname().nodename.split('.')[0]}: {RUNS} is not safe: user {OTHER}",
                          done.stdout.splitlines()[-1])
        self.assertEqual(os.listdir(job), [])

    def test_a_directory_of_runs_that_lets_others_in_is_refused(self):
        for mode, command in ((0o755, self.launch()), (0o770, [STOP]), (0o701, [STOP])):
            directory(RUNS, USER, mode)
            done = run(command, user=USER)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
            self.assertIn(f"{RUNS} is not a directory of mode 0700", done.stderr)
            remove(RUNS)
        link(RUNS, USER, self.home)
        self.assertIn("is not a directory of mode 0700", run(self.launch(), user=USER).stderr)

    def test_a_planted_segment_is_refused_by_both_programs(self):
        run_dir = directory(self.home + "/run", USER, 0o700)
        os.mkdir(self.mount)
        owned(self.mount, USER)
        segment = run_dir + "/node0.segment"
        secret = file(self.home + "/secret", USER, 0o600, "x" * 8192)
        for plant, line in ((lambda: file(segment, OTHER, 0o666, "x" * 8192), f"belongs to user {OTHER}"),
                            (lambda: file(segment, USER, 0o606), "mode 0606 lets other users in"),
                            (lambda: file(segment, USER, 0o640), "mode 0640 lets other users in"),
                            (lambda: link(segment, OTHER, secret), "is a symbolic link"),
                            (lambda: directory(segment, USER, 0o700), "Is a directory"),
                            (lambda: fifo(segment, USER, 0o600), "is of the wrong file type")):
            planted = plant()
            for command in ([program("copper_service"), "--run-dir", run_dir, "--mount", self.mount],
                            [program("copper_fuse"), "--run-dir", run_dir, "--node", "0", "--mount", self.mount]):
                with self.subTest(line=line, program=command[0]):
                    before = look(planted)
                    done = run(command, user=USER)
                    self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                    self.assertIn(f"{segment}: {line}", done.stderr)
                    self.assertEqual(look(planted), before)
            remove(segment)
        for user, mode, line in ((OTHER, 0o755, f"belongs to user {OTHER}"), (USER, 0o701, "lets other users in")):
            os.chmod(owned(run_dir, user), mode)
            self.assertIn(f"{run_dir}: {line}", run([program("copper_service"), "--run-dir", run_dir, "--mount", self.mount],
                                                    user=USER).stderr.replace("mode 0701 ", ""))

    # ---- the mount directory ----

    def test_a_mount_directory_that_another_has_planted_is_refused(self):
        mine = directory(self.home + "/mine", USER, 0o755)
        at = self.shared + "/someone"
        safe = "is not safe: user"
        for plant, mount in ((lambda: directory(at, OTHER, 0o777), at), (lambda: directory(at, OTHER, 0o777), at + "/copper"),
                             (lambda: link(at, OTHER, mine), at), (lambda: link(at, OTHER, mine), at + "/copper"),
                             (lambda: link(at, OTHER, "/"), at + self.home + "/mnt"),
                             (lambda: file(at, OTHER, 0o666), at)):
            planted = plant()
            self.refused(self.launch(mount=mount), f"mount directory: {at} {safe} {OTHER} has put it into", planted)
            remove(at)
        self.assertEqual(os.listdir(mine), [])

    def test_a_mount_directory_that_others_may_exchange_or_fill_is_refused(self):
        open_to_all = directory(self.top + "/open", USER, 0o777)
        self.refused(self.launch(mount=open_to_all + "/mnt"),
                     f"{open_to_all} is not safe: everybody may write to it, and it is not sticky", open_to_all)
        inner = directory(open_to_all + "/mnt", USER, 0o755)
        self.refused(self.launch(mount=inner), f"{open_to_all} is not safe", inner)
        self.refused(self.launch(mount=open_to_all), f"mount directory: everybody may write to {open_to_all}", open_to_all)
        os.chmod(open_to_all, 0o1777)
        self.refused(self.launch(mount=open_to_all), f"mount directory: everybody may write to {open_to_all}", open_to_all)
        of_another = directory(self.top + "/of_another", OTHER, 0o777)
        self.refused(self.launch(mount=of_another), f"mount directory: {of_another} belongs to user {OTHER}", of_another)

    def test_the_default_mount_directory_is_looked_at_too(self):
        name = f"copper-two-users-{os.getpid()}"
        planted = directory(f"/tmp/{name}", OTHER, 0o777)
        self.addCleanup(remove, planted)
        self.refused(["env", f"USER={name}", LAUNCH, "-d", self.logs], f"{planted} is not safe: user {OTHER}", planted)
        self.refused(["env", f"USER={name}", program("copper"), "doctor"], f"{planted} is not safe: user {OTHER}", planted)

    def test_the_front_end_does_not_mount_on_what_is_another_s_or_open(self):
        run_dir = directory(self.home + "/run", USER, 0o700)
        for at, user, mode, line in (("of_another", OTHER, 0o777, f"belongs to user {OTHER}"),
                                     ("open", USER, 0o777, "everybody may write to it")):
            mount = directory(f"{self.top}/{at}", user, mode)
            self.refused([program("copper_fuse"), "--run-dir", run_dir, "--node", "0", "--mount", mount], f"{mount}: {line}", mount)

    # ---- logs, recordings, records ----

    def test_a_log_or_record_directory_that_another_has_planted_is_refused(self):
        mine = directory(self.home + "/mine", USER, 0o755)
        at = self.shared + "/traces"
        for plant in (lambda: directory(at, OTHER, 0o777), lambda: link(at, OTHER, mine)):
            planted = plant()
            for path in (at, at + "/below")[os.path.islink(at):]:
                line = f"directory: {at} is not safe: user {OTHER} has put it into"
                self.refused(self.launch(logs=path), f"log {line}", planted)
                self.refused(self.launch("--record", path), f"record {line}", planted)
            if not os.path.islink(at):  # of which stop takes the target for what was said
                self.refused([STOP, "-d", at], f"log directory: {at} is not safe", planted)
            remove(at)
        self.refused(self.launch("--record", self.shared), f"record directory: everybody may write to {self.shared}", self.shared)
        os.chmod(self.shared, 0o777)
        for command in (self.launch(logs=self.shared), [STOP, "-d", self.shared]):
            self.refused(command, f"log directory: {self.shared} is not safe: everybody may write to it", self.shared)
        self.assertEqual(os.listdir(mine), [])

    def test_logs_of_a_host_in_a_planted_directory_are_refused(self):
        """Those of a large job are in /tmp, in a directory that everybody can name."""
        at = self.shared + "/copper-logs"
        job = directory(self.home + "/job", USER, 0o700)
        file(job + "/run", USER, 0o600)
        for plant in (lambda: directory(at, OTHER, 0o777), lambda: link(at, OTHER, self.home)):
            planted = plant()
            before = look(planted)
            done = run([NODE, "service", "--job", "7", "--mount", self.mount, "--job-dir", job, "--log-dir", at + "/7",
                        "--", "/bin/false"], user=USER)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"log directory: {at} is not safe: user {OTHER}", done.stdout)
            self.assertEqual(look(planted), before)
            run([NODE, "end", "--job", "7"], user=USER)
            remove(at)
        self.assertFalse(os.path.lexists(self.home + "/7"))
        self.nothing_is_there()

    def test_a_recording_does_not_go_through_a_link(self):
        secret = file(self.home + "/secret", USER, 0o600, "secret")
        run_dir = directory(self.home + "/run", USER, 0o700)
        mount = directory(self.mount, USER, 0o755)
        trace = link(self.shared + "/trace", OTHER, secret)
        done = run([program("copper_fuse"), "--run-dir", run_dir, "--node", "0", "--mount", mount, "--record", trace], user=USER)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
        self.assertIn(trace, done.stderr)
        with open(secret, encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "secret")

    def plant_a_record(self, at, user, mode):
        """A job directory whose record would have stop run a program."""
        ran = self.shared + "/ran"
        evil = file(self.top + "/evil", 0, 0o755, f"#!/bin/sh\ntouch {ran}\n")
        directory(at, user, mode)
        directory(at + "/logs", user, 0o755)
        file(at + "/logs/node_file.txt", user, 0o644, "localhost\n")
        file(at + "/run", user, 0o644, f"version=1\njob=7\nmount={self.mount}\nplatform=hydra\nmpiexec={evil}\n")
        return ran

    def test_a_planted_record_of_a_job_is_not_believed(self):
        for user, mode in ((OTHER, 0o755), (USER, 0o777), (USER, 0o775)):
            ran = self.plant_a_record(self.shared + "/7", user, mode)
            for options in (["-v", self.mount, "-d", self.shared], ["-d", self.shared]):
                done = run([STOP, *options], user=USER)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "Copper: nothing to stop\n", ""))
            self.assertFalse(os.path.lexists(ran))
            self.assertTrue(os.path.exists(self.shared + "/7/run"))
            remove(self.shared + "/7")
        ran = self.plant_a_record(self.shared + "/7", USER, 0o755)  # the same is believed of oneself
        run([STOP, "-d", self.shared], user=USER)
        self.assertTrue(os.path.lexists(ran))

    # ---- a run that is there ----

    def test_a_run_is_not_open_to_the_other(self):
        with contextlib.ExitStack() as both:
            nodes = {}
            for user in (USER, OTHER):
                at = directory(f"{self.shared}/{user}", user, 0o755)
                directory(f"{at}/logs", user, 0o755)
                if user == USER:
                    self.plant_a_record(f"{at}/logs/7", OTHER, 0o755)  # where the job's directory would be
                nodes[user] = both.enter_context(Nodes(1, directory=at, user=user, env={"SLURM_JOB_ID": "7"}))
            mine = nodes[USER]
            self.assertEqual(sorted(os.listdir(mine.log_base)), ["7", "7.2"])
            for path in (mine.mount, mine.path(0, "/etc"), mine.path(0, "/etc/passwd")):
                self.assertIn("Permission denied", run(["stat", path], user=OTHER).stderr)
                self.assertEqual(run(["stat", path], user=USER).returncode, 0)
            for words in (["status"], ["stats"], ["clear"]):
                done = run([program("copper"), *words, "--mount", mine.mount], user=OTHER)
                self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
                self.assertIn("Permission denied", done.stderr)
            self.assertNotEqual(run(["fusermount3", "-u", "-z", mine.mount], user=OTHER).returncode, 0)
            for path in (RUNS, f"{mine.log_base}/7.2"):
                self.assertIn("Permission denied", run(["ls", path], user=OTHER).stderr)
                for top, directories, files in os.walk(path):
                    for name in [*directories, *files]:
                        self.assertEqual(stat.S_IMODE(os.stat(f"{top}/{name}").st_mode) & 0o077, 0, f"{top}/{name}")
            # Nor is the other's mount, dead or not, open to a stop, not even to root's: who owns the way to it could exchange it.
            for pid in nodes[OTHER].processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.assertTrue(eventually(lambda: not nodes[OTHER].processes()))
            for user in (0, USER):
                done = run([STOP, "-v", nodes[OTHER].mount, "-d", self.top], user=user)
                self.assertEqual((done.stdout, mounts_below(nodes[OTHER].mount)), ("Copper: nothing to stop\n", [nodes[OTHER].mount]))
            for options in (["-v", mine.mount], []):
                self.assertEqual(run([STOP, *options], user=OTHER, env={"SLURM_JOB_ID": "7"}).returncode, 0)
            self.assertEqual(nodes[OTHER].leftovers(), [])
            self.assertEqual(run(["cat", mine.path(0, "/etc/hostname")], user=USER).returncode, 0)
        self.assertEqual(mounts_below(self.top), [])


if __name__ == "__main__":
    main()
