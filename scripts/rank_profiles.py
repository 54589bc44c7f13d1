"""What the ranks of a job wrote of themselves, and its sum: profiling/<tag>/<host>.<rank>/profiling_*.csv.

The figures of the cluster are those that rank 0 writes to profiling/cluster/ when it is told to (launch with -P). Here
they are computed from the ranks' own files, for a job that was launched without it. Values in, values out, but for
read_ranks() and write_table(). Nothing in a file is believed: what cannot be read is Refused, with its line.
"""

import collections
import csv
import io
import math
import os
import re

OPERATIONS = "profiling_operations.csv"
AGGREGATE = "profiling_aggregate.csv"
TOP_PATHS = "profiling_top_paths.csv"
TIMELINE = "profiling_timeline.csv"
RANKS = "profiling_ranks.csv"
SUMMARY = "profiling_summary.md"

BOUNDS = [1 << i for i in range(26)]  # of the latency buckets, in microseconds; one more bucket is beyond
BUCKETS = [f"le_{bound}" for bound in BOUNDS] + ["more"]
# The columns of each file: what tells rows apart, then what is counted.
KEYS = {
    OPERATIONS: ["layer", "operation"],
    AGGREGATE: ["layer", "counter"],
    TOP_PATHS: ["path", "kind"],
    TIMELINE: ["second"],
}
COUNTS = {
    OPERATIONS: ["count", "errors", "bytes", "total_us", "p50_us", "p90_us", "p99_us", "max_us"] + BUCKETS,
    AGGREGATE: ["sum", "ranks", "min", "max"],
    TOP_PATHS: ["asks", "hits", "loads", "bytes", "absent"],
    TIMELINE: ["storage_reads", "storage_bytes", "front_end_operations", "client_asks", "client_hits"],
}
COLUMNS = {name: KEYS[name] + COUNTS[name] for name in KEYS}
COLUMNS[AGGREGATE] = COLUMNS[AGGREGATE] + ["max_host"]
COLUMNS[RANKS] = ["rank", "host", "depth", "messages_sent", "bytes_sent", "bytes_received", "storage_reads",
                  "cache_bytes", "cache_budget"]
KEYS[RANKS] = ["rank", "host"]
COUNTS[RANKS] = [column for column in COLUMNS[RANKS] if column not in KEYS[RANKS]]
RANKS_SHOWN = 64  # in profiling_ranks.csv
TOP_N = 50  # rows of profiling_top_paths.csv, where the launcher was not told
KINDS = ["listing", "entry", "block", "filesystem"]
ESCAPED_BYTE = re.compile(r"\\x([0-9a-f]{2})")  # in a path: a byte that is no UTF-8

Rank = collections.namedtuple("Rank", "number host tables")  # tables: file name -> rows, each a dict


class Refused(Exception):
    """One line for the user; exit status 2."""


# ---- reading ----

def read_ranks(directory):
    """The ranks whose files are in profiling/<tag>, by number."""
    if not os.path.isdir(directory):
        raise Refused(f"{directory}: no such directory; is it the tag of a job that has ended?")
    ranks = []
    for name in os.listdir(directory):
        match = re.match(r"(.+)\.(\d{1,9})$", name)
        if match:
            tables = {file: read_table(os.path.join(directory, name, file), file) for file in KEYS}
            ranks.append(Rank(int(match.group(2)), match.group(1), tables))
    if not ranks:
        raise Refused(f"{directory}: no files of ranks; beyond 64 ranks they are written only with --per-rank-output")
    ranks.sort()
    return ranks


def read_table(path, name):
    """The rows of one file, counts as int."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
            if text and not text.endswith("\n"):
                raise Refused(f"{path}: it is cut short")
            lines = csv.reader(io.StringIO(text, newline=""), strict=True)
            header = next(lines, [])
            if header != COLUMNS[name]:
                raise Refused(f"{path}: its columns are not those of {name}")
            return [read_row(path, lines.line_num, name, fields) for fields in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"{path}: {getattr(error, 'strerror', None) or error}")


def read_row(path, line, name, fields):
    if len(fields) != len(COLUMNS[name]):
        raise Refused(f"{path}: line {line} has {len(fields)} fields, not {len(COLUMNS[name])}")
    row = dict(zip(COLUMNS[name], fields))
    for column in COUNTS[name] + [key for key in KEYS[name] if key in ("second", "rank")]:
        if not re.match(r"\d{1,20}$", row[column]):
            raise Refused(f"{path}: line {line}: {column} is no number: '{row[column]}'")
        row[column] = int(row[column])
    return row


# ---- sums ----

def rows_by_key(ranks, name):
    """(key, [(rank, row), ...]) for each key, in the order in which the ranks name them."""
    found = collections.OrderedDict()
    for rank in ranks:
        for row in rank.tables[name]:
            found.setdefault(tuple(row[column] for column in KEYS[name]), []).append((rank, row))
    return found.items()


def summed(key, rows, name, columns):
    total = dict(zip(KEYS[name], key))
    for column in columns:
        total[column] = sum(row[column] for _, row in rows)
    return total


def percentile(buckets, share, most):
    """At least a share (in hundredths) of what is in the buckets took so long: the bound of one, or the longest of all."""
    wanted = (sum(buckets) * share + 99) // 100
    reached = 0
    for bound, count in zip(BOUNDS, buckets):
        reached += count
        if reached >= wanted > 0:
            return min(bound, most)
    return most


def sum_operations(ranks):
    table = []
    for key, rows in rows_by_key(ranks, OPERATIONS):
        total = summed(key, rows, OPERATIONS, ["count", "errors", "bytes", "total_us"] + BUCKETS)
        total["max_us"] = max(row["max_us"] for _, row in rows)
        buckets = [total[bucket] for bucket in BUCKETS]
        for share in (50, 90, 99):
            total[f"p{share}_us"] = percentile(buckets, share, total["max_us"])
        table.append(total)
    return table


def sum_aggregate(ranks):
    table = []
    for key, rows in rows_by_key(ranks, AGGREGATE):
        total = summed(key, rows, AGGREGATE, ["sum", "ranks"])
        total["min"] = min(row["min"] for _, row in rows)
        total["max"] = max(row["max"] for _, row in rows)
        total["max_host"] = next(row["max_host"] for _, row in rows if row["max"] == total["max"])
        if total["layer"] == "profile":  # no counter of a rank, but what the whole profile lacks
            total["max"] = total["sum"]
        table.append(total)
    return table


def sum_top_paths(ranks, top=None):
    """Most asked first; `top` rows at most."""
    table = [summed(key, rows, TOP_PATHS, COUNTS[TOP_PATHS]) for key, rows in rows_by_key(ranks, TOP_PATHS)]
    table.sort(key=lambda row: (-row["asks"], -row["loads"], path_bytes(row["path"]), kind_number(row["kind"])))
    return table[:top]


def path_bytes(text):
    return os.fsencode(ESCAPED_BYTE.sub(lambda match: os.fsdecode(bytes([int(match.group(1), 16)])), text))


def kind_number(kind):
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def sum_timeline(ranks):
    """A rank doubles the width of its rows when they are too many: the widest is the width of all."""
    width = max(row_width(rank.tables[TIMELINE]) for rank in ranks)
    last = max((row["second"] for rank in ranks for row in rank.tables[TIMELINE]), default=-1)
    table = [dict(dict.fromkeys(COUNTS[TIMELINE], 0), second=second) for second in range(0, last + 1, width)]
    for rank in ranks:
        for row in rank.tables[TIMELINE]:
            for column in COUNTS[TIMELINE]:
                table[row["second"] // width][column] += row[column]
    return table


def sum_ranks(ranks):
    """The busiest first; equals by number."""
    table = [row for rank in ranks for row in rank.tables[RANKS]]
    table.sort(key=lambda row: (-row["bytes_sent"], -row["messages_sent"], row["rank"]))
    return table[:RANKS_SHOWN]


def row_width(rows):
    width = 0
    for row in rows:
        width = math.gcd(width, row["second"])
    return width or 1


# ---- writing ----

def write_table(path, name, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)  # lines end with CR LF, as RFC 4180 says
        lines.writerow(COLUMNS[name])
        lines.writerows([row[column] for column in COLUMNS[name]] for row in rows)
