#!/usr/bin/python3
"""A cluster of virtual hosts on this machine: real namespaces, a real network between them, the same files on each.

    import cluster

    class Job(unittest.TestCase):
        def test_...(self):
            with cluster.Cluster(4) as hosts:
                hosts.run("nid002", ["hostname"])              # as by ssh; a subprocess.CompletedProcess
                hosts.run("login", [*hosts.mpiexec(), "true"])
    cluster.main()

Hosts are nid000, nid001, ... and `login`, on which no job runs; each has its own network interface (on one bridge),
hostname, processes, /tmp, /dev/shm, /run, /proc and /sys. All else is the same everywhere. `ssh` between the hosts is
`vssh`. /mnt is the cluster's own: `storage` plays the parallel file system, `home` the user's home. Where the test is
root's, the user is an ordinary one. Everything ends with the test.

By hand: cluster.py [-n HOSTS] [--slurm] [COMMAND...] runs the command, or a shell, on `login`.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, HERE)

import namespaces  # pylint: disable=wrong-import-position
from namespaces import PYTHON  # pylint: disable=wrong-import-position

VSSH = os.path.join(HERE, "vssh")
STORAGE, HOME, ROOM = "/mnt/storage", "/mnt/home", "/mnt/room"
LOGIN = "login"
ORDINARY_USER = 65534  # "nobody": exists everywhere, owns nothing
NETWORK = "10.77.0."


def eventually(condition, seconds=20, pause=0.05):
    """Asks until the condition holds; False when it still does not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def checked(command, **more):
    done = subprocess.run(command, text=True, capture_output=True, timeout=60, check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


class Cluster:
    """Attributes: hosts (their names, without login), user (whose the jobs are)."""

    def __init__(self, count, env=None):
        self.hosts = [f"nid{i:03d}" for i in range(count)]
        self.user = ORDINARY_USER if os.geteuid() == 0 and not in_user_namespace() else os.geteuid()
        programs = [os.environ["COPPER_BIN"]] if "COPPER_BIN" in os.environ else []
        self.env = {
            **{name: value for name, value in os.environ.items() if name.startswith(("COPPER_", "LC_", "LANG"))},
            "PATH": ":".join([f"{ROOM}/bin", *programs, f"{SOURCE}/wrappers", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]),
            "HOME": HOME, "USER": "nobody" if self.user else "root", **(env or {}),
        }
        self._unshares = {}  # host -> the process that started it
        self._inits = {}     # host -> its first process, as seen here

    # ---- up and down ----

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down()

    def up(self):
        try:
            self._make_directories()
            for host in self._all():
                with open(self._socket(host) + ".log", "wb") as log:
                    self._unshares[host] = subprocess.Popen(
                        ["unshare", *namespaces.HOST, PYTHON, f"{HERE}/host.py", host, self._socket(host), *kept()],
                        env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
            for host, process in self._unshares.items():
                ready = process.stdout.readline() == b"ready\n"
                process.stdout.close()
                if not ready:
                    with open(self._socket(host) + ".log", encoding="utf-8") as log:
                        raise AssertionError(f"{host} did not come up: {log.read()}")
                self._inits[host] = self._peer(host)
            self._connect()
        except BaseException:
            self.down()
            raise

    def down(self):
        for host in list(self._inits):
            self._end(host)
        for process in self._unshares.values():
            process.kill()
            process.wait()
        self._unshares.clear()
        for link in [*self._all(), "bridge"]:
            subprocess.run(["ip", "link", "delete", link], stderr=subprocess.DEVNULL, check=False)
        for directory in (HOME, ROOM, *([] if os.path.ismount(STORAGE) else [STORAGE])):
            shutil.rmtree(directory, ignore_errors=True)

    def _all(self):
        return [LOGIN, *self.hosts]

    def alive(self):
        """The hosts, login among them, that were not killed."""
        return [host for host in self._all() if host in self._inits]

    def _socket(self, host):
        return os.path.join(ROOM, host)

    def _make_directories(self):
        for directory in (HOME, ROOM, f"{ROOM}/bin"):
            os.mkdir(directory)
        if not os.path.ismount(STORAGE):  # else the test has something of its own there
            os.makedirs(STORAGE, exist_ok=True)
            os.chown(STORAGE, self.user, -1)
        os.chown(HOME, self.user, -1)
        os.symlink(VSSH, f"{ROOM}/bin/ssh")
        with open(HOSTS_FILE, "w", encoding="utf-8") as file:
            file.write("127.0.0.1 localhost\n")
            file.writelines(f"{self.address(host)} {host}\n" for host in self._all())

    def _peer(self, host):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(self._socket(host))
            return struct.unpack("iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def _connect(self):
        lines = ["link add name bridge type bridge", "link set bridge up"]
        for host in self._all():
            lines += [f"link add name {host} type veth peer name eth0 netns {self._inits[host]}",
                      f"link set {host} master bridge up"]
        checked(["ip", "-batch", "-"], input="\n".join(lines))
        for host in self._all():
            checked(self.inside(host, ["ip", "-batch", "-"]),
                    input=f"addr add {self.address(host)}/24 dev eth0\nlink set eth0 up\n")

    def address(self, host):
        return NETWORK + str(1 + self._all().index(host))

    # ---- commands ----

    def command(self, host, command, env=None, user=None, cwd=HOME):
        """The command line that runs a command there, as by ssh, but in that directory and environment."""
        user = self.user if user is None else user
        there = shlex.join(["env", "-C", cwd, *(f"{name}={value}" for name, value in (env or {}).items()), *command])
        if user == os.geteuid():
            return [VSSH, host, there]
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", VSSH, host, there]

    def run(self, host, command, env=None, user=None, cwd=HOME, timeout=60, **more):
        """The finished process, output as text. Past its time it is ended by SIGHUP and the test fails."""
        return subprocess.run(self.command(host, command, env, user, cwd), env=self.env, timeout=timeout, text=True,
                              check=False, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                                              "stderr": subprocess.PIPE, **more})

    def start(self, host, command, env=None, user=None, cwd=HOME, **more):
        return subprocess.Popen(self.command(host, command, env, user, cwd), env=self.env, text=True,
                                **{"stdin": subprocess.DEVNULL, **more})

    def mpiexec(self, hosts=None, per_host=1):
        """This build's own launcher, for so many ranks on each of the hosts; run it on any host."""
        hosts = hosts or self.hosts
        launcher = os.environ["COPPER_MPIEXEC"].split()[0]
        if os.environ["COPPER_MPI"] == "openmpi":
            return [launcher, *(["--allow-run-as-root"] if self.user == 0 else []), "--bind-to", "none", "--oversubscribe",
                    "--map-by", f"ppr:{per_host}:node", "--host", ",".join(hosts)]
        return [launcher, "-bind-to", "none", "-ppn", str(per_host), "-n", str(per_host * len(hosts)),
                "-hosts", ",".join(hosts)]

    # ---- a host from the outside ----

    def inside(self, host, command):
        """The command in the host's network namespace alone, whatever state its processes are in."""
        return ["nsenter", "--net", "-t", str(self._inits[host]), *command]

    def processes(self, host):
        """pid (as seen here) -> arguments of its living processes, without the first."""
        found = {}
        namespace = os.readlink(f"/proc/{self._inits[host]}/ns/pid")
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                if pid != self._inits[host] and os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                    with open(f"/proc/{pid}/cmdline", "rb") as file:
                        arguments = file.read().decode("utf-8", "replace").split("\0")[:-1]
                    if arguments:
                        found[pid] = arguments
        return found

    def mounts(self, host, below="/"):
        """Where something is mounted there, and of what type: below a directory."""
        with open(f"/proc/{self._inits[host]}/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            mounts = [(line.split(" ")[4], line.partition(" - ")[2].split(" ")[0]) for line in lines]
        return [(point, kind) for point, kind in mounts if (point + "/").startswith(below.rstrip("/") + "/")]

    def names(self, host, directory):
        """What is in a directory of the host's own, without the way to what every host must see: it is no copy."""
        ways = {os.path.relpath(path, directory).split(os.sep)[0] for path in kept()}
        return [name for name in os.listdir(self.root(host) + directory) if name not in ways]

    def root(self, host):
        """The host's files as seen here: root(host) + "/dev/shm"."""
        return f"/proc/{self._inits[host]}/root"

    def sent(self, host):
        """Bytes that have left the host by its cable."""
        return self._cable(host, "rx_bytes")

    def received(self, host):
        return self._cable(host, "tx_bytes")

    @staticmethod
    def _cable(host, count):  # as the bridge sees it
        with open(f"/sys/class/net/{host}/statistics/{count}", encoding="ascii") as file:
            return int(file.read())

    # ---- faults ----

    def kill(self, host, silently=True):
        """As a power cut: everything there is gone at once, and nobody is told: no connection is closed. Or else, as a host
        that is switched off: all are."""
        if silently:
            self.unplug(host)
        self._end(host)

    def _end(self, host):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._inits.pop(host), signal.SIGKILL)
        self._unshares.pop(host).wait()

    def unplug(self, host):
        checked(["ip", "link", "set", host, "down"])

    def plug(self, host):
        checked(["ip", "link", "set", host, "up"])

    def slow(self, host, mbit):
        """So many Mbit/s in each direction."""
        shape = ["root", "tbf", "rate", f"{mbit}mbit", "burst", "256kb", "latency", "200ms"]
        checked(["tc", "qdisc", "replace", "dev", host, *shape])
        checked(self.inside(host, ["tc", "qdisc", "replace", "dev", "eth0", *shape]))

    def freeze(self, host):
        """As a host that hangs: every process there is stopped, the kernel still answers for the network."""
        stopped = set()
        while set(self.processes(host)) - stopped:  # one may just have started another
            for pid in set(self.processes(host)) - stopped:
                self._signal(pid, signal.SIGSTOP)
                stopped.add(pid)
        self._signal(self._inits[host], signal.SIGSTOP)

    def thaw(self, host):
        for pid in [*self.processes(host), self._inits[host]]:
            self._signal(pid, signal.SIGCONT)

    @staticmethod
    def _signal(pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


# ---- the outer namespaces ----

HOSTS_FILE = "/etc/hosts"


def in_user_namespace():
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def kept():
    """Directories that every host must see, wherever they are."""
    directories = [SOURCE, HERE, os.getcwd()]
    if "COPPER_BIN" in os.environ:
        directories.append(os.path.dirname(os.environ["COPPER_BIN"]))
    return [os.path.realpath(directory) for directory in directories if os.path.realpath(directory) != "/"]


def enter():
    """The outer namespaces, with a /mnt, a /dev/fuse and, in /etc, what a cluster configures, of their own."""
    namespaces.enter()
    namespaces.leave("fuse.copper", "fuse.model")  # of other tests, which could not end while we have them
    namespaces.cover("/sys", "sysfs", ["/sys/fs/cgroup"])
    namespaces.cover("/mnt", "tmpfs", kept(), data="mode=755")
    with open("/mnt/.hosts", "w", encoding="utf-8"):
        pass
    namespaces.mount("/mnt/.hosts", HOSTS_FILE, flags=namespaces.MS_BIND)
    for point in filter(os.path.isdir, ("/etc/slurm", "/etc/munge")):
        namespaces.cover(point, "tmpfs", data="mode=755")
    device = os.stat("/dev/fuse") if os.path.exists("/dev/fuse") else None
    if device and device.st_mode & 0o006 != 0o006 and not in_user_namespace():  # as on a compute node: open to all
        os.mknod("/mnt/.fuse", stat.S_IFCHR | 0o666, device.st_rdev)
        os.chmod("/mnt/.fuse", 0o666)
        namespaces.mount("/mnt/.fuse", "/dev/fuse", flags=namespaces.MS_BIND)


def main():
    """Runs the tests of the calling module; exits with 77 where this machine can run none of them."""
    enter()
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun <= len(result.skipped) else 0)  # a class that is skipped counts once, and runs nothing


def by_hand():
    parser = argparse.ArgumentParser(description="runs a command, or a shell, on the login host of a virtual cluster")
    parser.add_argument("-n", "--hosts", type=int, default=4)
    parser.add_argument("--slurm", action="store_true", help="with Slurm on it")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    enter()
    with Cluster(options.hosts) as cluster:
        if options.slurm:
            from slurm import Slurm  # pylint: disable=import-outside-toplevel
            Slurm(cluster).up()
        sys.exit(cluster.run(LOGIN, options.command or ["bash", "-i"], timeout=None, stdin=None, stdout=None,
                             stderr=None).returncode)


if __name__ == "__main__":
    sys.modules["cluster"] = sys.modules["__main__"]
    by_hand()
