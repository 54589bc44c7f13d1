#!/usr/bin/env bash
# Keeps one program of a run: starts it, waits for it, and tells the launcher, through the FIFO "events" in the run's
# directory, what the launcher waits for. One keeper for the service (around mpiexec), one for each front end.
#
#   copper_keeper.sh --run-dir DIR NAME OUTPUT COMMAND...
#
# Lines to the FIFO: "said copper_service copper: ready..." as the service prints it, and "ended NAME STATUS". The FIFO
# is opened for reading too, so that writing never blocks when the launcher has gone. COMMAND's output goes to OUTPUT.
set -u

run_dir=$2 name=$3 output=$4
shift 4
events=$run_dir/events

tell() {
  [[ -p $events ]] && printf '%s\n' "$1" 1<>"$events"
}

if [[ $name == copper_service ]]; then
  "$@" </dev/null 2>>"$output" > >(
    while IFS= read -r line; do
      printf '%s\n' "$line"
      [[ $line == 'copper: '* ]] && tell "said $name $line"
      [[ $line == 'copper: ready'* ]] && cat
    done >>"$output"
  )
else
  "$@" </dev/null >>"$output" 2>&1
fi
status=$?
wait # for the reader: what was said comes before how it ended
tell "ended $name $status"
exit $status
