"""A program that uses a mount while something dies: imports numpy or torch, computes, and compares files with the source.

    PYTHONPATH=<directory of the mount> application.py PACKAGE THERE SOURCE [EVERY [FIRST]]

Compares what THERE (through the mount) and SOURCE have in common: each EVERYth file below PACKAGE, from the FIRST on. Prints
one line of JSON: sum (of the computation), wrong (files with other bytes), errors, stall_s: the longest time between two
steps, which are what the interpreter opens and imports, and each file.
"""

import json
import os
import sys
import time

MIB = 1 << 20
last = time.monotonic()  # when a step was made
stall = 0.0


def step(*_):
    global last, stall  # pylint: disable=global-statement
    now = time.monotonic()
    stall = max(stall, now - last)
    last = now


def files_below(top):
    found = []
    for directory, directories, names in os.walk(top):
        directories.sort()
        found += [os.path.join(directory, name) for name in sorted(names)]
    return [path for path in found if os.path.isfile(path)]


def content(path):
    """Past the page cache, as far as the kernel lets go of it."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        return b"".join(iter(lambda: os.read(file, MIB), b""))
    finally:
        os.close(file)


def main():
    package, there, source, every, first = (*sys.argv[1:], "1", "0")[:5]
    sys.addaudithook(lambda name, _: step() if name in ("open", "import", "os.listdir") else None)
    total = int(getattr(__import__(package), "arange")(10).sum())
    wrong, errors = [], []
    for path in files_below(os.path.join(source, package))[int(first)::int(every)]:
        name = os.path.relpath(path, source)
        try:
            through = content(os.path.join(there, name))
            if through != content(path):
                wrong.append(name)
        except OSError as error:
            errors.append([name, error.strerror])
        step()
    print(json.dumps({"sum": total, "wrong": wrong, "errors": errors, "stall_s": stall}))


if __name__ == "__main__":
    main()
