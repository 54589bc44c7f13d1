#!/usr/bin/python3
"""Signals to each of Copper's processes: what each does, and what the programs on the mounts notice of it."""

import os
import signal
import sys
import time

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[1:1] = [os.path.join(TESTS, folder) for folder in ("survival", "mount")]

# pylint: disable=wrong-import-position
from copper_nodes import MountTest, Nodes, eventually, main, mounts_below  # noqa: E402
from processes import eldest, front_end_of, lives, ranks, replaced, state_of, worker  # noqa: E402

LAUNCHER_ENDS = (signal.SIGTERM, signal.SIGKILL)  # SIGINT as the first of them, SIGHUP and SIGPIPE as the second
POLITE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SUSPENDED_S = 5    # longer than any silence that is taken for death
STALL_MAX_S = 8.0  # of one question, with the machine's other load


class Signals(MountTest):
    limit_s = 100
    asked = 0

    def keepers(self, name):
        """It, and its subshells."""
        return [pid for pid, arguments in self.nodes.processes().items()
                if any(argument.endswith("copper_keeper.sh") for argument in arguments) and name in arguments]

    def keeper(self, name):
        return eldest(self.keepers(name))

    def launcher(self):
        return next((pid for pid, arguments in self.nodes.processes().items()
                     if any("mpiexec" in os.path.basename(argument) for argument in arguments[:2])), None)

    def answers(self, node):
        """A question that no cache has an answer to; how long it took."""
        Signals.asked += 1
        began = time.monotonic()
        self.assertFalse(os.path.lexists(self.nodes.path(node, f"/usr/absent{Signals.asked}")))
        self.assertTrue(os.path.exists(self.nodes.path(node, "/etc/passwd")))
        return time.monotonic() - began

    def all_answer(self):
        return max(self.answers(node) for node in range(self.nodes.count))

    def service_answers(self):
        def answer(node):
            try:
                return self.nodes.status(node)["mounted"]
            except AssertionError:
                return False

        self.assertTrue(eventually(lambda: all(answer(node) for node in range(self.nodes.count)), seconds=40), self.nodes.logs())

    def stops_and_continues(self, pid, meanwhile):
        os.kill(pid, signal.SIGSTOP)
        try:
            self.assertTrue(eventually(lambda: state_of(pid) == "T"))
            return meanwhile()
        finally:
            os.kill(pid, signal.SIGCONT)

    def test_a_worker_ignores_what_is_meant_for_its_parent_and_is_replaced_where_it_was_stopped(self):
        with Nodes(1) as self.nodes:
            parent = front_end_of(self.nodes, 0)
            first = worker(parent)
            for number in (*POLITE, signal.SIGPIPE, signal.SIGUSR1):
                os.kill(first, number)
            self.all_answer()
            self.assertEqual(worker(parent), first)
            self.stops_and_continues(first, lambda: None)
            self.all_answer()
            self.assertEqual(worker(parent), first)
            os.kill(first, signal.SIGSTOP)
            took = self.all_answer()
            print(f"a stopped worker: answered after {took:.1f} s")
            self.assertLess(took, STALL_MAX_S)
            self.assertTrue(replaced(parent, first))
            self.assertIn("since it was stopped", self.nodes.logs())

    def test_a_parent_that_is_asked_to_end_takes_its_mount_away_and_no_other(self):
        with Nodes(len(POLITE) + 1) as self.nodes:
            os.kill(front_end_of(self.nodes, 0), signal.SIGPIPE)
            for node, number in enumerate(POLITE):
                os.kill(front_end_of(self.nodes, node), number)
                self.assertTrue(eventually(lambda point=self.nodes.mounts[node]: not mounts_below(point)))
            self.answers(len(POLITE))
            left = front_end_of(self.nodes, len(POLITE))
            self.stops_and_continues(left, lambda: self.answers(len(POLITE)))
            self.answers(len(POLITE))

    def test_a_rank_that_is_stopped_is_read_past_and_heard_of_again(self):
        with Nodes(2, options=["--fanout", "1"]) as self.nodes:
            self.all_answer()
            root = ranks(self.nodes)[0]
            os.kill(root, signal.SIGPIPE)
            took = self.stops_and_continues(root, self.all_answer)
            print(f"a stopped root: answered after {took:.1f} s")
            self.assertLess(took, STALL_MAX_S)
            self.service_answers()
            self.assertEqual(ranks(self.nodes)[0], root)

    def test_a_rank_that_is_asked_to_end_is_started_again_with_the_others(self):
        with Nodes(2) as self.nodes:
            former = ranks(self.nodes)
            os.kill(former[1], signal.SIGTERM)  # which it takes as the others of POLITE
            self.assertLess(self.all_answer(), STALL_MAX_S)
            self.assertTrue(eventually(lambda: len(now := ranks(self.nodes)) == 2 and now[1] != former[1], seconds=30),
                            self.nodes.logs())
            self.service_answers()

    def test_the_launcher_of_the_service_is_started_again(self):
        with Nodes(2) as self.nodes:
            self.stops_and_continues(self.launcher(), self.all_answer)
            self.service_answers()
            for number in LAUNCHER_ENDS:
                former = self.launcher()
                os.kill(former, number)
                self.assertLess(self.all_answer(), STALL_MAX_S)
                self.assertTrue(eventually(lambda gone=former: self.launcher() not in (None, gone)), (number, self.nodes.logs()))
                self.service_answers()

    def test_without_their_keepers_the_nodes_go_on_and_nothing_of_them_outlives_what_they_kept(self):
        with Nodes(3) as self.nodes:
            for name, number in (("copper_service", signal.SIGTERM), ("copper_fuse.node0", signal.SIGTERM),
                                 ("copper_fuse.node1", signal.SIGHUP), ("copper_fuse.node2", signal.SIGPIPE)):
                pid = self.keeper(name)
                self.stops_and_continues(pid, self.all_answer)
                os.kill(pid, number)
                self.assertTrue(eventually(lambda gone=pid: not lives(gone)), name)
                self.all_answer()
            self.service_answers()
            launcher = self.launcher()
            os.kill(launcher, signal.SIGTERM)
            self.assertTrue(eventually(lambda: not self.keepers("copper_service")), self.nodes.processes())

    def test_a_job_that_is_suspended_and_resumed_goes_on_where_it_was(self):
        with Nodes(2) as self.nodes:
            self.all_answer()
            before = self.nodes.processes()
            for pid in before:
                os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(SUSPENDED_S)
            finally:
                for pid in before:
                    os.kill(pid, signal.SIGCONT)
            self.all_answer()
            time.sleep(SUSPENDED_S)  # for whoever would count that
            self.all_answer()
            self.assertEqual(self.nodes.processes(), before)
            self.assertNotIn("no sign of life", self.nodes.logs())


if __name__ == "__main__":
    main()
