"""What the measured programs read: made once in a work directory, then used again.

The directory's name tells its scale, so a quick run's inputs are never taken for a full run's. What is being made has
another name until it is complete.
"""

import concurrent.futures
import dataclasses
import os
import random
import shutil
import subprocess


@dataclasses.dataclass(frozen=True)
class Scale:
    name: str
    files: int
    libraries: int
    large_mib: int
    processes: int
    packages: tuple
    trace: str


FULL = Scale("full", files=10_000, libraries=500, large_mib=1024, processes=100, packages=("numpy", "torch"),
             trace="import_torch")
QUICK = Scale("quick", files=200, libraries=10, large_mib=8, processes=4, packages=("numpy",), trace="find")


def make(work, scale):
    """The directory with files/0..., lib/lib0.so... and large."""
    done = os.path.join(work, f"inputs-{scale.name}")
    if not os.path.isdir(done):
        made = done + ".unfinished"
        shutil.rmtree(made, ignore_errors=True)
        numbers = random.Random(7)
        os.makedirs(os.path.join(made, "files"))
        for n in range(scale.files):
            with open(os.path.join(made, "files", str(n)), "wb") as file:
                file.write(numbers.randbytes(numbers.randrange(1, 8192)))
        with open(os.path.join(made, "large"), "wb") as file:
            for _ in range(scale.large_mib):
                file.write(numbers.randbytes(1 << 20))
        make_libraries(os.path.join(made, "lib"), scale.libraries)
        os.rename(made, done)
    return done


def make_libraries(directory, count):
    """lib<n>.so with three functions, which calls into up to three libraries before it and needs them (DT_NEEDED, found
    beside it)."""
    os.makedirs(directory)
    numbers = random.Random(7)

    def build(n, needed):
        lines = [f"int entry{m}(void);" for m in needed]
        lines += [f"static int table{n}[64];", f"int first{n}(int x) {{ return x * {n} + table{n}[x & 63]; }}",
                  f"int second{n}(int x) {{ return first{n}(x) ^ {n * 7919}; }}",
                  f"int entry{n}(void) {{ return (second{n}({n}) & 1)"
                  + "".join(f" + (entry{m} != 0)" for m in needed) + "; }"]
        source = os.path.join(directory, f"lib{n}.c")
        with open(source, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", os.path.join(directory, f"lib{n}.so"), source,
                        "-L", directory, *(f"-l{m}" for m in needed), "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed"],
                       check=True)
        os.unlink(source)

    # In layers, since a library is linked against those that are there.
    layer = 50
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for begin in range(0, count, layer):
            numbers_here = range(begin, min(begin + layer, count))
            needs = [numbers.sample(range(begin), min(begin, 3)) for _ in numbers_here]
            list(pool.map(build, numbers_here, needs))
