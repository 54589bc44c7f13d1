#!/bin/bash
#SBATCH --nodes=4 --time=5 --job-name=recipes --output=%x.%j
# The routing recipes, one after the other in one job: each prefixes one path with the mount, and no more.
module load copper
set -e
VIEW=/tmp/${USER}/copper
SITE=lib/python$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')/site-packages
launch_copper.sh

# A venv: activated where it is, only its site-packages prefixed.
(
  # shellcheck source=/dev/null
  source /mnt/storage/venv/bin/activate
  export PYTHONPATH=$VIEW/mnt/storage/venv/$SITE
  srun python3 -c "import sys, numpy; print('venv:', sys.prefix, numpy.__file__)"
)

# A conda environment, activated through the mount.
(
  # shellcheck source=/dev/null
  source /mnt/storage/conda/etc/profile.d/conda.sh
  conda activate "$VIEW/mnt/storage/conda_env"
  srun python3 -c "import os, sys, numpy; print('conda:', sys.prefix, os.__file__, numpy.__file__, os.environ['ACTIVATED'])"
)

# A single entry of LD_LIBRARY_PATH.
LD_LIBRARY_PATH=$VIEW/mnt/storage/lib:$LD_LIBRARY_PATH srun python3 -c "
import ctypes
ctypes.CDLL('libonly_here.so')
print('library:', *{line.split()[-1] for line in open('/proc/self/maps') if 'only_here' in line})"

# A binary, and its input file.
srun "$VIEW/mnt/storage/bin/sha256sum" "$VIEW/mnt/storage/input/data"

copper stats --mount "$VIEW" --json >stats.json
stop_copper.sh
