"""A working set of four times the cache: read correctly by eight readers at once, within the memory that was given."""

import concurrent.futures
import os
import random
import shutil
import threading
import time
import unittest

from copper_nodes import private_directory, runs_naming
from on_model import nodes_on_model

MIB = 1 << 20
CACHE = 16 * MIB
BESIDES = 24 * MIB  # of a segment: request slots, rings, index; names
HEAP = 8 * MIB
READERS = 8
FILES = {f"f{n}": (n * 37 % 256) for n in range(64)}  # of 1 MiB each, and a little; the byte that they begin with


def content(name):
    return random.Random(FILES[name]).randbytes(MIB + FILES[name])


def read_anew(path):
    """Its bytes, of which the kernel keeps none."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        pieces = []
        while piece := os.read(descriptor, 256 << 10):
            pieces.append(piece)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def anonymous_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) << 10


class Memory:
    """The most that was seen of what the processes have to themselves, and of what a segment takes of shared memory."""

    def __init__(self, nodes):
        self.pids = nodes.pids("copper_service") + nodes.pids("copper_fuse")
        (run_directory,) = runs_naming(nodes.mount)
        self.segments = [os.path.join(run_directory, name) for name in os.listdir(run_directory) if name.endswith(".segment")]
        self.before = {pid: anonymous_bytes(pid) for pid in self.pids}
        self.grown = self.segment = 0
        self.ended = threading.Event()

    def look(self):
        while not self.ended.wait(0.05):
            for pid in self.pids:
                self.grown = max(self.grown, anonymous_bytes(pid) - self.before[pid])
            for path in self.segments:
                self.segment = max(self.segment, os.stat(path).st_blocks * 512)

    def __enter__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.looked = self.pool.submit(self.look)
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.looked.result()
        self.pool.shutdown()


class CachePressure(unittest.TestCase):
    def setUp(self):
        self.source = private_directory()
        self.addCleanup(shutil.rmtree, self.source, ignore_errors=True)
        self.right = {name: content(name) for name in FILES}
        for name, text in self.right.items():
            with open(os.path.join(self.source, name), "wb") as file:
                file.write(text)

    def test_eight_readers_of_four_times_the_cache_read_what_is_there_within_the_budget(self):
        with nodes_on_model(self.source, 2, options=("--cache-bytes", str(CACHE))) as (nodes, storage, place):
            memory = Memory(nodes)

            def reader(number):
                order = list(FILES)
                random.Random(number).shuffle(order)
                for name in order:
                    given = read_anew(nodes.path(number % 2, f"{place}/{name}"))
                    if given != self.right[name]:
                        return f"{name}: {len(given)} other bytes"
                return None

            begun = time.monotonic()
            with memory, concurrent.futures.ThreadPoolExecutor(READERS) as pool:
                self.assertEqual([wrong for wrong in pool.map(reader, range(READERS)) if wrong], [])
            took = time.monotonic() - begun
            read = READERS * sum(map(len, self.right.values()))
            print(f"{READERS} readers of {len(FILES)} MiB through caches of {CACHE // MIB}: {read / MIB / took:.0f} MiB/s")

            for node in range(2):
                cache = nodes.status(node)["cache"]
                self.assertLessEqual(max(cache["arena_committed"], cache["arena_used"]), CACHE)
            self.assertEqual(len(memory.segments), 2)
            self.assertGreater(memory.segment, CACHE // 2)
            self.assertLessEqual(memory.segment, CACHE + BESIDES)
            self.assertLessEqual(memory.grown, HEAP)
            direct = sum(nodes.stats(node)["front_end"]["fuse_direct"] for node in range(2))
            asked = storage.counts().total("read")
            print(f"segments of at most {memory.segment / MIB:.0f} MiB, heaps grown by {memory.grown / MIB:.1f}; "
                  f"{direct} direct reads, {asked} of storage")
            self.assertLess(direct, READERS * len(FILES) // 10)
            job = nodes.stats()["job"]
            self.assertGreater(job["evictions"], 2 * len(FILES))
            self.assertEqual(job["messages_damaged"], 0)


if __name__ == "__main__":
    unittest.main()
