#!/usr/bin/env bash
# shellcheck disable=SC2154,SC2034  # the parts set what this uses
# Keeps one program of a run: starts it, waits for it, and tells the launcher, through the FIFO "events" in the run's
# directory, what the launcher waits for. One keeper for the service (around its launcher); one for each front end of this
# machine, or one around the launcher of those on all hosts.
#
#   copper_keeper.sh --run-dir DIR NAME OUTPUT COMMAND...
#
# Lines to the FIFO: "said NAME copper: ready..." as the program prints it, "said NAME copper_fuse: reason" for what a
# program of ours complains of, and "ended NAME STATUS". The FIFO is opened for reading too, so that writing never blocks
# when the launcher has gone. COMMAND's output goes to OUTPUT.
#
# The service is kept alive: where it ends although nobody ends the run, it is started again (run/restart.sh), without the
# hosts that are gone, and finds in the nodes' segments what the former one had. A front end is not; its parent replaces what
# dies of it.
#
# A job's run may be ended on a host that cannot reach this one: of the keepers, which hold a shared lock on it, the last one
# removes the record that launch left here.
set -u
shopt -s extglob
lib=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
for part in run/{way,run} settings/{site,environment,platform} run/{hosts,job,restart}; do
  # shellcheck source=/dev/null
  source "$lib/$part.sh" || exit 2
done

run_dir=$2 name=$3 output=$4
shift 4
events=$run_dir/events started=$run_dir/started
job_dir=$(sed -n 's/^job_dir=//p' "$run_dir/run")
exec {record}<"$run_dir" && flock -s "$record"

tell() {
  [[ -p $events ]] && printf '%s\n' "$1" 1<>"$events"
}

note() {
  printf 'copper_keeper.sh: %s\n' "$1" >>"$output"
}

listen() {
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^copper(_fuse|_service|_node\.sh)?:\  ]] && tell "said $name $line"
    [[ $line != 'copper: started again'* ]] || : >"$started"
    [[ $line != 'copper: ready'* ]] || cat
  done
}

start() { # command...
  local heard listener launcher watcher timer
  if [[ $name == *.node* ]]; then # says nothing but why it ends, which its output tells
    "$@" </dev/null >>"$output" 2>&1
    status=$?
    return
  fi
  exec {heard}> >(listen >>"$output")
  listener=$!
  "$@" </dev/null >&"$heard" 2>&1 {heard}>&- &
  launcher=$!
  exec {heard}>&-
  if [[ $name == copper_service ]]; then
    watch "$launcher" "$(start_time "$launcher")" &
    watcher=$!
  fi
  wait "$launcher"
  status=$?
  [[ -z ${watcher-} ]] || kill "$watcher"
  after 5 kill "$listener" & # who may wait for what the launcher has left behind
  timer=$!
  wait "$listener" # what was said comes before how it ended
  kill "$timer"
  wait
} 2>/dev/null

after() { # seconds command...
  rest "$1"
  "${@:2}"
}

# Ends a launcher that waits for what will not come: for hosts that a rank has found gone, which should have ended it; or,
# started again, for all ranks to come up. It may outlive its keeper, but not the launcher.
watch() { # pid start-time
  local look=3 since=0 limit=60 reason records
  [[ ! -f $job_dir/logs/node_file.txt ]] || limit=$((limit + $(wc -l <"$job_dir/logs/node_file.txt") / 100))
  while rest $look && process_stat "$1" && [[ $stat_start == "$2" ]]; do
    reason=''
    records=("$job_dir/logs/exit_record.$restarts".*)
    if [[ -e ${records[0]} ]]; then
      reason='a rank has ended it'
    elif ((restarts)) && [[ ! -e $started ]]; then
      ((look * ++since <= limit)) || reason="not all ranks are there after $limit s"
    fi
    [[ -n $reason ]] || continue
    rest $look
    note "the service's launcher is ended: $reason"
    kill -TERM "$1"
    rest $look
    process_stat "$1" && [[ $stat_start == "$2" ]] && kill -KILL "$1"
  done 2>/dev/null
}

# Until launch is over it decides what an end means. Where it has been told that all are ready, it soon is.
launch_is_over() {
  local tries
  for ((tries = 0; tries < 10; ++tries)); do
    [[ -p $events ]] || return 0
    [[ ! -e $run_dir/stopping && ! -e $job_dir/stopping ]] || return 1
    grep -q '^copper: ready' "$output" || return 1
    rest 1
  done
  return 1
}

# A run that is being ended stays so.
is_wanted() {
  launch_is_over && [[ -f $run_dir/run && ! -e $run_dir/stopping && ! -e $job_dir/stopping ]]
}

restarts=0 tries_max=6 tries=0 long_enough=600 # seconds: then it is a new story
still_held=75 # status of a service whose former rank has not ended yet: storage holds it
read_clock
begun=$clock
start "$@"
while [[ $name == copper_service ]] && is_wanted && job_goes_on; do
  read_clock
  ((clock - begun < long_enough)) || tries=0
  if ((status == still_held)); then
    note "a rank of the former service has not ended yet: this one is started again when it may have"
    rest 10
    status=1 # counts, should it not even be started
  elif ((tries == tries_max)); then
    note "the service ended, or did not start, $((tries + 1)) times: the nodes read storage directly from now on"
    break
  else
    note "the service ended with status $status: it is started again"
    ((tries < 2)) || rest $((1 << (tries - 2)))
    ((++tries))
  fi
  read_clock
  begun=$clock
  plan_restart "$restarts" "$@" >>"$output" 2>&1 || continue
  is_wanted || break
  ((++restarts))
  rm -f -- "$started"
  start "${command[@]}"
done
tell "ended $name $status"
if [[ $run_dir == *.launch && ! -p $events ]] && flock -n -x "$record"; then
  rm -rf -- "$run_dir"
  { exec {runs}<"${run_dir%/*}" && flock -n "$runs" && rmdir -- "${run_dir%/*}"; } 2>/dev/null
fi
exit $status
