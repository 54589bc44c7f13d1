#!/usr/bin/python3
"""Programs that people use see no difference between source and mount: find, diff, tar, grep, cp; and programs and
libraries that lie below the mount run from there."""

import os
import shutil
import subprocess

import sample_tree
from copper_nodes import PYTHON, MountTest, Nodes, main, run

nodes = source = None


def setUpModule():
    global nodes, source
    nodes = Nodes(4, expiry_ms=60_000).__enter__()
    source = os.path.join(nodes.directory, "source")
    os.mkdir(source)
    sample_tree.make(source, large=False)
    os.mkdir(source + "/bin")
    shutil.copy("/bin/true", source + "/bin/true")
    shutil.copy("/bin/echo", source + "/bin/echo")
    with open(source + "/bin/script", "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\necho \"$0\"; exit 7\n")
    os.chmod(source + "/bin/script", 0o755)
    library = run([PYTHON, "-c", "import _ctypes; print(_ctypes.__file__)"]).stdout.strip()
    shutil.copy(library, source + "/bin/library.so")


def tearDownModule():
    nodes.__exit__(None)


class Programs(MountTest):
    limit_s = 120

    def setUp(self):
        self.nodes = nodes
        super().setUp()

    def same(self, command, in_directory, status=0, ordered=True):
        """The command's output, run in the source and in each mount at the same time."""
        def said(top):
            done = subprocess.run(command, cwd=top + in_directory, capture_output=True, check=False,
                                  env={**os.environ, "LC_ALL": "C"})
            self.assertEqual(done.returncode, status, (command, top, done.stderr[:500]))
            lines = done.stdout.split(b"\n")
            return (lines if ordered else sorted(lines)), done.stderr.replace(top.encode(), b"")

        right = said(source)
        for i, given in enumerate(nodes.on_each(lambda i: said(nodes.mounts[i] + source))):
            wrong = [lines for lines in zip(given[0], right[0]) if lines[0] != lines[1]]
            self.assertEqual((wrong[:3], len(given[0]), given[1]), ([], len(right[0]), right[1]), f"node {i}")

    def test_find_prints_the_same(self):
        self.same(["find", ".", "-printf", r"%P %y %s %m %n %U %G %T@ %C@ %b %l\n"], "", ordered=False)

    def test_du_counts_the_same(self):
        self.same(["du", "-a", "-l", "plain", "links", "deep", "many"], "", ordered=False)

    def test_diff_finds_nothing(self):
        def difference(i):
            return run(["diff", "-r", "--no-dereference", "-x", "special", source,
                        nodes.mounts[i] + source], timeout=110)

        for done in nodes.on_each(difference):
            self.assertEqual((done.returncode, done.stdout[:2000], done.stderr[:2000]), (0, "", ""))

    def test_tar_makes_the_same_archive(self):
        self.same(["tar", "-c", "--sort=name", "-f", "-", "--exclude=special/socket", "."], "")

    def test_tar_of_sparse_files_keeps_their_content(self):
        for i in range(nodes.count):
            target = self.directory()
            done = run(["sh", "-c", 'tar -C "$1" -S -cf - . | tar -C "$2" --warning=no-timestamp -xf -', "-",
                        nodes.path(i, source + "/plain"), target])
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            done = run(["diff", "-r", source + "/plain", target])
            self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_grep_finds_the_same_lines(self):
        self.same(["grep", "-rn", "needle", "."], "/many", ordered=False)
        self.same(["grep", "-rc", "--binary-files=text", "e", "names", "deep"], "", ordered=False)
        self.same(["grep", "-r", "in no file", "deep"], "", status=1)

    def test_cp_copies_everything(self):
        target = self.directory() + "/copy"
        done = run(["cp", "-a", nodes.path(3, source), target])
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        show = ["find", ".", "-printf", r"%P %y %s %m %n %U %G %T@ %l\n"]
        for original, copy in zip(*(sorted(run(show, cwd=top).stdout.split("\n")) for top in (source, target))):
            self.assertEqual(copy, original) if original.split(" ")[1:2] != ["d"] else None
        done = run(["diff", "-r", "--no-dereference", "-x", "special", source, target])
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_cp_of_sparse_files_ends_and_is_right(self):
        for name in ("sparse", "all hole", "hole at the end"):
            for how in ("auto", "always", "never"):
                target = self.directory() + "/copy"
                done = run(["cp", f"--sparse={how}", nodes.path(2, f"{source}/plain/{name}"), target], timeout=20)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(run(["cmp", f"{source}/plain/{name}", target]).returncode, 0, (name, how))

    def test_programs_below_the_mount_run(self):
        for i in range(nodes.count):
            at = nodes.path(i, source + "/bin/")
            self.assertEqual(run([at + "true"]).returncode, 0)
            self.assertEqual(run([at + "echo", "said"]).stdout, "said\n")
            done = run([at + "script"])
            self.assertEqual((done.returncode, done.stdout), (7, at + "script\n"))

    def test_libraries_below_the_mount_are_loaded(self):
        for i in range(nodes.count):
            at = nodes.path(i, source + "/bin/library.so")
            done = run([PYTHON, "-c", "import ctypes, sys; ctypes.CDLL(sys.argv[1]);"
                        "print(any(sys.argv[1] in line for line in open('/proc/self/maps')))", at])
            self.assertEqual((done.stdout, done.stderr), ("True\n", ""))


if __name__ == "__main__":
    main()
