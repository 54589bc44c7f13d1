#!/usr/bin/python3
"""However many nodes and processes read, storage is asked once for each object. Counted from outside, by the storage
model below, and compared with what `copper stats` says."""

import os
import random
import shutil
import subprocess
import tempfile

from copper_nodes import HERE, PYTHON, MountTest, main, private_directory
from on_model import asked_of_front_ends, nodes_on_model

BLOCK = 1 << 20

source = None


def write(name, content):
    path = os.path.join(source, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def setUpModule():
    """A package of modules, data in files of several sizes, a directory too large for attributes to ride along."""
    global source
    source = private_directory()
    numbers = random.Random(5)
    modules = [f"module{n:02}" for n in range(40)]
    write("sample_package/__init__.py", b"".join(b"from . import %s\n" % name.encode() for name in modules))
    for name in modules:
        write(f"sample_package/{name}.py", b"value = %r\n" % name)
    for n in range(20):
        for m in range(10):
            write(f"data/d{n:02}/file{m}", numbers.randbytes(numbers.randrange(5000)))
    for name, size in (("empty", 0), ("block", BLOCK), ("block+1", BLOCK + 1), ("blocks", 7 * BLOCK // 2 + 3)):
        write(f"large/{name}", numbers.randbytes(size))
    for n in range(400):
        write(f"wide/name{n}", b"%d" % n)
    os.symlink("../data/d00/file0", os.path.join(source, "large", "link"))


def tearDownModule():
    shutil.rmtree(source)


def files_and_directories():
    files, directories = {}, ["/"]
    for top, below, names in os.walk(source):
        directories += ["/" + os.path.relpath(os.path.join(top, name), source) for name in below]
        for name in names:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                files["/" + os.path.relpath(path, source)] = os.stat(path).st_size
    return files, directories


class ReadOnce(MountTest):
    limit_s = 120

    def all_at_once(self, commands):
        """Runs them at the same time; their outputs. All must succeed."""
        running = []
        for command, env in commands:
            output = tempfile.TemporaryFile()
            self.addCleanup(output.close)
            running.append((command, output, subprocess.Popen(command, stdout=output, stderr=output,
                                                              env={**os.environ, **env})))
        outputs = []
        for command, output, process in running:
            status = process.wait(self.limit_s)
            output.seek(0)
            outputs.append(output.read())
            self.assertEqual(status, 0, (command, outputs[-1][-2000:]))
        return outputs

    def readers(self, nodes, place):
        """Several processes on each node."""
        commands = []
        for node in range(nodes.count):
            top = nodes.path(node, place)
            commands.append(([PYTHON, os.path.join(HERE, "reader.py"), top], {}))
            commands.append((["find", top, "-type", "f", "-exec", "cat", "{}", "+"], {}))
            commands.append(([PYTHON, "-c", "import sample_package as p; print(p.__file__)"], {"PYTHONPATH": top}))
        return commands

    def loads(self, nodes):
        job = nodes.stats(0)["job"]
        return {name: job[name] for name in ("loads_listing", "loads_block", "loads_failed", "loads_unchanged")}

    def test_four_nodes_with_three_processes_each_read_each_object_once(self):
        with nodes_on_model(source) as (self.nodes, storage, place):
            nodes = self.nodes
            before = self.loads(nodes)
            outputs = self.all_at_once(self.readers(nodes, place))
            counts, after = storage.counts(), self.loads(nodes)

            files, directories = files_and_directories()
            size = sum(files.values())
            for node in range(nodes.count):
                walked, _, imported = outputs[3 * node:3 * node + 3]
                self.assertEqual(int(walked), size + os.stat(os.path.join(source, "large/link")).st_size)
                self.assertEqual(imported.decode().strip(), nodes.path(node, place) + "/sample_package/__init__.py")

            self.assertEqual(counts.more_than_once(), [])
            self.assertEqual({path: counts[path].opendir for path in directories}, dict.fromkeys(directories, 1))
            full = {path: length for path, length in files.items() if length}
            self.assertEqual({path: (counts[path].open, counts[path].bytes) for path in full},
                             {path: (1, length) for path, length in full.items()})

            # The same, as Copper counts it.
            change = {name: after[name] - before[name] for name in after}
            self.assertEqual(change["loads_listing"], counts.total("opendir"))
            self.assertEqual(change["loads_block"], counts.total("blocks"))
            self.assertEqual(change["loads_failed"], 0)

    def test_a_second_run_asks_neither_storage_nor_the_front_end(self):
        with nodes_on_model(source) as (self.nodes, storage, place):
            nodes = self.nodes
            commands = [command for command in self.readers(nodes, place) if command[0][0] == PYTHON]
            first = self.all_at_once(commands)
            storage.reset()
            asked, second = asked_of_front_ends(nodes, lambda: self.all_at_once(commands))
            self.assertEqual(asked, [{}] * nodes.count)
            self.assertEqual(storage.counts(), {})
            self.assertEqual(second, first)

    def test_a_node_that_comes_late_asks_storage_nothing(self):
        with nodes_on_model(source) as (self.nodes, storage, place):
            command = [PYTHON, os.path.join(HERE, "reader.py")]
            self.all_at_once([(command + [self.nodes.path(2, place)], {})])
            storage.reset()
            for node in (0, 3, 1):
                self.all_at_once([(command + [self.nodes.path(node, place)], {})])
                self.assertEqual(storage.counts(), {}, f"node {node}")

    def test_many_readers_of_one_slow_file_are_one_reader_to_storage(self):
        with nodes_on_model(source) as (self.nodes, storage, place):
            storage.delay("/large/blocks", 400, "read")
            commands = [(["cat", self.nodes.path(node, place + "/large/blocks")], {}) for node in range(4)] * 8
            outputs = self.all_at_once(commands)
            with open(os.path.join(source, "large/blocks"), "rb") as file:
                right = file.read()
            self.assertTrue(all(output == right for output in outputs))
            count = storage.counts()["/large/blocks"]
            self.assertEqual((count.open, count.bytes, count.bytes_again), (1, len(right), 0))

    def test_an_error_of_storage_reaches_every_reader_and_is_not_remembered(self):
        with nodes_on_model(source) as (self.nodes, storage, place):
            storage.fail("/data/d00/file1", "EIO", "read")
            for node in range(4):
                with self.assertRaises(OSError) as caught:
                    with open(self.nodes.path(node, place + "/data/d00/file1"), "rb") as file:
                        file.read()
                self.assertEqual(caught.exception.errno, 5)
            storage.clear()
            with open(os.path.join(source, "data/d00/file1"), "rb") as file:
                right = file.read()
            for node in range(4):
                with open(self.nodes.path(node, place + "/data/d00/file1"), "rb") as file:
                    self.assertEqual(file.read(), right)


if __name__ == "__main__":
    main()
