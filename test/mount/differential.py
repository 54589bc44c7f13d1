#!/usr/bin/python3
"""Source and mount are asked the same questions, and must give the same answers: path by path, system call by system
call. Four nodes, a tree of some 48,000 names (sample_tree.py)."""

import errno
import mmap
import os
import random
import subprocess

import questions as ask
import sample_tree
from copper_nodes import MountTest, Nodes, main
from questions import outcome

nodes = source = paths = None


def setUpModule():
    global nodes, source, paths
    nodes = Nodes(4, expiry_ms=60_000).__enter__()
    source = os.path.join(nodes.directory, "source")
    os.mkdir(source)
    sample_tree.make(source)
    for sibling in siblings():
        os.mkdir(sibling)
    paths = [os.path.join(os.fsencode(source), path) for path in sample_tree.walk(source, without=(b"wide40000",))]


def siblings():
    """Directories whose names only begin like a mount's."""
    return [nodes.mount + "x", nodes.mounts[0] + "x"]


def tearDownModule():
    for sibling in siblings():
        os.rmdir(sibling)
    nodes.__exit__(None)


class Differential(MountTest):
    limit_s = 90

    def setUp(self):
        self.nodes = nodes
        super().setUp()

    def at(self, *parts):
        return os.path.join(os.fsencode(source), *map(os.fsencode, parts))

    def same(self, question, chosen, *arguments):
        """Asks the source, then all nodes at once, about each of the paths."""
        right = [outcome(question, path, *arguments) for path in chosen]

        def differences(i):
            mount = os.fsencode(nodes.mounts[i])
            found = []
            for path, expected in zip(chosen, right):
                given = outcome(question, mount + path, *arguments)
                if given != expected:
                    found.append((i, path, question.__name__, *arguments,
                                  f"{str(given)[:400]}, not {str(expected)[:400]}"))
                    if len(found) == 5:
                        break
            return found

        faults = [fault for per_node in nodes.on_each(differences) for fault in per_node]
        self.assertEqual(faults, [])

    def regular(self):
        return [path for path in paths if ask.stat.S_ISREG(os.lstat(path).st_mode)]

    def test_attributes_are_the_source_s(self):
        self.assertGreater(len(paths), 8000)
        self.same(ask.attributes, paths)

    def test_inode_numbers_are_equal_where_the_source_s_are(self):
        def classes(numbers):
            first = {}
            return [first.setdefault(number, n) for n, number in enumerate(numbers)]

        right = classes(ask.inode(path) for path in paths)
        self.assertLess(len(set(right)), len(paths), "the tree has hard links")
        for i, given in enumerate(nodes.on_each(
                lambda i: classes(ask.inode(os.fsencode(nodes.mounts[i]) + path) for path in paths))):
            self.assertEqual(given, right, f"node {i}")

    def test_listings_have_the_same_names_and_types(self):
        directories = [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]
        self.same(ask.names, directories + [os.fsencode(source), self.at("wide40000")])

    def test_a_listing_and_lstat_give_the_same_inode_number(self):
        for mount in nodes.mounts:
            with os.scandir(mount + source + "/many") as entries:
                for entry in entries:
                    self.assertEqual(entry.inode(), os.lstat(entry.path).st_ino, entry.path)

    def test_small_getdents_calls_give_each_name_once(self):
        if ask.GETDENTS64 is None:
            self.skipTest("the number of getdents64 is not known for this machine")
        self.same(ask.names_by_small_getdents, [self.at(name) for name in ("wide3000", "wide40000", "names", "plain")])

    def test_rewinddir_and_seekdir_find_every_place_again(self):
        for mount in nodes.mounts:
            for name in ("wide3000", "wide40000", "names"):
                directory = ask.Directory(mount + source + "/" + name)
                self.addCleanup(directory.close)
                places, found = [directory.tell()], []
                while (item := directory.read()) is not None:
                    found.append(item)
                    places.append(directory.tell())
                for n in random.Random(7).sample(range(len(found)), 50):
                    directory.seek(places[n])
                    self.assertEqual(directory.read(), found[n], (name, n))
                directory.rewind()
                self.assertEqual(directory.rest(), found, name)

    def test_names_of_the_large_directory_are_found_and_others_are_not(self):
        chosen = [self.at("wide40000", f"a name that takes some room {n:06}") for n in range(0, 50_000, 97)]
        self.same(ask.attributes, chosen)

    def test_links_point_where_the_source_s_do(self):
        self.same(os.readlink, paths)

    def test_links_are_followed_as_in_the_source(self):
        chosen = [path for path in paths if os.path.dirname(path) == self.at("links") and b"absolute" not in path
                  and not path.endswith(b"/up")]
        self.same(lambda path: os.stat(path).st_mode, chosen)
        names = ("relative", "absolute", "dangling", "to itself", "loop a", "long", "through a file")
        self.same(ask.content_hash, [self.at("links", name) for name in names])

    def test_content_is_the_source_s(self):
        self.same(ask.content_hash, self.regular())

    def test_reads_at_any_place_give_the_same_bytes(self):
        numbers = random.Random(11)
        for name in (*sample_tree.SIZES, "sparse", "all hole"):
            size = os.stat(self.at("plain", name)).st_size
            for _ in range(12):
                near = numbers.choice((0, size, 4096, sample_tree.MIB, numbers.randrange(size + 1)))
                offset = max(0, near + numbers.randrange(-3000, 3000))
                self.same(ask.pread, [self.at("plain", name)], numbers.choice((1, 100, 5000, 1_500_000)), offset)
            self.same(ask.pread, [self.at("plain", name)], 10, size)
            self.same(ask.pread, [self.at("plain", name)], 10, size + 10_000_000)

    def test_mappings_show_the_content(self):
        chosen = [self.at("plain", name) for name, size in sample_tree.SIZES.items() if size]
        self.same(ask.mapped, chosen + [self.at("plain", "sparse")], mmap.MAP_SHARED)
        self.same(ask.mapped, chosen + [self.at("plain", "sparse")], mmap.MAP_PRIVATE)
        self.same(ask.mapped_and_changed, chosen)

    def test_absent_names_and_impossible_paths_get_the_same_error(self):
        chosen = [self.at(*parts) for parts in (
            ("absent",), ("absent", "below"), ("plain", "absent"), ("plain", "page", "x"), ("plain", "page", "x", "y"),
            ("plain", "page", ""), ("plain", "page", "."), ("plain", "page", ".."), ("plain", ""), ("plain", "."),
            ("plain", "n" * 255), ("plain", "n" * 256), ("n" * 256, "x"), ("special", "fifo", "x"),
            ("links", "dangling", "x"), ("links", "loop a", ""), ("links", "dangling", ""), ("wide3000", "name3000"),
            ("deep", "x/" * 2000 + "x"), ("names", b"\xff"), ("many", "d000", "file00.pyc"))]
        for _ in range(2):  # the second answer comes from the kernel's memory
            self.same(lambda path: ask.stat.S_IFMT(os.lstat(path).st_mode), chosen)
            self.same(lambda path: ask.stat.S_IFMT(os.stat(path).st_mode), chosen)
            self.same(lambda path: os.close(os.open(path, os.O_RDONLY)), chosen)
            self.same(os.listdir, [path for path in chosen if path != self.at("plain", "")
                                   and path != self.at("plain", ".")])
        path = self.at("deep")
        path += b"/" + b"y" * 4095  # longer than any path may be
        self.same(os.lstat, [path])

    def test_opening_a_directory_or_a_link_gives_the_same_error(self):
        chosen = [self.at(*parts) for parts in (("plain",), ("plain", "page"), ("links", "relative"), ("links",
                                                                                                    "to a directory"))]
        for flags in (os.O_RDONLY | os.O_DIRECTORY, os.O_RDONLY | os.O_NOFOLLOW, os.O_PATH | os.O_NOFOLLOW):
            self.same(lambda path: os.close(os.open(path, flags)), chosen)
        self.same(lambda path: ask.pread(path, 1, 0), chosen[:1])

    def test_every_mutation_is_refused_as_read_only(self):
        for i, mount in enumerate(nodes.mounts):
            calls = ask.mutations(mount + source + "/plain", mount + source + "/plain/page",
                                  mount + source + "/links/relative", mount + source + "/empty directory",
                                  mount + source + "/plain/new")
            given = {name: outcome(call) for name, call in calls.items()}
            self.assertEqual(given, dict.fromkeys(calls, "EROFS"), f"node {i}")
        self.assertEqual(os.stat(self.at("plain", "page")).st_size, 4096)

    def test_a_file_is_no_terminal_and_unknown_ioctls_are_refused(self):
        self.same(ask.terminal, [self.at("plain", "page"), self.at("plain", "empty")])

    def test_locks_work(self):
        for mount in nodes.mounts:
            self.assertEqual(ask.locks(mount + source + "/plain/page"), ask.locks(self.at("plain", "page")))

    def test_the_file_system_is_described_as_storage_s_own(self):
        self.same(ask.filesystem, [os.fsencode(source), self.at("plain"), self.at("plain", "page")])

    def test_data_and_holes_cover_all_bytes_that_are_not_zero(self):
        for mount in nodes.mounts:
            for name in ("sparse", "all hole", "hole at the end", "page", "empty", "blocks"):
                with open(self.at("plain", name), "rb") as file:
                    content = file.read()
                for begin, end in reversed(ask.data_ranges(mount + source + "/plain/" + name)):
                    content = content[:begin] + bytes(end - begin) + content[end:]
                self.assertEqual(content.count(0), len(content), name)

    def test_extended_attributes_are_not_supported_and_say_so(self):
        for mount in nodes.mounts:
            path = mount + source + "/plain/attributed"
            for _ in range(2):
                self.assertEqual(outcome(os.getxattr, path, "user.copper"), "ENOTSUP")
                self.assertEqual(outcome(os.listxattr, path), "ENOTSUP")

    def test_the_working_directory_keeps_its_name(self):
        for mount in nodes.mounts:
            at = mount + source + "/deep/level00/level01"
            said = subprocess.run(["/bin/sh", "-c", 'cd "$1" && /bin/pwd -P && cat file ../file && ls ..', "-", at],
                                  capture_output=True, text=True, check=False)
            self.assertEqual((said.stdout, said.stderr), (f"{at}\n10file\nlevel01\n", ""))

    def test_node_local_trees_are_links_to_themselves(self):
        for mount in nodes.mounts:
            for name in ("proc", "sys", "dev", "run"):
                self.assertEqual(os.readlink(f"{mount}/{name}"), f"/{name}")
            with open(f"{mount}/proc/self/stat", encoding="utf-8") as file:
                self.assertEqual(file.read().split()[0], str(os.getpid()))
            self.assertEqual(os.stat(f"{mount}/dev/null").st_rdev, os.stat("/dev/null").st_rdev)

    def test_the_mount_inside_itself_is_a_loop_and_its_sibling_is_not(self):
        for mount in nodes.mounts:
            for inner in nodes.mounts:
                self.assertEqual(outcome(os.listdir, mount + inner), "ELOOP")
                self.assertEqual(outcome(os.lstat, mount + inner + "/etc"), "ELOOP")
            for sibling in siblings():
                self.assertEqual(outcome(os.listdir, mount + sibling), [])

    def test_special_files_are_shown_and_not_opened(self):
        for mount in nodes.mounts:
            for name, error in (("socket", errno.ENXIO), ("null", errno.EACCES)):
                if os.path.lexists(self.at("special", name)):
                    with self.assertRaises(OSError) as caught:
                        os.open(f"{mount}{source}/special/{name}", os.O_RDONLY)
                    self.assertEqual(caught.exception.errno, error, name)


if __name__ == "__main__":
    main()
