#!/usr/bin/python3
"""Stands in for PALS' mpiexec, which is on no machine of ours: takes the options that ALCF and HPE document and no other, and
runs the program: itself where this is the only host, else by hydra, which is told the same in its own words. So what happens
when a host dies is what hydra does. What it was told goes to ~/mpiexec.log, one JSON list a line.
Exit status 64: it was called as PALS cannot be."""

import json
import os
import socket
import sys

FLAGS = {"--genvall", "--envall", "--no-transfer", "--no-abort-on-failure", "--line-buffer"}
VALUES = {"-n", "--np", "--ppn", "-ppn", "--hostfile", "--hosts", "--cpu-bind", "--wdir", "--pmi"}


def refuse(reason):
    print(f"mpiexec: {reason}", file=sys.stderr)
    sys.exit(64)


def parse(words):
    options = {}
    while words and words[0].startswith("-"):
        name, equals, value = words.pop(0).partition("=")
        if name in FLAGS:
            options[name] = True
        elif name in VALUES:
            options[name] = value if equals else words.pop(0)
        else:
            refuse(f"unknown option {name}")
    return options, words


def main():
    if sys.argv[1:] == ["--version"]:
        print("mpiexec version 1.2.4 (PALS)")
        return
    log = os.environ.get("HOME", "") + "/mpiexec.log"
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(sys.argv[1:]) + "\n")
    options, command = parse(sys.argv[1:])
    if "PBS_JOBID" not in os.environ:
        refuse("not in a job")
    if "--hosts" in options:
        hosts = options["--hosts"].split(",")
    else:
        with open(options.get("--hostfile", os.environ["PBS_NODEFILE"]), encoding="utf-8") as file:
            hosts = file.read().split()
    if int(options["-n"]) != len(hosts) * int(options["--ppn"]):
        refuse(f"{options['-n']} ranks on {len(hosts)} hosts")
    cores = options.get("--cpu-bind", "list:0")
    if not cores.startswith("list:") or len(cores.split(":")) != 2:
        refuse(f"--cpu-bind {cores}: one list of CPUs for each rank of a node")
    if options.get("--pmi", "cray") not in ("cray", "pmix", "none"):
        refuse("--pmi")
    if not command or not os.access(command[0], os.X_OK):
        refuse("no program")
    if hosts == [socket.gethostname()]:
        os.chdir(options.get("--wdir", "."))
        os.execv(command[0], command)
    stay = ["-disable-auto-cleanup"] if "--no-abort-on-failure" in options else []
    os.execvp("mpiexec.hydra", ["mpiexec.hydra", "-rmk", "user", "-launcher", "ssh", "-bind-to", "none", "-hosts", ",".join(hosts),
                                "-n", options["-n"], "-ppn", options["--ppn"], "-wdir", options.get("--wdir", "."), *stay,
                                *command])


main()
