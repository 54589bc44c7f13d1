#!/usr/bin/python3
"""What changes in storage shows on every node when `copper clear` returns, however long -E is (here ten minutes) and
whoever reads meanwhile; and nothing else is asked of storage again."""

import concurrent.futures
import contextlib
import ctypes
import errno
import mmap
import os
import random
import shutil
import signal
import stat
import time

from copper_nodes import MountTest, eventually, main, private_directory, run
from on_model import nodes_on_model
from questions import outcome

READERS = 100
GENERATIONS = 8

source = nodes = storage = place = context = None


def setUpModule():
    global source, nodes, storage, place, context
    source = private_directory()
    for directory in ("in", "in/deep", "out", "out/deep", "load"):
        os.mkdir(os.path.join(source, directory))
        for n in range(6):
            write(f"{directory}/file{n}", b"old %d" % n)
    write("in/large", b"o" * (3 << 20))
    set_generation(0)
    context = nodes_on_model(source, count=4, expiry_ms=600_000, options=("-T", "2"))
    nodes, storage, place = context.__enter__()


def tearDownModule():
    context.__exit__(None, None, None)
    shutil.rmtree(source)


def write(name, text):
    with open(os.path.join(source, name), "wb") as file:
        file.write(text)


def set_generation(n):
    """In load/: a file replaced, a name that appears, one that goes and one that comes in its place."""
    write("load/new", b"%d " % n * random.Random(n).randrange(1, 5000))
    os.rename(os.path.join(source, "load/new"), os.path.join(source, "load/content"))
    write(f"load/since.{n}", b"")
    write(f"load/only.{n}", b"")
    if n > 0:
        os.unlink(os.path.join(source, f"load/only.{n - 1}"))


def content(path):
    with open(path, "rb", buffering=0) as file:
        return file.read()


def everything_in(path):
    """Names and contents below, as far as a program sees them."""
    found = {}
    for top, directories, files in os.walk(path):
        directories.sort()
        for name in sorted(files):
            file = os.path.join(top, name)
            found[os.path.relpath(file, path)] = (os.stat(file).st_size, content(file))
        found[os.path.relpath(top, path)] = sorted(directories + files)
    return found


def rank_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        environment = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)
    return int(environment.get(b"PMI_RANK", environment.get(b"OMPI_COMM_WORLD_RANK", b"-1")))


class Clear(MountTest):
    def setUp(self):
        self.nodes = nodes
        super().setUp()

    def on(self, node, name):
        return nodes.path(node, f"{place}/{name}")

    def clear(self, *path, node=0):
        return run(["copper", "clear", *path, "--mount", nodes.mounts[node]])

    def cleared(self, *path, node=0):
        said = self.clear(*path, node=node)
        self.assertEqual((said.returncode, said.stderr), (0, ""), said.stdout)
        return said.stdout

    def test_what_changed_shows_everywhere_when_the_command_returns(self):
        for path, asker in ((f"{place}/in", 0), ("/", 3), (f"{place}/in", 2)):
            with self.subTest(path=path, asker=asker):
                nodes.on_each(lambda i: everything_in(self.on(i, "in")))
                nodes.on_each(lambda i: outcome(os.lstat, self.on(i, "in/new")))
                before = everything_in(os.path.join(source, "in"))
                write("in/file0", b"rewritten in place from node %d" % asker)
                write("in/large", b"%d" % asker * (2 << 20))
                write("in/replacing", b"replaced")
                os.rename(os.path.join(source, "in/replacing"), os.path.join(source, "in/file1"))
                os.unlink(os.path.join(source, "in/file2"))
                write("in/new", b"new")
                write("in/deep/new", b"new")
                os.mkdir(os.path.join(source, "in/made"))
                os.rename(os.path.join(source, "in/file3"), os.path.join(source, "in/made/file3"))
                os.chmod(os.path.join(source, "in/file4"), 0o600 if asker else 0o640)
                after = everything_in(os.path.join(source, "in"))
                self.assertEqual(nodes.on_each(lambda i: everything_in(self.on(i, "in"))), [before] * 4)  # noqa: B023
                self.assertEqual(nodes.on_each(lambda i: outcome(os.lstat, self.on(i, "in/new"))), ["ENOENT"] * 4)
                self.assertEqual(self.cleared(path, node=asker), f"copper: cleared {path} on 4 nodes\n")
                self.assertEqual(nodes.on_each(lambda i: content(self.on(i, "in/new"))), [b"new"] * 4)
                self.assertEqual(nodes.on_each(lambda i: everything_in(self.on(i, "in"))), [after] * 4)  # noqa: B023
                self.assertEqual(nodes.on_each(lambda i: os.stat(self.on(i, "in/file4")).st_mode & 0o777),
                                 [0o600 if asker else 0o640] * 4)
                shutil.move(os.path.join(source, "in/made/file3"), os.path.join(source, "in/file3"))
                os.rmdir(os.path.join(source, "in/made"))
                os.unlink(os.path.join(source, "in/new"))
                os.unlink(os.path.join(source, "in/deep/new"))
                write("in/file2", b"again")
                self.cleared()
                self.assertEqual(nodes.on_each(lambda i: outcome(os.stat, self.on(i, "in/made"))), ["ENOENT"] * 4)

    def test_the_path_may_be_one_file_and_may_lie_below_the_mount(self):
        nodes.on_each(lambda i: everything_in(self.on(i, "in")))
        write("in/deep/file0", b"other")
        write("in/deep/file1", b"not cleared")
        self.assertEqual(self.cleared(self.on(1, "in/deep/file0"), node=1),
                         f"copper: cleared {place}/in/deep/file0 on 4 nodes\n")
        self.assertEqual(nodes.on_each(lambda i: content(self.on(i, "in/deep/file0"))), [b"other"] * 4)
        self.assertEqual(self.clear("/a/../..//b/").stdout, "copper: cleared /b on 4 nodes\n")
        refused = self.clear("/" + "long/" * 1000)
        self.assertEqual((refused.returncode, refused.stderr.count("\n")), (2, 1))

    def test_a_name_may_change_its_type(self):
        thing = os.path.join(source, "in/thing")

        def kind(path):
            return stat.S_IFMT(os.lstat(path).st_mode)

        def names(path):
            return sorted(os.listdir(path))

        def seen(node):
            return [outcome(question, self.on(node, "in/thing")) for question in (kind, content, names)]

        def everywhere(*expected):
            self.cleared(f"{place}/in/thing", node=1)
            self.assertEqual(nodes.on_each(seen), [list(expected)] * 4)

        everywhere("ENOENT", "ENOENT", "ENOENT")
        os.mkdir(thing)
        write("in/thing/below", b"")
        everywhere(stat.S_IFDIR, "EISDIR", ["below"])
        shutil.rmtree(thing)
        write("in/thing", b"file")
        everywhere(stat.S_IFREG, b"file", "ENOTDIR")
        os.unlink(thing)
        os.symlink("deep", thing)
        everywhere(stat.S_IFLNK, "EISDIR", names(os.path.join(source, "in/deep")))
        os.unlink(thing)
        os.mkdir(thing)
        everywhere(stat.S_IFDIR, "EISDIR", [])
        os.rmdir(thing)
        everywhere("ENOENT", "ENOENT", "ENOENT")

    def test_more_absent_names_than_are_remembered_are_taken_back(self):
        remembered, more = 1 << 16, 500
        names = [f"in/absent{n}" for n in range(remembered + more)]
        self.cleared()
        before = nodes.stats(2)["front_end"]["notify_entry"]
        for name in names:
            self.assertFalse(os.path.lexists(self.on(2, name)))
        taken_back = nodes.stats(2)["front_end"]["notify_entry"] - before
        self.assertIn(taken_back - more, range(50))
        for name in (names[0], names[-1]):
            write(name, b"")
        self.cleared()
        for name in (names[0], names[-1]):
            self.assertTrue(os.path.lexists(self.on(2, name)))
            os.unlink(os.path.join(source, name))
        self.cleared()

    def test_outside_of_the_path_nothing_is_asked_again(self):
        def look(i):
            return [everything_in(self.on(i, name)) for name in ("in", "out")]

        nodes.on_each(look)
        eventually(lambda: time.time() > os.stat(os.path.join(source, "in/deep/file0")).st_ctime + 2.1)
        self.cleared()
        nodes.on_each(look)
        storage.reset()
        nodes.on_each(look)
        self.assertEqual(storage.counts().questions(), 0)
        self.cleared(f"{place}/in")
        nodes.on_each(look)
        asked = storage.counts()
        self.assertEqual([path for path in asked if path.startswith("/out/")], [])
        self.assertEqual(asked["/out"].opendir, 0)
        self.assertEqual(asked.more_than_once(), [])
        for n in range(6):
            self.assertEqual(asked[f"/in/deep/file{n}"].bytes, len(content(os.path.join(source, f"in/deep/file{n}"))))

    def test_a_process_inside_a_directory_keeps_its_place(self):
        inside = os.open(self.on(1, "in/deep"), os.O_PATH)
        self.addCleanup(os.close, inside)
        self.addCleanup(os.chdir, "/")
        os.fchdir(inside)
        self.cleared()
        self.assertEqual(os.getcwd(), self.on(1, "in/deep"))
        self.assertIn("file0", os.listdir("."))

    # ---- under load ----

    def reader(self, seed, floor, result):
        """Until told to stop: whatever is asked is of one generation, and of none before the last clear that had returned
        when it was asked. `result`: questions, ESTALE, and what was wrong."""
        choose = random.Random(seed)
        while floor.value >= 0:
            node, least = choose.randrange(4), floor.value
            if least < 0:
                break
            kind = choose.choice(("content", "since", "only", "names", "next"))
            try:
                if kind == "content":
                    with open(self.on(node, "load/content"), "rb", buffering=0) as file:
                        size, text = os.fstat(file.fileno()).st_size, file.read()
                    seen = set(text.split())
                    good = len(seen) == 1 and len(text) == size and int(min(seen)) >= least
                elif kind == "since":
                    good = outcome(lambda: os.lstat(self.on(node, f"load/since.{least}")).st_size) == 0  # noqa: B023
                elif kind == "only":
                    good = least == 0 or outcome(os.lstat, self.on(node, f"load/only.{least - 1}")) == "ENOENT"
                elif kind == "next":  # an absent name, which the kernel then knows
                    seen = outcome(lambda: os.lstat(self.on(node, f"load/since.{least + 1}")).st_size)  # noqa: B023
                    good = seen in (0, "ENOENT")
                else:
                    names = os.listdir(self.on(node, "load"))
                    only = [name for name in names if name.startswith("only.")]
                    good = f"since.{least}" in names and len(only) in (1, 2) and f"only.{least - 1}" not in names
                result.questions += 1
                if not good:
                    result.wrong = result.wrong or b"%s: node %d, at least %d" % (kind.encode(), node, least)
            except OSError as error:
                if error.errno == errno.ESTALE and kind == "content":
                    result.stale += 1  # it was opened before, and replaced
                else:
                    result.wrong = result.wrong or f"{kind}: node {node}: {error!r}".encode()[:190]
            time.sleep(choose.random() * 0.02)

    def test_a_hundred_readers_see_what_is_when_a_clear_has_returned(self):
        class Result(ctypes.Structure):
            _fields_ = [("questions", ctypes.c_uint64), ("stale", ctypes.c_uint64), ("wrong", ctypes.c_char * 200)]

        self.cleared()
        shared = mmap.mmap(-1, 8 + READERS * ctypes.sizeof(Result))
        floor = ctypes.c_int64.from_buffer(shared)
        results = (Result * READERS).from_buffer(shared, 8)
        children = []

        def end():
            floor.value = -1
            for child in children:
                os.waitpid(child, 0)
            children.clear()

        self.addCleanup(end)
        for n in range(READERS):
            child = os.fork()
            if child == 0:
                status = 1
                with contextlib.suppress(BaseException):
                    self.reader(n, floor, results[n])
                    status = 0
                os._exit(status)
            children.append(child)
        took = []
        for generation in range(1, GENERATIONS + 1):
            seen = sum(result.questions for result in results)
            self.assertTrue(eventually(lambda: sum(r.questions for r in results) > seen + READERS))  # noqa: B023
            set_generation(generation)
            begun = time.monotonic()
            self.cleared(f"{place}/load" if generation % 2 else "/", node=generation % 4)
            took.append(time.monotonic() - begun)
            floor.value = generation
        seen = sum(result.questions for result in results)
        self.assertTrue(eventually(lambda: sum(r.questions for r in results) > seen + READERS))
        end()
        print(f"{sum(r.questions for r in results)} questions, {sum(r.stale for r in results)} ESTALE, clears took "
              f"{min(took):.3f} to {max(took):.3f} s")
        self.assertEqual([result.wrong for result in results if result.wrong][:5], [])

    # ---- answers on their way ----

    def stop_rank(self, rank):
        pid = next(pid for pid in nodes.pids("copper_service") if rank_of(pid) == rank)
        self.addCleanup(os.kill, pid, signal.SIGCONT)
        os.kill(pid, signal.SIGSTOP)
        return pid

    def test_what_is_read_around_the_rank_while_a_clear_comes_is_not_kept(self):
        # Node 3 lists a directory directly, for its rank is stopped, and has the names in its hand when it asks whether there are
        # more, which hangs. They change, the rank goes on, and the clear comes: the listing that arrives then is old, for the
        # kernel and for the view.
        os.mkdir(os.path.join(source, "slow"))
        write("slow/old", b"")
        eventually(lambda: time.time() > os.stat(os.path.join(source, "slow")).st_ctime + 2.1)
        self.cleared()
        for name in ("a", "b"):  # the third name makes it ask for the listing
            self.assertFalse(os.path.exists(self.on(3, f"slow/{name}")))
        rank = self.stop_rank(3)
        storage.reset()
        storage.delay("/slow", 500, "readdir")
        self.addCleanup(storage.clear)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            reader = pool.submit(os.path.exists, self.on(3, "slow/new"))
            self.assertTrue(eventually(lambda: "/slow" in storage.counts() and storage.counts()["/slow"].readdir == 2, pause=0.01))
            storage.hang("/slow", "readdir")
            write("slow/new", b"new")
            os.kill(rank, signal.SIGCONT)
            clear = pool.submit(self.cleared, node=0)
            with self.assertRaises(concurrent.futures.TimeoutError):
                clear.result(timeout=1)  # the kernel of node 3 waits for the reader
            storage.clear()
            self.assertFalse(reader.result())
            clear.result()
        self.assertTrue(os.path.exists(self.on(3, "slow/new")))
        self.assertEqual(sorted(os.listdir(self.on(3, "slow"))), ["new", "old"])

    # ---- pending ----

    def test_a_node_that_does_not_answer_is_named_and_follows_when_it_does(self):
        nodes.on_each(lambda i: outcome(os.lstat, self.on(i, "in/late")))
        last = self.stop_rank(3)
        write("in/late", b"late")
        said = self.clear(f"{place}/in", node=1)
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertTrue(said.stdout.startswith("copper: pending: waiting for node3; "), said.stdout)
        self.assertIn("on 3 nodes so far", said.stdout)
        for node in range(3):
            self.assertEqual(content(self.on(node, "in/late")), b"late")
        os.kill(last, signal.SIGCONT)
        self.assertTrue(eventually(lambda: outcome(content, self.on(3, "in/late")) == b"late"))
        self.cleared(node=1)


if __name__ == "__main__":
    main()
