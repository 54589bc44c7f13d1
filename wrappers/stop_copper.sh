#!/usr/bin/env bash
# shellcheck disable=SC2154,SC2034  # the parts set what this uses
# Ends what launch_copper.sh started, on this machine or on the hosts of a job, and leaves no mount, process, segment or
# empty mount directory behind. Works from any shell of the same user, also on a host that has no part in it, when half of
# the run is dead, and twice in a row. Exit status: 0 (also when there was nothing to stop), 1 something could not be
# removed, 2 refused.
set -u
shopt -s extglob nullglob
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
lib=$here
[[ -f $lib/run/run.sh ]] || lib=$(realpath -m -- "$here/../libexec/copper")
for part in run/{way,run} settings/{options,site,environment,platform} run/{hosts,job}; do
  # shellcheck source=/dev/null
  source "$lib/$part.sh" || exit 2
done

usage() {
  cat <<'END'
Usage: stop_copper.sh [options]
Stop Copper. Without options: what was launched in this job; outside of one your run on the default mount directory, or your
only run.

  -v, --mount DIR             the run that is mounted there
  -d, --log-dir-base DIR      the runs whose logs are there
      --site NAME             the settings of a site, as for launch_copper.sh
      --dry-run               print the commands that end a job's run, one a line, and end nothing
  -h, --help                  this text
END
}

wanted_mount='' wanted_base='' site='' dry_run=''
while (($#)); do
  option=$1
  shift
  case $option in
    -h | --help) usage && exit 0 ;;
    --dry-run) dry_run=1 && continue ;;
    --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;;
    -[a-zA-Z]?*) set -- "${option:2}" "$@" && option=${option:0:2} ;;
  esac
  case $option in
    -[vd] | --mount | --log-dir-base | --site) (($#)) && [[ -n $1 ]] || refuse "option $option needs a value (see -h)" ;;
    --dry-run) refuse "option $option takes no value" ;;
    *) refuse "unknown option $option (see -h)" ;;
  esac
  case $option in
    -v | --mount) wanted_mount=$(mount_path "$1") || exit ;;
    -d | --log-dir-base) wanted_base=$(realpath -m -- "$1") ;;
    --site) site=$1 ;;
  esac
  shift
done
load_site
default_mount=$(mount_path "$default_mount") || exit
base=${wanted_base:-$(realpath -m -- "${HOME:-/}/copper-logs")}
reason=$(check_way "$base/.") || refuse "log directory: $reason"
this_job='' # to which the choice is limited, where nothing else says which run
if [[ -z $wanted_mount$wanted_base ]]; then
  this_job=${SLURM_JOB_ID:-${PBS_JOBID:-}} this_job=${this_job%%.*}
fi

# ---- which runs: those of this machine by their directories in shared memory, those of jobs by their job directories ----
declare -A found=() # directory -> mount
if [[ -e $runs ]]; then
  check_runs
  [[ -n $dry_run ]] || claim_runs
  for directory in "$runs"/*/; do
    read_record "${directory%/}" || continue
    [[ $run_kind != local && (-f $run_job_dir/run || -f $run_job_dir/stopping) ]] && run_dir=$run_job_dir # the whole of it
    [[ -z $wanted_base || ${run_job_dir%/*} == "$wanted_base" ]] || continue
    [[ -z $this_job || $run_job == "$this_job"?(.+([0-9])) ]] && found[$run_dir]=$run_mount
  done
fi
jobs=("$base"/*/@(run|stopping))
[[ -z $this_job ]] || jobs=("$base/$this_job"?(.+([0-9]))/@(run|stopping))
for file in "${jobs[@]}"; do
  read_job "${file%/*}" || continue
  if job_is_over; then # its hosts are others' by now
    [[ -n $dry_run ]] || rm -f -- "$file"
  else
    found[${file%/*}]=$mount
  fi
done

chosen=()
for directory in "${!found[@]}"; do
  [[ -n $wanted_mount && ${found[$directory]} != "$wanted_mount" ]] || chosen+=("$directory")
done
if [[ -z $wanted_mount$wanted_base$this_job ]] && ((${#chosen[@]} > 1)); then
  on_default=()
  for directory in "${chosen[@]}"; do
    [[ ${found[$directory]} != "$default_mount" ]] || on_default+=("$directory")
  done
  ((${#on_default[@]})) || refuse "several runs are here, choose one with -v: ${found[*]}"
  chosen=("${on_default[@]}")
fi

# ---- end them ----
status=0
for directory in "${chosen[@]}"; do
  [[ $directory == "$runs"/* && -z $dry_run ]] || continue
  read_record "$directory"
  if end_run; then printf 'Copper stopped: %s\n' "$run_mount"; else status=1; fi
done
[[ -z ${runs_lock:-} ]] || exec {runs_lock}<&- # each host of a job takes it for itself, this one may be among them
for directory in "${chosen[@]}"; do
  [[ $directory != "$runs"/* ]] && read_job "$directory" || continue
  if [[ -n $dry_run ]]; then
    print_end
    continue
  fi
  if end_job; then printf 'Copper stopped: %s\n' "${found[$directory]}"; else status=1; fi
done
if [[ ${#chosen[@]} == 0 && -z $dry_run ]]; then
  # A mount whose record is lost (say, /dev/shm was emptied): dead ones are ours to remove.
  mount=${wanted_mount:-$([[ -n $wanted_base ]] || printf '%s' "$default_mount")}
  for point in "$mount" "$mount"/node*; do
    [[ $mount ]] && mount_is_dead "$point" && unmount "$point"
  done
  echo 'Copper: nothing to stop'
fi
leave_runs
exit $status
