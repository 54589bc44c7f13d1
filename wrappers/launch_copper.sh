#!/usr/bin/env bash
# shellcheck disable=SC2154,SC2034  # the parts set what this uses
# Starts Copper on every node of the job, or on this machine, and returns when every mount answers. Exit status: 0 ready,
# 1 not ready (the reason on stderr, nothing left running), 2 refused (one line on stderr, nothing begun).
set -u
shopt -s extglob
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
lib=$here
[[ -f $lib/run/run.sh ]] || lib=$(realpath -m -- "$here/../libexec/copper")
for part in run/{way,run} settings/{options,site,environment,platform} run/{checks,claim,hosts,job,start}; do
  # shellcheck source=/dev/null
  source "$lib/$part.sh" || exit 2
done

parse_options "$@"
load_site
settle_directories
find_platform
find_hosts
load_site_variables
clean_environment "${site_variables[@]}"
find_programs
find_launcher

# ---- the claim: what is found here is ours to end, from now on ----
trap give_up EXIT
trap 'echo "launch_copper.sh: interrupted" >&2; exit 1' HUP INT TERM
umask 077
if [[ -n $dry_run ]]; then
  name_run
  plan_steps
  trap - EXIT
  print_commands
  exit 0
fi
claim_runs
name_run
plan_steps
if [[ $platform == local ]]; then claim_machine; else claim_job; fi
exec {events}<>"$run_dir/events" {runs_lock}<&-

start_steps
wait_until_ready

# ---- ready: from here on the run stands without this script ----
trap - EXIT
trap '' HUP INT TERM # of a stop too, while the record names this process
rm -f -- "$run_dir/events"
run_processes=("${run_processes[@]:1}")
write_record 2>/dev/null # which without room still names this process, and that will be gone
trap - HUP INT TERM
printf 'Copper is ready: %s (log: %s)\n' "$(where_mounted)" "$logs"
((pause == 0)) || exec sleep "$pause"
