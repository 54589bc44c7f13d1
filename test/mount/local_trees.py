#!/usr/bin/python3
"""What is not shared is a link to the native path, however one looks at it: --local and --share. And where absolute links
lead: --map-links."""

import os
import shutil
import stat
import tempfile

from copper_nodes import MountTest, Nodes, main, private_directory, run
from on_model import nodes_on_model
from questions import outcome

source = None


def write(path, content=b"content"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def setUpModule():
    """own/ is to be local, own/way/shared/ shared after all, and own/way/shared/own local again."""
    global source
    source = private_directory()
    for name in ("beside", "own/file", "own/way/file", "own/way/shared/file", "own/way/shared/deep/file",
                 "own/way/shared/own/file", "own/wayside/file"):
        write(os.path.join(source, name), name.encode())
    os.symlink("file", source + "/own/way/link")


def tearDownModule():
    shutil.rmtree(source)


def options(place):
    return ("--local", place + "/own", "--share", place + "/own/way/shared", "--local", place + "/own/way/shared/own",
            "--local", place + "/only/elsewhere", "--local", place + "/nowhere")


class LocalTrees(MountTest):
    limit_s = 90

    def looks(self, nodes, node, directory):
        """name -> what it is, as readdir, lstat and stat agree on it; the text of a link."""
        found = {}
        with os.scandir(nodes.path(node, directory)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                attributes = os.lstat(entry.path)
                self.assertEqual((entry.is_symlink(), entry.is_dir(follow_symlinks=False), entry.inode()),
                                 (stat.S_ISLNK(attributes.st_mode), stat.S_ISDIR(attributes.st_mode), attributes.st_ino))
                found[entry.name] = "directory" if entry.is_dir(follow_symlinks=False) else "file"
                if entry.is_symlink():
                    found[entry.name] = os.readlink(entry.path)
                    self.assertEqual(attributes.st_size, len(found[entry.name]))
        return found

    def test_the_longest_prefix_says_whether_a_tree_is_local(self):
        with nodes_on_model(source, 2, options_of=options) as (self.nodes, _, place):
            for node, names_first in ((0, True), (1, False)):
                at = self.nodes.path(node, place)
                if names_first:  # looked up one by one, before the listing is known
                    self.assertEqual(os.readlink(at + "/own/wayside"), place + "/own/wayside")
                    self.assertEqual(os.readlink(at + "/nowhere"), place + "/nowhere")
                    self.assertEqual(outcome(os.lstat, at + "/own/absent"), "ENOENT")
                self.assertEqual(self.looks(self.nodes, node, place),
                                 {"beside": "file", "own": "directory", "nowhere": place + "/nowhere"})
                self.assertEqual(self.looks(self.nodes, node, place + "/own"),
                                 {"file": place + "/own/file", "way": "directory", "wayside": place + "/own/wayside"})
                self.assertEqual(self.looks(self.nodes, node, place + "/own/way"),
                                 {"file": place + "/own/way/file", "link": place + "/own/way/link", "shared": "directory"})
                self.assertEqual(self.looks(self.nodes, node, place + "/own/way/shared"),
                                 {"file": "file", "deep": "directory", "own": place + "/own/way/shared/own"})
                for name in ("own/file", "own/wayside/file", "own/way/file", "own/way/shared/file",
                             "own/way/shared/deep/file", "own/way/shared/own/file"):
                    with open(f"{at}/{name}", encoding="utf-8") as file:
                        self.assertEqual(file.read(), name)
                self.assertEqual(outcome(os.lstat, at + "/own/absent"), "ENOENT")
                self.assertEqual(outcome(os.stat, at + "/nowhere"), "ENOENT")

    def test_of_a_local_tree_storage_is_asked_nothing_through_the_mount(self):
        with nodes_on_model(source, 2, options_of=lambda place: ("--local", place + "/own")) as (self.nodes, storage, place):
            for node in range(2):
                self.assertEqual(os.listdir(self.nodes.path(node, place)).count("own"), 1)
                self.assertTrue(os.path.islink(self.nodes.path(node, place + "/own")))
            counts = storage.counts()
            self.assertEqual({path: count for path, count in counts.items() if path.startswith("/own")}, {})
            self.assertEqual(counts["/"].opendir, 1)

    def test_a_shared_tree_is_read_once_for_all_nodes(self):
        with nodes_on_model(source, 2, options_of=options) as (self.nodes, storage, place):
            for node in range(2):
                with open(self.nodes.path(node, place + "/own/way/shared/file"), "rb") as file:
                    file.read()
                with open(self.nodes.path(node, place + "/own/way/file"), "rb") as file:
                    file.read()
            counts = storage.counts()
            self.assertEqual((counts["/own/way/shared/file"].open, counts["/own/way/file"].open), (1, 2))

    def test_a_tree_in_one_that_is_local_by_default_can_be_shared(self):
        top = tempfile.mkdtemp(dir="/dev/shm", prefix="copper-local-")
        self.addCleanup(shutil.rmtree, top)
        write(top + "/file")
        with Nodes(2, options=("--share", top, "--share", "/sys")) as self.nodes:
            for node in range(2):
                self.assertEqual(os.listdir(self.nodes.path(node, top)), ["file"])
                self.assertEqual(os.readlink(self.nodes.path(node, "/dev/null")), "/dev/null")
                self.assertEqual(os.readlink(self.nodes.path(node, "/proc")), "/proc")
                self.assertTrue(stat.S_ISDIR(os.lstat(self.nodes.path(node, "/dev/shm")).st_mode))
                self.assertTrue(stat.S_ISDIR(os.lstat(self.nodes.path(node, "/sys")).st_mode))

    def test_find_and_tar_are_content(self):
        with nodes_on_model(source, 2, options_of=options) as (self.nodes, _, place):
            links = {"/nowhere", "/own/file", "/own/wayside", "/own/way/file", "/own/way/link", "/own/way/shared/own"}
            for node in range(2):
                at = self.nodes.path(node, place)
                done = run(["find", at, "-type", "l", "-printf", "/%P %l\n"])
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(set(done.stdout.splitlines()), {f"{link} {place}{link}" for link in links})
                out = self.directory()
                done = run(["sh", "-c", 'tar -C "$1" -cf - . | tar -C "$2" --warning=no-timestamp -xf -', "-", at, out])
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(os.readlink(out + "/own/way/shared/own"), place + "/own/way/shared/own")
                done = run(["find", "-L", at, "-type", "f"])
                self.assertEqual(len(done.stdout.splitlines()), 7 + 1)


class MapLinks(MountTest):
    limit_s = 90

    def make(self):
        """A tree of links; their texts."""
        top = self.directory()
        write(top + "/data/file", b"right")
        write(top + "/own/file", b"own")
        texts = {"absolute": top + "/data/file", "directory": top + "/data", "relative": "data/file", "up": "/.././" +
                 top[1:] + "/data/file", "doubled": "//" + top[1:] + "//data/file", "root": "/", "proc": "/proc/self/stat",
                 "local": top + "/own/file", "dangling": top + "/absent", "around": top + "/data/../own/file",
                 "almost": top + "/ownership"}
        for name, text in texts.items():
            os.symlink(text, f"{top}/{name}")
        return top, texts

    def test_link_texts_are_the_source_s_and_those_that_lead_out_are_counted(self):
        top, texts = self.make()
        with Nodes(2, options=("--local", top + "/own")) as self.nodes:
            for name, text in texts.items():
                self.assertEqual(os.readlink(self.nodes.path(1, f"{top}/{name}")), text)
            left = set(texts) - {"relative", "proc", "local"}
            self.assertEqual(self.nodes.stats(1)["front_end"]["fuse_links_out"], len(left))
            self.assertEqual(self.nodes.stats(0)["front_end"]["fuse_links_out"], 0)
            self.assertIn(f"links out of the view {len(left)} ", " ".join(run(
                [os.environ["COPPER_BIN"] + "/copper", "stats", "--mount", self.nodes.mounts[1]]).stdout.split()))

    def test_with_map_links_absolute_targets_stay_below_the_mount_but_for_local_trees(self):
        top, texts = self.make()
        os.symlink(top + "/mnt/node0/etc", top + "/inside")
        with Nodes(2, options=("--map-links", "--local", top + "/own"), directory=top) as self.nodes:
            for node in range(2):
                mount = self.nodes.mounts[node]
                shown = {**texts, "absolute": mount + texts["absolute"], "directory": mount + texts["directory"],
                         "up": f"{mount}{top}/data/file", "doubled": f"{mount}{top}//data/file", "root": mount,
                         "dangling": mount + texts["dangling"], "around": mount + texts["around"],
                         "almost": mount + texts["almost"]}
                at = mount + top
                if node == 0:
                    shown["inside"] = mount + "/etc"
                    with os.scandir(at) as entries:  # and their attributes, as the listing carries them along
                        sizes = {entry.name: os.lstat(entry.path).st_size for entry in entries if entry.is_symlink()}
                    self.assertEqual({name: sizes[name] for name in shown}, {name: len(shown[name]) for name in shown})
                for name, text in shown.items():
                    self.assertEqual(os.readlink(f"{at}/{name}"), text, name)
                    self.assertEqual(os.lstat(f"{at}/{name}").st_size, len(text), name)
                for name, content in (("absolute", b"right"), ("relative", b"right"), ("up", b"right"),
                                      ("doubled", b"right"), ("local", b"own"), ("around", b"own")):
                    with open(f"{at}/{name}", "rb") as file:
                        self.assertEqual(file.read(), content, name)
                self.assertEqual(os.path.realpath(at + "/directory"), at + "/data")
                self.assertEqual(self.nodes.stats(node)["front_end"]["fuse_links_out"], 0)


if __name__ == "__main__":
    main()
