#!/usr/bin/python3
"""What a job sees of a host that dies, hangs or loses its cable while Copper runs: the other hosts read on, by themselves where
the way to storage led through it, and stop ends all that can be reached."""

from cluster import HOME, LOGIN, main
from jobs_test import FILES, JobScripts, SlurmTests

ROOT, LEAF = "nid000", "nid003"  # of the only tree


class Faults(JobScripts):
    read = 0  # files, so far

    def by_hand(self, command, **more):
        return self.cluster.run(LOGIN, ["bash", "-c", f"module load copper && {command}"], **more)

    def launch(self):
        with open(f"{HOME}/hosts", "w", encoding="utf-8") as file:
            file.writelines(f"{host}\n" for host in self.cluster.hosts)
        done = self.by_hand("launch_copper.sh --hostfile hosts")
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.logs())

    def reads(self, host, name):
        """The file, read there through the mount; each answer is bounded, and right or an error."""
        done = self.cluster.run(host, ["cat", self.below(f"/many/{name}")], timeout=30)
        with open(f"{FILES}/many/{name}", encoding="utf-8") as file:
            self.assertIn((done.returncode, done.stdout), [(0, file.read()), (1, "")])
        return done.returncode == 0 or done.stderr

    def others_read(self, host):
        """Whether each other host reads what it has read before, and what none has."""
        old = f"f{Faults.read}"
        answers = []
        for other in self.cluster.hosts:
            if other != host:
                Faults.read += 1
                answers += [self.reads(other, old), self.reads(other, f"f{Faults.read}")]
        return answers

    def every_host_reads(self):
        self.assertEqual([self.reads(host, f"f{Faults.read}") for host in self.cluster.hosts], [True] * 4)

    def stopped_without(self, dead):
        """Everything is ended where it can be; what waits on the login host for the dead one is no part of this."""
        done = self.by_hand("stop_copper.sh", timeout=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"on {dead}: it cannot be reached", done.stderr)
        self.assertNotIn("nid001", done.stderr)
        with open(f"{HOME}/stopped", "w", encoding="utf-8"):
            pass  # for the job script
        self.nothing_left(hosts=[host for host in self.cluster.hosts if host != dead])


class Reversible(Faults):
    def test_a_root_that_hangs_is_read_past_and_stop_ends_it_when_it_goes_on(self):
        self.launch()
        self.every_host_reads()
        self.cluster.freeze(ROOT)
        try:
            self.assertEqual(self.others_read(ROOT), [True] * 6)
        finally:
            self.cluster.thaw(ROOT)
        done = self.by_hand("stop_copper.sh")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.nothing_left()

    def test_a_root_without_its_cable_is_read_past(self):
        self.launch()
        self.every_host_reads()
        self.cluster.unplug(ROOT)
        try:
            self.assertEqual(self.others_read(ROOT), [True] * 6)
        finally:
            self.cluster.plug(ROOT)
        done = self.by_hand("stop_copper.sh")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.nothing_left()


class DeadHost(Faults):
    def test_a_dead_root_is_read_past_and_stop_names_it(self):
        self.launch()
        self.every_host_reads()
        self.cluster.kill(ROOT)
        self.assertEqual(self.others_read(ROOT), [True] * 6)
        self.stopped_without(ROOT)


class DeadHostOfASlurmJob(SlurmTests, Faults):
    def test_a_dead_host_is_read_past_and_stop_names_it(self):
        self.running("--no-kill")
        self.every_host_reads()
        self.cluster.kill(LEAF)
        self.assertEqual(self.others_read(LEAF), [True] * 6)
        self.stopped_without(LEAF)


if __name__ == "__main__":
    main()
