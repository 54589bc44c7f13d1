# shellcheck shell=bash disable=SC2154,SC2034  # what copper_keeper.sh and the other parts set and use
# How a service that has ended is started again: on which hosts. Sourced by copper_keeper.sh.
#
#   <log_dir_base>/<job>/logs/exit_record.<restarts>.<host>
#                             a rank's, which ended the service that was started again so often: "silent HOST" for each
#                             neighbour that is lost (service/exit_record.h); removed when it has been read
#   .../logs/service_hosts.txt   the hosts that the service was started on when it was last started again
#   .../logs/left_out.txt        those that it was not
#                             the former for people, and the launcher; the latter for stop too
#   /dev/shm/copper-<uid>/<job>.launch/hosts   the former, where the log directory is full
#
# Whom a rank has found silent, and who was left out before, is only taken to be dead: a step that starts one process on each
# host (copper_node.sh probe) says who is. So a host that is back takes part again.

# A job that the scheduler has ended has no use for a service.
job_goes_on() {
  [[ -f $job_dir/run ]] && read_job "$job_dir" || return 0
  ! job_is_over
}

# Sets command to what starts the service again after so many times, from the words that started it first; in a job on the
# hosts that answer. 1 where fewer than half do: then it is rather we who are cut off.
plan_restart() { # restarts words...
  local restarts=$1 hosts_file suspects=() living=() gone=() host list i
  local -A is_gone=()
  shift
  command=("$@" --restarts $((restarts + 1)))
  mapfile -t suspects < <(sed -n 's/^silent //p' "$job_dir/logs/exit_record.$restarts".* 2>/dev/null | sort -u)
  ((!${#suspects[@]})) || printf 'copper_keeper.sh: silent: %s\n' "${suspects[*]}"
  if [[ ! -f $job_dir/run ]]; then # all of the run is on this machine
    rm -f -- "$job_dir/logs/exit_record".*
    return 0
  fi
  read_job "$job_dir" || return 1
  ask_hosts probe "${suspects[@]}" "${left_out[@]}"
  for host in "${gone[@]}"; do is_gone[$host]=1; done
  for host in "${host_list[@]}"; do [[ -n ${is_gone[$host]-} ]] || living+=("$host"); done
  ((!${#gone[@]})) || printf 'copper_keeper.sh: no answer from %s\n' "${gone[*]}"
  ((2 * ${#living[@]} >= ${#host_list[@]})) || { printf 'copper_keeper.sh: too few hosts answer\n' && return 1; }
  rm -f -- "$job_dir/logs/exit_record".*

  write_hosts "$job_dir/logs/left_out.txt" "${gone[@]}"
  hosts_file=$job_dir/logs/service_hosts.txt
  write_hosts "$hosts_file" "${living[@]}" || { hosts_file=$run_dir/hosts && write_hosts "$hosts_file" "${living[@]}"; } || return
  if ((!${#gone[@]})); then
    hosts_file=$job_dir/logs/node_file.txt
  else
    host_list=("${living[@]}") hosts_given=${hosts_given:-some}
    printf -v list '%s,' "${gone[@]}"
    command+=(--left-out "${list%,}")
  fi
  for ((i = 0; i < ${#command[@]}; ++i)); do
    [[ ${command[i]} != */copper_node.sh ]] || break
  done
  step_command service "$hosts_file"
  command=("${step[@]}" "${command[@]:i}")
}

write_hosts() { # file hosts...
  local file=$1
  shift
  { ((!$#)) || printf '%s\n' "$@"; } >"$file.new" && mv -f -- "$file.new" "$file"
}
