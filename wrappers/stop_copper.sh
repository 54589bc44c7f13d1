#!/usr/bin/env bash
# Ends what launch_copper.sh started on this machine and leaves no mount, process, segment or empty mount directory behind.
# Works from any shell of the same user, when half of the run is dead, and twice in a row. Exit status: 0 (also when
# there was nothing to stop), 1 something could not be removed, 2 refused.
set -u
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
lib=$here
[[ -f $lib/copper_run.sh ]] || lib=$here/../libexec/copper
# shellcheck source=wrappers/copper_run.sh
source "$lib/copper_run.sh" || exit 2

usage() {
  cat <<'END'
Usage: stop_copper.sh [options]
Stop Copper. Without options: your run on the default mount directory, or your only run on this machine.

  -v, --mount DIR             the run that is mounted there
  -d, --log-dir-base DIR      the runs whose logs are there
  -h, --help                  this text
END
}

mount='' log_base=''
while (($#)); do
  option=$1
  shift
  case $option in
    -h | --help) usage && exit 0 ;;
    --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;;
    -[a-zA-Z]?*) set -- "${option:2}" "$@" && option=${option:0:2} ;;
  esac
  case $option in
    -v | --mount | -d | --log-dir-base) (($#)) && [[ -n $1 ]] || refuse "option $option needs a value (see -h)" ;;
    *) refuse "unknown option $option (see -h)" ;;
  esac
  case $option in
    -v | --mount) mount=$(mount_path "$1") || exit ;;
    -d | --log-dir-base) log_base=$(realpath -m -- "$1") ;;
  esac
  shift
done

# ---- which runs ----
chosen=() all=() on_default=()
default_mount=$(mount_path "/tmp/${USER:-$(id -un)}/copper")
if [[ -e $runs ]]; then
  check_runs
  claim_runs
  for other in "$runs"/*/; do
    [[ -d $other ]] && read_record "${other%/}" || continue
    all+=("$run_dir")
    [[ $run_mount == "$default_mount" ]] && on_default+=("$run_dir")
    [[ -z $mount || $run_mount == "$mount" ]] || continue
    [[ -z $log_base || ${run_job_dir%/*} == "$log_base" ]] || continue
    chosen+=("$run_dir")
  done
fi
if [[ -z $mount$log_base ]]; then
  if ((${#on_default[@]})); then
    chosen=("${on_default[@]}")
  elif ((${#all[@]} > 1)); then
    mounts=''
    for other in "${all[@]}"; do read_record "$other" && mounts+=" $run_mount"; done
    refuse "several runs are here, choose one with -v:$mounts"
  else
    chosen=("${all[@]}")
  fi
  mount=$default_mount
fi

# ---- end them ----
status=0
for other in "${chosen[@]}"; do
  read_record "$other"
  end_run || status=1
  printf 'Copper stopped: %s\n' "$run_mount"
done
if [[ ${#chosen[@]} == 0 ]]; then
  # A mount whose record is lost (say, /dev/shm was emptied): dead ones are ours to remove.
  for point in "$mount" "$mount"/node*; do
    [[ $mount ]] && mount_is_dead "$point" && unmount "$point"
  done
  echo 'Copper: nothing to stop'
fi
leave_runs
exit $status
