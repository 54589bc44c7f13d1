"""What was measured, as tables (Markdown) and as JSON, each figure with its target where it has one."""

import dataclasses
import os
import platform
import statistics

# Cold nodes against one that reads the same storage directly: target at so many nodes, for the replayed program.
COLD_TARGETS = {1: 1.1, 8: 1.2}


def seconds(value):
    return f"{value:.3f}" if value >= 0.1 else f"{value * 1000:.2g} ms" if value < 0.01 else f"{value * 1000:.0f} ms"


def table(head, lines):
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in [head, ["---"] * len(head), *lines]) + "\n"


@dataclasses.dataclass
class Ratio:
    value: float
    bound: str = ""
    met: bool = True

    def __str__(self):
        verdict = f" ({self.bound}: {'met' if self.met else 'MISSED'})" if self.bound else ""
        return f"{self.value:.2f}{verdict}"


class Result:
    def __init__(self, rows, runs, counted, chosen):
        self.rows, self.runs, self.counted, self.chosen = rows, runs, counted, chosen

    # ---- figures ----

    def has(self, row, kind, count=1):
        return bool(self.runs[row.name].get((kind, count)))

    def median(self, row, kind, count=1, field="seconds"):
        return statistics.median(run.get(field, 0) for run in self.runs[row.name][kind, count])

    def ratio(self, row, cell, base):
        """The median of the rounds' ratios: a round's runs saw the same machine."""
        return statistics.median(a["seconds"] / b["seconds"]
                                 for a, b in zip(self.runs[row.name][cell], self.runs[row.name][base]))

    def to_native(self, row, kind):
        value = self.ratio(row, (kind, 1), ("native", 1))
        target = row.targets.get(kind)
        if not target:
            return Ratio(value)
        speed = row.bytes / self.median(row, kind) / 1e9 if row.bytes else None
        return Ratio(value, str(target), target.met(value, speed))

    def cold(self, row, count):
        """Against reading directly: with as many nodes, and with one. The target is for the replayed program."""
        same = Ratio(self.ratio(row, ("cold", count), ("direct", count))) if self.has(row, "direct", count) else None
        one = Ratio(self.ratio(row, ("cold", count), ("direct", 1))) if self.has(row, "direct", 1) else None
        if one and row.name == "replay" and count in COLD_TARGETS:
            one.bound, one.met = f"<= {COLD_TARGETS[count]:g}", one.value <= COLD_TARGETS[count]
        return same, one

    def per_object(self, row, count):
        counted = self.counted[row.name, count]
        value = counted["asked"] / max(1, counted["objects"])
        return Ratio(value, "= 1", value == 1 and not counted["more_than_once"])

    def read_once(self):
        """Was every object asked of storage exactly once, wherever that was counted and the ranks were fast enough to be asked?"""
        return all(self.per_object(row, count).met or self.counted[name, count]["direct"] > 0
                   for row in self.rows for name, count in self.counted if name == row.name)

    def one_node_rows(self):
        return [row for row in self.rows if any(self.has(row, kind) for kind in ("warm", "touch"))]

    def node_rows(self):
        return [row for row in self.rows if any(kind in ("direct", "cold") for kind, _ in self.runs[row.name])]

    # ---- tables ----

    def text(self):
        parts = [self.one_node(), self.costs(), self.many_nodes(), self.missed()]
        return "\n".join(part for part in parts if part)

    def one_node(self):
        kinds = [kind for kind in ("warm", "touch", "tmpfs", "squashfuse")
                 if any(self.has(row, kind) for row in self.rows)]
        if not kinds:
            return ""
        head = ["one node, s", "native"]
        for kind in kinds:
            head += [{"touch": "first touch"}.get(kind, kind), "/ native"]
        lines = []
        for row in self.rows:
            if not any(self.has(row, kind) for kind in kinds):
                continue
            native = self.has(row, "native")
            line = [row.title, seconds(self.median(row, "native")) if native else ""]
            for kind in kinds:
                there = self.has(row, kind)
                line += [seconds(self.median(row, kind)) if there else "",
                         self.to_native(row, kind) if there and native else ""]
            lines.append(line)
        return table(head, lines)

    def costs(self):
        lines = []
        for row in self.one_node_rows():
            for kind in ("warm", "touch"):
                if self.has(row, kind):
                    of = lambda field: self.median(row, kind, field=field)  # noqa: E731
                    lines.append([row.title, {"touch": "first touch"}.get(kind, kind), f"{of('fuse'):,.0f}",
                                  f"{of('fuse_ioctl'):,.0f}", f"{of('fuse_asked'):,.0f}", f"{of('loads'):,.0f}",
                                  *(f"{of(f'copper_{name}_cpu_s'):.2f}" for name in ("fuse", "service")),
                                  *(f"{of(f'copper_{name}_rss_mib'):,.0f} ({of(f'copper_{name}_shared_mib'):,.0f})"
                                    for name in ("fuse", "service")), f"{of('arena_mib'):,.0f}"])
        return lines and table(["one node", "state", "FUSE requests", "of them ioctl", "asked of the rank",
                                "storage reads",
                                "CPU s copper_fuse", "copper_service", "RSS MiB (of it shared) copper_fuse",
                                "copper_service", "cache used, MiB"], lines)

    def many_nodes(self):
        lines = []
        for row in self.node_rows():
            for count in self.chosen.nodes:
                there = {kind: self.has(row, kind, count) for kind in ("native", "direct", "cold")}
                same, one = self.cold(row, count) if there["cold"] else ("", "")
                operations = [f"{self.median(row, kind, count, 'storage_operations'):,.0f}" if there[kind] else ""
                              for kind in ("direct", "cold")]
                cpu = sum(self.median(row, "cold", count, f"copper_{name}_cpu_s") for name in ("fuse", "service")) \
                    if there["cold"] else 0
                lines.append([row.title, count,
                              *(seconds(self.median(row, kind, count)) if there[kind] else ""
                                for kind in ("native", "direct", "cold")), same or "", one or "", *operations,
                              self.per_object(row, count) if there["cold"] else "", f"{cpu:.2f}"])
        return lines and table(
            [f"nodes on modelled {self.chosen.storage}, s", "nodes", "native", "direct", "Copper, cold",
             "cold / direct", "cold / direct on 1 node", "storage operations, direct", "Copper",
             "questions per object", "Copper's CPU s"], lines)

    def targets(self):
        """(what, ratio) of everything that has one."""
        found = []
        for row in self.rows:
            for kind in ("warm", "touch"):
                if self.has(row, kind) and self.has(row, "native"):
                    found.append((f"{row.title}, {'first touch' if kind == 'touch' else kind}", self.to_native(row, kind)))
            for count in self.chosen.nodes:
                if self.has(row, "cold", count):
                    found.append((f"{row.title}, cold, {count} nodes", self.cold(row, count)[1]))
                    found.append((f"{row.title}, cold, {count} nodes, questions per object", self.per_object(row, count)))
        return [(what, ratio) for what, ratio in found if ratio and ratio.bound]

    def missed(self):
        all_of_them = self.targets()
        missed = [f"{what}: {ratio.value:.2f}, {ratio.bound}" for what, ratio in all_of_them if not ratio.met]
        said = {line for row in self.rows for cell in self.runs[row.name].values() for run in cell
                for line in run.get("said", [])}
        lines = [f"targets met: {len(all_of_them) - len(missed)} of {len(all_of_them)}", *missed,
                 *(f"replay: {line}" for line in sorted(said))]
        return "\n".join(lines)

    def as_json(self):
        return {
            "machine": {"cpus": len(os.sched_getaffinity(0)), "kernel": platform.release()},
            "options": {key: value for key, value in vars(self.chosen).items()},
            "rows": {row.name: {"title": row.title,
                                "cells": [{"column": kind, "nodes": count, "median_s": self.median(row, kind, count),
                                           "runs": cell} for (kind, count), cell in self.runs[row.name].items() if cell]}
                     for row in self.rows},
            "questions": [{"row": name, "nodes": count, **counted} for (name, count), counted in self.counted.items()],
            "targets": [{"what": what, "ratio": ratio.value, "bound": ratio.bound, "met": ratio.met}
                        for what, ratio in self.targets()],
        }
