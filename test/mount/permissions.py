#!/usr/bin/python3
"""An ordinary user's nodes grant and refuse that user what the source grants and refuses. As root the tests become
that user; else they are it."""

import os
import pickle
import struct
import unittest

import questions as ask
from copper_nodes import ORDINARY_USER, MountTest, Nodes, main
from questions import outcome

ROOT = os.geteuid() == 0
USER = ORDINARY_USER if ROOT else None

nodes = source = granted = None


def as_ordinary(function):
    """function(), called as the ordinary user."""
    if not ROOT:
        return function()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(ORDINARY_USER)
            os.setuid(ORDINARY_USER)
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(function(), pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(answer)


def file(name, mode, owner=None):
    path = os.path.join(source, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(name)
    if ROOT and owner is not None:
        os.chown(path, owner, owner)
    os.chmod(path, mode)


def directory(name, mode, owner=None):
    path = os.path.join(source, name)
    os.mkdir(path)
    file(name + "/inside", 0o644, owner)
    os.mkdir(path + "/below")
    if ROOT and owner is not None:
        os.chown(path, owner, owner)
    os.chmod(path, mode)


def grant_by_list():
    """A file that only an access control list opens to the ordinary user; False where there are no such lists."""
    file("granted", 0o600, 0)
    entries = ((1, 6, -1), (2, 4, ORDINARY_USER), (4, 0, -1), (0x10, 4, -1), (0x20, 0, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    return outcome(os.setxattr, os.path.join(source, "granted"), "system.posix_acl_access", acl) is None


def setUpModule():
    global nodes, source, granted
    nodes = Nodes(2, expiry_ms=60_000, user=USER).__enter__()
    source = os.path.join(nodes.directory, "source")
    os.mkdir(source)
    for owner in (0, ORDINARY_USER):
        for mode in (0o000, 0o004, 0o040, 0o044, 0o400, 0o444, 0o600, 0o604, 0o640, 0o644, 0o755):
            file(f"file {mode:o} of {owner}", mode, owner)
    for owner in (0, ORDINARY_USER):
        for mode in (0o000, 0o311, 0o444, 0o555, 0o700, 0o711, 0o744, 0o755):
            directory(f"directory {mode:o} of {owner}", mode, owner)
    granted = ROOT and grant_by_list()


def tearDownModule():
    nodes.__exit__(None)


class Permissions(MountTest):
    def setUp(self):
        self.nodes = nodes
        super().setUp()
        self.names = sorted(name for name in os.listdir(source) if name != "granted")  # its mode says what the list does

    def same(self, question, paths):
        def answers(top):
            return {path: outcome(question, top + source + "/" + path) for path in paths}

        right = as_ordinary(lambda: answers(""))
        for mount in nodes.mounts:
            self.assertEqual(as_ordinary(lambda: answers(mount)), right)
        return right

    def test_the_same_files_can_be_read(self):
        answers = self.same(ask.content_hash, [name for name in self.names if name.startswith("file")])
        self.assertIn("EACCES", answers.values())

    def test_the_same_directories_can_be_listed(self):
        answers = self.same(ask.names, [name for name in self.names if name.startswith("directory")])
        self.assertIn("EACCES", answers.values())

    def test_the_same_directories_can_be_searched(self):
        directories = [name for name in self.names if name.startswith("directory")]
        for inner in ("inside", "below", "below/absent", "absent", "inside/x"):
            self.same(ask.attributes, [f"{name}/{inner}" for name in directories])
        answers = self.same(ask.content_hash, [f"{name}/inside" for name in directories])
        self.assertIn("EACCES", answers.values())
        self.assertGreater(len(set(answers.values())), 1)

    def test_attributes_are_shown_as_they_are(self):
        self.same(ask.attributes, self.names)

    def test_access_asks_the_same(self):
        for mode in (os.R_OK, os.X_OK, os.R_OK | os.X_OK):
            self.same(lambda path, m=mode: os.access(path, m), self.names)

    def test_mutations_are_refused_as_read_only(self):
        for mount in nodes.mounts:
            top = mount + source
            own = f"file 644 of {ORDINARY_USER}"
            calls = ask.mutations(top, f"{top}/{own}", f"{top}/{own}", f"{top}/directory 755 of {ORDINARY_USER}",
                                  top + "/new")
            refused = as_ordinary(lambda: {name: outcome(call) for name, call in calls.items()})
            for name in ("chown", "chown a link", "mknod"):  # the kernel may look at privilege first
                self.assertIn(refused.pop(name), ("EROFS", "EPERM"), name)
            self.assertEqual(refused, dict.fromkeys(refused, "EROFS"))

    @unittest.skipUnless(ROOT, "only root can make a file that an access control list alone opens")
    def test_what_an_access_control_list_grants_is_granted(self):
        if not granted:
            self.skipTest("the source's file system has no access control lists")
        answers = self.same(ask.content_hash, ["granted"])
        self.assertNotIn("EACCES", answers.values())


if __name__ == "__main__":
    main()
