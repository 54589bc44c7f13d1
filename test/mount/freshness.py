#!/usr/bin/python3
"""What changes in the source shows on every node within its freshness (-E 300 here), and until then nobody sees a
mixture: the bytes and attributes that a reader gets are of one version. Waits are polls with a bound.

Non-directories live as long as their directory does not change; so a file rewritten in place is promised to be whole,
and to be new once its directory has changed or somebody met ESTALE."""

import os
import random
import shutil
import threading
import time

import questions as ask
from copper_nodes import MountTest, Nodes, eventually, main
from questions import outcome

BOUND_S = 6  # -E, what changed just now being looked at twice (2 s), and a slow machine
AGES_S = (0, 2.2)  # what changed within 2 s before it was looked at is looked at again
BLOCK = 1 << 20

nodes = None


def setUpModule():
    global nodes
    nodes = Nodes(4, expiry_ms=300).__enter__()


def tearDownModule():
    nodes.__exit__(None)


def content(path):
    with open(path, "rb", buffering=0) as file:
        return file.read()


class Freshness(MountTest):
    def setUp(self):
        self.nodes = nodes
        super().setUp()
        self.source = self.directory()
        self.all_see(os.path.isdir, "", True)

    def at(self, name):
        return os.path.join(self.source, name)

    def on(self, node, name=""):
        return nodes.path(node, self.at(name) if name else self.source)

    def write(self, name, text):
        with open(self.at(name), "wb") as file:
            file.write(text)

    def write_and_see(self, name, text):
        self.write(name, text)
        self.all_see(os.path.exists, name, True)

    def replace(self, name, text):
        self.write(name + ".new", text)
        os.rename(self.at(name + ".new"), self.at(name))

    def all_see(self, question, name, expected):
        """Every node gives this answer now or soon."""
        def sees(node):
            last = []

            def right():
                last[:] = [outcome(question, self.on(node, name))]
                return last[0] == expected

            return eventually(right, BOUND_S) or last[0]

        self.assertEqual(nodes.on_each(sees), [True] * nodes.count, f"not {expected!r}")

    # ---- names ----

    def test_a_file_created_after_its_absence_was_seen_appears(self):
        self.all_see(os.lstat, "new", "ENOENT")
        self.write("new", b"here")
        self.all_see(content, "new", b"here")

    def test_a_file_created_in_a_directory_that_was_listed_appears_in_the_listing(self):
        self.write("first", b"")
        self.all_see(os.listdir, "", ["first"])
        self.write("second", b"")
        self.all_see(lambda path: sorted(os.listdir(path)), "", ["first", "second"])
        self.all_see(content, "second", b"")

    def test_a_file_created_in_a_directory_that_was_never_listed_appears(self):
        os.mkdir(self.at("quiet"))
        self.write("quiet/old", b"old")
        self.all_see(content, "quiet/old", b"old")
        self.write("quiet/new", b"new")
        self.all_see(content, "quiet/new", b"new")

    def test_a_deleted_file_disappears(self):
        self.write("gone", b"soon")
        self.all_see(content, "gone", b"soon")
        os.unlink(self.at("gone"))
        self.all_see(os.lstat, "gone", "ENOENT")
        self.all_see(os.listdir, "", [])

    def test_a_deleted_directory_disappears_with_everything_below(self):
        os.makedirs(self.at("d/e"))
        self.write("d/e/f", b"deep")
        self.all_see(content, "d/e/f", b"deep")
        shutil.rmtree(self.at("d"))
        self.all_see(content, "d/e/f", "ENOENT")
        self.all_see(os.listdir, "d", "ENOENT")

    def test_a_directory_that_was_replaced_shows_its_new_content(self):
        os.makedirs(self.at("d"))
        self.write("d/old", b"old")
        self.write("d/both", b"old")
        self.all_see(content, "d/both", b"old")
        self.all_see(lambda path: sorted(os.listdir(path)), "d", ["both", "old"])
        os.makedirs(self.at("d.new"))
        self.write("d.new/both", b"new!")
        os.rename(self.at("d"), self.at("d.old"))
        os.rename(self.at("d.new"), self.at("d"))
        self.all_see(os.listdir, "d", ["both"])
        self.all_see(content, "d/both", b"new!")
        self.all_see(content, "d/old", "ENOENT")
        self.all_see(content, "d.old/old", b"old")

    def test_a_name_may_change_its_type(self):
        self.write("thing", b"file")
        self.all_see(content, "thing", b"file")
        os.unlink(self.at("thing"))
        os.mkdir(self.at("thing"))
        self.write("thing/below", b"directory")
        self.all_see(content, "thing/below", b"directory")
        shutil.rmtree(self.at("thing"))
        os.symlink("elsewhere", self.at("thing"))
        self.all_see(os.readlink, "thing", "elsewhere")

    def test_a_link_that_was_retargeted_leads_to_its_new_target(self):
        self.write("a", b"a")
        self.write("b", b"b")
        os.symlink("a", self.at("link"))
        self.all_see(content, "link", b"a")
        os.symlink("b", self.at("link.new"))
        os.rename(self.at("link.new"), self.at("link"))
        self.all_see(os.readlink, "link", "b")
        self.all_see(content, "link", b"b")

    def test_mode_and_owner_follow_once_the_directory_changes(self):
        self.write("file", b"")
        os.chmod(self.at("file"), 0o600)
        self.all_see(lambda path: os.lstat(path).st_mode & 0o7777, "file", 0o600)
        os.chmod(self.at("file"), 0o444)
        self.write("other", b"")
        self.all_see(lambda path: os.lstat(path).st_mode & 0o7777, "file", 0o444)

    def test_a_process_inside_a_directory_that_changes_keeps_its_place(self):
        os.makedirs(self.at("d"))
        self.all_see(os.path.exists, "d", True)
        for node in range(nodes.count):
            inside = os.open(self.on(node, "d"), os.O_PATH)
            self.addCleanup(os.close, inside)
            os.fchdir(inside)
            try:
                self.write(f"d/new{node}", b"new")
                self.assertTrue(eventually(lambda: os.path.exists(f"new{node}"), BOUND_S))  # noqa: B023
                self.assertEqual(os.getcwd(), self.on(node, "d"))
            finally:
                os.chdir("/")

    # ---- versions ----

    def held_while(self, change, old, age):
        """Every node reads the first bytes of a file of a certain age; then the change. The descriptors."""
        self.write("file", old)
        time.sleep(age)
        self.all_see(os.path.exists, "file", True)
        held = [os.open(self.on(node, "file"), os.O_RDONLY) for node in range(nodes.count)]
        for fd in held:
            self.addCleanup(os.close, fd)
            self.assertEqual(os.pread(fd, 10, 0), b"o" * 10)
        change()
        return held

    def still_old(self, held, old):
        for node, fd in enumerate(held):
            self.assertEqual(outcome(lambda: os.fstat(fd).st_size), len(old), f"node {node}")  # noqa: B023
            for offset in range(0, len(old), BLOCK):
                self.assertEqual(outcome(os.pread, fd, BLOCK, offset), old[offset:offset + BLOCK], f"node {node}")

    def test_a_file_replaced_by_rename_is_new_on_open_and_old_to_who_holds_it(self):
        old, new = b"o" * (3 * BLOCK + 100), b"n" * (3 * BLOCK + 50)
        for age in AGES_S:
            with self.subTest(age=age):
                held = self.held_while(lambda: self.replace("file", new), old, age)
                self.all_see(lambda path: content(path) == new, "file", True)
                self.still_old(held, old)

    def test_a_deleted_file_stays_readable_to_who_holds_it(self):
        old = b"o" * (3 * BLOCK)
        for age in AGES_S:
            with self.subTest(age=age):
                held = self.held_while(lambda: os.unlink(self.at("file")), old, age)
                self.all_see(os.lstat, "file", "ENOENT")
                self.still_old(held, old)

    def rewritten(self, change, new):
        """A file of four blocks, held by every node after its first bytes were read, is changed in place. What the
        holders and new readers then get: whole versions or ESTALE."""
        held = self.held_while(lambda: change(self.at("file")), b"o" * (4 * BLOCK), 0)
        for node, fd in enumerate(held):
            for n in (1, 3, 2, 0):
                piece = outcome(os.pread, fd, BLOCK, n * BLOCK)
                self.assertIn(piece if piece == "ESTALE" else set(piece), ("ESTALE", {ord("o")}), (node, n))
        self.all_see(lambda path: content(path) == new, "file", True)

        for node in range(nodes.count):
            self.assertEqual(os.stat(self.on(node, "file")).st_size, len(new))

    def test_a_file_rewritten_in_place_is_refused_to_its_holders_and_then_new(self):
        def rewrite(path):
            with open(path, "r+b") as file:
                file.write(b"n" * (4 * BLOCK))

        self.rewritten(rewrite, b"n" * (4 * BLOCK))

    def test_a_file_truncated_in_place_is_refused_to_its_holders_and_then_short(self):
        self.rewritten(lambda path: os.truncate(path, BLOCK + 5), b"o" * (BLOCK + 5))

    def test_a_file_that_grew_in_place_is_refused_to_its_holders_and_then_long(self):
        def grow(path):
            with open(path, "ab") as file:
                file.write(b"g" * BLOCK)

        self.rewritten(grow, b"o" * (4 * BLOCK) + b"g" * BLOCK)

    def test_a_file_rewritten_in_place_is_new_when_its_directory_has_changed_too(self):
        self.write("file", b"old content")
        self.all_see(content, "file", b"old content")
        self.write("file", b"new")
        for node in range(nodes.count):
            seen = outcome(lambda: (os.stat(self.on(node, "file")).st_size, content(self.on(node, "file"))))
            self.assertIn(seen, ((11, b"old content"), (3, b"new"), "ESTALE"))
        self.write("other", b"")
        self.all_see(content, "file", b"new")
        self.all_see(lambda path: os.stat(path).st_size, "file", 3)

    def test_a_mapping_of_a_replaced_file_stays_old(self):
        self.write_and_see("file", b"o" * (2 * BLOCK))
        with open(self.on(0, "file"), "rb") as file:
            view = ask.mmap.mmap(file.fileno(), 0, prot=ask.mmap.PROT_READ, flags=ask.mmap.MAP_SHARED)
        self.addCleanup(view.close)
        self.assertEqual(view[0], ord("o"))
        self.replace("file", b"n" * (2 * BLOCK))
        self.all_see(lambda path: content(path)[:1], "file", b"n")
        self.assertEqual(set(view[:]), {ord("o")})

    def test_readers_of_a_file_that_is_replaced_all_the_time_see_whole_versions(self):
        numbers = random.Random(3)
        self.write_and_see("file", b"A" * 1000)
        ended = threading.Event()
        seen = [set() for _ in range(nodes.count)]
        faults = []

        def read_on(node):
            while not ended.is_set():
                try:
                    with open(self.on(node, "file"), "rb", buffering=0) as file:
                        size, text = os.fstat(file.fileno()).st_size, file.read()
                except OSError as error:
                    if error.errno != ask.errno.ESTALE:
                        faults.append((node, repr(error)))
                    continue
                seen[node].add(text[:1])
                if len(set(text)) != 1 or len(text) != size:
                    faults.append((node, size, len(text), set(text)))

        readers = [threading.Thread(target=read_on, args=(node,)) for node in range(nodes.count)]
        for reader in readers:
            reader.start()
        for n in range(60):
            self.replace("file", bytes([ord("A") + n % 26]) * numbers.randrange(1, 3 * BLOCK))
            ended.wait(0.05)
        self.all_see(lambda path: content(path)[:1], "file", bytes([ord("A") + 59 % 26]))
        ended.set()
        for reader in readers:
            reader.join()
        self.assertEqual(faults[:5], [])
        for node in range(nodes.count):
            self.assertGreater(len(seen[node]), 1, f"node {node} saw no change")


if __name__ == "__main__":
    main()
