#!/usr/bin/python3
"""Programs on seven nodes import and compare while a process of Copper is killed; prints a table of what they noticed. Exit
status: 0 if nothing. See run.sh.

In each round, on nodes of its own (a tree of fan-out 2), one trial of each fault, and in each tenth round one without:
everything is forgotten, so that the programs, on the root, on an interior node and on a leaf below it, have to have it
fetched, their shared libraries with it; at some moment meanwhile the process is killed. Where all programs have ended before,
that was a trial without a fault, and there is another one. Interrupted, it ends the round and prints what it has.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import sysconfig
import threading
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import PYTHON, enter_own_machine, run  # noqa: E402
from on_model import nodes_on_model  # noqa: E402
from processes import front_end_of, kill_rank, kill_worker, others_came, replaced  # noqa: E402

SOURCE = "/usr/lib"  # packages have links to libraries elsewhere below it
PACKAGES = "python3/dist-packages"
LIBRARIES = sysconfig.get_config_var("MULTIARCH")
CACHE = ("--cache-bytes", str(1 << 30))  # of each node: what is dropped is asked for again
APPLICATION = os.path.join(TESTS, "survival", "application.py")
NODES = 7  # 0 above 1 and 2, 1 above 3 and 4, 2 above 5 and 6
ROOT, INTERIOR, LEAF = 0, 1, 3
NO_FAULT = ("none", "")
FAULTS = [NO_FAULT, ("rank", "root"), ("rank", "interior"), ("rank", "leaf"), ("worker", "leaf")]
PLACES = {"root": ROOT, "interior": INTERIOR, "leaf": LEAF}
EVERY = {"numpy": 7, "torch": 97}  # file is compared
PATIENCE_S = 120


class Row:
    """What the trials of one fault came to."""

    def __init__(self, fault, place):
        self.fault = fault
        self.place = place
        self.trials = 0
        self.errors = []
        self.wrong = []
        self.stalls = []      # longest of each trial, in seconds
        self.operations = []  # of storage, of each trial

    def add(self, said, operations):
        self.trials += 1
        self.errors += [error for one in said for error in one["errors"]]
        self.wrong += [name for one in said for name in one["wrong"]]
        self.stalls.append(max(one["stall_s"] for one in said))
        self.operations.append(operations)

    def numbers(self):
        return {"fault": self.fault, "place": self.place, "trials": self.trials, "application_errors": len(self.errors),
                "wrong_bytes": len(self.wrong), "longest_stall_s": round(max(self.stalls), 3),
                "operations_median": int(statistics.median(self.operations)), "operations_most": max(self.operations)}


class Round:
    """One trial of each fault on nodes of its own."""

    def __init__(self, nodes, storage, place, program, rng):
        self.nodes = nodes
        self.storage = storage
        self.place = place
        self.program = program
        self.rng = rng

    def application(self, node):
        """What it said; whatever else it did is an error."""
        there = self.nodes.path(node, self.place)
        packages = os.path.join(there, PACKAGES)
        try:
            done = run([PYTHON, APPLICATION, self.program, packages, os.path.join(SOURCE, PACKAGES), str(EVERY[self.program])],
                       env={"PYTHONPATH": packages, "LD_LIBRARY_PATH": os.path.join(there, LIBRARIES)}, timeout=PATIENCE_S)
            said = json.loads(done.stdout) if done.returncode == 0 and not done.stderr else None
        except subprocess.TimeoutExpired:
            return {"sum": 0, "wrong": [], "errors": ["not ended"], "stall_s": PATIENCE_S}
        if said is None or said["sum"] != 45:
            return {"sum": 0, "wrong": [], "errors": [f"exit {done.returncode}: {done.stdout} {done.stderr}"], "stall_s": 0}
        return said

    def trial(self, fault, place, within):
        """Which fault it was, that or none, what the programs said, what storage was asked, and how long they took. The kill is
        to come within so many seconds."""
        cleared = run(["copper", "clear", "--mount", self.nodes.mounts[0]])
        if cleared.returncode != 0:
            raise AssertionError(f"copper clear: {cleared.stderr}")
        self.storage.reset()
        began = time.monotonic()
        back = True
        with concurrent.futures.ThreadPoolExecutor() as pool:
            said = [pool.submit(self.application, node) for node in (ROOT, INTERIOR, LEAF)]
            if (fault, place) != NO_FAULT:
                if concurrent.futures.wait(said, timeout=self.rng.random() * within).not_done:
                    back = self.kill(fault, PLACES[place])
                else:
                    fault, place = NO_FAULT
            said = [one.result() for one in said]
        if not back:
            raise AssertionError(f"{fault} of {place}: nobody came in its place\n{self.nodes.logs()}")
        return (fault, place), said, self.storage.counts().questions(), time.monotonic() - began

    def kill(self, fault, node):
        if fault == "rank":
            return others_came(self.nodes, kill_rank(self.nodes, node))
        parent = front_end_of(self.nodes, node)
        return replaced(parent, kill_worker(parent))


def trials(options):
    rows = collections.OrderedDict((fault, Row(*fault)) for fault in FAULTS)
    rng = random.Random(options.seed)
    interrupted = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())  # after this round
    within = 0  # the seconds that the programs take without a fault
    for number in range(options.trials):
        if interrupted.is_set():
            break
        with nodes_on_model(SOURCE, count=NODES, settled=True,
                            options=["--fanout", "2", "--bulk-fanout", "2", *CACHE]) as (nodes, storage, place):
            one = Round(nodes, storage, place, options.program, rng)
            for wanted in rows:
                was = NO_FAULT if number % 10 else None
                while was != wanted:
                    was, said, operations, took = one.trial(*wanted, within)
                    within = took if was == NO_FAULT else within
                    row = rows[was]
                    row.add(said, operations)
                    if row.errors or row.wrong:
                        sys.stderr.write(nodes.logs())
        print(f"round {number + 1} of {options.trials}", file=sys.stderr, flush=True)
    return list(rows.values())


def table(rows):
    heads = ("fault", "place", "trials", "application errors", "wrong bytes", "longest stall", "storage operations")
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        numbers = row.numbers()
        lines.append("| " + " | ".join(str(cell) for cell in (
            row.fault, row.place, row.trials, numbers["application_errors"], numbers["wrong_bytes"],
            f"{numbers['longest_stall_s']:.2f} s",
            f"{numbers['operations_median']:,}, at most {numbers['operations_most']:,}")) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="a table of what programs notice when a process of Copper is killed")
    parser.add_argument("--trials", type=int, default=20, help="of each fault (20)")
    parser.add_argument("--program", choices=EVERY, default="numpy", help="what they import (numpy)")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="decides when the kills come")
    options = parser.parse_args()
    if not os.path.exists("/dev/fuse") or not os.path.isdir(os.path.join(SOURCE, PACKAGES, options.program)):
        print(f"SKIPPED, NOTHING TESTED: no /dev/fuse, or python3-{options.program} is not installed", flush=True)
        sys.exit(77)
    enter_own_machine()
    os.environ["PATH"] = os.environ["COPPER_BIN"] + ":" + os.environ["PATH"]
    rows = trials(options)
    if options.json:
        print(json.dumps({"seed": options.seed, "program": options.program, "rows": [row.numbers() for row in rows]}, indent=2))
    else:
        print(f"{options.program}, seed {options.seed}\n\n{table(rows)}")
    faults = [fault for row in rows for fault in row.errors + row.wrong]
    for fault in faults[:20]:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
