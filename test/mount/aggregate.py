#!/usr/bin/python3
"""What is made of a job's files when it is over: aggregate_profiling.py makes of the ranks' files the very files that rank 0
wrote by reduction over the tree, says what was used of an environment, and copper report makes a page of them."""

import csv
import glob
import os
import pathlib
import subprocess

from copper_nodes import PYTHON, SOURCE, MountTest, Nodes, main, run

PROGRAM = "import sys, mypackage, other; print(mypackage.__file__)\nopen(sys.argv[1], 'rb').read()\n"


class Aggregate(MountTest):
    limit_s = 120

    def write(self, name, content=b"x"):
        path = pathlib.Path(self.source, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def environment(self):
        """Two entries of PYTHONPATH, with a module that both have; and an input file of several blocks with a hard name."""
        for name in ("first", "second"):
            self.write(f"{name}/mypackage-1.dist-info/METADATA")
        self.write("first/other.py", b"")
        self.write("second/mypackage/__init__.py", b"value = 1\n")
        self.write("second/mypackage/unused.py", b"")
        self.write("second/other.py", b"")
        os.symlink("/usr/share", self.source + "/second/share")
        return self.write('in, "put" | caf' + b"\xe9".decode("utf-8", "surrogateescape"), bytes(5 << 19))

    def run_everywhere(self, nodes, data):
        paths = ":".join(nodes.path(0, "") + f"{self.source}/{name}" for name in ("first", "second"))
        running = [subprocess.Popen([PYTHON, "-B", "-c", PROGRAM, os.fsencode(nodes.path(i, data))], stdout=subprocess.DEVNULL,
                                    env={"PYTHONPATH": paths.replace(nodes.mounts[0], nodes.mounts[i])})
                   for i in range(nodes.count) for _ in range(2)]
        self.assertEqual([process.wait(60) for process in running], [0] * len(running))

    def stopped_job(self, *options):
        with Nodes(4, expiry_ms=300_000, options=["-P", *options], directory=self.directory()) as self.nodes:
            self.run_everywhere(self.nodes, self.data)
            stopped = self.nodes.stop_command()
            self.assertEqual(stopped.returncode, 0, stopped.stderr)
            job, = glob.glob(self.nodes.log_base + "/*")
            return job

    def setUp(self):
        super().setUp()
        self.source = self.directory()
        self.data = self.environment()

    def aggregate(self, job, *arguments):
        done = run([PYTHON, os.path.join(SOURCE, "scripts", "aggregate_profiling.py"), job, *arguments])
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def rows(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_the_files_are_those_that_rank_0_wrote_byte_for_byte(self):
        # Without -A each rank's file has its own hottest paths only, whose sum is not the job's.
        of_all = ["operations.csv", "aggregate.csv", "timeline.csv", "ranks.csv"]
        for options, names in ((["-A", "-T", "2", "--fanout", "2"], [*of_all, "top_paths.csv", "summary.md"]),
                               (["-N", "5"], of_all)):
            job = self.stopped_job(*options)
            self.aggregate(job, "--output", job + "/made")
            self.assertEqual(len(os.listdir(job + "/profiling/cluster")), 6)
            for name in names:
                with self.subTest(options=options, name=name):
                    theirs = pathlib.Path(job, "profiling/cluster/profiling_" + name).read_bytes()
                    ours = pathlib.Path(job, "made/profiling_" + name).read_bytes()
                    self.assertEqual(ours.decode(), theirs.decode())
                    self.assertGreater(ours.count(b"\n"), 1)

    def test_what_was_used_of_an_environment_is_said_and_shown(self):
        job = self.stopped_job("-A")
        self.aggregate(job, "--application-root", self.source)
        cluster = job + "/profiling/cluster"
        states = {os.path.relpath(row["path"], self.source): row["state"] for row in self.rows(cluster + "/path_analysis.csv")}
        for name, state in (("second/mypackage/__init__.py", "used"), ("second/mypackage/unused.py", "candidate"),
                            ('in, "put" | caf\\xe9', "used")):
            self.assertEqual(states[name], state, name)
        ways_out = [(row["path"], row["target"]) for row in self.rows(cluster + "/path_ways_out.csv")]
        self.assertEqual(ways_out, [(self.source + "/second/share", "/usr/share")])
        text = pathlib.Path(cluster, "path_analysis.md").read_text(encoding="utf-8")
        self.assertIn(f"PYTHONPATH: prefix this entry, from which 1 files were used: `{self.nodes.mount}{self.source}/second`", text)

        said = run([os.path.join(os.environ["COPPER_BIN"], "copper"), "report", job])
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        page = pathlib.Path(job, "report.html").read_text(encoding="utf-8")
        self.assertEqual(page.count("<svg"), 5)
        loads = sum(int(row["storage_reads"]) for row in self.rows(cluster + "/profiling_timeline.csv"))
        self.assertIn(f"<b>{loads:,}</b><span>questions to storage</span>", page)
        for word in ("load_block", "client_ask_listing", "caf\\xe9", self.nodes.mount):
            self.assertIn(word, page)


if __name__ == "__main__":
    main()
