#!/usr/bin/python3
"""Virtual hosts have what a machine has of its own, share what a cluster shares, and fail as hosts fail."""

import glob
import os
import subprocess
import time
import unittest

from cluster import HERE, HOME, LOGIN, STORAGE, Cluster, eventually, main
from namespaces import PYTHON

# Answers each connection with so many MiB.
SERVER = """
import contextlib, socket, sys
with socket.create_server(("", 7777)) as server:
    print("ready", flush=True)
    while True:
        with server.accept()[0] as peer, contextlib.suppress(OSError):
            peer.sendall(bytes(int(sys.argv[1]) << 20))
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], 7777), 2) as peer:
    peer.settimeout(2)
    total = 0
    while got := len(peer.recv(1 << 20)):
        total += got
print(total)
"""


class Hosts(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(3)
        self.addCleanup(self.cluster.down)
        self.cluster.up()

    def serve(self, host, mib):
        server = self.cluster.start(host, [PYTHON, "-c", SERVER, str(mib)], stdout=subprocess.PIPE)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.addCleanup(server.stdout.close)
        self.assertEqual(server.stdout.readline(), "ready\n")

    def sleep(self, host, seconds):
        sleeper = self.cluster.start(host, ["sleep", seconds])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        return sleeper

    def fetch(self, source, host):
        return self.cluster.run(host, [PYTHON, "-c", CLIENT, source])

    def said(self, host, command, **more):
        done = self.cluster.run(host, command, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_a_host_has_a_name_processes_shared_memory_and_tmp_of_its_own(self):
        hosts = [LOGIN, *self.cluster.hosts]
        for host in hosts:
            self.assertEqual(self.said(host, ["hostname"]), f"{host}\n")
            self.said(host, ["sh", "-c", "for d in /tmp /dev/shm; do echo $0 > $d/$0; done", host])
        for host in hosts:
            self.assertEqual(self.said(host, ["ls", "/tmp", "/dev/shm"]).split(), ["/dev/shm:", host, "/tmp:", host])
        self.sleep("nid001", "1000.1")
        self.assertTrue(eventually(lambda: "1000.1" in self.said("nid001", ["sh", "-c", "cat /proc/[0-9]*/cmdline"])))
        self.assertNotIn("1000.1", self.said("nid002", ["sh", "-c", "cat /proc/[0-9]*/cmdline"]))

    def test_storage_and_home_are_the_same_on_all_hosts(self):
        self.said(LOGIN, ["sh", "-c", "echo once > $0/file; echo again > ~/file", STORAGE])
        for host in self.cluster.hosts:
            self.assertEqual(self.said(host, ["cat", f"{STORAGE}/file", f"{HOME}/file"]), "once\nagain\n")

    def test_a_command_runs_by_ssh_from_any_host_and_its_status_comes_back(self):
        done = self.cluster.run("nid000", ["ssh", "-x", "nid002", "hostname; exit 3"])
        self.assertEqual((done.returncode, done.stdout), (3, "nid002\n"))
        self.assertEqual(self.cluster.run("nid000", ["ssh", "nid002", "kill -9 $$"]).returncode, 128 + 9)
        self.assertEqual(self.cluster.run(LOGIN, ["ssh", "nobody@nid009", "true"]).returncode, 255)

    def test_jobs_are_an_ordinary_user_s_where_there_is_one(self):
        self.assertEqual(self.said("nid000", ["id", "-u"]), f"{self.cluster.user}\n")
        self.assertEqual(self.said("nid000", ["ssh", "nid001", "id -u"]), f"{self.cluster.user}\n")
        self.assertEqual(self.said("nid000", ["id", "-u"], user=0), "0\n")

    def test_what_goes_from_host_to_host_goes_over_both_cables_and_no_other(self):
        self.serve("nid000", 4)
        before = {host: (self.cluster.sent(host), self.cluster.received(host)) for host in self.cluster.hosts}
        self.assertEqual(self.fetch("nid000", "nid001").stdout, f"{4 << 20}\n")
        sent = {host: self.cluster.sent(host) - before[host][0] for host in before}
        received = {host: self.cluster.received(host) - before[host][1] for host in before}
        self.assertGreater(sent["nid000"], 4 << 20)
        self.assertGreater(received["nid001"], 4 << 20)
        self.assertLess(max(received["nid000"], sent["nid001"], sent["nid002"], received["nid002"]), 1 << 20)

    def test_a_pulled_cable_carries_nothing_until_it_is_back(self):
        self.serve("nid000", 1)
        self.cluster.unplug("nid000")
        self.assertNotEqual(self.fetch("nid000", "nid001").returncode, 0)
        self.cluster.plug("nid000")
        self.assertTrue(eventually(lambda: self.fetch("nid000", "nid001").stdout == f"{1 << 20}\n"))

    def test_a_slow_link_is_as_slow_as_asked(self):
        self.serve("nid000", 2)
        self.cluster.slow("nid000", 40)
        begun = time.monotonic()
        self.assertEqual(self.fetch("nid000", "nid001").stdout, f"{2 << 20}\n")
        self.assertGreater(time.monotonic() - begun, ((2 << 20) - 262144) * 8 / 40e6 * 0.9)

    def test_a_killed_host_is_gone_with_all_its_processes_and_the_others_stay(self):
        sleeper = self.sleep("nid001", "1000.2")
        self.assertTrue(eventually(lambda: self.cluster.processes("nid001")))
        pids = list(self.cluster.processes("nid001"))
        self.cluster.kill("nid001")
        with self.assertRaises(subprocess.TimeoutExpired):  # as who sits at the other end of an ssh
            sleeper.wait(1)
        self.assertEqual([pid for pid in pids if os.path.exists(f"/proc/{pid}")], [])
        self.assertEqual(self.cluster.run(LOGIN, ["ssh", "nid001", "true"]).returncode, 255)
        self.assertEqual(self.said("nid002", ["hostname"]), "nid002\n")

    def test_a_frozen_host_answers_nothing_until_it_thaws(self):
        self.serve("nid000", 1)
        self.cluster.freeze("nid000")
        self.assertNotEqual(self.fetch("nid000", "nid001").returncode, 0)
        asked = self.cluster.start("nid000", ["true"])
        with self.assertRaises(subprocess.TimeoutExpired):
            asked.wait(1)
        self.cluster.thaw("nid000")
        self.assertEqual(asked.wait(20), 0)
        self.assertTrue(eventually(lambda: self.fetch("nid000", "nid001").stdout == f"{1 << 20}\n"))

    def test_a_test_that_is_killed_leaves_no_process(self):
        killed = subprocess.Popen([PYTHON, os.path.join(HERE, "cluster.py"), "-n", "1", "sleep", "1000.4"])
        self.addCleanup(killed.wait)
        self.addCleanup(killed.kill)

        def sleeping():
            return subprocess.run(["grep", "-l", "--", "1000.4", *glob.glob("/proc/[0-9]*/cmdline")], check=False,
                                  text=True, capture_output=True).stdout.split()

        self.assertTrue(eventually(lambda: len(sleeping()) > 3))  # the test's own, vssh, the shell, sleep
        killed.kill()
        self.assertTrue(eventually(lambda: not sleeping()), sleeping())

    def test_who_hangs_up_ends_his_command(self):
        asked = self.sleep("nid000", "1000.3")
        self.assertTrue(eventually(lambda: self.cluster.processes("nid000")))
        asked.kill()
        asked.wait()
        self.assertTrue(eventually(lambda: not self.cluster.processes("nid000")))


if __name__ == "__main__":
    main()
