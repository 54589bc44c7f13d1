"""What is below a directory, and what is in a file, for programs that compare a mount with its source. Imports nothing of ours:
some of them run on a mount that something happens to."""

import os
import random

MIB = 1 << 20


def files_below(top):
    found = []
    for directory, directories, names in os.walk(top):
        directories.sort()
        found += [os.path.join(directory, name) for name in sorted(names)]
    return [path for path in found if os.path.isfile(path)]


def make_files(directory, count):
    """file0, file1 ...: 2 MiB each, the same in every run."""
    numbers = random.Random(7)
    for n in range(count):
        with open(os.path.join(directory, f"file{n}"), "wb") as file:
            file.write(numbers.randbytes(2 * MIB))


def content_from_the_front_end(path):
    """Past the page cache, as far as the kernel lets go of it."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        return b"".join(iter(lambda: os.read(file, MIB), b""))
    finally:
        os.close(file)
