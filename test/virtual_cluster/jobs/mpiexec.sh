#!/bin/bash
# The quick start, by MPICH's or Open MPI's own launcher on hosts that a file names: mpiexec.sh HOSTFILE MPIEXEC...
module load copper
set -e
hosts=$1
shift
launch_copper.sh --hostfile "$hosts"
export PYTHONPATH=/tmp/${USER}/copper/mnt/storage/pip_env
time "$@" python3 -c "import numpy; print('import:', numpy.__file__, numpy.arange(10).sum())"
stop_copper.sh
