#!/usr/bin/python3
"""The figures of the cluster are the sums of its ranks; what cannot be read is refused in one line."""

import ast
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from job_directory import JobDirectory, counter, operation, path, profiles, second

SCRIPTS = pathlib.Path(os.environ["COPPER_SOURCE"], "scripts")


def aggregate(*arguments):
    return subprocess.run([sys.executable, SCRIPTS / "aggregate_profiling.py", *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)


class JobTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.job = JobDirectory(folder.name)

    def cluster(self, name, *arguments):
        done = aggregate(self.job.directory, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return self.job.rows(name)


class Sums(JobTest):
    def test_operations_are_added_bucket_by_bucket_and_percentiles_come_from_the_sum(self):
        self.job.rank(0, "node0", operations=[operation("front_end", "lookup", {1: 98, 2: 0}, errors=1, bytes_=10)])
        self.job.rank(1, "node1", operations=[operation("front_end", "lookup", {8: 1, 4096: 1}, bytes_=5, most=3000),
                                              operation("storage", "load_block", {"more": 1}, most=99999999)])
        lookup, load = self.cluster("profiling_operations.csv")
        self.assertEqual([lookup[name] for name in ("count", "errors", "bytes", "max_us", "le_1", "le_8", "le_4096")],
                         ["100", "1", "15", "3000", "98", "1", "1"])
        self.assertEqual([lookup[name] for name in ("p50_us", "p90_us", "p99_us")], ["1", "1", "8"])
        self.assertEqual([load[name] for name in ("layer", "count", "more", "p50_us")],
                         ["storage", "1", "1", "99999999"])

    def test_counters_have_sum_least_most_and_the_host_of_the_most(self):
        for number, value in enumerate((3, 9, 9, 0)):
            host = f"node{number}"
            self.job.rank(number, host, counters=[counter("rank", "client_asks", value, host)])
        row, = self.cluster("profiling_aggregate.csv")
        self.assertEqual(row, dict(layer="rank", counter="client_asks", sum="21", ranks="4", min="0", max="9",
                                   max_host="node1"))

    def test_the_sums_that_rank_0_of_a_large_job_wrote_stay(self):
        self.job.options(nodes=100)
        self.job.rank(0, "node0", counters=[counter("rank", "client_asks", 3)], paths=[path("/a")])
        self.job.tables(self.job.path("profiling", "cluster"), counters=[counter("rank", "client_asks", 250)],
                        paths=[path("/a", asks=200)])
        self.assertEqual(self.cluster("profiling_aggregate.csv")[0]["sum"], "250")
        self.assertEqual(self.cluster("profiling_top_paths.csv")[0]["asks"], "200")

    def test_where_nobody_wrote_the_sum_of_all_it_says_of_how_many_ranks_it_is(self):
        self.job.options(nodes=100)
        self.job.rank(0, "node0", counters=[counter("rank", "client_asks", 3)])
        self.assertIn("the sum of 1 of 100 ranks", aggregate(self.job.directory).stdout)

    def test_ranks_are_taken_in_the_order_of_their_numbers_not_of_their_names(self):
        for number in (10, 2):
            host = f"node{number}"
            self.job.rank(number, host, counters=[counter("rank", "client_asks", 7, host)])
        self.assertEqual(self.cluster("profiling_aggregate.csv")[0]["max_host"], "node2")

    def test_paths_are_added_by_path_and_kind_most_asked_first(self):
        self.job.rank(0, "node0", paths=[path("/a", asks=2, hits=1, loads=1, bytes_=7), path("/b", "entry", asks=4)])
        self.job.rank(1, "node1", paths=[path("/a", asks=3, hits=3), path("/a", "listing", asks=1, absent=1),
                                         path('/x"y,\nz', asks=9)])
        rows = self.cluster("profiling_top_paths.csv")
        self.assertEqual([(row["path"], row["kind"], row["asks"]) for row in rows],
                         [('/x"y,\nz', "block", "9"), ("/a", "block", "5"), ("/b", "entry", "4"),
                          ("/a", "listing", "1")])
        self.assertEqual([rows[1][name] for name in ("hits", "loads", "bytes", "absent")], ["4", "1", "7", "0"])

    def test_time_lines_of_different_width_are_added_at_the_widest(self):
        self.job.rank(0, "node0", timeline=[second(0, reads=1), second(1, reads=2), second(2, operations=5),
                                            second(5, hits=1)])
        self.job.rank(1, "node1", timeline=[second(0, reads=10), second(4, operations=7, asks=2)])
        rows = self.cluster("profiling_timeline.csv")
        self.assertEqual([(row["second"], row["storage_reads"], row["front_end_operations"], row["client_hits"])
                          for row in rows], [("0", "13", "5", "0"), ("4", "0", "7", "1")])

    def test_a_time_line_has_a_row_also_where_nothing_happened(self):
        self.job.rank(0, "node0", timeline=[second(0, reads=1), second(2)])
        self.job.rank(1, "node1", timeline=[second(0), second(2), second(4), second(6, reads=2)])
        rows = self.cluster("profiling_timeline.csv")
        self.assertEqual([(row["second"], row["storage_reads"]) for row in rows],
                         [("0", "1"), ("2", "0"), ("4", "0"), ("6", "2")])

    def test_the_busiest_ranks_come_first_at_most_64(self):
        for number in range(70):
            self.job.rank(number, f"node{number}", sent=number // 2)
        rows = self.cluster("profiling_ranks.csv")
        self.assertEqual(len(rows), 64)
        self.assertEqual([row["rank"] for row in rows[:4]], ["68", "69", "66", "67"])

    def test_as_many_paths_as_the_launcher_was_told(self):
        self.job.rank(0, "node0", paths=[path(f"/{i:03}", asks=1 + i % 3, loads=i) for i in range(80)])
        for options, count in ({}, 80), ({"nodes": 1}, 50), ({"top_n": 7}, 7), ({"top_n": 7, "full_path_profiling": True}, 80):
            with self.subTest(options=options):
                self.job.options(**options)
                rows = self.cluster("profiling_top_paths.csv")
                self.assertEqual((len(rows), rows[0]["path"], rows[1]["path"]), (count, "/077" , "/074"))

    def test_equals_are_in_the_order_of_their_bytes_then_of_their_kinds(self):
        names = ["/a", "/b", "/\u00e9", r"/\xff"]
        self.job.rank(0, "node0", paths=[path(name, kind) for name in reversed(names) for kind in ("block", "listing", "entry")])
        rows = self.cluster("profiling_top_paths.csv")
        self.assertEqual([(row["path"], row["kind"]) for row in rows],
                         [(name, kind) for name in names for kind in ("listing", "entry", "block")])

    def test_the_summary_has_the_timing_lines_of_all_ranks_reduced_where_they_are_many(self):
        for count, word in ((2, "rank 1 on node1: provider registration completed after 101\n"),
                            (65, "provider registration completed after 100 (least), 132 (median), 164 (most): 65 ranks; "
                                 "slowest: node64 164, node63 163, node62 162, node61 161, node60 160\n")):
            for number in range(count):
                self.job.rank(number, f"node{number}", counters=[counter("rank", "client_asks", 3)], start=[
                    f"provider registration completed after {100 + number}",
                    *([f"first successful parent rpc_lstat completed after {number} since provider startup"] * (number > 0))])
            self.cluster("profiling_ranks.csv")
            text = pathlib.Path(self.job.path("profiling/cluster/profiling_summary.md")).read_text()
            self.assertIn(word, text)
            self.assertIn(f"| questions to the rank | {3 * count} |", text)
            self.assertIn("first successful parent rpc_lstat completed after 1 ", text)

    def test_a_tag_and_an_output_directory_can_be_chosen(self):
        self.job.rank(0, "node0", tag="snapshot-0001", counters=[counter("rank", "client_asks", 1)])
        done = aggregate(self.job.directory, "--tag", "snapshot-0001", "--output", self.job.path("out"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.job.rows("profiling_aggregate.csv", "out")[0]["sum"], "1")
        self.assertFalse(os.path.exists(self.job.path("profiling/cluster")))

    def test_a_percentile_of_nothing_is_nothing(self):
        self.assertEqual(profiles.percentile([0] * len(profiles.BUCKETS), 99, 0), 0)


class Refusals(JobTest):
    def refused(self, *arguments):
        done = aggregate(*arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1), done.stderr)
        return done.stderr

    def test_what_is_no_job_directory_is_refused(self):
        self.assertIn("no such directory", self.refused(self.job.directory))
        os.makedirs(self.job.path("profiling/final"))
        self.assertIn("--per-rank-output", self.refused(self.job.directory))
        self.refused()
        self.refused(self.job.directory, "--nothing")

    def test_damaged_files_are_refused_by_name_and_line(self):
        aggregate_file = self.job.path("profiling/final/node0.0/profiling_aggregate.csv")
        for damage, word in ((b"", "columns"), (b"a,b\n", "columns"),
                             (b"layer,counter,sum,ranks,min,max,max_host\nrank,client_asks,1\n", "line 2 has 3 fields"),
                             (b"layer,counter,sum,ranks,min,max,max_host\nrank,client_asks,-1,1,1,1,n\n", "line 2: sum"),
                             (b"layer,counter,sum,ranks,min,max,max_host\nrank,\xff,1,1,1,1,n\n", "utf-8"),
                             (b'layer,counter,sum,ranks,min,max,max_host\n"rank\n', "end of data"),
                             (b"layer,counter,sum,ranks,min,max,max_host\nrank,client_asks,1,1,1,1,n", "cut short")):
            with self.subTest(damage=damage):
                self.job.rank(0, "node0")
                pathlib.Path(aggregate_file).write_bytes(damage)
                said = self.refused(self.job.directory)
                self.assertIn(aggregate_file, said)
                self.assertIn(word, said)
        os.remove(aggregate_file)
        self.assertIn("No such file", self.refused(self.job.directory))

    def test_a_root_or_a_trace_that_cannot_be_read_is_refused(self):
        self.job.rank(0, "node0")
        self.refused(self.job.directory, "--application-root", self.job.path("nowhere"))
        self.refused(self.job.directory, "--trace", self.job.path("nowhere"))
        self.job.text("other", "hello\n")
        self.assertIn("no trace", self.refused(self.job.directory, "--trace", self.job.path("other")))


class OldSystems(unittest.TestCase):
    def test_the_scripts_need_nothing_that_python_3_6_lacks(self):
        for script in sorted(SCRIPTS.glob("*.py")):
            tree = ast.parse(script.read_text(), feature_version=(3, 6))
            for node in ast.walk(tree):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
                    self.assertFalse({"dataclasses", "contextvars", "graphlib", "zoneinfo"} & set(names), script)
                if isinstance(node, ast.keyword):
                    self.assertNotIn(node.arg, ("capture_output", "missing_ok", "dirs_exist_ok"), script)
                if isinstance(node, ast.Attribute):
                    self.assertNotIn(node.attr, ("removeprefix", "removesuffix", "is_relative_to", "prod"), script)


if __name__ == "__main__":
    unittest.main()
