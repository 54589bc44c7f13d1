# shellcheck shell=bash disable=SC2154,SC2034  # what launch_copper.sh and copper_node.sh set and use
# How a run takes possession of a host: its directory and record in shared memory, and its mount directories. Sourced by
# launch_copper.sh for a run on this machine, and by copper_node.sh for a job's. All under the lock of claim_runs.

# What killed runs left on this mount is cleaned up; one that lives is left alone, and we are refused.
make_way() { # mount nodes
  local other i point
  for other in "$runs"/*/; do
    [[ -d $other ]] || continue
    (
      if ! read_record "${other%/}"; then # killed before it had begun anything
        rm -rf -- "$run_dir"
        exit 0
      fi
      if [[ $run_kind == launch ]]; then
        [[ -n $(run_alive) ]] || rm -rf -- "$run_dir"
        exit 0
      fi
      [[ $run_mount == "$1" ]] || exit 0
      run_served && refuse "$1 is in use by $run_job ($run_nodes nodes); end it with: stop_copper.sh -v $1"
      end_run
    ) || exit
  done
  for ((i = 0; i < $2; ++i)); do
    point=$(node_mount "$1" "$2" "$i")
    if mount_is_dead "$point"; then unmount "$point"; fi
  done
}

# Makes run_dir and its record, of which run_job and run_job_dir are set already; then the mount directories. Its first
# process is ours.
claim_run() { # kind mount nodes name
  local kind=$1 reason parent i name
  shift
  make_way "$1" "$2"
  reason=$(check_machine "$2" "$cores" && check_mount "$1" "$2") || refuse "$reason"
  parent=$(dirname -- "$1")
  for name in "$parent" "$1"; do # what another run of ours made goes with the last of us
    [[ -e $name || -L $name ]] && ! grep -qxsF -- "made=$name" "$runs"/*/run || run_made+=("$name")
  done
  for ((i = 0; $2 > 1 && i < $2; ++i)); do
    [[ -e $1/node$i ]] || run_made+=("$1/node$i")
  done
  make_run "$runs/$run_job" "$kind" "$1" "$2" "$3"
  for name in "${run_made[@]}"; do
    [[ -d $name ]] || mkdir -m 0755 -- "$name" 2>/dev/null || refuse "cannot make the directory $name"
  done
  reason=$(check_own_way "$1") || refuse "mount directory: $reason" # another may have been faster
}

# The directory and the record of a run.
make_run() { # directory kind mount nodes name
  run_dir=$1 run_kind=$2 run_mount=$3 run_nodes=$4
  run_processes=("$$ $(start_time $$) $5")
  if ! { mkdir -m 0700 -- "$run_dir" && write_record; } 2>/dev/null; then
    rm -rf -- "$run_dir"
    refuse "cannot write to $run_dir: /dev/shm is full"
  fi
  claimed=run
}
