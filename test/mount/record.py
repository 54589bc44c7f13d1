#!/usr/bin/python3
"""A recording (`launch_copper.sh --record`) says what a program asked of the mount, in order, with the pauses that it
made: compared, request by request, with a program that is known."""

import collections
import os
import re
import shutil
import stat
import time

import sample_tree
from copper_nodes import PYTHON, MountTest, Nodes, main, private_directory, run
from on_model import RACY_S, newest, nodes_on_model
from sample_tree import MIB

PAUSE_S = 0.4
LONG_MS = 86_400_000
source = None

# What it asks is in test_a_program... below. RANDOM: the kernel reads nothing ahead.
PROGRAM = """
import contextlib, os, sys, time
top, pause = sys.argv[1], float(sys.argv[2])
def opened(name):
    file = os.open(top + name, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
    return file
os.stat(top + "/plain/page")
for n in range(4):
    with contextlib.suppress(FileNotFoundError):
        os.stat(f"{top}/empty directory/absent{n}")
time.sleep(pause)
blocks = opened("/plain/blocks")
os.pread(blocks, 10, 2 << 20)
time.sleep(pause)
os.pread(blocks, 8192, (1 << 20) - 4096)
os.pread(blocks, 10, 5)
os.pread(blocks, 10, 3 << 20)
os.isatty(blocks)
os.readlink(top + "/links/relative")
time.sleep(pause)
os.listdir(top + "/many/d001")
os.statvfs(top + "/plain/page")
os.stat(top + "/many/d001/file01.py")
"""

Request = collections.namedtuple("Request", "think_s op path block questions")


def read_trace(path):
    """As tree/trace.h has it; independent of the code that is tested."""
    with open(path, encoding="ascii") as file:
        lines = file.read().split("\n")
    assert lines[0] == "copper-trace 1" and lines[-1] == "", lines[:1] + lines[-1:]
    paths, requests = [], []
    for line in lines[1:-1]:
        fields = line.split(" ")
        if fields[0] == "path":
            assert int(fields[1]) == len(paths), line
            paths.append(re.sub("%(..)", lambda found: chr(int(found[1], 16)), fields[2]))
        elif fields[0] == "":
            _, kind, number, block, outcome = fields
            requests[-1].questions.append((kind, paths[int(number)], int(block), int(outcome)))
        else:
            think, op, number, block = fields
            requests.append(Request(int(think) / 1e6, op, paths[int(number)], int(block), []))
    return requests


def setUpModule():
    global source
    source = os.path.join(private_directory(), "source")
    os.mkdir(source)
    sample_tree.make(source, large=False)
    time.sleep(max(0, newest(source) + RACY_S - time.time()))


def tearDownModule():
    shutil.rmtree(os.path.dirname(source))


class Record(MountTest):
    def recording(self, count=1):
        self.traces = os.path.join(self.directory(), "made", "by launch")
        return Nodes(count, expiry_ms=LONG_MS, options=["--record", self.traces])

    def trace(self, node=0):
        return read_trace(os.path.join(self.traces, f"node{node}.trace"))

    def run_program(self, node=0, text=PROGRAM):
        done = run([PYTHON, "-c", text, self.nodes.path(node, source), str(PAUSE_S)])
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def below_source(self, requests):
        return [request._replace(path=request.path[len(source):]) for request in requests
                if request.path.startswith(source)]

    def test_a_program_s_requests_are_recorded_in_order_with_what_they_made_the_front_end_ask(self):
        with self.recording() as self.nodes:
            self.run_program()
            at_once = self.trace()
        requests = self.trace()
        self.assertEqual(requests, at_once, "a line came late")

        way = []
        while not way or way[-1] != "/":
            way.append(os.path.dirname(way[-1] if way else source))
        looked_up = [request.path for request in requests if request.op == "lookup"]
        self.assertEqual(looked_up[:len(way)], [*way[-2::-1], source])

        asked = [(request.op, request.path, request.block) for request in self.below_source(requests)]
        self.assertEqual([request for request in asked if request[0] != "getattr"], [
            ("lookup", "", 0),
            ("lookup", "/plain", 0),
            ("lookup", "/plain/page", 0),
            ("lookup", "/empty directory", 0),
            *[("lookup", f"/empty directory/absent{n}", 0) for n in range(4)],
            ("lookup", "/plain/blocks", 0),
            ("read", "/plain/blocks", 2),
            ("read", "/plain/blocks", 0),
            ("read", "/plain/blocks", 1),
            ("read", "/plain/blocks", 3),
            ("ioctl", "/plain/blocks", 0),
            ("lookup", "/links", 0),
            ("lookup", "/links/relative", 0),
            ("readlink", "/links/relative", 0),
            ("lookup", "/many", 0),
            ("lookup", "/many/d001", 0),
            ("readdir", "/many/d001", 0),
            ("readdir", "/many/d001", 0),
            ("statfs", "/plain/page", 0),
        ], "file01.py came with the names of its directory")

    def test_each_question_is_recorded_with_the_size_or_the_error_of_its_answer(self):
        with self.recording() as self.nodes:
            self.run_program()
        requests = self.below_source(self.trace())
        blocks = [question for request in requests if request.op == "read" for question in request.questions]
        size = os.stat(source + "/plain/blocks").st_size
        self.assertEqual(blocks, [("block", source + "/plain/blocks", n, min(MIB, size - n * MIB)) for n in (2, 0, 1, 3)])

        # The first two names of a directory are asked for, the third asks for all names, and settles the fourth.
        absent = [request.questions for request in requests if "/absent" in request.path]
        empty = source + "/empty directory"
        self.assertEqual(absent[:2], [[("entry", f"{empty}/absent{n}", 0, -2)] for n in range(2)])
        self.assertEqual([question[:3] for question in absent[2]], [("listing", empty, 0)])
        self.assertGreater(absent[2][0][3], 0)
        self.assertEqual(absent[3], [])

        every = [question[:3] for request in self.trace() for question in request.questions]
        self.assertEqual(len(every), len(set(every)), "a question was recorded twice")

    def test_pauses_of_the_program_are_recorded_where_it_made_them(self):
        with self.recording() as self.nodes:
            self.run_program()
        requests = self.below_source(self.trace())
        before = {(request.op, request.path, request.block): request.think_s for request in requests}
        # From the reply until the next request is read: the program slept a little less, or the front end was late.
        slept = {("lookup", "/plain/blocks", 0), ("read", "/plain/blocks", 0), ("lookup", "/many", 0)}
        for request in slept:
            self.assertGreaterEqual(before[request], PAUSE_S * 0.97, request)
        self.assertEqual(before["read", "/plain/blocks", 1], 0, "one read that spans two blocks")
        others = [seconds for request, seconds in before.items() if request not in slept]
        self.assertLess(sum(others), PAUSE_S)

    def test_what_the_kernel_would_answer_a_second_process_is_not_recorded_again(self):
        with self.recording() as self.nodes:
            self.run_program()
            first = len(self.trace())
            self.run_program()
            second = [(request.op, request.path) for request in self.below_source(self.trace()[first:])]
        self.assertEqual(second, [("ioctl", "/plain/blocks"), ("statfs", "/plain/page")])

    def test_each_node_has_a_recording_of_its_own(self):
        with self.recording(2) as self.nodes:
            self.run_program(0)
            self.run_program(1, "import os, sys; os.stat(sys.argv[1] + '/names/caf\\udce9')")
        self.assertEqual(sorted(os.listdir(self.traces)), ["node0.trace", "node1.trace"])
        self.assertEqual([request.path for request in self.below_source(self.trace(1)) if request.op == "lookup"],
                         ["", "/names", "/names/caf\xe9"])
        self.assertIn("/plain/blocks", [request.path for request in self.below_source(self.trace(0))])

    def slow(self, path, text):
        """What the program asks below the source, where storage takes a second to read one file."""
        traces = os.path.join(self.directory(), "traces")
        with nodes_on_model(source, count=1, settled=True, options=["--record", traces]) as (self.nodes, storage, place):
            storage.delay(path, 1000, "read")
            done = run([PYTHON, "-c", text, self.nodes.path(0, place)])
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [request._replace(path=request.path[len(place):])
                for request in read_trace(os.path.join(traces, "node0.trace")) if request.path.startswith(place)]

    def test_waiting_for_storage_is_no_thinking(self):
        requests = self.slow("/plain/one", """
import sys
for name in ("/plain/one", "/plain/old"):
    open(sys.argv[1] + name, "rb").read(1)
""")
        self.assertEqual([request.path for request in requests if request.op == "read"], ["/plain/one", "/plain/old"])
        self.assertLess(sum(request.think_s for request in requests), 0.9)

    def test_requests_at_the_same_time_are_recorded_in_the_order_in_which_they_were_sent(self):
        requests = self.slow("/plain/blocks", """
import os, sys, threading, time
file = os.open(sys.argv[1] + "/plain/blocks", os.O_RDONLY)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)
for offset in (0, 500_000):
    threading.Thread(target=os.pread, args=(file, 1, offset)).start()
time.sleep(0.4)
os.stat(sys.argv[1] + "/links")
""")
        self.assertEqual([(request.op, request.path, len(request.questions)) for request in requests[-2:]],
                         [("read", "/plain/blocks", 1), ("lookup", "/links", 1)], "both readers asked for one block")
        self.assertLess(requests[-1].think_s, 0.1, "a read was under way while the program slept")

    def test_a_recording_is_replaced_and_readable_by_its_owner_alone(self):
        with self.recording() as self.nodes:
            os.stat(self.nodes.path(0, source + "/many"))
        path = os.path.join(self.traces, "node0.trace")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with Nodes(1, expiry_ms=LONG_MS, options=["--record", self.traces]) as self.nodes:
            self.run_program(text="import os, sys; os.stat(sys.argv[1] + '/deep')")
        self.assertEqual([request.path for request in self.below_source(self.trace())], ["", "/deep"])


if __name__ == "__main__":
    main()
