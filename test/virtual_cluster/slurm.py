"""Slurm on a virtual cluster: Debian's own slurmctld on `login`, slurmd on each host, munged on all.

    with Cluster(4) as hosts, Slurm(hosts) as slurm:
        hosts.run("login", ["srun", "-N4", "hostname"])
        job = slurm.submit("job.sh")

No systemd and no cgroups: what a step started is found through /proc, and ends with its host at the latest.
"""

import os
import shutil
import unittest

from cluster import LOGIN, ROOM, checked, eventually, in_user_namespace

DAEMONS = ("slurmctld", "slurmd", "munged")
OWN = (*DAEMONS, "slurmscriptd")  # and what they start for themselves
CPUS = 8  # as said to Slurm; in truth the hosts share the machine's

# How Debian's MPIs are told their ranks. By another way MPICH takes each rank for a job of one, and Open MPI refuses.
MPI_TYPE = {"mpich": "pmi2", "openmpi": "pmix"}

CONFIGURATION = f"""
ClusterName=virtual
SlurmctldHost={LOGIN}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
StateSaveLocation=/run/slurmctld
SlurmdSpoolDir=/run/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={ROOM}/slurmctld.log
SlurmdLogFile={ROOM}/slurmd.%h.log
KillWait=5
ReturnToService=2
MpiDefault={{mpi}}
PartitionName=batch Nodes=ALL Default=YES OverSubscribe=EXCLUSIVE MaxTime=10
"""


def missing():
    """Which of its programs are not on this machine."""
    return [name for name in (*DAEMONS, "sbatch", "srun") if not shutil.which(name, path="/usr/sbin:/usr/bin")]


class Slurm:
    def __init__(self, cluster):
        self.cluster = cluster

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        pass  # the hosts' end is its end

    def up(self):
        if missing():
            raise unittest.SkipTest(f"no {', '.join(missing())} (apt install slurm-wlm munge)")
        if in_user_namespace():
            raise unittest.SkipTest("slurmd sets its groups, which only the machine's root may")
        with open("/etc/munge/munge.key", "wb", opener=lambda path, flags: os.open(path, flags, 0o400)) as key:
            key.write(os.urandom(128))
        with open("/etc/slurm/slurm.conf", "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(mpi=MPI_TYPE[os.environ.get("COPPER_MPI", "mpich")]))
            file.writelines(f"NodeName={host} NodeAddr={self.cluster.address(host)} CPUs={CPUS}\n"
                            for host in self.cluster.hosts)
        munged = "mkdir -m 755 /run/munge && munged --key-file=/etc/munge/munge.key --pid-file=/run/munge/pid " \
                 "--log-file=/run/munge/log --seed-file=/run/munge/seed"
        for host in [LOGIN, *self.cluster.hosts]:
            daemon = "slurmctld" if host == LOGIN else "slurmd"
            checked(self.cluster.command(host, ["sh", "-c", f"{munged} && mkdir /run/{daemon} && {daemon}"], user=0),
                    env=self.cluster.env)
        if not eventually(lambda: self.ask("sinfo", "-h", "-t", "idle", "-o", "%D") == str(len(self.cluster.hosts)), 60):
            raise AssertionError(f"hosts are not idle: {self.ask('sinfo', '-N', '-l')}\n{self.logs()}")

    def ask(self, *command):
        """What it printed."""
        return self.cluster.run(LOGIN, command).stdout.strip()

    def submit(self, script, *options, env=None, **more):
        """The number of the job, submitted from the login host."""
        done = self.cluster.run(LOGIN, ["sbatch", "--parsable", *options, script], env=env, **more)
        if done.returncode != 0:
            raise AssertionError(f"sbatch: {done.stderr}")
        return done.stdout.strip()

    def ended(self, job, seconds=60):
        """Its state and its exit status, when it has ended."""
        def fields():
            return dict(word.split("=", 1) for word in self.ask("scontrol", "show", "job", "-o", job).split()
                        if "=" in word)

        over = eventually(lambda: fields().get("JobState") not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"),
                          seconds, 0.1)
        if not over:
            raise AssertionError(f"job {job} did not end: {fields()}\n{self.logs()}")
        return fields()["JobState"], int(fields()["ExitCode"].split(":", maxsplit=1)[0])

    @staticmethod
    def logs():
        text = ""
        for name in sorted(os.listdir(ROOM)):
            if name.startswith("slurm"):
                with open(os.path.join(ROOM, name), encoding="utf-8", errors="replace") as file:
                    text += f"--- {name}\n{file.read()[-2000:]}"
        return text
