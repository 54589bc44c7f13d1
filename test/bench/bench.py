#!/usr/bin/python3
"""Measures Copper against native reading, first touch against warm, and nodes of Copper against nodes that read modelled
storage directly: see README.md. All columns of a row in one round, round after round; medians, and ratios within a round."""

import argparse
import json
import os
import shutil
import signal
import sys
import time

import account
import columns
import inputs
import picture
import rows
import table

OPERATIONS = ("lookup", "absent", "getattr", "open", "read", "opendir", "readdir", "readlink", "statfs")


def options():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    add = parser.add_argument
    add("--rows", help="only these, e.g. torch,replay; 'list' names them")
    add("--columns", help="only these of: native, touch, warm, direct, cold")
    add("--nodes", default="1,2,4,8", help="numbers of nodes on modelled storage (default %(default)s)")
    add("--rounds", type=int, default=5, help="(default %(default)s)")
    add("--storage", default="lustre-flare", help="profile of the modelled storage, as for copper simulate")
    add("--slower", type=float, default=1, metavar="FACTOR",
        help="storage and replayed thinking in slow motion: makes up for cores that nodes share here")
    add("--tmpfs", action="store_true", help="a column more: copied to /dev/shm by tar first, the copying included")
    add("--squashfuse", action="store_true", help="a column more: through squashfuse")
    add("--json", metavar="FILE", help="everything, also each run")
    add("--plot", metavar="FILE.svg", help="a picture")
    add("--quick", action="store_true", help="small inputs, 1 and 8 nodes, one round, no torch: does it work?")
    add("--work", default="/var/tmp/copper-bench", help="where inputs are kept (default %(default)s)")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.nodes, chosen.rounds = "1,8", 1
    chosen.nodes = sorted({int(n) for n in chosen.nodes.split(",")})
    kinds = ["native", "touch", "warm", "direct", "cold"]
    if chosen.columns:
        unknown = set(chosen.columns.split(",")) - set(kinds)
        if unknown:
            parser.error(f"no column is called {', '.join(sorted(unknown))}")
        kinds = [kind for kind in kinds if kind in chosen.columns.split(",")]
    missing = [program for program in ("mksquashfs", "squashfuse_ll") if not shutil.which(program)]
    if chosen.squashfuse and missing:
        print(f"SKIPPED: --squashfuse: {' and '.join(missing)} not installed (apt install squashfs-tools squashfuse)")
        chosen.squashfuse = False
    chosen.kinds = kinds + ["tmpfs"] * chosen.tmpfs + ["squashfuse"] * chosen.squashfuse
    return parser, chosen


def chosen_rows(parser, chosen, every):
    if chosen.rows == "list":
        print("\n".join(f"{row.name:<12}{row.title}" for row in every))
        sys.exit(0)
    names = chosen.rows.split(",") if chosen.rows else [row.name for row in every]
    unknown = set(names) - {row.name for row in every}
    if unknown:
        parser.error(f"no row is called {', '.join(sorted(unknown))}")
    taken = [row for row in every if row.name in names]
    for row in taken:
        if row.missing:
            print(f"SKIPPED: {row.title}: {row.missing}", flush=True)
    return [row for row in taken if not row.missing]


def cells(row, kinds, nodes):
    """(kind, number of nodes), in the order of a round: first touch is what makes the node warm."""
    one = [(kind, 1) for kind in rows.ONE_NODE if kind in kinds and kind in row.columns]
    if "direct" not in row.columns:
        return one
    many = [(kind, n) for n in nodes for kind in rows.MANY_NODES if kind in kinds]
    return list(dict.fromkeys(one + many))


def measure(row, column):
    column.fresh(row)
    try:
        counted = account.Account(column.nodes)
        began = time.perf_counter()
        if hasattr(column, "prepare"):
            column.prepare(row)
        prepared = time.perf_counter() - began
        seconds, said = rows.run(row, column.prefixes)
        found = {"seconds": seconds + prepared, **counted.close()}
        if column.storage:
            counts = column.storage.counts()
            found |= {"storage_operations": counts.questions(), "storage_bytes": counts.total("bytes"),
                      "storage": {op: counts.total(op) for op in OPERATIONS}}
        if said:
            found["said"] = said
        return found
    finally:
        column.done()


def progress(words):
    if sys.stderr.isatty():
        print(f"\r{words}\033[K", end="", file=sys.stderr, flush=True)


def main():
    parser, chosen = options()
    scale = inputs.QUICK if chosen.quick else inputs.FULL
    os.makedirs(chosen.work, exist_ok=True)
    prepared = inputs.make(chosen.work, scale)
    every = chosen_rows(parser, chosen, rows.rows(prepared, scale, chosen.slower))

    runs = {row.name: {cell: [] for cell in cells(row, chosen.kinds, chosen.nodes)} for row in every}
    for row in every:
        if not runs[row.name]:
            print(f"SKIPPED: {row.title}: is measured in other columns ({', '.join(dict.fromkeys(row.columns))})", flush=True)
    every = [row for row in every if runs[row.name]]
    with columns.Columns(prepared, {"storage": chosen.storage, "slower": chosen.slower}) as opened:
        for number in range(chosen.rounds):
            for row in every:
                for kind, count in runs[row.name]:
                    progress(f"round {number + 1}: {row.name} {kind} {count}")
                    runs[row.name][kind, count].append(measure(row, opened.get(kind, count)))
        progress("")
        counted = {(row.name, count): column.counted[row.name] for (kind, count), column in opened.opened.items()
                   if kind == "cold" for row in every if row.name in column.counted}

    result = table.Result(every, runs, counted, chosen)
    print(result.text())
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump(result.as_json(), file, indent=1)
    if chosen.plot:
        with open(chosen.plot, "w", encoding="utf-8") as file:
            file.write(picture.svg(result))
    return 0 if result.read_once() else 1


if __name__ == "__main__":
    if not os.path.exists("/dev/fuse"):
        print("SKIPPED, NOTHING MEASURED: there is no /dev/fuse here")
        sys.exit(77)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that whatever was started is ended
    sys.exit(main())
