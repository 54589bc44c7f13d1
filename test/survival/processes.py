"""The processes of Copper that a test kills: the ranks, the front ends and their workers."""

import contextlib
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mount"))

# pylint: disable=wrong-import-position
from copper_nodes import eventually  # noqa: E402


def stat_of(pid):
    """The fields behind its name."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rsplit(")", 1)[1].split()


def state_of(pid):
    return stat_of(pid)[0]


def parent_of(pid):
    return int(stat_of(pid)[1])


def lives(pid):
    with contextlib.suppress(OSError):
        return state_of(pid) != "Z"
    return False


def rank_of(pid):
    """Its number among the ranks; None of what is no rank."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = dict(line.partition(b"=")[::2] for line in file.read().split(b"\0") if b"=" in line)
        number = variables.get(b"PMI_RANK", variables.get(b"OMPI_COMM_WORLD_RANK"))
        return None if number is None else int(number)
    return None


def ranks(nodes):
    """The living ranks' processes, by number."""
    found = {rank_of(pid): pid for pid in nodes.pids("copper_service")}
    found.pop(None, None)
    return found


def eldest(pids):
    """The one whose parent is none of them."""
    return next(pid for pid in pids if parent_of(pid) not in pids)


def front_end_of(nodes, node):
    """The same, of one of several nodes on this machine."""
    return eldest([pid for pid, arguments in nodes.processes().items()
                      if os.path.basename(arguments[0]) == "copper_fuse" and nodes.mounts[node] in arguments])


def worker(parent):
    """The youngest child; None between two."""
    with open(f"/proc/{parent}/task/{parent}/children", encoding="ascii") as file:
        children = file.read().split()
    return int(children[-1]) if children else None


def kill_worker(parent):
    """Kills it; returns its number. Waits for one to be there."""
    while True:
        pid = worker(parent)
        if pid is not None and lives(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.001)


def replaced(parent, dead):
    return eventually(lambda: worker(parent) not in (None, dead), pause=0.001)


def descriptors(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd"))


def answers(nodes):
    """Does each rank, by way of its mount?"""
    try:
        return all(nodes.status(i)["mounted"] for i in range(nodes.count))
    except AssertionError:
        return False


def kill_rank(nodes, number):
    """Returns those that lived."""
    former = ranks(nodes)
    os.kill(former[number], signal.SIGKILL)
    return former


def others_came(nodes, former):
    """Did others come for all of them, and do they answer?"""
    def others():
        now = ranks(nodes)
        return len(now) == len(former) and not set(now.values()) & set(former.values())

    return eventually(others, seconds=40) and eventually(lambda: answers(nodes), seconds=20)
