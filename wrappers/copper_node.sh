#!/usr/bin/env bash
# One host's part of a run on the hosts of a job; a step of the scheduler's launcher starts it on each.
#
#   copper_node.sh front_end|service --job JOB --mount DIR --job-dir DIR --log-dir DIR --launched-by DIR [-b CORES]
#                  -- PROGRAM ARGUMENTS...     claims the host (whichever of the two comes first), becomes the program
#   copper_node.sh end --job JOB               ends both, and leaves nothing
#   copper_node.sh probe --job-dir DIR         could a rank run here?
#
# Speaks to the launcher by lines on standard output: "copper: refused: HOST: REASON" (exit status 2), "copper: ending
# HOST", "copper: ended HOST" and "copper: alive HOST".
# --record-dir DIR among the options has the program write its trace to DIR/HOST.trace. With --detach the program leaves the
# step as soon as it is mounted, and what it says goes to copper_fuse.HOST.output with the logs. Never waits for another host.
set -u
shopt -s extglob
lib=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
# shellcheck source=wrappers/run/way.sh
source "$lib/run/way.sh" || exit 2
# shellcheck source=wrappers/run/run.sh
source "$lib/run/run.sh" || exit 2
# shellcheck source=wrappers/run/checks.sh
source "$lib/run/checks.sh" || exit 2
# shellcheck source=wrappers/run/claim.sh
source "$lib/run/claim.sh" || exit 2

host=${HOSTNAME%%.*}
refuse() {
  printf 'copper: refused: %s: %s\n' "$host" "$*"
  exit 2
}

what=$1
shift
run_job='' run_job_dir='' mount='' log_dir='' cores='' detach='' more=()
while (($#)) && [[ $1 != -- ]]; do
  case $1 in
    --job) run_job=$2 ;;
    --mount) mount=$2 ;;
    --job-dir) run_job_dir=$2 ;;
    --log-dir) log_dir=$2 ;;
    --launched-by) ;; # by it stop finds the launchers
    --record-dir) more=(--record "$2/$host.trace") ;;
    --detach) detach=1 && set -- "" "$@" ;;
    -b) cores=$2 ;;
    *) refuse "copper_node.sh has no option $1" ;;
  esac
  shift 2
done
(($#)) && shift

if [[ $what == end ]]; then
  printf 'copper: ending %s\n' "$host"
  [[ -e $runs ]] || { printf 'copper: ended %s\n' "$host" && exit 0; }
  claim_runs
  if read_record "$runs/$run_job" && ! end_run; then
    printf 'copper: not ended %s\n' "$host"
    exit 1
  fi
  leave_runs
  printf 'copper: ended %s\n' "$host"
  exit 0
fi

if [[ $what == probe ]]; then
  [[ -w /dev/shm && -f $run_job_dir/run ]] && printf 'copper: alive %s\n' "$host"
  exit 0
fi

# ---- the claim ----
case $what in
  front_end) name=copper_fuse ;;
  service) name=copper_service ;;
  *) refuse "copper_node.sh does not know how to '$what'" ;;
esac
umask 077
trap leave_runs EXIT
claim_runs
[[ -d $run_job_dir ]] || refuse "the job directory $run_job_dir is not here: -d must name one that all hosts share"
[[ -f $run_job_dir/run ]] || refuse "the run was stopped while it started"
job_dir=$run_job_dir
if read_record "$runs/$run_job"; then
  [[ $run_job_dir == "$job_dir" ]] || refuse "another launch, of $run_job_dir, has the name $run_job"
  run_processes+=("$$ $(start_time $$) $name")
  write_record 2>/dev/null # where there is no room stop finds the process by its --run-dir
else
  run_job_dir=$job_dir
  claim_run node "$mount" 1 "$name"
fi
reason=$(check_way "$log_dir/.") || refuse "log directory: $reason" # it may be in /tmp
mkdir -p -- "$log_dir" 2>/dev/null || refuse "cannot make the log directory $log_dir"
[[ -O $log_dir && -O ${log_dir%/*} && ! -L ${log_dir%/*} ]] || refuse "the log directory $log_dir is not yours"

# ---- the program, with nothing of the shell that the launcher may have come through ----
exec {runs_lock}<&- </dev/null
for variable in $(compgen -e); do
  case $variable in
    LD_PRELOAD | LD_AUDIT | PYTHON*) unset "$variable" ;;
  esac
done
trap - EXIT
cd /
[[ $what == service ]] || more+=(--log-name "$host")
set -- "$1" --run-dir "$run_dir" "${@:2}" "${more[@]}"
[[ -n $detach ]] || exec "$@"

# ---- by itself: launchers end what is in a step of theirs when one of its hosts dies ----
output=$log_dir/copper_fuse.$host.output
(
  for file in /proc/self/fd/*; do # a launcher may wait for the end of its own
    file=${file##*/}
    ((file <= 2)) || exec {file}>&-
  done
  exec setsid "$@"
) >"$output" 2>&1 &
pid=$!
trap 'kill "$pid"' TERM INT HUP
while process_stat "$pid"; do
  [[ $(mount_type "$mount") != fuse* ]] || exit 0
  sleep 0.05
done
wait "$pid"
status=$?
cat -- "$output"
exit $status
