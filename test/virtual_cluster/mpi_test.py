#!/usr/bin/python3
"""Ranks of one MPI job on several hosts, started by this build's own launcher, talk over the network between the hosts."""

import os
import unittest

from cluster import LOGIN, Cluster, main

PROGRAMS = os.path.join(os.path.dirname(os.environ["COPPER_BIN"]), "test-bin")
MIB = 8
BCAST = [os.path.join(PROGRAMS, "bulk_bench"), "--mib", str(MIB), "--rounds", "1"]  # by our tree, and by MPI_Bcast
ENOUGH = 2 * MIB << 20


class Launcher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(4)
        cls.addClassCleanup(cls.cluster.down)
        cls.cluster.up()

    def launch(self, host, program, **how):
        done = self.cluster.run(host, ["timeout", "-k", "2", "50", *self.cluster.mpiexec(**how), *program])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def received(self, launch):
        """MiB by host, while something is launched."""
        before = [self.cluster.received(host) for host in self.cluster.hosts]
        launch()
        return [self.cluster.received(host) - had for host, had in zip(self.cluster.hosts, before)]

    def test_a_rank_runs_on_each_host_launched_from_none_of_them(self):
        self.assertEqual(sorted(self.launch(LOGIN, ["hostname"]).split()), self.cluster.hosts)

    def test_ranks_can_be_several_on_a_host_and_on_some_hosts_only(self):
        said = self.launch(LOGIN, ["hostname"], hosts=["nid001", "nid003"], per_host=2)
        self.assertEqual(sorted(said.split()), ["nid001", "nid001", "nid003", "nid003"])

    def test_one_of_the_hosts_launches_too(self):
        self.assertEqual(sorted(self.launch("nid002", ["hostname"]).split()), self.cluster.hosts)

    def test_what_ranks_of_several_hosts_send_goes_over_their_cables(self):
        received = self.received(lambda: self.launch(LOGIN, BCAST))
        self.assertGreater(min(received[1:]), ENOUGH, received)

    def test_ranks_of_one_host_leave_the_cables_alone(self):
        received = self.received(lambda: self.launch(LOGIN, BCAST, hosts=["nid001"], per_host=4))
        self.assertLess(max(received), 1 << 20, received)

    def test_messages_between_hosts_arrive_whole_and_in_order_and_leave_nothing_behind(self):
        self.launch(LOGIN, [os.path.join(PROGRAMS, "mpi_transport")])
        for host in self.cluster.hosts:
            self.assertEqual(self.cluster.processes(host), {})
            self.assertEqual(os.listdir(self.cluster.root(host) + "/dev/shm"), [])


if __name__ == "__main__":
    main()
