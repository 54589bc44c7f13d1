#!/usr/bin/env bash
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
# The service is kept alive: where it ends although nobody ends the run, it is started again, and finds in the nodes'
# segments what the former one had. A front end is not; its parent replaces what dies of it.
#
# A job's run may be ended on a host that cannot reach this one: of the keepers, which hold a shared lock on it, the last one
# removes the record that launch left here.
set -u

run_dir=$2 name=$3 output=$4
shift 4
events=$run_dir/events
exec {record}<"$run_dir" && flock -s "$record"

tell() {
  [[ -p $events ]] && printf '%s\n' "$1" 1<>"$events"
}

listen() {
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^copper(_fuse|_service|_node\.sh)?:\  ]] && tell "said $name $line"
    [[ $line != 'copper: ready'* ]] || cat
  done
}

start() {
  if [[ $name == *.node* ]]; then # says nothing but why it ends, which its output tells
    "$@" </dev/null >>"$output" 2>&1
  else
    "$@" </dev/null > >(listen >>"$output") 2>&1
  fi
  status=$?
  wait # for the listener: what was said comes before how it ended
}

# Until launch is over it decides what an end means; and a run that is being ended stays so.
is_wanted() {
  local job_dir
  [[ -f $run_dir/run && ! -p $events && ! -e $run_dir/stopping ]] || return 1
  job_dir=$(sed -n 's/^job_dir=//p' "$run_dir/run")
  [[ ! -e $job_dir/stopping ]]
}

read_clock() { # not SECONDS, which follow the machine's time of day
  IFS=. read -r clock _ </proc/uptime
}

restarts_max=6 restarts=0 long_enough=600 # seconds: then it is a new story
read_clock
begun=$clock
start "$@"
while [[ $name == copper_service ]] && is_wanted; do
  read_clock
  ((clock - begun < long_enough)) || restarts=0
  if ((restarts == restarts_max)); then
    printf 'copper_keeper.sh: the service ended %d times: the nodes read storage directly from now on\n' $((restarts + 1)) >>"$output"
    break
  fi
  printf 'copper_keeper.sh: the service ended with status %d: it is started again\n' "$status" >>"$output"
  ((restarts < 2)) || sleep $((1 << (restarts - 2)))
  is_wanted || break
  ((++restarts))
  read_clock
  begun=$clock
  start "$@"
done
tell "ended $name $status"
if [[ $run_dir == *.launch && ! -p $events ]] && flock -n -x "$record"; then
  rm -rf -- "$run_dir"
  { exec {runs}<"${run_dir%/*}" && flock -n "$runs" && rmdir -- "${run_dir%/*}"; } 2>/dev/null
fi
exit $status
