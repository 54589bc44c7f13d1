#!/usr/bin/python3
"""What a job leaves in its directory, and that its figures are true: those of the job are the sum of its ranks', and what
they say of storage is what the storage model has counted from outside."""

import collections
import contextlib
import csv
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import time

from copper_nodes import PYTHON, MountTest, Nodes, eventually, main, private_directory
from on_model import nodes_on_model

KINDS = ("listing", "entry", "block")
FILES = ("operations.csv", "aggregate.csv", "top_paths.csv", "timeline.csv", "ranks.csv", "summary.md")

source = None


def setUpModule():
    """Forty files in eight directories, two files of several blocks, and one whose name is no text."""
    global source
    source = private_directory()
    numbers = random.Random(7)
    for n in range(40):
        path = os.path.join(source, f"d{n % 8}", f"file {n}, \"quoted\"")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(numbers.randbytes(numbers.randrange(1, 9000)))
    for name in ("large", b"caf\xe9".decode("utf-8", "surrogateescape")):
        with open(os.path.join(source, name), "wb") as file:
            file.write(numbers.randbytes(5 << 19))


def tearDownModule():
    shutil.rmtree(source)


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def figures(directory, name, key):
    """The file's rows, key -> {column: number}."""
    return {tuple(row[column] for column in key):
            {column: int(value) for column, value in row.items() if column not in key and value.isdigit()}
            for row in rows(os.path.join(directory, f"profiling_{name}.csv"))}


def summed(directories, name, key):
    total = collections.defaultdict(collections.Counter)
    for directory in directories:
        for row, values in figures(directory, name, key).items():
            total[row].update(values)
    return total


class Outputs(MountTest):
    limit_s = 120

    def read_all(self, nodes, place):
        """Everything, by two processes on each node at the same time."""
        script = "import os, sys\nfor top, _, names in os.walk(sys.argv[1]):\n" \
                 "    for name in names: open(os.path.join(os.fsencode(top), os.fsencode(name)), 'rb').read()\n" \
                 "    os.path.exists(top + '/absent')"
        running = [subprocess.Popen([PYTHON, "-c", script, nodes.path(i, place)])
                   for i in range(nodes.count) for _ in range(2)]
        self.assertEqual([process.wait(60) for process in running], [0] * len(running))

    def job_directory(self, nodes):
        found = glob.glob(os.path.join(nodes.log_base, "*"))
        self.assertEqual(len(found), 1, found)
        return found[0]

    def stop(self, nodes):
        stopped = nodes.stop_command()
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        return self.job_directory(nodes)

    def parts(self, job, tag, count):
        host = socket.gethostname()
        for rank in range(count):
            for kind in KINDS:
                self.assertTrue(os.path.isfile(f"{job}/tables/{tag}/{host}.{rank}/{kind}.csv"), (tag, rank, kind))
            for name in FILES:
                self.assertTrue(os.path.isfile(f"{job}/profiling/{tag}/{host}.{rank}/profiling_{name}"), (tag, rank, name))
        return [f"{job}/profiling/{tag}/{host}.{rank}" for rank in range(count)]

    def test_the_figures_of_a_job_are_the_sum_of_its_ranks_and_what_storage_has_seen(self):
        with nodes_on_model(source, options=("-P", "-A", "-T", "2")) as (self.nodes, storage, place):
            nodes = self.nodes
            nodes.on_each(lambda i: os.readlink(nodes.path(i, "/proc")))  # no question to storage
            self.read_all(nodes, place)
            counts = storage.counts()
            job = self.stop(nodes)
            self.parts(job, "pre-destroy", nodes.count)
            ranks, cluster = self.parts(job, "final", nodes.count), job + "/profiling/cluster"

            self.assertEqual([f for f in FILES if not os.path.isfile(f"{cluster}/profiling_{f}")], [])
            counters = summed(ranks, "aggregate", ("layer", "counter", "max_host"))
            sums = collections.Counter()
            for (layer, counter, _), values in counters.items():
                sums[layer, counter] += values["sum"]
            of_job = {(layer, counter): values["sum"] for (layer, counter, _), values in
                      figures(cluster, "aggregate", ("layer", "counter", "max_host")).items()}
            self.assertEqual(of_job, dict(sums))
            additive = lambda values: {column: n for column, n in values.items() if not column.startswith(("p", "max"))}
            for name, key in (("operations", ("layer", "operation")), ("top_paths", ("path", "kind"))):
                self.assertEqual({row: additive(values) for row, values in figures(cluster, name, key).items()},
                                 {row: additive(values) for row, values in summed(ranks, name, key).items()})
            timeline = collections.Counter()
            for row in rows(cluster + "/profiling_timeline.csv"):
                timeline.update({column: int(n) for column, n in row.items() if column != "second"})

            # Each figure is counted once: whatever adds up to it in another file is equal to it.
            operations = figures(cluster, "operations", ("layer", "operation"))
            paths = figures(cluster, "top_paths", ("path", "kind"))
            asked = lambda layer: sum(v["count"] for (l, _), v in operations.items() if l == layer)
            loads = sum(of_job["rank", "loads_" + kind] for kind in (*KINDS, "filesystem"))
            self.assertEqual(of_job["profile", "paths_left_out"], 0)
            self.assertEqual(asked("rank"), of_job["rank", "client_asks"] - of_job["rank", "client_found"])
            self.assertEqual(of_job["rank", "client_found"], of_job["front_end", "fuse_found"])
            self.assertEqual(asked("storage"), loads - of_job["rank", "loads_known"])
            self.assertGreater(of_job["rank", "loads_known"], 0)
            self.assertEqual(sum(v["asks"] for v in paths.values()), of_job["rank", "client_asks"])
            self.assertEqual(sum(v["hits"] for v in paths.values()), of_job["rank", "client_hits"])
            self.assertEqual(sum(v["loads"] for v in paths.values()), loads)
            self.assertEqual(sum(v["bytes"] for v in paths.values()), of_job["rank", "bytes_loaded"])
            self.assertEqual(timeline["client_asks"], of_job["rank", "client_asks"])
            self.assertEqual(timeline["client_hits"], of_job["rank", "client_hits"])
            self.assertEqual(timeline["storage_reads"], asked("storage"))
            self.assertEqual(timeline["storage_bytes"], of_job["rank", "bytes_loaded"])
            self.assertEqual(timeline["front_end_operations"], asked("front_end"))
            self.assertEqual(of_job["rank", "child_asks"], of_job["rank", "asks_sent"] + of_job["rank", "asked_again"])
            for operation in ("lookup", "getattr", "readlink", "read", "readdir", "readdirplus", "statfs"):
                self.assertEqual(operations["front_end", operation]["count"], of_job["front_end", "fuse_" + operation])
            self.assertEqual(sum(v["errors"] for (l, _), v in operations.items() if l == "front_end"),
                             of_job["front_end", "fuse_errors"])
            self.assertGreater(of_job["rank", "client_hits"], 0)
            self.assertLess(of_job["rank", "client_hits"], of_job["rank", "client_asks"])

            # Storage has seen just that.
            spelled = lambda path: path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            seen = {spelled(path): count for path, count in counts.items()}
            below = {(path[len(place):], kind): v for (path, kind), v in paths.items() if path.startswith(place + "/")}
            self.assertEqual({path: v["loads"] for (path, kind), v in below.items() if kind == "listing" and v["loads"]},
                             {path: c.opendir for path, c in seen.items() if c.opendir and path != "/"})
            self.assertEqual({path: (v["loads"], v["bytes"]) for (path, kind), v in below.items() if kind == "block"},
                             {path: (c.blocks, c.bytes) for path, c in seen.items() if c.blocks})
            self.assertEqual(len([path for path, kind in below if kind == "block"]), 42)

            self.check_ranks(cluster, nodes.count, of_job)
            self.check_tables(job, below)

    def check_ranks(self, cluster, count, of_job):
        found = rows(cluster + "/profiling_ranks.csv")
        self.assertEqual(sorted(int(row["rank"]) for row in found), list(range(count)))
        for column in ("messages_sent", "bytes_sent", "bytes_received"):
            self.assertEqual(sum(int(row[column]) for row in found), of_job["rank", column])

    def check_tables(self, job, below):
        """Whatever was loaded is in some rank's table, with as many bytes."""
        held = collections.defaultdict(dict)
        for table in glob.glob(job + "/tables/final/*/block.csv"):
            for row in rows(table):
                held[row["path"]][int(row["block"])] = int(row["bytes"])
        loaded = {path: v["bytes"] for (path, kind), v in below.items() if kind == "block"}
        self.assertEqual({path: sum(next(blocks for name, blocks in held.items() if name.endswith(path)).values())
                          for path in loaded}, loaded)

    def test_without_P_each_rank_writes_its_files_and_nobody_the_jobs(self):
        with Nodes(2, options=("-N", "3")) as self.nodes:
            os.listdir(self.nodes.path(1, "/usr/lib"))
            job = self.stop(self.nodes)
            for directory in self.parts(job, "final", 2):
                self.assertLessEqual(len(rows(directory + "/profiling_top_paths.csv")), 3)
            self.assertEqual(sorted(os.listdir(job + "/profiling")), ["final", "pre-destroy"])

    def test_snapshots_are_written_while_the_job_runs_and_the_jobs_files_with_them(self):
        with Nodes(2, options=("-P", "-I", "1")) as self.nodes:
            job = self.job_directory(self.nodes)
            os.listdir(self.nodes.path(1, "/usr/lib"))
            wanted = [job + "/profiling/cluster/profiling_ranks.csv"]
            for rank in (f"{socket.gethostname()}.0", f"{socket.gethostname()}.1"):
                wanted.append(f"{job}/profiling/snapshot-0003/{rank}/profiling_summary.md")
                wanted += [f"{job}/tables/snapshot-0003/{rank}/{kind}.csv" for kind in ("listing", "entry", "block")]
            self.assertTrue(eventually(lambda: all(map(os.path.isfile, wanted)), 30))
            later = self.parts(job, "snapshot-0003", 2)
            key = ("layer", "counter", "max_host")
            sums = [{row[:2]: v["sum"] for row, v in figures(directory, "aggregate", key).items()}
                    for directory in (later[1], self.parts(self.stop(self.nodes), "final", 2)[1])]
            self.assertEqual([row for row, n in sums[0].items() if n > sums[1][row]], [])

    def test_the_log_says_when_each_rank_was_ready_and_first_answered(self):
        with Nodes(3, options=("-l", "4")) as self.nodes:
            self.nodes.on_each(lambda i: os.listdir(self.nodes.path(i, "/usr/lib")))
            job = self.stop(self.nodes)
            log = self.text(f"{job}/logs/copper_service.{socket.gethostname()}.0.log")
            self.assertRegex(log, r": provider registration completed after \d+\n")
            for rank in (1, 2):
                self.assertRegex(log, rf"rank {rank} on node{rank}: provider registration completed after \d+\n")
                self.assertRegex(log, rf"rank {rank} on node{rank}: first successful parent rpc_(lstat|readdir) completed "
                                      r"after \d+ since provider startup\n")
            self.assertEqual(len([line for line in log.splitlines() if "registration completed" in line]), 3)

    def test_a_rank_that_does_not_answer_is_not_waited_for_and_not_counted(self):
        top = self.directory()
        os.mkdir(top + "/run", 0o700)
        command = [*os.environ.get("COPPER_MPIEXEC", "mpiexec").split(), "-n", "4",
                   os.path.join(os.environ["COPPER_BIN"], "copper_service"), "--run-dir", top + "/run", "--mount",
                   top + "/mnt", "--nodes", "4", "--fanout", "2", "--job-dir", top + "/job", "-P", "-l", "4"]
        launcher = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=top)
        ranks = []

        def all_serve():
            ranks[:] = self.ranks_below(top)
            return len([log for log in logs.values() if "registration completed" in self.text(log)]) == 4
        try:
            logs = {rank: f"{top}/job/logs/copper_service.{socket.gethostname()}.{rank}.log" for rank in range(4)}
            self.assertTrue(eventually(all_serve, 30))
            silent = next(pid for pid in ranks if self.writes_to(pid, logs[3]))
            os.kill(silent, signal.SIGSTOP)
            begun = time.monotonic()
            for pid in ranks:
                if pid != silent:
                    os.kill(pid, signal.SIGTERM)
            summary = top + "/job/profiling/cluster/profiling_summary.md"
            self.assertTrue(eventually(lambda: os.path.isfile(summary), 10))
            self.assertLess(time.monotonic() - begun, 6)
            self.assertIn("Only 3 of 4 ranks", self.text(summary))
            self.assertTrue(eventually(lambda: len(glob.glob(top + "/job/profiling/final/*")) == 3))
        finally:
            for pid in ranks:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            launcher.kill()
            launcher.wait()

    @staticmethod
    def text(path):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            return file.read()
        return ""

    @staticmethod
    def ranks_below(top):
        """The processes of copper_service that name this directory."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                arguments = file.read().split(b"\0")
                if os.path.basename(arguments[0]) == b"copper_service" and (top + "/run").encode() in arguments:
                    found.append(int(pid))
        return found

    @staticmethod
    def writes_to(pid, path):
        with contextlib.suppress(OSError):
            return any(os.path.realpath(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd"))
        return False


if __name__ == "__main__":
    main()
