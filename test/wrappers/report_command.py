#!/usr/bin/python3
"""copper report: one page that needs nothing else, with every picture; what it cannot use it refuses in one line."""

import html.parser
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts"))

from job_directory import JobDirectory, counter, load, operation, path, second  # noqa: E402

EVIL = "/lus/<script>alert(1)</script>&\"'/x"
# Each file, and a number in it.
FILES = {"profiling_operations.csv": b",100,", "profiling_aggregate.csv": b",1234,", "profiling_top_paths.csv": b",5,",
         "profiling_timeline.csv": b",10,", "profiling_ranks.csv": b",2000,"}


def report(*arguments):
    return subprocess.run([pathlib.Path(os.environ["COPPER_BIN"], "copper"), "report", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)


class Elements(html.parser.HTMLParser):
    """Each element's name and attributes, and all text; fails where elements are not closed in order."""

    EMPTY = {"meta", "line", "rect"}

    def __init__(self, page):
        super().__init__()
        self.found, self.words, self.open = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.EMPTY or (tag == "rect" and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.words.append(data)


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.job = JobDirectory(folder.name + "/4711")

    def write(self, nodes=3, timeline=None, host="node{}"):
        self.job.tables(
            self.job.path("profiling/cluster"),
            [operation("front_end", "lookup", {1: 90, 64: 9, "more": 1}, most=70000000), operation("rank", "idle", {})],
            [dict(counter("rank", "client_asks", 1234), ranks=nodes), counter("rank", "loads_block", 17),
             counter("rank", "loads_known", 2), counter("front_end", "fuse_direct", 3)],
            [path(EVIL, asks=5, bytes_=3 << 20), *(path(f"/p{i}") for i in range(9))],
            [second(0, reads=5, operations=10), second(7, operations=3)] if timeline is None else timeline,
            [load(i, host.format(i), i * 1000, min(i, 1), i, 6) for i in range(nodes)])

    def page(self, *arguments):
        done = report(self.job.directory, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return pathlib.Path(self.job.path("report.html")).read_text(encoding="utf-8")

    def svgs(self, page):
        return [xml.etree.ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]

    def refused(self, *arguments):
        done = report(*arguments)
        self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), done.stderr)
        self.assertTrue(done.stderr.startswith("copper: "))
        self.assertFalse(os.path.exists(self.job.path("report.html")))
        return done.stderr


class Pages(Report):
    def test_the_page_is_whole_and_needs_nothing_else(self):
        self.write()
        self.job.options(mount="/tmp/u/copper", trees=4, local=["/scratch"])
        self.job.text("logs/node_file.txt", "x1\nx2\nx1\n")
        page = self.page()
        elements = Elements(page)
        self.assertEqual(elements.open, [])
        names = {name for name, _ in elements.found}
        self.assertFalse(names & {"script", "link", "img", "iframe", "object", "a", "use", "image"}, names)
        self.assertNotRegex(page, r"https?:|@import|url\(|\bon\w+=|javascript:")
        words = " ".join(elements.words)
        self.assertIn("<b>18</b><span>questions to storage</span>", page)
        for word in ("4711", "Time line", "Where questions ended", "Latency", "Load of the ranks", "Memory",
                     "Hottest paths", "1,234", "15", "/tmp/u/copper", '["/scratch"]', "2 hosts: x1 to x2",
                     "3.0 MiB"):
            self.assertIn(word, words)

    def test_a_path_or_a_host_is_text_whatever_is_in_it(self):
        self.write(host="<b>{}")
        self.job.options(mount="<i>")
        page = self.page()
        self.assertIn("/lus/&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;/x", page)
        self.assertFalse({"script", "b>0", "i"} & {name for name, _ in Elements(page).found} - {"b"})
        self.assertIn("&lt;b&gt;2", page)

    def test_every_picture_is_svg_and_all_in_it_is_within_its_frame(self):
        for nodes in (1, 3, 64):
            for timeline in ([second(0)], [second(0, reads=1), second(1)], [second(i * 64, operations=i) for i in range(500)]):
                with self.subTest(nodes=nodes, rows=len(timeline)):
                    self.write(nodes, timeline)
                    svgs = self.svgs(self.page())
                    self.assertEqual(len(svgs), 5)
                    for svg in svgs:
                        _, _, width, height = map(float, svg.get("viewBox").split())
                        for one in svg.iter():
                            for name, most in (("x", width), ("x1", width), ("x2", width), ("y", height), ("y1", height),
                                               ("y2", height)):
                                value = float(one.get(name, 0))
                                self.assertTrue(0 <= value <= most, (one.tag, one.attrib))
                            if one.tag == "rect":
                                self.assertLessEqual(float(one.get("x")) + float(one.get("width")), width)
                                self.assertLessEqual(float(one.get("y")) + float(one.get("height")), height)

    def test_texts_on_one_line_of_a_picture_do_not_overlap(self):
        self.write(64, [second(i, reads=10 ** (i % 8)) for i in range(90)])
        for svg in self.svgs(self.page()):
            lines = {}
            for text in svg.iter("text"):
                length = 7.2 * len(text.text or "")  # of 13 px, and a little more
                x = float(text.get("x")) - {"start": 0, "middle": length / 2, "end": length}[text.get("text-anchor")]
                lines.setdefault(text.get("y"), []).append((x, x + length, text.text))
            for line in lines.values():
                line.sort()
                for (_, end, left), (start, _, right) in zip(line, line[1:]):
                    self.assertLessEqual(end, start + 1, f"{svg.get('aria-label')}: '{left}' runs into '{right}'")

    def test_a_bar_is_as_high_as_its_figure_and_stands_where_it_belongs(self):
        self.write(3, [second(0, operations=30), second(3, operations=10), second(9, operations=20)])
        svgs = {svg.get("aria-label"): [{name: float(bar.get(name)) for name in ("x", "y", "width", "height")}
                                        for bar in svg.findall("{*}rect")] for svg in self.svgs(self.page())}
        sent = svgs["Load of the ranks"][:3]  # 0, 1000, 2000 bytes
        self.assertEqual(sent[0]["height"], 0)
        self.assertAlmostEqual(sent[2]["height"], 2 * sent[1]["height"], delta=0.1)
        first, second_, last = svgs["Time line"]  # bars of three seconds, that from second 6 on is empty
        self.assertAlmostEqual(first["height"], 3 * second_["height"], delta=0.1)
        self.assertAlmostEqual(last["height"], 2 * second_["height"], delta=0.1)
        self.assertEqual(len({round(bar["y"] + bar["height"], 1) for bar in (first, second_, last)}), 1)
        self.assertAlmostEqual(last["x"] - first["x"], 3 * (second_["x"] - first["x"]), delta=0.1)
        self.assertAlmostEqual(last["x"] + last["width"], 948, delta=1.1)  # the right end of the axis

    def test_the_largest_figures_are_shown_within_the_frame(self):
        most = 2 ** 64 - 1
        self.job.tables(self.job.path("profiling/cluster"), timeline=[second(0, reads=most), second(most, operations=most)],
                        ranks=[load(0, "node0", most, most, most, most, most, most)])
        svgs = self.svgs(self.page())
        self.assertEqual(len(svgs), 4)  # no latency: there were no operations
        for svg in svgs:
            for bar in svg.findall("{*}rect"):
                self.assertLessEqual(float(bar.get("x")) + float(bar.get("width")), 960)
                self.assertGreaterEqual(float(bar.get("y")), 0)

    def test_only_the_hottest_paths_are_shown_and_of_many_ranks_it_says_so(self):
        self.write()
        self.job.tables(self.job.path("profiling/cluster"), counters=[dict(counter("rank", "client_asks", 1), ranks=9000)],
                        paths=[path(f"/p{i}") for i in range(40)], ranks=[load(i, "x") for i in range(3)])
        page = self.page()
        self.assertEqual(len(re.findall(r'<td class="path">/p\d+', page)), 30)
        self.assertIn("the 3 that sent most, of 9,000", page)

    def test_where_nothing_was_counted_the_page_says_so(self):
        self.job.tables(self.job.path("profiling/cluster"))
        page = self.page()
        self.assertEqual(Elements(page).open, [])
        self.assertEqual(page.count("Nothing was counted."), 4)

    def test_the_page_goes_where_it_is_told(self):
        self.write()
        other = self.job.path("other.html")
        done = report(self.job.directory, "-o", other)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", f"copper: the report is {other}\n"))
        self.assertTrue(os.path.exists(other))
        self.assertFalse(os.path.exists(self.job.path("report.html")))


class Refusals(Report):
    def test_a_missing_file_is_named_and_how_to_get_it(self):
        self.assertIn("no such directory", self.refused(self.job.directory))
        for name in FILES:
            with self.subTest(name=name):
                self.write()
                os.remove(self.job.path("profiling/cluster", name))
                said = self.refused(self.job.directory)
                self.assertIn(name, said)
                self.assertIn("launch with -P, or run aggregate_profiling.py", said)

    def test_a_damaged_file_is_named_with_its_line(self):
        for name, number in FILES.items():
            self.write()
            file = pathlib.Path(self.job.path("profiling/cluster", name))
            whole = file.read_bytes()
            for damaged in (b"", b"hello\n", whole + b"1\n", whole[:-3], whole.replace(b"\n", b"\n\xff,", 2),
                            whole.replace(number, b",-1,")):
                with self.subTest(name=name, damaged=damaged[-40:]):
                    self.assertNotEqual(damaged, whole)
                    file.write_bytes(damaged)
                    self.assertRegex(self.refused(self.job.directory), re.escape(name) + r": line \d+: ")
            file.write_bytes(whole)

    def test_seconds_that_do_not_rise_are_refused(self):
        self.write(timeline=[second(5), second(5)])
        self.assertIn("do not rise", self.refused(self.job.directory))

    def test_a_page_that_cannot_be_written_is_refused(self):
        self.write()
        self.refused(self.job.directory, "-o", "/does/not/exist/report.html")
        self.refused()

    def test_damaged_files_of_the_launcher_are_done_without(self):
        self.write()
        self.job.text("logs/options.json", "{")
        self.assertIn("logs/options.json does not say", self.page())


if __name__ == "__main__":
    unittest.main()
