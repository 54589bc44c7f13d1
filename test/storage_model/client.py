"""The storage model as a context manager, and what it counted.

    with StorageModel(source, mountpoint) as storage:
        ...
        assert storage.counts()["/a/file"].open == 1

Paths are those below the mount point, as str (os.fsdecode), beginning with "/".
"""

import json
import os
import select
import socket
import subprocess
import tempfile
import types


class Count(types.SimpleNamespace):
    """lookup, getattr, open, read, opendir, readdir, readlink, statfs, absent, bytes, bytes_again, blocks."""


NOTHING = Count(lookup=0, getattr=0, open=0, read=0, opendir=0, readdir=0, readlink=0, statfs=0,
                absent=0, bytes=0, bytes_again=0, blocks=0)


class Counts(dict):
    """path -> Count; a path never asked about counts nothing."""

    def __missing__(self, path):
        return NOTHING

    def __repr__(self):
        some = [f"{path}: " + ", ".join(f"{name} {n}" for name, n in vars(count).items() if n)
                for path, count in list(self.items())[:10]]
        return f"<{len(self)} paths; " + "; ".join(some) + ">"

    def total(self, field):
        return sum(getattr(count, field) for count in self.values())

    def questions(self):
        return sum(c.lookup + c.getattr + c.open + c.read + c.opendir + c.readdir + c.readlink + c.statfs
                   for c in self.values())

    def more_than_once(self):
        """What breaks "read once": [(path, what)], empty when each object was read at most once."""
        faults = []
        for path, count in sorted(self.items()):
            for field in ("opendir", "open", "absent"):
                if getattr(count, field) > 1:
                    faults.append((path, f"{field} {getattr(count, field)}"))
            if count.bytes_again:
                faults.append((path, f"{count.bytes_again} bytes again"))
        return faults


def program():
    bin_directory = os.environ.get("COPPER_BIN")
    if not bin_directory:
        raise RuntimeError("COPPER_BIN does not say where the programs are")
    return os.path.join(bin_directory, "copper_storage_model")


class StorageModel:
    """Mounted at each mountpoint; storage="lustre-flare" makes it as slow as that, for all together, or `slower` still;
    client_cache_ms lets the kernel keep what it has seen for so long (and, as root, read ahead as far as Copper's mounts
    do)."""

    def __init__(self, source, *mountpoints, storage=None, slower=1, client_cache_ms=0, patience=20):
        self.source = os.fspath(source)
        self.mountpoints = [os.fspath(point) for point in mountpoints]
        self.mountpoint = self.mountpoints[0]
        self.options = ["--client-cache-ms", str(client_cache_ms)]
        if storage:
            self.options += ["--storage", storage, "--slower", str(slower)]
        self.reads_ahead = client_cache_ms > 0
        self.patience = patience
        self._sockets = tempfile.TemporaryDirectory(prefix="copper-model-")
        self._control = os.path.join(self._sockets.name, "control")
        self.process = None

    def __enter__(self):
        for point in self.mountpoints:
            os.makedirs(point, exist_ok=True)
        self.process = subprocess.Popen([program(), self.source, *self.mountpoints, "--control", self._control,
                                         *self.options], stdout=subprocess.PIPE, start_new_session=True)
        ready, _, _ = select.select([self.process.stdout], [], [], self.patience)
        line = self.process.stdout.readline() if ready else b""
        if line != b"copper_storage_model: ready\n":
            self.stop()
            raise RuntimeError(f"the storage model did not start: {line!r}")
        if self.reads_ahead and os.geteuid() == 0:
            for point in self.mountpoints:
                device = os.lstat(point).st_dev
                with open(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb", "w",
                          encoding="ascii") as file:
                    file.write("1024")
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends what waits, unmounts, ends the process; whatever state it is in."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(self.patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process.stdout.close()
            for point in self.mountpoints:
                if os.path.ismount(point) or not os.access(point, os.F_OK):
                    command = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
                    subprocess.run([*command, point], check=False)
            self.process = None
        self._sockets.cleanup()

    def ask(self, line):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(self.patience)
            connection.connect(self._control)
            connection.sendall(os.fsencode(line) + b"\n")
            text = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        answer = json.loads(text)
        if "error" in answer:
            raise ValueError(f"{line}: {answer['error']}")
        return answer

    def counts(self):
        return Counts((_path(path), Count(**count)) for path, count in self.ask("counts")["counts"].items())

    def reset(self):
        self.ask("reset")

    def delay(self, prefix, milliseconds, op="any"):
        self.ask(f"delay {prefix} {op} {milliseconds}")

    def fail(self, prefix, error, op="any"):
        self.ask(f"fail {prefix} {op} {error}")

    def hang(self, prefix, op="any"):
        self.ask(f"hang {prefix} {op}")

    def hold(self, prefix, op="any"):
        self.ask(f"hold {prefix} {op}")

    def release(self):
        self.ask("release")

    def clear(self):
        self.ask("clear")

    def waiting(self):
        return [_path(path) for path in self.ask("waiting")["waiting"]]


def _path(characters):
    return os.fsdecode(characters.encode("latin-1"))
