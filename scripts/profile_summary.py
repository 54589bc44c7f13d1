"""profiling_summary.md of the cluster, figure for figure as rank 0 writes it: from the sums, and the ranks' own summaries,
which have their timing lines."""

import collections
import os
import re

import rank_profiles as profiles

PATHS_SHOWN = 20
LINES_MAX = 64  # of timing; more are reduced
SLOWEST_NAMED = 5
TIMING = re.compile(r"- rank (\d+) on (.*): (provider registration|first successful parent (rpc_\w+)) completed after (\d+)")

Timing = collections.namedtuple("Timing", "rank host rpc us")  # rpc: None: it is the registration


def read_timings(directory, ranks):
    """[Timing, ...] by rank, of the summaries in profiling/<tag>; where one is missing, less."""
    found = []
    for rank in ranks:
        path = os.path.join(directory, f"{rank.host}.{rank.number}", profiles.SUMMARY)
        try:
            with open(path, encoding="utf-8") as file:
                matches = [match for match in map(TIMING.match, file) if match]
        except (OSError, UnicodeDecodeError):
            continue
        found += [Timing(int(match.group(1)), match.group(2), match.group(4), int(match.group(5))) for match in matches]
    return sorted(found, key=lambda timing: timing.rank)


def timing_lines(timings):
    registered = [timing for timing in timings if timing.rpc is None]
    answered = [timing for timing in timings if timing.rpc is not None]
    if len(registered) <= LINES_MAX:
        return [f"rank {one.rank} on {one.host}: {timing_text(one.rpc, one.us)}" for one in registered + answered]
    lines = [reduced(None, registered)] if registered else []
    for rpc in ("rpc_readdir", "rpc_lstat", "rpc_readfile", "rpc_statfs"):
        of_kind = [one for one in answered if one.rpc == rpc]
        lines += [reduced(rpc, of_kind)] if of_kind else []
    return lines


def timing_text(rpc, us):
    if rpc is None:
        return f"provider registration completed after {us}"
    return f"first successful parent {rpc} completed after {us} since provider startup"


def reduced(rpc, timings):
    ordered = sorted(timings, key=lambda one: one.us)
    least, median, most = ordered[0].us, ordered[(len(ordered) - 1) // 2].us, ordered[-1].us
    slowest = ", ".join(f"{one.host} {one.us}" for one in reversed(ordered[-SLOWEST_NAMED:]))
    figures = timing_text(rpc, f"{least} (least), {median} (median), {most} (most)")
    return f"{figures}: {len(ordered)} ranks; slowest: {slowest}"


def text(title, ranks, tables, timings):
    """ranks: how many there are in the job, which may be more than have left files."""
    counters = {row["counter"]: row for row in tables[profiles.AGGREGATE]}
    counted = max((row["ranks"] for row in counters.values()), default=0)
    lines = [f"# Copper: profile of {title}", ""]
    if counted < ranks:
        lines += [f"**Only {counted} of {ranks} ranks answered; the figures are theirs.**", ""]
    lines += questions(lambda name: counters.get(name, {}).get("sum", 0), tables[profiles.TIMELINE])
    lines += latencies(tables[profiles.OPERATIONS]) + ["", "## Start", ""]
    lines += [f"- {line}" for line in timing_lines(timings)]
    lines += paths(tables[profiles.TOP_PATHS], counters.get("paths_left_out", {}).get("sum", 0))
    return "\n".join(lines) + "\n"


def questions(counter, timeline):
    def in_all(column):
        return sum(row[column] for row in timeline)

    figures = [
        ("requests of the kernel", in_all("front_end_operations")),
        ("answered by what the front end held", counter("fuse_from_view")),
        ("questions to the rank", counter("client_asks")),
        ("of them answered from its cache", counter("client_hits")),
        ("of them joined to a question on its way", counter("client_joined")),
        ("questions to parent ranks", counter("asks_sent")),
        ("questions to storage", in_all("storage_reads")),
        ("bytes from storage", in_all("storage_bytes")),
        ("bytes between ranks", counter("bytes_sent")),
        ("bytes to the kernel", counter("fuse_bytes")),
    ]
    return ["## What was asked, and who answered", "", "| | |", "|---|---:|"] + [f"| {what} | {n} |" for what, n in figures]


def latencies(operations):
    lines = ["", "## How long it took, microseconds", "",
             "| layer | operation | count | errors | p50 | p90 | p99 | max |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    columns = ("layer", "operation", "count", "errors", "p50_us", "p90_us", "p99_us", "max_us")
    return lines + [row_text(row, columns) for row in operations if row["count"]]


def paths(top, left_out):
    lines = ["", "## Most asked for", ""]
    if left_out:
        lines += [f"There were more paths than are counted: {left_out} gave way to others, and counts may be too low.", ""]
    lines += ["| path | kind | asks | hits | loads | bytes | absent |", "|---|---|---:|---:|---:|---:|---:|"]
    columns = profiles.COLUMNS[profiles.TOP_PATHS]
    return lines + [row_text(row, columns) for row in top[:PATHS_SHOWN]]


def row_text(row, columns):
    cells = [re.sub(r"[\r\n]", " ", str(row[column])).replace("|", "\\|") for column in columns]
    return "| " + " | ".join(cells) + " |"
