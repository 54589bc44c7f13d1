#!/usr/bin/python3
"""What was used of an environment, what was not, what was asked for in vain; and the advice that follows."""

import os
import pathlib
import unittest

from aggregate_profiling_test import JobTest, aggregate
from job_directory import counter, path

import environments
import path_analysis
import path_report


class EnvironmentTest(JobTest):
    def setUp(self):
        super().setUp()
        self.root = os.path.realpath(self.job.directory) + "/env"

    def files(self, *names):
        for name in names:
            file = pathlib.Path(self.root, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("x")

    def analysed(self, *arguments):
        done = aggregate(self.job.directory, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return pathlib.Path(self.job.path("profiling/cluster/path_analysis.md")).read_text()

    def states(self):
        return {os.path.relpath(row["path"], self.root): row["state"] for row in self.job.rows("path_analysis.csv")}

    def venv(self):
        self.files("pyvenv.cfg", "lib/python3.11/site-packages/numpy/__init__.py",
                   "lib/python3.11/site-packages/numpy/__pycache__/__init__.cpython-311.pyc",
                   "lib/python3.11/site-packages/numpy/unused.py")
        return self.root + "/lib/python3.11/site-packages"


class States(EnvironmentTest):
    def test_each_path_is_used_candidate_missing_or_gone(self):
        packages = self.venv()
        self.job.rank(0, "node0", paths=[
            path(packages + "/numpy/__pycache__/__init__.cpython-311.pyc", asks=3, loads=1, bytes_=9),
            path(packages + "/numpy.so", "entry", asks=2, absent=2),
            path(packages + "/was_there", "entry", asks=2, absent=1),
            path("/elsewhere/x", asks=9)])
        self.analysed()
        self.assertEqual(self.states(), {
            "pyvenv.cfg": "candidate",
            "lib": "used", "lib/python3.11": "used", "lib/python3.11/site-packages": "used",
            "lib/python3.11/site-packages/numpy": "used",
            "lib/python3.11/site-packages/numpy/__pycache__": "used",
            "lib/python3.11/site-packages/numpy/__pycache__/__init__.cpython-311.pyc": "used",
            "lib/python3.11/site-packages/numpy/__init__.py": "used",  # Python looks at it before it takes the other
            "lib/python3.11/site-packages/numpy/unused.py": "candidate",
            "lib/python3.11/site-packages/numpy.so": "missing",
            "lib/python3.11/site-packages/was_there": "gone",
        })
        row, = self.job.rows("path_environments.csv")
        self.assertEqual(row, dict(environment=self.root, kind="venv", files="4", files_used="2",
                                   files_used_percent="50.0", directories="5", directories_used="5", candidates="2",
                                   missing="1", gone="1"))

    def test_a_path_with_bytes_that_are_no_text_is_found_on_disk(self):
        os.makedirs(self.root)
        with open(os.fsencode(self.root) + b"/caf\xe9", "w"):
            pass
        self.job.rank(0, "node0", paths=[path(self.root + r"/caf\xe9")])
        self.analysed("--application-root", self.root)
        self.assertEqual(self.states(), {r"caf\xe9": "used"})

    def test_a_trace_adds_the_names_that_no_rank_saw(self):
        packages = self.venv()
        self.job.rank(0, "node0", paths=[path(packages, "listing")])
        self.job.text("node0.trace", "copper-trace 1\n# python3\n"
                      f"path 0 {packages}/numpy/unused.py\n5 lookup 0 0\n entry 0 0 100\n"
                      f"path 1 {packages}/scipy%20x\n5 lookup 1 0\n0 lookup 1 0\n")
        text = self.analysed("--trace", self.job.path("node0.trace"))
        states = self.states()
        self.assertEqual(states["lib/python3.11/site-packages/numpy/unused.py"], "used")
        self.assertEqual(states["lib/python3.11/site-packages/scipy x"], "missing")
        self.assertIn(f"2 times `{packages}/scipy x`", text)


    def test_what_ranks_and_a_mount_saw_of_one_request_counts_once(self):
        packages = self.venv()
        self.job.rank(0, "node0", paths=[path(packages + "/scipy", "entry", asks=2, absent=2)])
        self.job.text("node0.trace", f"copper-trace 1\n# python3\npath 0 {packages}/scipy\n5 lookup 0 0\n")
        self.assertIn(f"2 times `{packages}/scipy`", self.analysed("--trace", self.job.path("node0.trace")))

    def test_an_empty_module_of_a_package_that_was_used_was_used(self):
        packages = self.venv()
        self.job.rank(0, "node0", paths=[path(packages + "/numpy/core.py")])
        for name in ("numpy", "other"):
            os.makedirs(f"{packages}/{name}", exist_ok=True)
            with open(f"{packages}/{name}/__init__.py", "w", encoding="utf-8"):
                pass
        with open(packages + "/numpy/core.py", "w", encoding="utf-8") as file:
            file.write("pass\n")
        self.analysed()
        states = self.states()
        self.assertEqual(states["lib/python3.11/site-packages/numpy/__init__.py"], "used")
        self.assertEqual(states["lib/python3.11/site-packages/other/__init__.py"], "candidate")


class Roots(EnvironmentTest):
    def test_an_environment_is_found_from_the_paths_that_lie_in_it(self):
        packages = self.venv()
        self.assertEqual(environments.find_roots({packages + "/numpy/__init__.py": None}), [self.root])

    def test_a_directory_that_packages_were_installed_into_is_an_environment(self):
        self.files("numpy-1.0.dist-info/METADATA", "numpy/__init__.py")
        self.assertEqual(environments.find_roots({self.root + "/numpy/__init__.py": None}), [self.root])
        self.assertEqual(environments.read_environment(self.root).entries, [self.root])

    def test_a_root_given_through_a_link_is_the_one_that_was_asked_for(self):
        self.files("a")
        link = self.job.path("link")
        os.symlink(self.root, link)
        self.assertEqual(environments.given_roots([link], {self.root + "/a": None}), [self.root])
        self.assertEqual(environments.given_roots([link + "/"], {link + "/a": None}), [link])

    def test_where_no_environment_is_found_the_text_says_what_to_do(self):
        self.job.rank(0, "node0", paths=[path("/nowhere/x")])
        self.assertIn("--application-root", self.analysed())


class Duplicates(EnvironmentTest):
    def test_a_module_in_several_entries_is_used_shadowed_or_absent(self):
        one, two, three = (self.root + "/" + name for name in ("one", "two", "three"))
        for name in ("one", "two", "three"):
            self.files(f"{name}/x-1.dist-info/METADATA")
        self.files("two/numpy/__init__.py", "three/numpy/__init__.py", "three/alone.py")
        self.job.rank(0, "node0", paths=[
            path(one + "/numpy.abi3.so", "entry", asks=3, absent=3), path(one + "/numpy.py", "entry", asks=3, absent=3),
            path(two + "/numpy/__init__.py", asks=3), path(three + "/alone.py")])
        text = self.analysed("--application-root", self.root)
        self.assertEqual([(row["module"], row["entry"], row["state"], row["asks"])
                          for row in self.job.rows("path_duplicates.csv")],
                         [("numpy", one, "absent", "6"), ("numpy", three, "shadowed", "0"), ("numpy", two, "used", "3")])
        self.assertIn(f"Behind the others, `{one}` would have saved 6 questions in vain.", text)
        self.assertIn("1 modules are in an entry behind", text)

    def test_a_module_is_what_stands_before_the_first_dot(self):
        for name, module in (("numpy/__init__.py", "numpy"), ("numpy/core/_x.cpython-311-x86_64-linux-gnu.so",
                             "numpy/core/_x"), ("numpy/__pycache__/a.cpython-311.pyc", "numpy/a"), (".hidden", ".hidden")):
            self.assertEqual(path_analysis.module_of("/e/" + name, "/e"), module)


class Advice(EnvironmentTest):
    def test_only_what_was_used_is_to_be_prefixed(self):
        packages = self.venv()
        self.files("bin/tool", "lib/libx.so.1", "lib/other/liby.so")
        self.job.options(mount="/tmp/u/copper", map_links=True)
        self.job.rank(0, "node0", counters=[counter("front_end", "fuse_links_out", 4)], paths=[
            path(packages + "/numpy/__init__.py"), path(self.root + "/lib/libx.so.1"), path(self.root + "/bin/tool")])
        text = self.analysed()
        self.assertIn(f"PYTHONPATH: prefix this entry, from which 1 files were used: `/tmp/u/copper{packages}`", text)
        self.assertIn(f"LD_LIBRARY_PATH: prefix this entry, from which 1 libraries were used: `/tmp/u/copper{self.root}/lib`",
                      text)
        self.assertIn(f"PATH: prefix `/tmp/u/copper{self.root}/bin` only if its programs (tool)", text)
        self.assertIn("ran with `--map-links`", text)
        self.assertNotIn("lib/other", text)
        self.assertIn("asked for 4 symbolic links that led out", text)

    def test_libraries_outside_of_environments_are_prefixed_by_their_directory(self):
        self.job.rank(0, "node0", paths=[path("/lus/lib/libx.so.1"), path("/lus/lib/liby.so"), path("/lus/no/libz.so",
                                         "entry", absent=1), path("/lus/lib/notes.sofa.txt")])
        text = self.analysed()
        self.assertIn("LD_LIBRARY_PATH: prefix this entry, from which 2 libraries were used: `$MOUNT/lus/lib`", text)
        self.assertNotIn("/lus/no", text)

    def test_a_conda_environment_is_activated_below_the_mount(self):
        self.files("conda-meta/history", "lib/python3.11/site-packages/x.py")
        self.job.rank(0, "node0", paths=[path(self.root + "/lib/python3.11/site-packages/x.py")])
        text = self.analysed()
        self.assertIn(f"`conda activate $MOUNT{self.root}`, and nothing else", text)
        self.assertNotIn("prefix this entry", text)

    def test_an_entry_of_which_nothing_was_used_is_left_alone(self):
        packages = self.venv()
        self.job.rank(0, "node0", paths=[path(packages + "/nothing", "entry", absent=1)])
        self.assertIn(f"Leave `{packages}` as it is", self.analysed())

    def test_a_bar_in_a_name_does_not_break_a_table(self):
        self.assertEqual(path_report.table(["a"], [["x|y"]])[-1], "| x\\|y |")


if __name__ == "__main__":
    unittest.main()
