"""Namespaces of the machine's kernel: the outer ones, in which a test makes its virtual hosts, and file systems of one's own.

The outer ones (network, mount, pid, ...) are entered once, by the test itself: nothing in them touches the real network,
and when the test ends, however it ends, the outer pid namespace ends all that was started in it.
"""

import ctypes
import os
import subprocess
import sys

ENTERED = "COPPER_VIRTUAL_CLUSTER_ENTERED"
PYTHON = "/usr/bin/python3"
HOST = ["--net", "--uts", "--mount", "--ipc", "--pid", "--fork", "--kill-child"]
MS_BIND, MS_REC, MS_NOSUID, MS_NODEV, MNT_DETACH = 4096, 16384, 2, 4, 2

libc = ctypes.CDLL(None, use_errno=True)


def skip(reason):
    print(f"SKIPPED, NOTHING TESTED: {reason}", flush=True)
    sys.exit(77)


def enter():
    """Returns in the outer namespaces, to which the calling script is started again; skips where there are none to be had."""
    if os.environ.pop(ENTERED, None) is None:
        flags = HOST + ["--propagation", "private", "--mount-proc"]
        if os.geteuid() != 0:
            flags += ["--user", "--map-root-user"]
        try_out = "ip link add name bridge0 type bridge && ip link add name one type veth peer name other && mount -t tmpfs none /mnt && " \
                  "mount -t sysfs none /sys && exec unshare --net --uts --mount --ipc --pid --fork --mount-proc true"
        tried = subprocess.run(["unshare", *flags, "sh", "-c", try_out], capture_output=True, text=True, timeout=60,
                               check=False)
        if tried.returncode != 0:
            skip(f"no virtual hosts for user {os.geteuid()} here: {tried.stderr.strip()}")
        os.environ[ENTERED] = "yes"
        os.execvp("unshare", ["unshare", *flags, PYTHON, *sys.argv])
    test = os.fork()
    if test == 0:
        return
    while True:  # the first process of a pid namespace inherits every orphan
        pid, status = os.wait()
        if pid == test:
            sys.exit(os.waitstatus_to_exitcode(status) & 0xff)


def mount(source, target, kind="", flags=0, data=""):
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {kind} {source}: {os.strerror(error)}", target)


def leave(*kinds):
    """Unmounts here what is mounted of these types; where it stays mounted outside, it is as before."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if line.partition(" - ")[2].split(" ")[0] in kinds:
                libc.umount2(os.fsencode(line.split(" ")[4]), MNT_DETACH)


def cover(point, kind, kept=(), flags=0, data=""):
    """Mounts a new file system over a directory; those of the kept directories that it hides are seen in it again."""
    hidden = []
    for path in sorted(set(kept)):
        if (path + "/").startswith(point + "/") and os.path.isdir(path) and \
           not any((path + "/").startswith(other + "/") for other, _ in hidden):
            hidden.append((path, os.open(path, os.O_PATH | os.O_DIRECTORY)))
    mount(kind, point, kind, flags, data)
    for path, before in hidden:
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{before}", path, flags=MS_BIND | MS_REC)
        os.close(before)
