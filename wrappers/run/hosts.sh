# shellcheck shell=bash disable=SC2154,SC2034,SC2030,SC2031  # what the other parts set and use, and each host alone
# A word from every host of a job, in bounded time however many of them are dead: a step of copper_node.sh, which says on each
# "copper: ended HOST" or "copper: alive HOST". Sourced by launch_copper.sh, stop_copper.sh and copper_keeper.sh.
#
# Launchers wait for dead hosts, and some start nothing before all hosts have answered. So those that are taken to be dead are
# asked one by one; all others together, and where that brings no word from some of them, these one by one too.

# Sets gone: the hosts of the job that was read which did not answer. 1 where one answered that it could not do it.
ask_hosts() { # what hosts-taken-to-be-dead...
  local what=$1 status=0 host other='' all=("${host_list[@]}") file=$run_job_dir/logs/node_file.txt
  local -A answered=() apart=()
  shift
  for host in "$@"; do apart[${host%%.*}]=1; done
  clean_environment "${site_variables[@]}"
  if (($#)); then
    local host_list=() hosts_given=${hosts_given:-some}
    for host in "${all[@]}"; do [[ -n ${apart[${host%%.*}]-} ]] || host_list+=("$host"); done
    file=$(mktemp) && printf '%s\n' "${host_list[@]}" >"$file"
  fi
  if ((${#host_list[@]})); then
    step_command "$what" "$file"
    hear_of_hosts $((10 + ${#host_list[@]} / 100)) || status=1
    [[ ${#answered[@]} != 0 || -z $other ]] || printf '%s: the launcher said: %s\n' "$program" "$other" >&2
  fi
  (($# == 0)) || rm -f -- "$file"
  gone=()
  for host in "${all[@]}"; do [[ -n ${answered[${host%%.*}]-} ]] || gone+=("$host"); done
  ((${#gone[@]})) && mapfile -t gone < <(ask_each "${gone[@]}")
  return $status
}

# Those of the hosts, one a line, that do not answer by themselves either.
ask_each() { # hosts...
  local host running=0
  for host in "$@"; do
    ((++running <= 16)) || wait -n
    {
      step_command "$what" '' "$host"
      answered=()
      hear_of_hosts 20
      ((${#answered[@]})) || printf '%s\n' "$host"
    } &
  done
  wait
}

# Runs the step, and notes in `answered` which hosts have; 1 where one of them could not do it. Given up when no host was
# heard of for so many seconds, but for those that are at it: they have a minute.
hear_of_hosts() { # seconds
  local line status=0 begun=0 patience step_pid heard where=(--job "$run_job")
  [[ $what != probe ]] || where=(--job-dir "$run_job_dir")
  exec {heard}< <(
    cd / && exec timeout -k 2 600 env -i "${clean[@]}" "${step[@]}" "$lib/copper_node.sh" "$what" "${where[@]}" </dev/null 2>&1
  )
  step_pid=$!
  while :; do
    patience=$1
    ((begun <= ${#answered[@]})) || patience=60
    read_line "$patience" "$heard" || break
    case $line in
      'copper: ending '*) ((++begun)) ;;
      'copper: ended '* | 'copper: alive '*) answered[${line##* }]=1 ;;
      'copper: refused: '*)
        line=${line#copper: refused: }
        answered[${line%%:*}]=1 status=1
        printf '%s: nothing could be ended on %s\n' "$program" "$line" >&2
        ;;
      'copper: not ended '*) answered[${line##* }]=1 status=1 ;;
      'copper_node.sh: '*) printf '%s\n' "$line" >&2 ;;
      ?*) other=$line ;;
    esac
  done
  kill "$step_pid" 2>/dev/null
  exec {heard}<&-
  return $status
}
