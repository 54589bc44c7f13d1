#!/usr/bin/python3
"""Slurm on the virtual cluster is Slurm: jobs from the login host, steps on the nodes, this build's MPI by both ways."""

import os
import unittest

from cluster import HOME, LOGIN, Cluster, main
from slurm import Slurm

PROGRAMS = os.path.join(os.path.dirname(os.environ["COPPER_BIN"]), "test-bin")
MIB = 8
BCAST = [os.path.join(PROGRAMS, "bulk_bench"), "--mib", str(MIB), "--rounds", "1"]

JOB = """#!/bin/bash
#SBATCH --nodes=4 --job-name=names
#SBATCH --output=names.%j
hostname
srun hostname
exit 3
"""


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(4)
        cls.addClassCleanup(cls.cluster.down)
        cls.cluster.up()
        cls.slurm = Slurm(cls.cluster)
        cls.slurm.up()

    def said(self, *command):
        done = self.cluster.run(LOGIN, ["timeout", "-k", "2", "50", *command])
        self.assertEqual(done.returncode, 0, (done.stdout, done.stderr, self.slurm.logs()))
        return done.stdout

    def over_the_cables(self, *command):
        """All ranks but the first get everything twice, and by their cables."""
        before = [self.cluster.received(host) for host in self.cluster.hosts]
        self.assertIn("ranks=4 ", self.said(*command))
        received = [self.cluster.received(host) - had for host, had in zip(self.cluster.hosts, before)]
        self.assertGreater(sorted(received)[1], 2 * MIB << 20, received)

    def test_a_step_runs_on_each_host_as_the_user_who_asked(self):
        said = self.said("srun", "-N4", "sh", "-c", "echo $(hostname) $(id -u)")
        self.assertEqual(sorted(said.splitlines()), [f"{host} {self.cluster.user}" for host in self.cluster.hosts])

    def test_a_job_script_begins_on_its_first_host_and_its_status_comes_back(self):
        script = os.path.join(HOME, "names.sh")
        with open(script, "w", encoding="utf-8") as file:
            file.write(JOB)
        job = self.slurm.submit(script)
        self.assertEqual(self.slurm.ended(job), ("FAILED", 3))
        with open(os.path.join(HOME, f"names.{job}"), encoding="utf-8") as file:
            first, *steps = file.read().split()
        self.assertEqual((first, sorted(steps)), (self.cluster.hosts[0], self.cluster.hosts))

    def test_steps_of_one_job_overlap_when_they_are_told_to(self):
        said = self.said("salloc", "-N4", "sh", "-c", "srun --overlap sleep 1000 & pid=$!; "
                         "srun --overlap hostname; kill $pid; wait $pid; echo $?")
        self.assertEqual(len(set(said.split()) & set(self.cluster.hosts)), 4, said)

    def test_srun_starts_the_ranks_of_an_mpi_job(self):
        self.over_the_cables("srun", "-N4", *BCAST)

    def test_the_mpi_s_own_launcher_starts_its_ranks_through_slurm(self):
        launcher = os.environ["COPPER_MPIEXEC"].split()[0]
        one_each = ["--map-by", "ppr:1:node"] if os.environ["COPPER_MPI"] == "openmpi" else ["-ppn", "1", "-n", "4"]
        self.over_the_cables("salloc", "-N4", launcher, *one_each, *BCAST)


if __name__ == "__main__":
    main()
