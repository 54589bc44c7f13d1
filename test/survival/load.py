"""What goes on in a mount while something dies: programs that read, and compare with what is there."""

import concurrent.futures
import hashlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mount"))

# pylint: disable=wrong-import-position
from copper_nodes import PYTHON, run  # noqa: E402
from files import content_from_the_front_end, files_below  # noqa: E402

PACKAGES = "/usr/lib/python3/dist-packages"
NUMPY = PACKAGES + "/numpy"


class Load:
    """Threads that use a mount until the end of the `with`. errors; done: how often each thing was done; longest: of one
    small question, in seconds."""

    def __init__(self, nodes, node=0):
        self.nodes = nodes
        self.node = node
        self._what = [self._import, self._find, self._compare, self._ask, self._report]
        self.errors = []
        self.done = {}
        self.longest = 0
        self._ends = threading.Event()
        self._sums = {path: hashlib.md5(content_from_the_front_end(path)).digest() for path in files_below(NUMPY)[::3]}
        self._names = sorted(run(["find", NUMPY, "-printf", "%p %s %y\n"]).stdout.splitlines())
        self._pool = concurrent.futures.ThreadPoolExecutor()

    def __enter__(self):
        for what in self._what:
            self._pool.submit(self._repeat, what)
        return self

    def __exit__(self, *_):
        self._ends.set()
        self._pool.shutdown()

    def begun(self):
        """Each thing has been done once."""
        return len(self.done) == len(self._what)

    def _repeat(self, what):
        name = what.__name__.strip("_")
        while not self._ends.is_set():
            try:
                what()
            except Exception as error:  # pylint: disable=broad-exception-caught
                self.errors.append(f"{name}: {error!r}")
            self.done[name] = self.done.get(name, 0) + 1

    def _program(self, command, expected, **env):
        done = run(command, env=env)
        if (done.returncode, done.stdout, done.stderr) != (0, expected, ""):
            self.errors.append(f"{command[0]}: exit {done.returncode} {done.stdout[-200:]} {done.stderr[-500:]}")

    def _import(self):
        self._program([PYTHON, "-c", "import numpy; print(numpy.arange(10).sum())"], "45\n",
                      PYTHONPATH=self.nodes.path(self.node, PACKAGES))

    def _find(self):
        done = run(["find", self.nodes.path(self.node, NUMPY), "-printf", "%p %s %y\n"])
        names = sorted(done.stdout.replace(self.nodes.mounts[self.node], "").splitlines())
        if (done.returncode, done.stderr) != (0, "") or names != self._names:
            self.errors.append(f"find: exit {done.returncode} {done.stderr[-500:]}, {len(names)} names")

    def _compare(self):
        for path, md5 in self._sums.items():
            if self._ends.is_set():
                return
            if hashlib.md5(content_from_the_front_end(self.nodes.path(self.node, path))).digest() != md5:
                self.errors.append(f"{path}: other bytes")

    def _ask(self):
        """Absent names, which no cache has, and one that is there."""
        for question in (f"/usr/lib/absent{random.random()}", NUMPY + "/__init__.py"):
            began = time.monotonic()
            there = os.path.lexists(self.nodes.path(self.node, question))
            self.longest = max(self.longest, time.monotonic() - began)
            if there == ("absent" in question):
                self.errors.append(f"{question}: {there}")
        time.sleep(0.002)

    def _report(self):
        self.nodes.stats(self.node)
        time.sleep(0.05)
