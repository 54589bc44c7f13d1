"""What a run cost besides seconds: questions, CPU and memory of Copper's processes."""

import os

TICKS = os.sysconf("SC_CLK_TCK")
REQUESTS = [f"fuse_{name}" for name in ("lookup", "getattr", "readlink", "open", "read", "opendir", "readdir", "readdirplus",
                                        "statfs", "ioctl", "interrupt", "other")]  # and forget, which nobody waits for
PROGRAMS = ("copper_fuse", "copper_service")


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mib(pids):
    """All of it, and the part that is shared memory (the segment)."""
    resident = shared = 0
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            values = dict(line.split(":", 1) for line in file)
        resident += int(values["VmRSS"].split()[0])
        shared += int(values["RssShmem"].split()[0])
    return resident >> 10, shared >> 10


class Account:
    """Opened before a run, closed after it: what the run added. Asking costs requests too, which are taken off."""

    def __init__(self, nodes):
        self.nodes = nodes
        if nodes:
            asked = self._questions()
            self.before = self._questions()
            self.price = {name: n - asked[name] for name, n in self.before.items()}
            self.cpu = {program: cpu_seconds(nodes.pids(program)) for program in PROGRAMS}

    def close(self):
        if not self.nodes:
            return {}
        cpu = {program: cpu_seconds(self.nodes.pids(program)) - self.cpu[program] for program in PROGRAMS}
        after = self._questions()
        found = {name: n - self.before[name] - self.price[name] for name, n in after.items()}
        for program in PROGRAMS:
            pids = self.nodes.pids(program)
            resident, shared = resident_mib(pids)
            found |= {f"{program}_cpu_s": round(cpu[program], 3), f"{program}_rss_mib": resident,
                      f"{program}_shared_mib": shared}
        found["arena_mib"] = sum(self.nodes.status(i)["cache"]["arena_used"] for i in range(self.nodes.count)) >> 20
        return found

    def _questions(self):
        """Summed over the nodes: requests of the kernel, and of them ioctl (isatty); questions of the front ends to their
        ranks, and loads from storage. And what should not happen while it is measured."""
        totals = {"fuse": 0, "fuse_ioctl": 0, "fuse_asked": 0, "loads": 0, "fuse_direct": 0, "evictions": 0,
                  "peers_dead": 0}
        for i in range(self.nodes.count):
            stats = self.nodes.stats(i)
            front_end = stats["front_end"]
            totals["fuse"] += sum(front_end[name] for name in REQUESTS)
            for name in ("fuse_ioctl", "fuse_asked", "fuse_direct"):
                totals[name] += front_end[name]
            for name in ("evictions", "peers_dead"):
                totals[name] += stats["node"][name]
            totals["loads"] += sum(n for name, n in stats["node"].items()
                                   if name.startswith("loads_") and name not in ("loads_failed", "loads_unchanged"))
        return totals
