#!/usr/bin/env bash
# One host's part of a run on the hosts of a job; a step of the scheduler's launcher starts it on each.
#
#   copper_node.sh front_end|service --job JOB --mount DIR --job-dir DIR --log-dir DIR --launched-by DIR [-b CORES]
#                  -- PROGRAM ARGUMENTS...     claims the host (whichever of the two comes first), becomes the program
#   copper_node.sh end --job JOB               ends both, and leaves nothing
#
# Speaks to the launcher by lines on standard output: "copper: refused: HOST: REASON" (exit status 2), "copper: ending
# HOST" and "copper: ended HOST".
# --record-dir DIR among the options has the program write its trace to DIR/HOST.trace. Never waits for the other step or
# for another host.
set -u
shopt -s extglob
lib=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
# shellcheck source=wrappers/copper_way.sh
source "$lib/copper_way.sh" || exit 2
# shellcheck source=wrappers/copper_run.sh
source "$lib/copper_run.sh" || exit 2
# shellcheck source=wrappers/copper_checks.sh
source "$lib/copper_checks.sh" || exit 2
# shellcheck source=wrappers/copper_claim.sh
source "$lib/copper_claim.sh" || exit 2

host=${HOSTNAME%%.*}
refuse() {
  printf 'copper: refused: %s: %s\n' "$host" "$*"
  exit 2
}

what=$1
shift
run_job='' run_job_dir='' mount='' log_dir='' cores='' record=()
while (($#)) && [[ $1 != -- ]]; do
  case $1 in
    --job) run_job=$2 ;;
    --mount) mount=$2 ;;
    --job-dir) run_job_dir=$2 ;;
    --log-dir) log_dir=$2 ;;
    --launched-by) ;; # by it stop finds the launchers
    --record-dir) record=(--record "$2/$host.trace") ;;
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
  write_record 2>/dev/null || refuse "/dev/shm is full"
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
cd / && exec "$1" --run-dir "$run_dir" "${@:2}" "${record[@]}"
