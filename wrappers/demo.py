#!/usr/bin/python3
"""The demo's measurements: demo.py PACKAGE NODES MOUNT, with Copper running and its programs in PATH.

Imports PACKAGE through every node's mount at the same time, then again, in turns with native imports, and
prints what that cost. Counts come from `copper stats`, times from the importing process itself.
"""
import json
import os
import statistics
import subprocess
import sys
import sysconfig

PAIRS = 5

# What one node's program does. Prints seconds, files of the mount in use, and where the package came from.
IMPORTER = """
import sys, time
start = time.perf_counter()
import {package} as package
seconds = time.perf_counter() - start
files = {{getattr(m, "__file__", None) for m in list(sys.modules.values())}}
with open("/proc/self/maps") as maps:
    files |= {{line.split(None, 5)[5].strip() for line in maps if "/" in line}}
print(seconds, len([f for f in files if f and f.startswith({prefix!r} + "/")]), package.__file__, sep="\\n")
"""


class Import:
    """One import in a process of its own; prefix "" is native."""

    def __init__(self, package, prefix):
        environment = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
        libraries = "/usr/lib/" + sysconfig.get_config_var("MULTIARCH")
        environment["PYTHONPATH"] = prefix + "/usr/lib/python3/dist-packages"
        environment["LD_LIBRARY_PATH"] = prefix + libraries
        self.prefix = prefix
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", IMPORTER.format(package=package, prefix=prefix)],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def wait(self):
        output = self.process.communicate()[0].splitlines()
        if self.process.returncode != 0:
            sys.exit(f"demo: the import through {self.prefix or 'the native path'} failed")
        self.seconds, self.files, self.origin = float(output[0]), int(output[1]), output[2]
        if not self.origin.startswith(self.prefix):
            sys.exit(f"demo: the package came from {self.origin}, not through {self.prefix}")
        return self


def stats(mount):
    return json.loads(subprocess.check_output(["copper", "stats", "--mount", mount, "--json"]))


def loads(counters):
    return sum(n for name, n in counters.items()
               if name in ("loads_listing", "loads_entry", "loads_block", "loads_filesystem"))


def main(package, nodes, mount):
    mounts = [mount] if nodes == 1 else [f"{mount}/node{i}" for i in range(nodes)]
    before = [stats(m) for m in mounts]
    first = [run.wait() for run in [Import(package, m) for m in mounts]]
    after = [stats(m) for m in mounts]

    print(f"\nimport {package}, {nodes} nodes at the same time\n")
    print(f"  {'node':<8}{'seconds':>10}{'files':>10}{'MB through the mount':>24}")
    for i, run in enumerate(first):
        count = after[i]["front_end"]["fuse_bytes"] - before[i]["front_end"]["fuse_bytes"]
        print(f"  {i:<8}{run.seconds:>10.2f}{run.files:>10}{count / 1e6:>24.1f}")

    in_all = loads(after[0]["job"]) - loads(before[0]["job"])
    # All nodes do the same, so each needs each object, and alone would have to read it.
    reading = f"{nodes} nodes reading directly"
    print(f"\n  {'storage reads in all':<28}{in_all:>8,}\n  {reading:<28}{nodes * in_all:>8,}")
    print(f"  ({nodes} x the {in_all:,} directories, names and file blocks that one node needed, each read once)")

    pairs = []
    Import(package, "").wait()
    for _ in range(PAIRS):
        native = Import(package, "").wait().seconds
        pairs.append(Import(package, mounts[0]).wait().seconds / native)
    print(f"\n  a second import through the mount / a native one: {statistics.median(pairs):.2f}"
          f"  (median of {PAIRS} pairs)\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
