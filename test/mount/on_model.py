"""Nodes that read a directory through the storage model, so that what Copper asks of storage is counted from outside.

    with nodes_on_model(source, count=4) as (nodes, storage, place):
        nodes.path(0, place)        # the directory as node 0 shows it

Copper does not trust what changed within the last 2 s (it looks again), so the source is let grow that old first.
"""

import contextlib
import os
import shutil
import time

from copper_nodes import Nodes, eventually, private_directory
from client import StorageModel

RACY_S = 2.1


def newest(directory):
    """The latest change below, in seconds; links are not followed."""
    latest = os.lstat(directory).st_ctime
    for top, directories, files in os.walk(directory):
        for name in directories + files:
            latest = max(latest, os.lstat(os.path.join(top, name)).st_ctime)
    return latest


def replace_file(path, content):
    """By another file of that name, at once."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.rename(path + ".new", path)


@contextlib.contextmanager
def nodes_on_model(source, count=4, expiry_ms=300_000, settled=False, options=(), options_of=lambda place: (),
                   **more):
    """settled: the source is known to be old enough (the private directory never is). Options of launch are both those
    given and those of the place."""
    directory = private_directory()
    try:
        place = os.path.join(directory, "lustre")
        with StorageModel(source, place) as storage:
            with Nodes(count, expiry_ms=expiry_ms, directory=directory, options=[*options, *options_of(place)],
                       **more) as nodes:
                changed = max(0 if settled else newest(source), os.lstat(directory).st_ctime)
                eventually(lambda: time.time() > changed + RACY_S)
                # The way to the model: asked by every node now, so that it is not counted later.
                nodes.on_each(lambda i: os.stat(nodes.path(i, place)))
                storage.reset()
                yield nodes, storage, place
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def front_end_operations(nodes):
    """Per node, what the kernel asked the front end so far; without the question for these figures itself, and without
    the kernel dropping what it has."""
    found = []
    for i in range(nodes.count):
        counters = nodes.stats(i)["front_end"]
        found.append({name: n for name, n in counters.items()
                      if name.startswith("fuse_") and name not in ("fuse_ioctl", "fuse_forget")})
    return found


def asked_of_front_ends(nodes, run):
    """What run() makes the kernel ask, per node, and what run() returns. A kernel may drop a page at any time (some
    machines page out what was idle for seconds) and ask for it again, once; what it was not allowed to keep it asks for
    every time. So a run that asked something is repeated."""
    for _ in range(4):
        before = front_end_operations(nodes)
        result = run()
        asked = difference(before, front_end_operations(nodes))
        if not any(asked):
            break
    return asked, result


def difference(before, after):
    return [{name: b[name] - a[name] for name in b if b[name] != a[name]} for a, b in zip(before, after)]
