#!/usr/bin/python3
"""What launch_copper.sh and stop_copper.sh would run on machines that are not here: --dry-run, against recorded commands
(expected/), and a stand-in for the launcher of PALS (stand_in_mpiexec.py) that runs them.

    RECORD=yes platforms.py    writes expected/ anew: read the difference before you believe it
"""

import contextlib
import json
import os
import shlex
import shutil
import socket
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("COPPER_SOURCE", os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.join(SOURCE, "test", "mount"))

from copper_nodes import MountTest, main, mounts_below, run, runs_naming  # pylint: disable=wrong-import-position

RECORD = "RECORD" in os.environ
JOB = str(os.getpid())  # another's tests may run beside ours
AURORA = {"PBS_JOBID": f"{JOB}.aurora-pbs-0001.host"}
FRONTIER = {"SLURM_JOB_ID": JOB, "SLURM_JOB_NODELIST": "frontier[00009-00011,10624]", "SLURM_NTASKS": "448",
            "SLURM_CPU_BIND": "quiet,mask_cpu:0x1"}


class Platforms(MountTest):
    limit_s = 120

    def setUp(self):
        super().setUp()
        self.top = self.directory()
        self.home = os.path.join(self.top, "home")
        self.bin = os.path.join(self.top, "bin")
        os.mkdir(self.home)
        os.mkdir(self.bin)
        self.node_file = os.path.join(self.top, "nodes")
        self.write_nodes("x4001c0s0b0n0.hsn.cm.aurora.alcf.anl.gov", "x4001c0s1b0n0.hsn.cm.aurora.alcf.anl.gov")

    def write_nodes(self, *hosts):
        with open(self.node_file, "w", encoding="utf-8") as file:
            file.writelines(host + "\n" for host in hosts)

    def script(self, name, *options, job, timeout=60):
        env = {"PATH": f"{self.bin}:{os.environ['COPPER_BIN']}:/usr/bin:/bin", "HOME": self.home, "USER": "someone",
               "LANG": "C.UTF-8", "COPPER_BIN": os.environ["COPPER_BIN"], "PBS_NODEFILE": self.node_file, **job}
        command = ["env", "-i", *(f"{key}={value}" for key, value in env.items()), os.path.join(SOURCE, "wrappers", name)]
        if name.startswith("stop") and "SLURM_JOB_ID" not in job and "PBS_JOBID" not in job:
            options = ("-d", os.path.join(self.home, "copper-logs"), *options)  # else it could be another's run
        return run([*command, *options], timeout=timeout)

    def dry(self, name, *options, job):
        """The commands, as lists of words."""
        done = self.script(name, "--dry-run", *options, job=job)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [shlex.split(line) for line in done.stdout.splitlines()]

    def as_recorded(self, name, commands):
        """One word a line, where options do not stand with their value; places of this machine by their names."""
        text = ""
        for command in commands:
            for word in command:
                for place, called in ((os.environ["COPPER_BIN"], "BIN"), (os.path.join(SOURCE, "wrappers"), "LIB"),
                                      (self.top, "TOP"), (f"copper-{os.geteuid()}", "copper-UID"), (JOB, "JOB")):
                    word = word.replace(place, called)
                text += ("  " if text and not text.endswith("\n\n") else "") + shlex.quote(word) + "\n"
            text += "\n"
        path = os.path.join(HERE, "expected", name)
        if RECORD:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(text, file.read(), "RECORD=yes, if this is as it should be")

    # ---- the commands ----

    def test_on_aurora_the_steps_are_pals_s_and_on_the_service_cores(self):
        self.as_recorded("aurora", self.dry("launch_copper_aurora.sh", job=AURORA))

    def test_on_frontier_the_steps_are_slurm_s_and_overlap(self):
        self.as_recorded("frontier", self.dry("launch_copper_frontier.sh", job=FRONTIER))

    def test_all_options_reach_the_service(self):
        book = os.path.join(self.top, "book")
        with open(book, "w", encoding="utf-8"):
            pass
        _, service = self.dry("launch_copper_frontier.sh", "-l", "5", "-t", "both", "-T", "4", "-M", "10M", "-E", "500", "-P",
                              "-N", "20", "-A", "-I", "60", "-b", "3,4", "-F", book, "-a", "facility", "-n", "cxi2", "-v",
                              "/tmp/view", "-d", self.top + "/out", "--per-rank-output", job=FRONTIER)
        program = service[service.index("--") + 1:]
        for words in ("-l 5", "-t both", "-T 4", "-M 10M", "-E 500", "-P", "-N 20", "-A", "-I 60", "-b 3,4", f"-F {book}",
                      "-a facility", "-n cxi2", "--mount /tmp/view", "--per-rank-output", f"--log-dir {self.top}/out/{JOB}/logs"):
            self.assertIn(f" {words} ", " ".join(program) + " ")
        self.assertIn("FI_CXI_DEVICE_NAME=cxi2", service)

    def test_a_network_is_what_the_libraries_under_mpi_read(self):
        for net, wanted, unwanted in (
                ("auto", (), ("FI_PROVIDER",)), ("cxi", ("FI_PROVIDER=cxi",), ("FI_CXI_DEVICE_NAME",)),
                ("cxi://cxi3", ("FI_PROVIDER=cxi", "FI_CXI_DEVICE_NAME=cxi3"), ()),
                ("hsn1", ("FI_PROVIDER=tcp", "FI_TCP_IFACE=hsn1"), ("FI_CXI_DEVICE_NAME",)),
                ("eth0", ("UCX_NET_DEVICES=eth0", "OMPI_MCA_btl_tcp_if_include=eth0", "HYDRA_IFACE=eth0"), ())):
            for command in self.dry("launch_copper_aurora.sh", "-n", net, job=AURORA):
                for variable in wanted:
                    self.assertIn(variable, command)
                self.assertFalse([word for word in command if word.startswith(tuple(name + "=" for name in unwanted) or "=")])

    def test_more_than_64_nodes_keep_their_logs(self):
        self.write_nodes(*(f"x{i}" for i in range(65)))
        for more, kept in (((), True), (("--per-rank-output",), False)):
            front_end, service = self.dry("launch_copper_aurora.sh", *more, job=AURORA)
            local = f"/tmp/copper-logs-{os.geteuid()}/{JOB}"
            self.assertEqual((local in front_end, local in service), (kept, kept))
            self.assertEqual("--node-log-dir" in service, kept)

    def test_a_launcher_gets_nothing_of_the_application_s_step_or_python(self):
        job = {**FRONTIER, "PYTHONPATH": "/tmp/someone/copper/x", "LD_PRELOAD": "", "MPICH_GPU_SUPPORT_ENABLED": "1",
               "LD_LIBRARY_PATH": "/opt/lib:/tmp/someone/copper/lus/lib"}
        for command in self.dry("launch_copper_frontier.sh", job=job):
            environment = command[2:command.index("srun")]
            self.assertIn("MPICH_GPU_SUPPORT_ENABLED=0", environment)
            self.assertIn("LD_LIBRARY_PATH=/opt/lib", environment)
            self.assertEqual(len({word.split("=")[0] for word in environment}), len(environment))
            self.assertFalse([word for word in environment if word.startswith(("SLURM_", "PYTHON", "LD_PRELOAD"))])

    def test_a_new_site_is_a_new_file(self):
        site = os.path.join(self.top, "perlmutter.conf")
        with open(site, "w", encoding="utf-8") as file:
            file.write("# somewhere\nplatform = slurm\ncores=62,63\nmount = /tmp/%u/view\nstay =\nservice_flags = --mpi=cray_shasta\n")
        front_end, service = self.dry("launch_copper.sh", "--site", site, job=FRONTIER)
        self.assertIn("/tmp/someone/view", front_end)
        self.assertNotIn("--no-kill", front_end)
        self.assertIn("--kill-on-bad-exit=1", service)
        self.assertEqual(("--mpi=cray_shasta" in front_end, "--mpi=cray_shasta" in service), (False, True))
        self.assertIn("62,63", service)

    def test_a_dry_run_leaves_no_trace(self):
        self.dry("launch_copper_aurora.sh", job=AURORA)
        self.assertEqual((os.listdir(self.home), runs_naming(self.top)), ([], []))

    def write_record(self, platform, job):
        """What a run left in its job directory, as launch would have written it."""
        directory = os.path.join(self.home, "copper-logs", job)
        os.makedirs(directory + "/logs", 0o700)
        for name, text in (("run", f"job={job}\nmount={self.top}/view\nplatform={platform}\nscheduler_job={job}\n"
                                   "setting=launcher true\n"), ("logs/node_file.txt", "x1\n")):
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        return directory + "/run"

    def test_a_job_that_is_over_is_forgotten_and_one_of_which_nothing_is_known_is_not(self):
        for platform, asked, answer, over in (("slurm", "squeue", "echo RUNNING", False), ("slurm", "squeue", ":", True),
                                              ("slurm", "squeue", "echo slurm_load_jobs error: Invalid job id >&2; exit 1", True),
                                              ("slurm", "squeue", "echo Unable to contact slurm controller >&2; exit 1", False),
                                              ("pbs", "qstat", "exit 0", False), ("pbs", "qstat", "exit 35", True),
                                              ("pbs", "qstat", "exit 153", True), ("pbs", "qstat", "exit 2", False)):
            with self.subTest(platform=platform, answer=answer):
                record = self.write_record(platform, JOB)
                with open(os.path.join(self.bin, asked), "w", encoding="utf-8") as file:
                    file.write(f"#!/bin/sh\n{answer}\n")
                os.chmod(file.name, 0o755)
                commands = self.dry("stop_copper.sh", job={})
                self.assertEqual((len(commands), os.path.exists(record)), (0 if over else 1, True))
                if over:
                    done = self.script("stop_copper.sh", job={})
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "Copper: nothing to stop\n", ""))
                    self.assertFalse(os.path.exists(record))
                shutil.rmtree(os.path.dirname(record))

    def test_a_record_that_others_could_have_written_is_not_followed(self):
        record = self.write_record("pbs", JOB)
        self.assertEqual(len(self.dry("stop_copper.sh", job=AURORA)), 1)
        os.chmod(record, 0o666)
        self.assertEqual(self.dry("stop_copper.sh", job=AURORA), [])

    def test_stop_in_a_job_leaves_the_runs_of_other_jobs_alone(self):
        """Also those of this machine, and of jobs whose number only begins like ours."""
        runs = f"/dev/shm/copper-{os.geteuid()}"
        other = os.path.join(runs, JOB + "1")
        with contextlib.suppress(FileExistsError):
            os.mkdir(runs, 0o700)
        os.mkdir(other, 0o700)
        self.addCleanup(shutil.rmtree, other, ignore_errors=True)
        with open(other + "/run", "w", encoding="utf-8") as file:
            file.write(f"kind=local\njob={JOB}1\nmount={self.top}/other\nnodes=1\njob_dir={self.home}/copper-logs/{JOB}1\n")
        for job in (AURORA, FRONTIER):
            done = self.script("stop_copper.sh", job=job)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "Copper: nothing to stop\n", ""))
        self.assertTrue(os.path.exists(other + "/run"))
        done = self.script("stop_copper.sh", "-v", self.top + "/other", job=AURORA)
        self.assertEqual((done.stdout, os.path.exists(other)), (f"Copper stopped: {self.top}/other\n", False))

    def test_a_step_that_comes_up_after_stop_does_nothing(self):
        job = os.path.join(self.top, "job")
        node = [os.path.join(SOURCE, "wrappers", "copper_node.sh"), "front_end", "--job", "late-" + JOB, "--mount", self.top + "/view",
                "--log-dir", self.top, "--launched-by", self.top, "--job-dir", job, "--", "/bin/touch", self.top + "/begun"]
        for reason in ("is not here", "was stopped while it started"):
            done = run(node)
            self.assertEqual((done.returncode, done.stderr), (2, ""))
            self.assertIn(f"copper: refused: {socket.gethostname().split('.')[0]}: ", done.stdout)
            self.assertIn(reason, done.stdout)
            os.makedirs(job, exist_ok=True)
        self.assertFalse(os.path.exists(self.top + "/begun") or os.path.exists(self.top + "/view"))

    # ---- and when they are run ----

    def test_a_launcher_like_pals_s_starts_and_ends_a_run(self):
        shutil.copy(os.path.join(HERE, "stand_in_mpiexec.py"), os.path.join(self.bin, "mpiexec"))
        self.write_nodes(socket.gethostname())
        mount = os.path.join(self.top, "view")
        options = ["-v", mount, "-b", "0"]
        self.addCleanup(self.script, "stop_copper_aurora.sh", "-v", mount, job=AURORA)
        for name in (JOB, JOB + ".3"):  # the refused one had .2
            launched = self.script("launch_copper_aurora.sh", *options, "-n", "auto", job=AURORA)
            self.assertEqual((launched.returncode, launched.stderr), (0, ""), self.logs())
            self.assertIn("1 host,", launched.stdout)
            self.assertEqual(os.stat(mount + "/etc/passwd").st_size, os.stat("/etc/passwd").st_size)
            logs = os.path.join(self.home, "copper-logs", name, "logs")
            with open(os.path.join(logs, "options.json"), encoding="utf-8") as file:
                effective = json.load(file)
            self.assertEqual((effective["platform"], effective["cores"], effective["mount"]), ("pbs", "0", mount))
            with open(os.path.join(logs, "node_file.txt"), encoding="utf-8") as file:
                self.assertEqual(file.read().split(), [socket.gethostname()])
            again = self.script("launch_copper_aurora.sh", *options, job=AURORA)
            self.assertEqual((again.returncode, len(again.stderr.splitlines())), (2, 1), again.stderr)
            self.assertIn("in use", again.stderr)
            end, = self.dry("stop_copper_aurora.sh", job=AURORA)
            self.assertEqual(end[-3:], ["end", "--job", name])
            stopped = self.script("stop_copper_aurora.sh", job=AURORA)
            self.assertEqual((stopped.returncode, stopped.stderr), (0, ""))
            self.assertEqual((mounts_below(self.top), runs_naming(self.top), os.path.exists(mount)), ([], [], False))
        with open(os.path.join(self.home, "mpiexec.log"), encoding="utf-8") as file:
            whats = [next(word for word in json.loads(line) if word in ("front_end", "service", "end")) for line in file]
        self.assertGreaterEqual(whats.count("end"), 2)

    def logs(self):
        text = ""
        for top, _, files in os.walk(os.path.join(self.home, "copper-logs")):
            for name in files:
                with open(os.path.join(top, name), encoding="utf-8") as file:
                    text += f"--- {name}\n{file.read()}"
        return text


if __name__ == "__main__":
    main()
