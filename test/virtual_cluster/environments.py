"""What the job scripts run, made from this machine's own Python: small stand-ins with the shape of the real things.

    pip_env/                 a package directory, as of `pip install --target`
    venv/                    made by python3 -m venv
    conda_env/, conda/       an environment with its own python and standard library; `conda activate`, which is not Debian's
    lib/libonly_here.so      a library that no other directory has
    bin/sha256sum, input/data, many/f0, many/f1, ...
"""

import glob
import os
import shutil
import subprocess
import sysconfig

from namespaces import PYTHON

STDLIB = sysconfig.get_path("stdlib")
NUMPY = "/usr/lib/python3/dist-packages/numpy"
INPUT_MIB = 3
MANY = 64

CONDA = """conda() {
  [[ $1 == activate && -d $2/bin ]] || return
  export CONDA_PREFIX=$2 PATH=$2/bin:$PATH
  for script in "$2"/etc/conda/activate.d/*.sh; do source "$script"; done
}
"""


def copy_numpy(directory):
    shutil.copytree(NUMPY, os.path.join(directory, "numpy"), ignore=shutil.ignore_patterns("tests", "f2py"))


def write(path, text, mode="w"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, mode) as file:  # pylint: disable=unspecified-encoding
        file.write(text)


def make(directory):
    os.mkdir(directory)
    copy_numpy(f"{directory}/pip_env")
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", f"{directory}/venv"], check=True)
    copy_numpy(glob.glob(f"{directory}/venv/lib/python3*/site-packages")[0])
    make_conda_environment(f"{directory}/conda_env")
    write(f"{directory}/conda/etc/profile.d/conda.sh", CONDA)
    os.mkdir(f"{directory}/lib")
    shutil.copy(glob.glob("/usr/lib/*/libxxhash.so.0")[0], f"{directory}/lib/libonly_here.so")
    os.mkdir(f"{directory}/bin")
    shutil.copy("/usr/bin/sha256sum", f"{directory}/bin")
    write(f"{directory}/input/data", os.urandom(INPUT_MIB << 20), "wb")
    for i in range(MANY):
        write(f"{directory}/many/f{i}", f"{i}\n")


def make_conda_environment(directory):
    library = f"{directory}/lib/{os.path.basename(STDLIB)}"
    shutil.copytree(STDLIB, library, ignore=shutil.ignore_patterns("test", "tests", "config-*", "lib2to3", "idlelib"))
    copy_numpy(f"{directory}/lib/python3/dist-packages")
    os.mkdir(f"{directory}/bin")
    shutil.copy(PYTHON, f"{directory}/bin/python3")
    write(f"{directory}/etc/conda/activate.d/activated.sh", "export ACTIVATED=yes\n")
