"""What processes and segments take over time, and whether it grows."""

import contextlib
import os
import statistics

MIB = 1 << 20
ALLOWED = {"memory": 8 * MIB, "segment": 8 * MIB, "descriptors": 8}  # or a quarter, where that is more


def memory(pid):
    """Bytes that are the process's alone."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def bytes_below(directory):
    total = 0
    for top, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(top, name)).st_blocks * 512
    return total


class Growth:
    def __init__(self):
        self.samples = {}  # (host, whose, what) -> in order

    def take_process(self, host, whose, pid):
        with contextlib.suppress(OSError):
            taken = memory(pid), len(os.listdir(f"/proc/{pid}/fd"))
            self.take(host, whose, "memory", taken[0])
            self.take(host, whose, "descriptors", taken[1])

    def take(self, host, whose, what, count):
        if count:  # else it is just ending
            self.samples.setdefault((host, whose, what), []).append(count)

    def compared(self):
        """(host, whose, what) -> the medians of the second and of the last quarter; the first is for settling down."""
        found = {}
        for name, samples in self.samples.items():
            quarter = len(samples) // 4
            if quarter:
                found[name] = (statistics.median(samples[quarter:2 * quarter]), statistics.median(samples[-quarter:]))
        return found

    def grown(self):
        return {name: medians for name, medians in self.compared().items()
                if medians[1] - medians[0] > max(ALLOWED[name[2]], medians[0] / 4)}

    def text(self):
        """Over all hosts."""
        lines = []
        for whose, what in sorted({name[1:] for name in self.samples}):
            medians = [medians for name, medians in self.compared().items() if name[1:] == (whose, what)]
            unit, name = (1, "") if what == "descriptors" else (MIB, " MiB")
            if medians:
                lines.append(f"{whose} {what}: {max(m[0] for m in medians) / unit:.0f}{name} after a quarter of the time, "
                             f"{max(m[1] for m in medians) / unit:.0f}{name} in the end")
        return "\n".join(lines)
