"""The rows: what is measured. Each is a program that runs below a prefix ("" is the native tree)."""

import dataclasses
import os
import shutil
import subprocess
import sysconfig
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
PACKAGES = "/usr/lib/python3/dist-packages"
LIBRARIES = "/usr/lib/" + sysconfig.get_config_var("MULTIARCH")
TRACES = os.path.join(os.path.dirname(HERE), "traces")
LIMIT_S = 900  # a run that takes longer is ended

ONE_NODE = ("native", "touch", "warm", "tmpfs", "squashfuse")
MANY_NODES = ("native", "direct", "cold")


@dataclasses.dataclass(frozen=True)
class Target:
    """A ratio to native that is not to be exceeded; or, where that is enough, a speed."""

    ratio: float
    gb_per_s: float = None

    def met(self, ratio, gb_per_s):
        return ratio <= self.ratio or bool(self.gb_per_s and gb_per_s and gb_per_s >= self.gb_per_s)

    def __str__(self):
        return f"<= {self.ratio:g}" + (f" or {self.gb_per_s:g} GB/s" if self.gb_per_s else "")


@dataclasses.dataclass
class Row:
    name: str
    title: str
    command: object  # prefix -> arguments
    needs: object  # () -> what a copy to the node must hold
    environment: object = lambda prefix: {}
    says_seconds: bool = False  # bench_workload, which times itself
    processes: int = 1  # of each node, at once
    columns: tuple = ONE_NODE
    targets: dict = dataclasses.field(default_factory=dict)
    bytes: int = 0  # where its speed is of interest
    missing: str = None  # why it cannot run here


def python_environment(prefix):
    return {"PYTHONPATH": prefix + PACKAGES, "LD_LIBRARY_PATH": prefix + LIBRARIES}


def mapped_by(package):
    """The package's folder's neighbours and the shared libraries that importing it maps."""
    said = subprocess.run([PYTHON, "-c", f"import {package}\nprint(open('/proc/self/maps').read())"], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    mapped = {line.split()[-1] for line in said.splitlines() if LIBRARIES + "/" in line}
    links = {os.path.join(LIBRARIES, name) for name in os.listdir(LIBRARIES)
             if os.path.realpath(os.path.join(LIBRARIES, name)) in mapped}
    return [PACKAGES, *sorted(mapped | links)]


def import_row(package):
    missing = None if os.path.isdir(os.path.join(PACKAGES, package)) else f"python3-{package} is not installed"
    targets = {"warm": Target(1.05)}
    if package == "torch":
        targets["touch"] = Target(1.5)
    return Row(package, f"import {package}", lambda prefix: [PYTHON, "-c", f"import {package}"],
               lambda: mapped_by(package), python_environment, columns=ONE_NODE + MANY_NODES, targets=targets,
               missing=missing)


def rows(inputs, scale, think_scale):
    workload = os.path.join(os.path.dirname(os.environ["COPPER_BIN"]), "test-bin", "bench_workload")
    large = inputs + "/large"
    large_bytes = scale.large_mib << 20
    standard = sysconfig.get_path("stdlib")

    def work(name, title, verb, path, *arguments, **more):
        return Row(name, title, lambda prefix: [workload, verb, (prefix + path) or "/", *map(str, arguments)],
                   lambda: [path if os.path.isfile(path) else os.path.dirname(path)], says_seconds=True, **more)

    imports = [import_row(package) for package in scale.packages]
    numpy = imports[0]
    of = f"{scale.large_mib} MiB"
    fast = {"warm": Target(1.05), "touch": Target(2, gb_per_s=1.5)}
    return [
        *imports,
        work("libraries", f"dlopen of {scale.libraries} libraries", "libraries", inputs + "/lib/lib", scale.libraries),
        work("present", f"stat of {scale.files:,} names", "present", inputs + "/files/", scale.files,
             targets={"warm": Target(1.1)}),
        work("absent", f"stat of {scale.files:,} absent names", "absent", inputs + "/files/absent", scale.files,
             targets={"warm": Target(1.1)}),
        work("files", f"open, read, close of {scale.files:,} files", "files", inputs + "/files/", scale.files,
             targets={"warm": Target(1.5)}),
        Row("find", "find (dist-packages)", lambda prefix: ["find", prefix + PACKAGES], lambda: [PACKAGES]),
        Row("grep", "grep -r (standard library)", lambda prefix: ["grep", "-r", "-c", "no such text", prefix + standard],
            lambda: [standard]),
        work("sequential", f"{of}, in order", "sequential", large, targets=fast, bytes=large_bytes),
        work("random", f"{of}, 64 KiB at random", "random", large, "--piece", 1 << 16, bytes=large_bytes),
        Row("processes", f"{scale.processes} processes import numpy", numpy.command, numpy.needs, numpy.environment,
            processes=scale.processes, targets={"warm": Target(1.1)}, missing=numpy.missing),
        work("replay", scale.trace.replace("_", " ") + ", replayed", "replay", "", f"{TRACES}/{scale.trace}.trace",
             "--think-scale", think_scale, columns=MANY_NODES),
    ]


# ---- running one ----

def run(row, prefixes):
    """Starts the row below each prefix, all at once. Seconds until the last was done, and what they printed besides."""
    commands = [(row.command(prefix), row.environment(prefix)) for prefix in prefixes for _ in range(row.processes)]
    started = []
    began = time.perf_counter()
    try:
        for arguments, environment in commands:
            started.append(subprocess.Popen(
                arguments, cwd="/", stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                stdout=subprocess.PIPE if row.says_seconds else subprocess.DEVNULL,
                env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", **environment}))
        if row.says_seconds:
            for process in started:
                if process.stdout.readline() != b"ready\n":
                    raise RuntimeError(f"{row.name}: {process.stderr.read().decode()}")
            for process in started:
                process.stdin.write(b"\n")
                process.stdin.flush()
        outputs = [process.communicate(timeout=LIMIT_S) for process in started]
        seconds = time.perf_counter() - began
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
    for process, (_, complaint) in zip(started, outputs):
        if process.returncode != 0 and not (row.name == "grep" and process.returncode == 1):  # 1: no line matched
            raise RuntimeError(f"{row.name}: {process.args}: exit {process.returncode}: {complaint.decode()[-500:]}")
    if not row.says_seconds:
        return seconds, []
    said = [output.decode().split("\n") for output, _ in outputs]
    return max(float(lines[0]) for lines in said), [line for lines in said for line in lines[1:] if line]


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)
