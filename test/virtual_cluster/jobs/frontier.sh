#!/bin/bash
#SBATCH --nodes=4 --time=5 --job-name=frontier --output=%x.%j
# The quick start, on a machine with Slurm.
module load copper
set -e
launch_copper_frontier.sh
time PYTHONPATH=/tmp/${USER}/copper/mnt/storage/pip_env:$PYTHONPATH srun --nodes=4 --ntasks-per-node=2 \
  python3 -c "import numpy; print('import:', numpy.__file__, numpy.arange(10).sum())"
stop_copper_frontier.sh
