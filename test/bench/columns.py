"""The columns: where the rows run. A column has one prefix for each of its nodes, below which a row finds the tree.

    column.fresh(row)       # what must be so before a run; not timed
    rows.run(row, column.prefixes)
    column.done()           # ends what the next column should not have beside it
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TEST = os.path.dirname(HERE)
sys.path[:0] = [os.path.join(TEST, "mount"), os.path.join(TEST, "storage_model")]
from client import StorageModel  # noqa: E402
from copper_nodes import Nodes, eventually, mounts_below, private_directory  # noqa: E402

import rows  # noqa: E402

A_DAY_MS = 86_400_000  # nothing expires while it is measured
BLOCK = 1 << 20


class Column:
    """nodes: those of Copper, if it is Copper's; storage: the model that it reads, if it reads one."""

    nodes = storage = None
    prefixes = ()

    def fresh(self, row):
        pass

    def done(self):
        pass


class Native(Column):
    """The tree itself, for one program or for several at once; everything in memory."""

    def __init__(self, count):
        self.prefixes = [""] * count
        self.seen = set()

    def fresh(self, row):
        if row.name not in self.seen:
            rows.run(row, [""])
            self.seen.add(row.name)


# ---- one node of Copper, in two states ----


class OneNode:
    """A node that has in its cache whatever a row needs, and which rows' data the kernel has as well."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.filled = set()
        self.warm = set()

    def fill(self, row):
        rows.run(row, [self.nodes.mount])
        self.filled.add(row.name)
        self.warm.add(row.name)

    def remount(self):
        """The front end alone ends and is started again on the segment, which stays: kernel and front end know nothing."""
        pid, arguments = min(item for item in self.nodes.processes().items()
                             if os.path.basename(item[1][0]) == "copper_fuse")
        os.kill(pid, signal.SIGTERM)
        if not eventually(lambda: not self.nodes.pids("copper_fuse")):
            raise RuntimeError("the front end does not end")
        with open(os.path.join(self.nodes.directory, "remounted"), "ab") as output:
            subprocess.Popen(arguments, cwd="/", start_new_session=True, stdin=subprocess.DEVNULL, stdout=output,
                             stderr=output)
        if not eventually(lambda: os.path.ismount(self.nodes.mount)):
            raise RuntimeError("the front end does not start again")
        self.warm.clear()


class Warm(Column):
    """Node and kernel have everything."""

    def __init__(self, node):
        self.node, self.nodes, self.prefixes = node, node.nodes, [node.nodes.mount]

    def fresh(self, row):
        if row.name not in self.node.warm:
            self.node.fill(row)


class FirstTouch(Warm):
    """The node has everything, the kernel nothing."""

    def fresh(self, row):
        if row.name not in self.node.filled:
            self.node.fill(row)
        self.node.remount()
        self.node.warm.add(row.name)  # by the run that follows


# ---- modelled storage ----


class Modelled(Column):
    """Nodes that read "/" through mounts of the storage model, everything new for each run."""

    def __init__(self, work, count, settings):
        self.work, self.count, self.settings = work, count, settings
        self.stack = contextlib.ExitStack()

    def mount_storage(self, clients, **how):
        points = [os.path.join(self.work.storage_directory, f"client{i}") for i in range(clients)]
        return self.stack.enter_context(StorageModel("/", *points, **how))

    def done(self):
        self.stack.close()
        self.nodes = self.storage = None


class Direct(Modelled):
    """Each node through a mount, and a kernel's cache, of its own."""

    def fresh(self, row):
        self.storage = self.mount_storage(self.count, client_cache_ms=A_DAY_MS, **self.settings)
        self.prefixes = self.storage.mountpoints
        self.storage.reset()


class Cold(Modelled):
    """Copper, just launched; its roots read through one mount. Once for each row it is counted how often storage is asked
    for an object: then the kernel caches nothing of storage, so that a second question would be seen."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.counted = {}

    def fresh(self, row):
        if row.name not in self.counted:
            self.launch()
            rows.run(row, self.prefixes)
            direct = sum(self.nodes.stats(i)["front_end"]["fuse_direct"] for i in range(self.count))
            self.counted[row.name] = {**questions_per_object(self.storage.counts()), "direct": direct}
            self.done()
        self.launch(client_cache_ms=A_DAY_MS, **self.settings)

    def launch(self, **how):
        self.storage = self.mount_storage(1, **how)
        # Nodes of one machine share its memory by default; these have some of their own.
        self.nodes = self.stack.enter_context(Nodes(self.count, expiry_ms=A_DAY_MS, options=["--cache-bytes", str(1 << 30)]))
        self.prefixes = [self.nodes.path(i, self.storage.mountpoint) for i in range(self.count)]
        self.nodes.on_each(lambda i: os.stat(self.prefixes[i]))  # the way to storage is asked for before
        self.storage.reset()


def questions_per_object(counts):
    """Directories listed, files opened, blocks read, absent names: how often asked, by how many there are."""
    asked = objects = 0
    for count in counts.values():
        for n in (count.opendir, count.open, count.absent):
            asked += n
            objects += n > 0
        asked += count.blocks + -(-count.bytes_again // BLOCK)
        objects += count.blocks
    return {"asked": asked, "objects": objects, "more_than_once": counts.more_than_once()[:20]}


# ---- copies on the node, as without Copper ----


class Tmpfs(Column):
    """What the row needs is copied to the node's memory first, by tar; the time includes that."""

    def fresh(self, row):
        self.directory = tempfile.mkdtemp(prefix="copper-bench-", dir="/dev/shm")
        self.prefixes = [self.directory]

    def prepare(self, row):
        """Timed."""
        copy(row.needs(), ["tar", "-C", self.directory, "-xf", "-"])

    def done(self):
        rows.remove(self.directory)


class Squashfuse(Column):
    """What the row needs is in one squashfs image, made before and mounted anew; the time includes the mount."""

    def __init__(self, work):
        self.work, self.images = work, {}

    def fresh(self, row):
        if row.name not in self.images:
            image = os.path.join(self.work.directory, f"{row.name}.sqfs")
            if not os.path.exists(image):
                tree = tempfile.mkdtemp(prefix="tree-", dir=self.work.directory)
                copy(row.needs(), ["tar", "-C", tree, "-xf", "-"])
                subprocess.run(["mksquashfs", tree, image + ".new", "-quiet", "-no-progress"], check=True)
                os.rename(image + ".new", image)
                rows.remove(tree)
            self.images[row.name] = image
        self.row = row
        self.directory = private_directory()
        self.prefixes = [self.directory]

    def prepare(self, row):
        subprocess.run(["squashfuse_ll", self.images[row.name], self.directory], check=True)

    def done(self):
        for point in mounts_below(self.directory):
            subprocess.run(["fusermount3", "-u", "-z", point], check=True)
        os.rmdir(self.directory)


def copy(paths, unpack):
    names = [path.lstrip("/") for path in paths]
    pack = subprocess.Popen(["tar", "-C", "/", "-cf", "-", *names], stdout=subprocess.PIPE)
    subprocess.run(unpack, stdin=pack.stdout, check=True)
    pack.stdout.close()
    if pack.wait() != 0:
        raise RuntimeError("tar failed")


# ---- all of them ----


class Columns:
    """Opens columns by kind and number of nodes, and ends what they started."""

    def __init__(self, directory, settings):
        self.directory = directory  # of the inputs; squashfs images come beside them
        self.settings = settings
        self.stack = contextlib.ExitStack()
        self.node = None
        self.opened = {}

    def __enter__(self):
        # Made once: a directory that has just changed is looked at again.
        self.storage_directory = private_directory()
        self.stack.callback(rows.remove, self.storage_directory)
        return self

    def __exit__(self, *failure):
        for column in self.opened.values():
            if isinstance(column, Modelled):
                column.done()
        return self.stack.__exit__(*failure)

    def get(self, kind, count):
        if (kind, count) not in self.opened:
            self.opened[kind, count] = self.open(kind, count)
        return self.opened[kind, count]

    def open(self, kind, count):
        if kind in ("warm", "touch"):
            if self.node is None:
                nodes = Nodes(1, expiry_ms=A_DAY_MS, options=["--cache-bytes", str(4 << 30)])
                self.node = OneNode(self.stack.enter_context(nodes))
            return (Warm if kind == "warm" else FirstTouch)(self.node)
        return {"native": lambda: Native(count), "direct": lambda: Direct(self, count, self.settings),
                "cold": lambda: Cold(self, count, self.settings), "tmpfs": Tmpfs,
                "squashfuse": lambda: Squashfuse(self)}[kind]()
