#!/usr/bin/python3
"""The recipes of docs/guide.md work as they are printed, but for the directory: /lus/project is one of this test's own, and
`mpiexec` has the flags that this machine needs. Where conda is called, a stand-in does what its activate does: PATH,
CONDA_PREFIX, the environment's activate.d."""

import os
import pathlib
import re
import shutil
import subprocess

from copper_nodes import PYTHON, SOURCE, MountTest, main, mounts_below, processes_naming, is_copper

GUIDE = pathlib.Path(SOURCE, "docs", "guide.md").read_text()
RUN_HERE = ("Recipes", "Watching it")  # the chapters whose blocks are run
CONDA = """
conda() {
  if [[ $1 == activate ]]; then
    export CONDA_PREFIX=$2 CONDA_OLD_PATH=$PATH PATH=$2/bin:$PATH
    for script in "$2"/etc/conda/activate.d/*.sh; do source "$script"; done
  else
    export PATH=$CONDA_OLD_PATH
    unset CONDA_PREFIX CONDA_OLD_PATH
  fi
}
"""
LIBRARY = 'extern "C" int greet() { return 42; }\n'
PROGRAM = """
#include <fstream>
#include <iostream>
extern "C" int greet();
int main() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("r-xp") != std::string::npos && line.find("libgreet") != std::string::npos)
      std::cout << line.substr(line.find('/')) << std::endl;
  return greet() == 42 ? 0 : 1;
}
"""


def recipes():
    """heading -> the block of commands below it, of the chapters that are run."""
    found = {}
    chapter = heading = ""
    for line in GUIDE.splitlines():
        if line.startswith("## "):
            chapter = heading = line[3:]
        elif line.startswith("### "):
            heading = line[4:]
        elif line.startswith("    ") and chapter in RUN_HERE:
            found[heading] = found.get(heading, "") + line[4:] + "\n"
    return found


class Guide(MountTest):
    limit_s = 90

    def setUp(self):
        super().setUp()
        self.home = self.directory()
        self.project = self.home + "/lus/project"
        self.user = f"copper-guide-{os.getpid()}"
        self.mount = f"/tmp/{self.user}/copper"
        self.view = self.mount + self.project
        self.programs = self.home + "/programs"
        # By its name, as in a job script: called by its path, Open MPI's puts its own directory before all of PATH.
        path, *flags = os.environ["COPPER_MPIEXEC"].split()
        launcher = " ".join([path if os.path.basename(path) == "mpiexec" else os.path.basename(path), *flags])
        self.write(self.programs + "/mpiexec", f'#!/bin/sh\nexec {launcher} "$@"\n', 0o755)
        self.write(self.home + "/conda.sh", CONDA)
        self.addCleanup(self.stop_all)

    def write(self, name, text, mode=0o644):
        path = pathlib.Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def environment(self):
        paths = [self.programs, os.path.join(SOURCE, "wrappers"), os.environ["COPPER_BIN"], "/usr/bin", "/bin", "/usr/sbin"]
        return {"USER": self.user, "HOME": self.home, "PATH": ":".join(paths), "LANG": "C.UTF-8",
                "BASH_ENV": self.home + "/conda.sh"}

    def bash(self, script, timeout=80):
        return subprocess.run(["timeout", "-k", "5", str(timeout), "bash", "-e", "-c", script], env=self.environment(),
                              cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)

    def stop_all(self):
        self.bash(f"stop_copper.sh -v {self.mount}", 30)  # without -v it might be the run of another test
        shutil.rmtree(os.path.dirname(self.mount), ignore_errors=True)

    def follow(self, heading):
        """What the recipe below this heading printed, line by line, without what launch and stop say."""
        done = self.bash(recipes()[heading].replace("/lus/project", self.project))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(mounts_below(self.mount), [])
        self.assertFalse(os.path.lexists(self.mount))
        self.assertFalse([pid for pid, arguments in processes_naming(self.mount).items() if is_copper(arguments)])
        said = done.stdout.splitlines()
        self.assertIn("Copper is ready: 1 node", said[0])
        self.assertIn("Copper stopped", said[-1])
        return [os.path.normpath(line) if line.startswith("/") else line for line in said[1:-1]]

    def package(self, directory):
        self.write(f"{self.project}/{directory}/mypackage/__init__.py", "")
        return f"{self.view}/{directory}/mypackage/__init__.py"

    def test_every_recipe_of_the_guide_is_run_here(self):
        run_here = {re.sub(r"\W+", "_", heading).lower() for heading in recipes()}
        self.assertGreater(len(run_here), 6)
        tests = {name[len("test_recipe_"):] for name in dir(self) if name.startswith("test_recipe_")}
        self.assertEqual(run_here, tests)

    def test_recipe_a_directory_of_packages(self):
        file = self.package("packages")
        self.assertEqual(self.follow("A directory of packages"), [file, file])

    def test_recipe_a_virtual_environment(self):
        made = subprocess.run([PYTHON, "-m", "venv", "--without-pip", self.project + "/myenv"], check=False)
        if made.returncode != 0:
            self.skipTest(f"{PYTHON} cannot make a venv (apt install python3-venv)")
        version = subprocess.check_output([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
        file = self.package(f"myenv/lib/python{version.strip()}/site-packages")
        self.assertEqual(self.follow("A virtual environment"), [file, file])

    def test_recipe_a_conda_environment(self):
        # An interpreter that finds its library and packages from where it is, as conda's does.
        where = subprocess.check_output([PYTHON, "-c", "import os, sys; print(os.path.realpath(sys.executable), os.__file__)"],
                                        text=True).split()
        library = os.path.dirname(where[1])
        name = os.path.basename(library)
        environment = self.project + "/conda_env"
        shutil.copytree(library, f"{environment}/lib/{name}", symlinks=True, ignore=shutil.ignore_patterns(
            "dist-packages", "site-packages", "test", "idlelib", "lib2to3", "config-*", "__pycache__", "sitecustomize.py"))
        os.mkdir(environment + "/bin")
        shutil.copy(where[0], environment + "/bin/python3")
        self.write(environment + "/etc/conda/activate.d/mark.sh", "export ACTIVATED=$CONDA_PREFIX\n")
        file = self.package(f"conda_env/lib/{name}")
        self.assertEqual(self.follow("A conda environment"), [file, file])

    def test_recipe_shared_libraries(self):
        for name, text, flags in (("lib/libgreet.so", LIBRARY, ["-shared", "-fPIC"]),
                                  ("bin/program", PROGRAM, [f"-L{self.project}/app/lib", "-lgreet"])):
            os.makedirs(os.path.dirname(f"{self.project}/app/{name}"))
            source = self.home + "/source.cpp"
            self.write(source, text)
            subprocess.run(["c++", source, "-o", f"{self.project}/app/{name}", *flags], check=True)
        library = self.view + "/app/lib/libgreet.so"
        self.assertEqual(self.follow("Shared libraries"), [library, library])

    def test_recipe_a_program_and_its_input(self):
        self.write(self.project + "/app/bin/reader", '#!/bin/sh\necho "$0"\ncat "$1"\n', 0o755)
        self.write(self.project + "/input.txt", "what was read\n")
        self.assertEqual(self.follow("A program and its input"), [])
        output = pathlib.Path(self.project, "output.txt").read_text().splitlines()
        self.assertEqual(sorted(output), sorted(2 * [self.view + "/app/bin/reader", "what was read"]))

    def test_recipe_something_has_changed(self):
        self.write(self.project + "/settings.txt", "old\n")
        said = self.follow("Something has changed")
        self.assertEqual([said[0], said[-1]], ["old", "new"])
        self.assertIn("cleared", said[1])

    def test_recipe_watching_it(self):
        os.makedirs(self.project)
        said = "\n".join(self.follow("Watching it"))
        self.assertIn("rank            0 of 1", said)
        self.assertIn("Where questions ended", said)


if __name__ == "__main__":
    main()
