#!/usr/bin/python3
"""A program that reads while something fails: all files below the directories through the mount, again and again, each compared
with the one past the mount, until its standard input ends. Prints JSON: reads, errors, wrong, longest (seconds for one file).

    reader.py MOUNTED NATIVE DIRECTORY...      MOUNTED/DIRECTORY is NATIVE/DIRECTORY
"""

import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "survival"))

# pylint: disable=wrong-import-position
from files import content_from_the_front_end as content  # noqa: E402


def main():
    mounted, native, *directories = sys.argv[1:]
    paths = [os.path.join(directory, name) for directory in directories for name in os.listdir(f"{native}/{directory}")]
    seen = {"reads": 0, "errors": [], "wrong": [], "longest": 0.0}
    ends = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ends.set())).start()
    while not ends.is_set():
        for path in paths:
            began = time.monotonic()
            try:
                if content(f"{mounted}/{path}") != content(f"{native}/{path}"):
                    seen["wrong"].append(path)
            except OSError as error:
                seen["errors"].append(f"{path}: {error}")
            seen["longest"] = max(seen["longest"], time.monotonic() - began)
            seen["reads"] += 1
            if ends.wait(0.01):  # leave the machine to the others
                break
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
