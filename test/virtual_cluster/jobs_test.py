#!/usr/bin/python3
"""The job scripts in `jobs`, as users write them: on all hosts of the virtual cluster through the same mount path, storage read
once, nothing left on any host.

All hosts' storage is one storage model, which counts from outside Copper what it is asked.
"""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import sys
import time
import unittest

import environments
from cluster import HERE, HOME, LOGIN, ROOM, SOURCE, STORAGE, Cluster, checked, eventually, main
from slurm import OWN, Slurm

sys.path.insert(0, os.path.join(SOURCE, "test", "storage_model"))

from client import StorageModel  # pylint: disable=wrong-import-position

FILES = "/mnt/files"  # what the storage model shows at STORAGE
JOBS = os.path.join(HERE, "jobs")
INSTALLED = f"{ROOM}/copper"
LMOD = "/usr/share/lmod/lmod/init/bash"  # what a login shell of a cluster has read: `module`
RACY_S = 2.1  # Copper looks again at what changed within the last two seconds


class JobScripts(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise unittest.SkipTest("there is no /dev/fuse here, or not for us")
        if not os.path.exists(LMOD):
            raise unittest.SkipTest("no `module` (apt install lmod)")
        environments.make(STORAGE)  # which has its own path in it
        os.rename(STORAGE, FILES)
        cls.storage = StorageModel(FILES, STORAGE)
        cls.addClassCleanup(shutil.rmtree, FILES)
        cls.addClassCleanup(os.rmdir, STORAGE)
        cls.addClassCleanup(cls.storage.stop)
        cls.storage.__enter__()
        cls.cluster = Cluster(4, env={"PATH": f"{ROOM}/bin:/usr/bin:/bin:/usr/sbin:/sbin", "BASH_ENV": LMOD,
                                      "MODULEPATH": f"{INSTALLED}/share/modulefiles"})
        cls.addClassCleanup(cls.cluster.down)
        cls.cluster.up()
        checked(["cmake", "--install", os.path.dirname(os.environ["COPPER_BIN"]), "--prefix", INSTALLED])
        made = time.time()
        cls.make_ready()
        eventually(lambda: time.time() > made + RACY_S)

    @classmethod
    def make_ready(cls):
        pass

    def setUp(self):
        self.mount = f"/tmp/{self.cluster.env['USER']}/copper"
        self.storage.reset()
        shutil.rmtree(f"{HOME}/copper-logs", ignore_errors=True)

    def below(self, path):
        return self.mount + STORAGE + path

    def read_once(self, natively=lambda path: False):
        """Whatever is not read past the mount too."""
        counts = self.storage.counts()
        self.assertGreater(counts.total("blocks"), 0)
        self.assertEqual([fault for fault in counts.more_than_once() if not natively(fault[0])], [])
        return counts

    def left(self, directories=("/dev/shm", "/tmp"), hosts=None):
        """Processes, mounts and files of any host that are neither Slurm's nor there from the start."""
        found = []
        for host in hosts or self.cluster.alive():
            found += [f"{host}: process {' '.join(arguments)}" for arguments in self.cluster.processes(host).values()
                      if os.path.basename(arguments[0]).split()[-1] not in OWN]
            found += [f"{host}: mount {point}" for point, kind in self.cluster.mounts(host, "/tmp")
                      if kind.startswith("fuse")]
            for directory in directories:
                found += [f"{host}: {directory}/{name}" for name in self.cluster.names(host, directory)]
        return found

    def nothing_left(self, **where):
        eventually(lambda: not self.left(**where), 10)  # the processes of a step end after it
        self.assertEqual(self.left(**where), [])

    def outputs(self, text, label):
        return [line.split(": ", 1)[1] for line in text.splitlines() if line.startswith(label + ": ")]

    def logs(self):
        text = ""
        for path in sorted(glob.glob(f"{HOME}/copper-logs/*/logs/*")):
            with open(path, encoding="utf-8", errors="replace") as file:
                text += f"--- {path}\n{file.read()[-2000:]}"
        return text


class SlurmTests(JobScripts):
    @classmethod
    def make_ready(cls):
        cls.slurm = Slurm(cls.cluster)
        cls.slurm.up()

    def output(self, name, job):
        with open(f"{HOME}/{name}.{job}", encoding="utf-8") as file:
            return file.read()

    def completed(self, name):
        job = self.slurm.submit(f"{JOBS}/{name}.sh")
        state = self.slurm.ended(job, 100)
        self.assertEqual(state, ("COMPLETED", 0), self.output(name, job) + self.logs())
        return self.output(name, job)

    def running(self, *options):
        """A job in which Copper runs, until the file `stopped` is there."""
        for name in ("launched", "stopped"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{HOME}/{name}")
        job = self.slurm.submit(f"{JOBS}/left_running.sh", *options)
        self.assertTrue(eventually(lambda: os.path.exists(f"{HOME}/launched"), 60), self.logs())
        self.assertEqual([self.cluster.mounts(host, self.mount) for host in self.cluster.hosts],
                         [[(self.mount, "fuse.copper")]] * 4)
        return job


class SlurmJobs(SlurmTests):
    def test_the_quick_start_of_frontier_imports_on_all_nodes(self):
        said = self.completed("frontier")
        self.assertEqual(self.outputs(said, "import"), [self.below("/pip_env/numpy/__init__.py") + " 45"] * 8)
        self.read_once()
        self.nothing_left()

    def test_each_routing_recipe_reads_through_the_mount_what_it_prefixes(self):
        said = self.completed("recipes")
        python = os.path.basename(environments.STDLIB)
        self.assertEqual(self.outputs(said, "venv"), [
            f"{STORAGE}/venv {self.below('/venv')}/lib/{python}/site-packages/numpy/__init__.py"] * 4)
        conda = self.below("/conda_env")
        self.assertEqual(self.outputs(said, "conda"), [
            f"{conda} {conda}/lib/{python}/os.py {conda}/lib/python3/dist-packages/numpy/__init__.py yes"] * 4)
        self.assertEqual(self.outputs(said, "library"), [self.below("/lib/libonly_here.so")] * 4)
        with open(f"{FILES}/input/data", "rb") as file:
            sum_of_input = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(said.count(f"{sum_of_input}  {self.below('/input/data')}\n"), 4)

        def natively(path):
            return path.startswith(("/venv/", "/conda/")) and "/numpy" not in path

        counts = self.read_once(natively)
        with open(f"{HOME}/stats.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["job"]["loads_block"],
                             sum(count.blocks for path, count in counts.items() if not natively(path)))
        self.nothing_left()

    def test_stop_from_the_login_host_leaves_nothing_on_any_host(self):
        job = self.running()
        done = self.cluster.run(LOGIN, ["bash", "-c", "module load copper && stop_copper.sh"])
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.logs())
        self.assertEqual([self.cluster.mounts(host, self.mount) for host in self.cluster.hosts], [[]] * 4)
        with open(f"{HOME}/stopped", "w", encoding="utf-8"):
            pass
        self.assertEqual(self.slurm.ended(job), ("COMPLETED", 0))
        self.nothing_left()

    def test_a_cancelled_job_leaves_no_process_and_no_mount_and_the_next_job_is_served(self):
        job = self.running()
        self.slurm.ask("scancel", job)
        self.assertEqual(self.slurm.ended(job)[0], "CANCELLED")
        self.nothing_left(directories=())
        self.completed("frontier")
        self.nothing_left()


class LauncherJobs(JobScripts):
    """By this build's MPI alone: no scheduler."""

    def test_the_quick_start_by_the_mpi_s_own_launcher_imports_on_all_nodes(self):
        with open(f"{HOME}/hosts", "w", encoding="utf-8") as file:
            file.writelines(f"{host}\n" for host in self.cluster.hosts)
        pass_on = ["-x", "PYTHONPATH"] if os.environ["COPPER_MPI"] == "openmpi" else []
        done = self.cluster.run(LOGIN, [f"{JOBS}/mpiexec.sh", f"{HOME}/hosts", *self.cluster.mpiexec(per_host=2), *pass_on],
                                timeout=100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.logs())
        self.assertEqual(self.outputs(done.stdout, "import"), [self.below("/pip_env/numpy/__init__.py") + " 45"] * 8)
        self.read_once()
        self.nothing_left()


if __name__ == "__main__":
    main()
