"""Nodes of Copper for a test: started by the user's own launch script, ended in any case, seen to leave nothing behind.

    with Nodes(4, expiry_ms=300) as nodes:
        os.listdir(nodes.path(2, "/usr/lib"))       # as node 2 sees it

Everything lies in a private directory. COPPER_BIN says where the programs are, COPPER_SOURCE where the checkout is
(else: the one that this file is in).
"""

import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(HERE)))
PYTHON = "/usr/bin/python3"
sys.path.insert(0, os.path.join(SOURCE, "test", "storage_model"))

ORDINARY_USER = 65534  # "nobody": exists everywhere, owns nothing


def eventually(condition, seconds=15, pause=0.02):
    """Asks until the condition holds; False when it still does not after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)


def as_user(user, command):
    """The command, run by that user (a number) where we are root and it is another."""
    if user in (None, os.geteuid()):
        return list(command)
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]


def run(command, user=None, env=None, timeout=90, **more):
    """The finished process: returncode, stdout and stderr as text. Killed after the timeout."""
    whole = {**os.environ, **(env or {})}
    if user is not None:
        whole.update(HOME="/", USER=str(user), LOGNAME=str(user))
    return subprocess.run(as_user(user, command), env=whole, timeout=timeout, stdin=subprocess.DEVNULL, text=True,
                          errors="surrogateescape", **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more})


def mounts_below(directory):
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            point = line.split(" ")[4].encode("latin-1", "ignore").decode("unicode_escape")
            if point == directory or point.startswith(directory + "/"):
                found.append(point)
    return found


def processes_naming(text):
    """pid -> arguments of the living processes that have `text` in an argument; not this one."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().decode("utf-8", "replace").split("\0")[:-1]
            if int(pid) != os.getpid() and any(text in argument for argument in arguments):
                found[int(pid)] = arguments
    return found


def is_copper(arguments):
    """Is it a process that launch started, or launch itself? (A reader of the mount is not.)"""
    return any(os.path.basename(argument).startswith(("copper_", "launch_copper", "mpiexec", "hydra_", "orte"))
               for argument in arguments)


def runs_naming(text, user=None):
    """The run directories in shared memory whose record has `text` in it."""
    top = f"/dev/shm/copper-{os.geteuid() if user is None else user}"
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(top):
            with contextlib.suppress(OSError):
                with open(os.path.join(top, name, "run"), encoding="utf-8", errors="replace") as file:
                    if text in file.read():
                        found.append(os.path.join(top, name))
    return found


class Nodes:
    """N nodes of this machine. Attributes: directory (private, with room for a test's own files), mounts (one for each
    node), launched (the finished launch command)."""

    def __init__(self, count=4, *, expiry_ms=300, options=(), env=None, user=None, directory=None, wrappers=None):
        self.count = count
        self.options = ["-E", str(expiry_ms), *options]
        self.env = env or {}
        self.user = user
        self.wrappers = wrappers or os.path.join(SOURCE, "wrappers")
        self._own_directory = directory is None
        self.directory = directory or private_directory()
        self.mount = os.path.join(self.directory, "mnt")
        self.mounts = [self.mount] if count == 1 else [os.path.join(self.mount, f"node{i}") for i in range(count)]
        self.launched = None
        if user is not None:
            os.chown(self.directory, user, user)

    def launch(self):
        self.launched = self.launch_command()
        return self.launched

    def launch_command(self, *more):
        return run([os.path.join(self.wrappers, "launch_copper.sh"), "--nodes", str(self.count), "-d", self.log_base,
                    "-v", self.mount, *self.options, *more], user=self.user, env=self.env)

    def stop_command(self):
        return run([os.path.join(self.wrappers, "stop_copper.sh"), "-v", self.mount], user=self.user, env=self.env)

    @property
    def log_base(self):
        return os.path.join(self.directory, "logs")

    def logs(self):
        """What Copper wrote, for a failure's message."""
        text = ""
        for top, _, files in os.walk(self.log_base):
            for name in sorted(name for name in files if not name.endswith(".csv")):
                with open(os.path.join(top, name), encoding="utf-8", errors="replace") as file:
                    content = file.read()[-3000:]
                text += f"--- {name}\n{content}" if content else ""
        return text

    def __enter__(self):
        try:
            launched = self.launch()
            if launched.returncode != 0:
                raise AssertionError(f"launch: exit {launched.returncode}\n{launched.stdout}{launched.stderr}"
                                     f"{self.logs()}")
        except BaseException:
            self.kill()
            self._remove()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            stopped = self.stop_command()
            left = self.leftovers()
        except subprocess.TimeoutExpired:
            stopped, left = None, ["stop_copper.sh did not end"]
        self.kill()
        if kind is not None:
            sys.stderr.write(self.logs())
        self._remove()
        if kind is None and (stopped is None or stopped.returncode != 0 or left):
            raise AssertionError(f"stop: {stopped and (stopped.returncode, stopped.stdout, stopped.stderr)}, "
                                 f"left behind: {left}")

    def leftovers(self):
        """What stop should have ended or removed: empty when it did."""
        left = [f"process {pid}: {' '.join(arguments)}" for pid, arguments in self.processes().items()]
        left += [f"mount {point}" for point in mounts_below(self.mount)]
        left += [f"segments {path}" for path in runs_naming(self.mount, self.user)]
        if os.path.lexists(self.mount):
            left.append(f"directory {self.mount}")
        return left

    def processes(self):
        return {pid: arguments for pid, arguments in processes_naming(self.mount).items() if is_copper(arguments)}

    def pids(self, program):
        """The processes of one program, e.g. copper_fuse."""
        return sorted(pid for pid, arguments in self.processes().items()
                      if os.path.basename(arguments[0]) == program)

    def kill(self):
        """Ends everything without asking; also what keeps a reader of ours in a hang."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for point in sorted(mounts_below(self.mount), reverse=True):
            subprocess.run(["umount", "-l", point] if os.geteuid() == 0 else ["fusermount3", "-u", "-z", point],
                           check=False, stderr=subprocess.DEVNULL)
        for path in runs_naming(self.mount, self.user):
            shutil.rmtree(path, ignore_errors=True)

    def _remove(self):
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- what a test asks ----

    def path(self, node, source):
        """Where node i shows an absolute path of the source."""
        return self.mounts[node] + source

    def stats(self, node=0):
        return self._report("stats", node, "--json")

    def status(self, node=0):
        return self._report("status", node, "--json")

    def _report(self, verb, node, *options):
        said = run([os.path.join(os.environ["COPPER_BIN"], "copper"), verb, "--mount", self.mounts[node], *options],
                   user=self.user)
        if said.returncode != 0:
            raise AssertionError(f"copper {verb}: exit {said.returncode} {said.stderr}")
        return json.loads(said.stdout)

    def on_each(self, function, *arguments):
        """function(i, *arguments) for each node at the same time; the results in order."""
        with concurrent.futures.ThreadPoolExecutor(self.count) as pool:
            return list(pool.map(lambda i: function(i, *arguments), range(self.count)))


def private_directory():
    """Not in /tmp: a directory that changes all the time is looked at all the time, and so is the way through it."""
    directory = tempfile.mkdtemp(prefix="copper-mount-", dir="/var/tmp")
    os.chmod(directory, 0o755)
    return directory


class MountTest(unittest.TestCase):
    """A test with a time limit. Past it the test fails; if it sits in a wait that nothing ends, `nodes` are killed,
    which ends it."""

    limit_s = 60
    nodes = None
    maxDiff = 4000

    def setUp(self):
        def too_late(*_):
            raise TimeoutError(f"longer than {self.limit_s} s")

        signal.signal(signal.SIGALRM, too_late)
        signal.alarm(self.limit_s)
        self.addCleanup(signal.alarm, 0)
        rescue = threading.Timer(self.limit_s + 10, lambda: self.nodes and self.nodes.kill())
        rescue.daemon = True
        rescue.start()
        self.addCleanup(rescue.cancel)

    def kill_everything(self):
        for pid in self.nodes.processes():
            with contextlib.suppress(ProcessLookupError):  # it went with another one
                os.kill(pid, signal.SIGKILL)
        self.assertTrue(eventually(lambda: not self.nodes.processes()))

    def directory(self):
        """A directory of this test's own."""
        path = private_directory()
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path


def enter_own_mounts():
    """What root mounts from here on is this test's alone, and ends with it. The test begins anew."""
    if "COPPER_TEST_NAMESPACE" not in os.environ:
        os.environ["COPPER_TEST_NAMESPACE"] = "entered"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", PYTHON, *sys.argv])


def enter_own_machine(shared_memory="90%"):
    """Where the test is root's: a /dev/shm of its own and of this size, since other tests are the same users at the same time; and ordinary
    users may open /dev/fuse, as on most machines, though it be root's alone: a device node that all may open lies over it."""
    if os.geteuid() != 0:
        return
    enter_own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=1777,size={shared_memory}", "none", "/dev/shm"], check=True)
    device = os.stat("/dev/fuse")
    if device.st_mode & 0o006 == 0o006:
        return
    directory = tempfile.mkdtemp(dir="/var/tmp", prefix="copper-device-")
    try:
        node = os.path.join(directory, "fuse")
        os.mknod(node, stat.S_IFCHR | 0o666, device.st_rdev)
        os.chmod(node, 0o666)
        subprocess.run(["mount", "--bind", node, "/dev/fuse"], check=True)
    finally:
        shutil.rmtree(directory)


def main(**machine):
    """Runs the tests of the calling module; exits with 77 where this machine can run none of them."""
    if not os.path.exists("/dev/fuse"):
        print("SKIPPED, NOTHING TESTED: there is no /dev/fuse here", flush=True)
        sys.exit(77)
    if "COPPER_BIN" not in os.environ:
        sys.exit("COPPER_BIN does not say where the programs are")
    enter_own_machine(**machine)
    os.environ["PATH"] = os.environ["COPPER_BIN"] + ":" + os.environ["PATH"]
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
