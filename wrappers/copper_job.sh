# shellcheck shell=bash disable=SC2154,SC2034  # what the other parts of launch_copper.sh set and use
# A run on the hosts of a job: its record in the shared job directory, from which it can be ended on any host, and how.
# Sourced by launch_copper.sh and stop_copper.sh.
#
#   <log_dir_base>/<job>/run        the record, key=value lines; renamed to "stopping" when the run is to end
#   <log_dir_base>/<job>/logs/node_file.txt                   the hosts
#   /dev/shm/copper-<uid>/<job>/           on each host: its part of the run (copper_run.sh)
#   /dev/shm/copper-<uid>/<job>.launch/    where launch ran: the launchers of the steps, and their keepers
#
# Invariants: the record is there before the first step is started, and gone when nothing is left of the run; a process that
# comes up on a host when it is no longer called "run" does nothing.

write_job() {
  local name
  {
    printf 'version=1\njob=%s\nmount=%s\nplatform=%s\nscheduler_job=%s\n' "$run_job" "$mount" "$platform" "$scheduler_job"
    printf 'hosts_given=%s\nmpiexec=%s\ncores=%s\n' "$hosts_given" "$mpiexec" "$cores"
    for name in launcher flags stay front_end_flags keep; do printf 'setting=%s %s\n' "$name" "$(setting "$name")"; done
    [[ $platform != pbs ]] || printf 'environment=PBS_JOBID=%s\n' "$PBS_JOBID" # PALS asks for it, stop need not have it
    ((!${#site_variables[@]})) || printf 'environment=%s\n' "${site_variables[@]}"
  } >"$run_job_dir/run.new" && mv -f -- "$run_job_dir/run.new" "$run_job_dir/run"
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
  [[ -n $run_job && -n $mount && -n $platform ]] && ((${#host_list[@]}))
}

# Ends the run that was read: on each host, then what started it there. A line and 1 for what it could not.
end_job() {
  local status=0 launched=$runs/$run_job.launch job_dir=$run_job_dir
  mv -f -- "$job_dir/run" "$job_dir/stopping" 2>/dev/null
  if [[ -f $launched/run ]] && read_record "$launched"; then
    end_named TERM launch 60 # still starting: it ends the run itself, unless that is us
  fi
  [[ -f $job_dir/stopping ]] || return 0
  read_job "$job_dir" || return 1
  end_hosts || status=1
  if [[ -f $launched/run ]] && read_record "$launched"; then
    end_run || status=1
  fi
  ((status)) || rm -f -- "$job_dir/stopping"
  return $status
}

# What end_job would run, for people.
print_end() {
  clean_environment "${site_variables[@]}"
  step_command end "$run_job_dir/logs/node_file.txt"
  shell_line env -i "${clean[@]}" "${step[@]}" "$lib/copper_node.sh" end --job "$run_job"
}

# One step on all hosts; where some of them are dead, launchers wait for them, so that none is heard of for long. Those that
# nothing was heard of are tried one by one.
end_hosts() {
  local host running=0 status=0
  local -A ended=()
  clean_environment "${site_variables[@]}"
  step_command end "$run_job_dir/logs/node_file.txt"
  hear_of_ends $((10 + ${#host_list[@]} / 100)) || status=1
  ((${#ended[@]} >= ${#host_list[@]})) && return $status
  while IFS= read -r host; do
    printf '%s: nothing could be ended on %s: it cannot be reached\n' "$program" "$host" >&2
    status=1
  done < <(
    for host in "${host_list[@]}"; do
      [[ -z ${ended[$host]-} && -z ${ended[${host%%.*}]-} ]] || continue
      ((++running <= 16)) || wait -n
      {
        step_command end '' "$host"
        ended=()
        hear_of_ends 20
        ((${#ended[@]})) || printf '%s\n' "$host"
      } &
    done
    wait
  )
  return $status
}

# Runs the step, and notes in `ended` which hosts have answered; 1 where on one of them something could not be ended. Given up
# when no host was heard of for so many seconds, but for those that are at it: they have a minute.
hear_of_ends() { # seconds
  local said status=0 begun=0 waited=0 step_pid heard
  exec {heard}< <(
    cd / && exec timeout -k 2 600 env -i "${clean[@]}" "${step[@]}" "$lib/copper_node.sh" end --job "$run_job" </dev/null 2>&1
  )
  step_pid=$!
  while :; do
    if IFS= read -r -t "$1" -u "$heard" said; then
      case $said in
        'copper: ending '*) ((++begun)) ;;
        'copper: ended '*) ended[${said#copper: ended }]=1 ;;
        'copper: refused: '*)
          said=${said#copper: refused: }
          ended[${said%%:*}]=1 status=1
          printf '%s: nothing could be ended on %s\n' "$program" "$said" >&2
          ;;
        'copper: not ended '*) ended[${said#copper: not ended }]=1 status=1 ;;
        'copper_node.sh: '*) printf '%s\n' "$said" >&2 ;;
      esac
    elif (($? <= 128 || begun <= ${#ended[@]} || (waited += $1) >= 60)); then # not for want of time; or no use to wait
      break
    fi
  done
  kill "$step_pid" 2>/dev/null
  exec {heard}<&-
  return $status
}
