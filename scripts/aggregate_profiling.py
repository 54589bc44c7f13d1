#!/usr/bin/env python3
"""From what each rank of a job wrote of itself to the figures of the cluster, and what the job used of its environments.

    aggregate_profiling.py JOBDIR [--tag final] [--application-root DIR]... [--trace FILE]... [--output DIR]

JOBDIR is the directory of one job, <log_dir_base>/<jobid>, after it was stopped. Needs nothing but Python 3.6. Exit
status: 0, 1 the files cannot be written, 2 refused (one line on stderr).
"""

import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
LIBRARY = HERE if os.path.exists(os.path.join(HERE, "rank_profiles.py")) else os.path.join(HERE, "..", "libexec", "copper")
sys.path.insert(0, LIBRARY)

import path_analysis  # noqa: E402
import path_report  # noqa: E402
import profile_summary  # noqa: E402
import rank_profiles as profiles  # noqa: E402
import ways_out  # noqa: E402
from rank_profiles import Refused  # noqa: E402


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        raise Refused(f"{message} (see --help)")


def parse(arguments):
    parser = Arguments(prog="aggregate_profiling.py", description=__doc__.splitlines()[0])
    parser.add_argument("jobdir", metavar="JOBDIR", help="the directory of one job: <log_dir_base>/<jobid>")
    parser.add_argument("--tag", default="final", help="final, pre-destroy or snapshot-NNNN (default: final)")
    parser.add_argument("--application-root", metavar="DIR", action="append", default=[],
                        help="an environment to look at, once for each (default: those that the paths lie in)")
    parser.add_argument("--trace", metavar="FILE", action="append", default=[],
                        help="what a mount was asked, from launch_copper.sh --record; once for each")
    parser.add_argument("--output", metavar="DIR", help="where to write (default: JOBDIR/profiling/cluster)")
    return parser.parse_args(arguments)


def job_options(jobdir):
    """What the launcher wrote of the job's options; nothing where it did not."""
    try:
        with open(os.path.join(jobdir, "logs", "options.json"), encoding="utf-8") as file:
            options = json.load(file)
    except (OSError, ValueError):
        return {}
    return options if isinstance(options, dict) else {}


def read_trace(path):
    try:
        with open(path, encoding="ascii") as file:
            if file.readline() != "copper-trace 1\n":
                raise Refused(f"{path}: no trace of a mount")
            return path_analysis.observed_in_trace(file)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path}: {getattr(error, 'strerror', None) or error}")


def rows_of_paths(options):
    """How many rows rank 0 gives profiling_top_paths.csv; None: all."""
    if options.get("full_path_profiling") or not options:
        return None
    top = options.get("top_n")
    return top if isinstance(top, int) else profiles.TOP_N


def write_cluster(directory, ranks, timings, options):
    """The figures of the cluster; returns the sums, by the name of their file."""
    tables = {
        profiles.OPERATIONS: profiles.sum_operations(ranks),
        profiles.AGGREGATE: profiles.sum_aggregate(ranks),
        profiles.TOP_PATHS: profiles.sum_top_paths(ranks, rows_of_paths(options)),
        profiles.TIMELINE: profiles.sum_timeline(ranks),
        profiles.RANKS: profiles.sum_ranks(ranks),
    }
    for name, rows in tables.items():
        profiles.write_table(os.path.join(directory, name), name, rows)
    nodes = options.get("nodes")
    text = profile_summary.text("the job", nodes if isinstance(nodes, int) else len(ranks), tables, timings)
    with open(os.path.join(directory, profiles.SUMMARY), "w", encoding="utf-8") as file:
        file.write(text)
    return tables


def read_sums(directory):
    """The figures of the cluster as rank 0 wrote them, as far as they are needed here; None: it did not."""
    names = (profiles.AGGREGATE, profiles.TOP_PATHS)
    if not all(os.path.exists(os.path.join(directory, name)) for name in names):
        return None
    return {name: profiles.read_table(os.path.join(directory, name), name) for name in names}


def links_out(aggregate):
    return next((row["sum"] for row in aggregate if row["counter"] == "fuse_links_out"), None)


def number(of, what):
    return f"{len(of)} {what}{'' if len(of) == 1 else 's'}"


def run(arguments):
    options = parse(arguments)
    source = os.path.join(options.jobdir, "profiling", options.tag)
    ranks = profiles.read_ranks(source)
    job = job_options(options.jobdir)
    traces = [read_trace(path) for path in options.trace]
    for root in options.application_root:
        if not os.path.isdir(root):
            raise Refused(f"--application-root {root}: no such directory on this machine")
    directory = options.output or os.path.join(options.jobdir, "profiling", "cluster")
    os.makedirs(directory, exist_ok=True)
    nodes = job.get("nodes") if isinstance(job.get("nodes"), int) else len(ranks)
    # Of a large job rank 0 has written its own files and the sums of all: those stay.
    of_all = len(ranks) < nodes and read_sums(directory)
    tables = of_all or write_cluster(directory, ranks, profile_summary.read_timings(source, ranks), job)
    paths = of_all[profiles.TOP_PATHS] if of_all else profiles.sum_top_paths(ranks)
    observed = path_analysis.joined(path_analysis.observed_in_profile(paths), path_analysis.merged(*traces))
    analysis = path_analysis.analyse(observed, options.application_root)
    used = {state.path for state in analysis.states if state.state == "used"}
    exits = ways_out.find(analysis.environments, lambda path: path in used)
    path_report.write(directory, analysis, exits, links_out(tables[profiles.AGGREGATE]), job)
    of = f"{len(ranks)} of {nodes} ranks" if len(ranks) < nodes else number(ranks, "rank")
    print(f"aggregate_profiling.py: {directory}: {'the sums that are there' if of_all else f'the sum of {of}'}, "
          f"{number(analysis.environments, 'environment')} looked at")


def main():
    try:
        run(sys.argv[1:])
    except Refused as refused:
        print(f"aggregate_profiling.py: {refused}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"aggregate_profiling.py: {error.filename or ''}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
