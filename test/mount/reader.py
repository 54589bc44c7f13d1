"""Reads everything below the directories given, as one process of an application would: lists, looks, reads links and
files, and probes an absent name in each directory. Prints how many bytes it read."""

import os
import sys


def read(directory):
    total = 0
    for top, directories, files in os.walk(directory):
        assert not os.path.lexists(os.path.join(top, "absent"))
        for name in directories + files:
            path = os.path.join(top, name)
            os.lstat(path)
            if os.path.islink(path):
                os.readlink(path)
        for name in files:
            path = os.path.join(top, name)
            if os.path.isfile(path):
                with open(path, "rb", buffering=0) as file:
                    while piece := file.read(1 << 18):
                        total += len(piece)
    return total


if __name__ == "__main__":
    print(sum(read(directory) for directory in sys.argv[1:]))
