#!/usr/bin/python3
"""copper simulate: what it prints is complete and alike in each form; what it cannot use it refuses in one line."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree

TRACE = """copper-trace 1
# a small program
distinct /in
path 0 /d/f
path 1 /in/x
100 lookup 0 0
 entry 0 0 100
0 read 0 0
 block 0 0 1000000
50 ioctl 0 0
0 lookup 1 0
 entry 1 0 100
"""
SYSTEMS = ["direct", "peer_first", "peer_second", "copper"]


def simulate(*arguments):
    return subprocess.run([pathlib.Path(os.environ["COPPER_BIN"], "copper"), "simulate", *arguments],
                          capture_output=True, text=True, timeout=60, check=False)


class Simulate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.trace = self.file("small.trace", TRACE)

    def file(self, name, text):
        path = pathlib.Path(self.folder.name, name)
        path.write_text(text)
        return str(path)

    def rows(self, *arguments):
        done = simulate("--trace", self.trace, "--json", *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)["rows"]

    def test_each_number_of_nodes_is_a_row_once_and_in_order(self):
        rows = self.rows("--nodes", "64,1,8,8", "--processes", "3")
        self.assertEqual([row["nodes"] for row in rows], [1, 8, 64])
        for row in rows:
            for system in SYSTEMS:
                self.assertGreater(row[system]["finish_s"], 0)
                self.assertGreaterEqual(row["direct"]["storage_operations"], row["copper"]["storage_operations"])
            self.assertEqual(row["direct"]["network_bytes"], 0)

    def test_what_all_share_is_read_once_whatever_the_trees(self):
        for arguments in (["--fanout", "2"], ["--fanout", "3", "--trees", "4"]):
            for row in self.rows("--nodes", "1,20", "--processes", "2", *arguments):
                self.assertEqual(row["copper"]["storage_operations"], 3 + 2 * row["nodes"])

    def test_ten_thousand_nodes_whose_ranks_are_all_dead_stay_at_their_pace(self):
        row = self.rows("--nodes", "10624", "--dead-ranks")[0]["dead_ranks"]
        self.assertEqual(row["storage_operations"], 10624 * (1 + 4 + 12))
        self.assertLessEqual(row["busiest_second"], 1.1 * 5 * 10624)
        self.assertGreater(row["finish_s"], 3)
        self.assertIn("ranks dead", simulate("--trace", self.trace, "--nodes", "8", "--dead-ranks").stdout)

    def test_equal_seeds_give_equal_output(self):
        self.assertEqual(self.rows("--nodes", "30", "--seed", "5"), self.rows("--nodes", "30", "--seed", "5"))
        self.assertNotEqual(self.rows("--nodes", "30", "--seed", "5"), self.rows("--nodes", "30", "--seed", "6"))

    def test_numbers_of_a_profile_count(self):
        slow = self.rows("--nodes", "100", "--storage", "lustre-flare,metadata_per_s=100")[0]
        fast = self.rows("--nodes", "100")[0]
        self.assertGreater(slow["direct"]["finish_s"], 10 * fast["direct"]["finish_s"])

    def test_the_table_has_the_same_rows_and_says_what_was_simulated(self):
        done = simulate("--trace", self.trace, "--nodes", "1,20")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertEqual([line.split("|")[0].strip() for line in lines[-2:]], ["1", "20"])
        self.assertIn("metadata_per_s=", done.stdout)
        self.assertIn("latency_us=", done.stdout)
        self.assertEqual(len({len(line) for line in lines[-4:]}), 1, "its columns are aligned")

    def test_the_picture_is_svg_with_a_curve_for_each_system_within_its_frame(self):
        for nodes in ("7", "1,2,4,1000"):
            picture = pathlib.Path(self.folder.name, "plot.svg")
            done = simulate("--trace", self.trace, "--nodes", nodes, "--plot", str(picture))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            svg = xml.etree.ElementTree.fromstring(picture.read_text())
            space = "{http://www.w3.org/2000/svg}"
            curves = svg.findall(space + "polyline")
            self.assertEqual(len(curves), 6)
            for curve in curves:
                for point in curve.get("points").split():
                    x, y = map(float, point.split(","))
                    self.assertTrue(0 <= x <= float(svg.get("width")) and 0 <= y <= float(svg.get("height")))
            words = " ".join(text.text for text in svg.findall(space + "text"))
            for word in ("direct", "Copper", "lower bound", "two-tree", "nodes", "seconds"):
                self.assertIn(word, words)

    def test_what_cannot_be_used_is_refused_in_one_line(self):
        trace = ["--trace", self.trace]
        for arguments in (
            [],
            ["--trace", "/does/not/exist"],
            ["--trace", "/"],
            ["--trace", self.file("empty", "")],
            ["--trace", self.file("other", "hello\n")],
            ["--trace", self.file("broken", TRACE + "1 lookup 99 0\n")],
            ["--trace", self.file("nothing", "copper-trace 1\n")],
            [*trace, "--nodes", "0"],
            [*trace, "--nodes", "1,x"],
            [*trace, "--nodes", ""],
            [*trace, "--processes", "0"],
            [*trace, "--fanout", "65"],
            [*trace, "--trees", "0"],
            [*trace, "--storage", "tape"],
            [*trace, "--storage", "laptop,data_us=-1"],
            [*trace, "--network", "slingshot11,width=3"],
            [*trace, "--bulk-fanout", "0"],
            [*trace, "--publish", "some"],
            [*trace, "--dead-ranks", "--plot", "plot.svg"],
            [*trace, "--plot", "/does/not/exist/plot.svg"],
        ):
            with self.subTest(arguments=arguments):
                done = simulate(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertTrue(done.stderr.startswith("copper: "))


if __name__ == "__main__":
    unittest.main()
