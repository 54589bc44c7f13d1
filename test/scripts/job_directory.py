"""A job's directory with the files of its ranks, made by hand.

    job = JobDirectory(folder)
    job.rank(0, "node0", operations=[operation("front_end", "lookup", {1: 3, 8: 1})])
"""

import csv
import json
import os
import sys

sys.path.insert(0, os.path.join(os.environ["COPPER_SOURCE"], "scripts"))

import rank_profiles as profiles  # noqa: E402


def operation(layer, name, buckets, errors=0, bytes_=0, most=None):
    """A row of profiling_operations.csv. buckets: upper bound in microseconds (or "more") -> how many."""
    row = dict.fromkeys(profiles.COUNTS[profiles.OPERATIONS], 0)
    row.update(layer=layer, operation=name, errors=errors, bytes=bytes_, count=sum(buckets.values()))
    for bound, count in buckets.items():
        row["more" if bound == "more" else f"le_{bound}"] = count
    bounds = [bound for bound in buckets if bound != "more"]
    row["max_us"] = most if most is not None else max(bounds, default=0)
    row["total_us"] = sum(bound * buckets[bound] for bound in bounds)
    for share in (50, 90, 99):
        row[f"p{share}_us"] = profiles.percentile([row[name] for name in profiles.BUCKETS], share, row["max_us"])
    return row


def counter(layer, name, value, host="node0"):
    return dict(layer=layer, counter=name, sum=value, ranks=1, min=value, max=value, max_host=host)


def path(name, kind="block", asks=1, hits=0, loads=0, bytes_=0, absent=0):
    return dict(path=name, kind=kind, asks=asks, hits=hits, loads=loads, bytes=bytes_, absent=absent)


def second(at, reads=0, read_bytes=0, operations=0, asks=0, hits=0):
    return dict(second=at, storage_reads=reads, storage_bytes=read_bytes, front_end_operations=operations,
                client_asks=asks, client_hits=hits)


def load(rank, host, bytes_sent=0, depth=0, messages_sent=0, storage_reads=0, cache_bytes=1 << 20, cache_budget=1 << 28):
    return dict(rank=rank, host=host, depth=depth, messages_sent=messages_sent, bytes_sent=bytes_sent, bytes_received=5,
                storage_reads=storage_reads, cache_bytes=cache_bytes, cache_budget=cache_budget)


class JobDirectory:
    def __init__(self, directory):
        self.directory = str(directory)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def rank(self, number, host, *, tag="final", operations=(), counters=(), paths=(), timeline=(), sent=0, start=()):
        folder = self.path("profiling", tag, f"{host}.{number}")
        self.tables(folder, operations, counters, paths, timeline, [load(number, host, sent)])
        with open(os.path.join(folder, profiles.SUMMARY), "w", encoding="utf-8") as file:
            file.write("## Start\n\n" + "".join(f"- rank {number} on {host}: {line}\n" for line in start))

    def tables(self, folder, operations=(), counters=(), paths=(), timeline=(), ranks=()):
        os.makedirs(folder, exist_ok=True)
        for name, rows in ((profiles.OPERATIONS, operations), (profiles.AGGREGATE, counters),
                           (profiles.TOP_PATHS, paths), (profiles.TIMELINE, timeline), (profiles.RANKS, ranks)):
            profiles.write_table(os.path.join(folder, name), name, rows)

    def options(self, **options):
        self.text("logs/options.json", json.dumps(options))

    def text(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def rows(self, name, folder="profiling/cluster"):
        with open(self.path(folder, name), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
