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

from files import content_from_the_front_end, files_below

last = time.monotonic()  # when a step was made
stall = 0.0


def step(*_):
    global last, stall  # pylint: disable=global-statement
    now = time.monotonic()
    stall = max(stall, now - last)
    last = now


def main():
    package, there, source, every, first = (*sys.argv[1:], "1", "0")[:5]
    sys.addaudithook(lambda name, _: step() if name in ("open", "import", "os.listdir") else None)
    total = int(getattr(__import__(package), "arange")(10).sum())
    wrong, errors = [], []
    for path in files_below(os.path.join(source, package))[int(first)::int(every)]:
        name = os.path.relpath(path, source)
        try:
            through = content_from_the_front_end(os.path.join(there, name))
            if through != content_from_the_front_end(path):
                wrong.append(name)
        except OSError as error:
            errors.append([name, error.strerror])
        step()
    print(json.dumps({"sum": total, "wrong": wrong, "errors": errors, "stall_s": stall}))


if __name__ == "__main__":
    main()
