"""Ways out of the view: what in an environment names an absolute path, so that whoever follows it reads past the mount.

Symbolic links with absolute targets; interpreters in scripts; RPATH and RUNPATH of programs and libraries; pyvenv.cfg;
.pth files; activate scripts. The mount sees such a path go by only where it is a link (the counter fuse_links_out).
"""

import collections
import os
import re

import elf_paths
from environments import below

TEXT_BYTES_MAX = 1 << 16
VIRTUAL_ENV = re.compile(r"VIRTUAL_ENV[\s=]+[\"']?(/[^\"'\s;]+)")

WayOut = collections.namedtuple("WayOut", "path kind target into used")  # into: "environment" or "elsewhere"

MENDED_BY = {
    "link": "make them relative, or launch with --map-links",
    "shebang": "start such a script as `python3 SCRIPT`",
    "rpath": "`patchelf --set-rpath '$ORIGIN/...'`; LD_LIBRARY_PATH is not looked at before an RPATH",
    "runpath": "the prefixed directory as one LD_LIBRARY_PATH entry, which is looked at before a RUNPATH",
    "pyvenv.cfg": "the interpreter and its standard library are read there: leave it, if each node has them",
    "pth": "prefix that directory on PYTHONPATH as well, or give the .pth file a relative path",
    "activate": "do not activate it below the mount; prefix its site-packages on PYTHONPATH",
}


def find(environments, is_used):
    """All ways out, of what the job used and what it did not."""
    roots = [environment.root for environment in environments]
    found = []
    for environment in environments:
        for path, type_of_name in sorted(environment.names.items()):
            for kind, target in targets(path, type_of_name):
                into = "environment" if any(below(target, root) for root in roots) else "elsewhere"
                found.append(WayOut(path, kind, target, into, is_used(path)))
    return found


def targets(path, type_of_name):
    """[(kind, absolute path), ...] that this name leads to."""
    try:
        if type_of_name == "link":
            return [("link", target) for target in [os.readlink(path)] if os.path.isabs(target)]
        return of_file(path) if type_of_name == "file" else []
    except OSError:
        return []  # not ours to read, or gone


def of_file(path):
    name = os.path.basename(path)
    if name == "pyvenv.cfg":
        return [("pyvenv.cfg", home) for home in re.findall(r"(?m)^home\s*=\s*(/.*\S)", text_of(path))]
    if name.endswith((".pth", ".egg-link")):
        return [("pth", line.strip()) for line in text_of(path).splitlines() if line.startswith("/")]
    if name.startswith("activate"):
        return sorted({("activate", prefix) for prefix in VIRTUAL_ENV.findall(text_of(path))})
    if name.endswith(".so") or ".so." in name or os.access(path, os.X_OK):
        return of_program(path)
    return []


def of_program(path):
    with open(path, "rb") as file:
        begin = file.readline(1024)
        if begin.startswith(b"#!"):
            interpreter = os.fsdecode(begin[2:]).split()[:1]
            return [("shebang", word) for word in interpreter if word.startswith("/") and word != "/usr/bin/env"]
        file.seek(0)
        return [(kind, entry) for kind, entry in elf_paths.search_paths(file) if entry.startswith("/")]


def text_of(path):
    with open(path, "rb") as file:
        return os.fsdecode(file.read(TEXT_BYTES_MAX))
