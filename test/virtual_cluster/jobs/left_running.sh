#!/bin/bash
#SBATCH --nodes=4 --time=5 --job-name=left_running --output=%x.%j
# A job that waits, with Copper running, until it is told to go on.
module load copper
set -e
launch_copper.sh
srun head -c 4 "/tmp/${USER}/copper/mnt/storage/input/data" >/dev/null
touch launched
for ((i = 0; i < 600; ++i)); do
  [[ -e stopped ]] && exit
  sleep 0.1
done
exit 1
