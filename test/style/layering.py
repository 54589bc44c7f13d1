#!/usr/bin/env python3
"""Includes point one way: layering.py SOURCE_ROOT prints each line that breaks a rule and exits 1.

fuse_frontend -> service (segment and storage) -> tree; nothing includes test. The rules are the tables below.
"""
import pathlib
import re
import sys

# Who may include which project headers: a folder, or single headers.
MAY_INCLUDE = {
    "tree": {"tree"},
    "service": {"service", "tree"},
    "fuse_frontend": {
        "fuse_frontend",
        "tree",
        # the segment, the POSIX reader, and what both programs do alike at their start
        "service/segment",
        "service/storage",
        "service/refusal.h",
        "service/process.h",
        "service/local_options.h",
    },
    "wrappers": {
        "wrappers",
        "fuse_frontend/control.h",
        "service/segment/file_descriptor.h",
        "tree/ports.h",
        "tree/counters.h",
        # copper simulate
        "tree/limits.h",
        "tree/simulation",
        "tree/trace.h",
    },
    "test": {"tree", "service", "fuse_frontend", "wrappers", "test"},
}

# Folders within those that not everyone who may include the folder around them may.
ONLY_FOR = {"tree/simulation/": ("tree/simulation/", "wrappers/", "test/")}

# Foreign headers with one home each: pattern, folders, and in how many files there (none: any number).
HOMES = [
    (re.compile(r"mpi\.h$"), {"service"}, 1),
    (re.compile(r"(fuse3/)?fuse(_\w+)?\.h$"), {"fuse_frontend", "test"}, None),
]

# The tree knows no MPI, no FUSE, no clock, no thread.
NOT_IN_TREE = re.compile(
    r"thread|mutex|shared_mutex|condition_variable|future|semaphore|iostream|fstream|filesystem|"
    r"(spdlog|fmt|CLI|boost/asio)/.*|(sys/|linux/|unistd|fcntl|pthread|time).*")
CLOCK = re.compile(r"_clock::now\s*\(")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def allowed(folder, header):
    return any(header == rule or header.startswith(rule + "/") for rule in MAY_INCLUDE[folder])


def kept_from(file, header):
    return any(header.startswith(inner) and not file.startswith(users) for inner, users in ONLY_FOR.items())


def check(root):
    broken = []
    homes_found = [set() for _ in HOMES]
    for folder in MAY_INCLUDE:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".h", ".cpp", ".cc", ".c"):
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                where = f"{file.relative_to(root)}:{number}"
                if folder == "tree" and CLOCK.search(line):
                    broken.append(f"{where}: the tree reads no clock")
                match = INCLUDE.match(line)
                if not match:
                    continue
                ours, foreign = match.groups()
                if ours and not (root / ours).is_file():
                    broken.append(f'{where}: "{ours}" is not a path from the root of the source')
                elif ours and not allowed(folder, ours):
                    broken.append(f"{where}: {folder} must not include {ours}")
                elif ours and kept_from(str(file.relative_to(root)), ours):
                    broken.append(f"{where}: {ours} is not for {folder}")
                for i, (pattern, folders, _) in enumerate(HOMES):
                    if foreign and pattern.fullmatch(foreign):
                        homes_found[i].add(file)
                        if folder not in folders:
                            broken.append(f"{where}: <{foreign}> belongs to {' and '.join(sorted(folders))}")
                if folder == "tree" and foreign and NOT_IN_TREE.fullmatch(foreign):
                    broken.append(f"{where}: <{foreign}> has no place in the tree")
    for (pattern, folders, count), files in zip(HOMES, homes_found):
        if count is not None and len(files) != count:
            names = ", ".join(str(f.relative_to(root)) for f in sorted(files))
            broken.append(f"<{pattern.pattern}> is included in {len(files)} files, not {count}: {names}")
    return broken


if __name__ == "__main__":
    found = check(pathlib.Path(sys.argv[1]))
    print("\n".join(found) or "the layers hold")
    sys.exit(1 if found else 0)
