# shellcheck shell=bash disable=SC2154,SC2034  # what the other parts of launch_copper.sh set and use
# A run on the hosts of a job: its record in the shared job directory, from which it can be ended on any host, and how.
# Sourced by launch_copper.sh, stop_copper.sh and copper_keeper.sh.
#
#   <log_dir_base>/<job>/run        the record, key=value lines; renamed to "stopping" when the run is to end
#   <log_dir_base>/<job>/logs/node_file.txt    the hosts
#   <log_dir_base>/<job>/logs/left_out.txt     those that are gone, and take no part in the service (restart.sh)
#   /dev/shm/copper-<uid>/<job>/           on each host: its part of the run (run.sh)
#   /dev/shm/copper-<uid>/<job>.launch/    where launch ran: the launchers of the steps, and their keepers
#
# Invariants: the record is there before the first step is started, and gone when nothing is left of the run; a process that
# comes up on a host when it is no longer called "run" does nothing.

write_job() {
  local name lines
  lines=(version=1 "job=$run_job" "mount=$mount" "platform=$platform" "scheduler_job=$scheduler_job" "hosts_given=$hosts_given"
    "mpiexec=$mpiexec" "cores=$cores")
  for name in launcher flags stay together service_flags front_end_flags keep; do lines+=("setting=$name $(setting "$name")"); done
  [[ $platform != pbs ]] || lines+=("environment=PBS_JOBID=$PBS_JOBID") # PALS asks for it, stop need not have it
  lines+=("${site_variables[@]/#/environment=}")
  printf '%s\n' "${lines[@]}" >"$run_job_dir/run.new" && mv -f -- "$run_job_dir/run.new" "$run_job_dir/run"
}

# Reads the record in a job directory; 1 where there is none, or one that others can write. One look at the directory says
# whose it is: who can exchange it can do so between two.
read_job() { # job directory
  local line file
  [[ $(find "$1" -maxdepth 0 -type d -uid "$EUID" ! -perm /022 -printf x 2>/dev/null) == x ]] || return 1
  for file in "$1/run" "$1/stopping" ''; do # it may become the other meanwhile
    [[ $(find "$file" -maxdepth 0 -type f -uid "$EUID" ! -perm /022 -printf x 2>/dev/null) != x ]] || break
  done
  [[ -n $file ]] || return 1
  run_job_dir=$1 run_job='' mount='' platform='' scheduler_job='' hosts_given='' mpiexec='' cores='' site_variables=()
  settings=()
  while IFS= read -r line; do
    case $line in
      job=*) run_job=${line#*=} ;;
      mount=*) mount=${line#*=} ;;
      platform=*) platform=${line#*=} ;;
      scheduler_job=*) scheduler_job=${line#*=} ;;
      hosts_given=*) hosts_given=${line#*=} ;;
      mpiexec=*) mpiexec=${line#*=} ;;
      cores=*) cores=${line#*=} ;;
      setting=*' '*) line=${line#*=} && settings[${line%% *}]=${line#* } ;;
      environment=*) site_variables+=("${line#*=}") ;;
    esac
  done < <(cat -- "$file" 2>/dev/null)
  mapfile -t host_list <"$1/logs/node_file.txt" || return 1
  left_out=()
  [[ ! -f $1/logs/left_out.txt ]] || mapfile -t left_out <"$1/logs/left_out.txt"
  [[ -n $run_job && -n $mount && -n $platform ]] && ((${#host_list[@]}))
}

# Ends the run that was read: on each host, then what started it there. A line and 1 for what it could not. The record of a
# run some hosts of which cannot be reached stays, so that it can be ended there when they are back, until it is tried again.
end_job() {
  local status=0 again='' launched=$runs/$run_job.launch job_dir=$run_job_dir gone=()
  mv -f -- "$job_dir/run" "$job_dir/stopping" 2>/dev/null || again=1
  if [[ -f $launched/run ]] && read_record "$launched"; then
    end_named TERM launch 60 # still starting: it ends the run itself, unless that is us
  fi
  [[ -f $job_dir/stopping ]] || return 0
  read_job "$job_dir" || return 1
  end_hosts || status=1
  if [[ -f $launched/run ]] && read_record "$launched"; then
    end_run || status=1
  fi
  if ((!status && ${#gone[@]})) && [[ -n $again ]]; then
    printf '%s: the run is forgotten; what may be left on these hosts the next launch there removes\n' "$program" >&2
    rm -f -- "$job_dir/stopping"
  fi
  ((status || ${#gone[@]})) || rm -f -- "$job_dir/stopping"
  ((!status && !${#gone[@]}))
}

# What end_job would run, for people.
print_end() {
  clean_environment "${site_variables[@]}"
  step_command end "$run_job_dir/logs/node_file.txt"
  shell_line env -i "${clean[@]}" "${step[@]}" "$lib/copper_node.sh" end --job "$run_job"
}

# On each host; 1 where it could not end there what runs there. Sets gone: the hosts that did not answer.
end_hosts() {
  local host status
  ask_hosts end "${left_out[@]}"
  status=$?
  for host in "${gone[@]}"; do
    printf '%s: nothing could be ended on %s: it cannot be reached\n' "$program" "$host" >&2
  done
  return $status
}
