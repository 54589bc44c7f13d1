# shellcheck shell=bash disable=SC2154,SC2034,SC2178  # what the other parts of launch_copper.sh set and use
# How a run starts: its name and directories, the commands of its steps, the wait for the one line that all waits for.
# Sourced by launch_copper.sh.
#
# A run is started by a few commands, each with a keeper: on this machine one for each front end and one for the service; on
# the hosts of a job one step for the front ends, which must outlive a restart of the service, and one for the service.

claimed='' run_job_dir='' # by this launch: run, the run in run_dir (claim.sh); job, the run of the job directory
large_job=64 # nodes; with more, files of each rank would be a storm of their own, and logs stay where they are written

# Absolute, on safe ways, and not under the mount, through which nothing can be written.
settle_directories() {
  local name reason given=$mount
  mount=$(mount_path "$mount") || exit
  [[ -z $(mount_type "$mount") ]] || given=$(dirname -- "$given") # what is mounted may hang
  log_base=${log_base:-${HOME:-/}/copper-logs}
  reason=$(check_own_way "$given") || refuse "mount directory: $reason"
  reason=$(check_way "$log_base/.") || refuse "log directory: $reason"
  [[ -z $record ]] || reason=$(check_own_way "$record") || refuse "record directory: $reason"
  log_base=$(realpath -m -- "$log_base")
  [[ -n $record ]] && record=$(realpath -m -- "$record")
  for name in "log:$log_base" "record:$record"; do
    [[ ${name#*:} != "$mount" && ${name#*:} != "$mount"/* ]] || refuse "the ${name%%:*} directory ${name#*:} is under the mount $mount"
  done
}

# Sets mpiexec where the platform needs the linked MPI's own. A dry run is for any machine that has the scheduler.
find_launcher() {
  local reason
  [[ $platform == by_mpi ]] && platform=hydra && [[ $mpi == openmpi ]] && platform=openmpi
  [[ -n $dry_run && $platform =~ ^(slurm|pbs)$ ]] || reason=$(check_launcher) || refuse "$reason"
  mpiexec=''
  [[ $platform =~ ^(slurm|pbs)$ ]] || mpiexec=$(find_mpiexec)
  [[ $platform != local ]] || nodes=${nodes:-1}
}

# The run's name is the scheduler's job, or one of its own; a second launch in a job gets <job>.2.
name_run() {
  local name=${scheduler_job:-local-$$-$(date +%s)} number=1 reason
  run_job=$name
  if [[ -z $dry_run ]]; then
    mkdir -p -- "$log_base" 2>/dev/null || refuse "cannot make the log directory $log_base"
    reason=$(check_way "$log_base/.") || refuse "log directory: $reason" # another may have been faster
  fi
  while :; do
    run_job_dir=$log_base/$run_job
    if [[ ! -e $runs/$run_job && ! -e $runs/$run_job.launch && ! -e $run_job_dir ]]; then
      [[ -n $dry_run ]] && break
      mkdir -- "$run_job_dir" 2>/dev/null && break
      [[ -e $run_job_dir ]] || refuse "cannot make the log directory $run_job_dir"
    fi
    run_job=$name.$((++number))
  done
  logs=$run_job_dir/logs node_logs=$logs
  ((${#host_list[@]} <= large_job)) || [[ -n $per_rank ]] || node_logs=/tmp/copper-logs-$(id -u)/$run_job
}

# ---- the commands ----

# Sets names and command_<i>, in the order in which they are started.
plan_steps() {
  local i both service_arguments front_end_arguments node_arguments
  names=()
  both=(${level:+-l "$level"} ${type:+-t "$type"} ${cores:+-b "$cores"})
  # Which launch gives up before.
  front_end_arguments=("${both[@]}" --ready-seconds $((patience + 40)) "${local_trees[@]}" ${map_links:+--map-links} ${direct:+--direct-per-second "$direct"})
  service_arguments=("${both[@]}" --job-dir "$run_job_dir" --log-dir "$logs" --mount "$mount" --ready-seconds "$patience" ${freshness:+-E "$freshness"}
    ${trees:+-T "$trees"} ${cache:+--cache-bytes "$cache"} ${max_cacheable:+-M "$max_cacheable"} ${fanout:+--fanout "$fanout"}
    ${bulk_fanout:+--bulk-fanout "$bulk_fanout"} ${publish:+--publish "$publish"} ${address_book:+-F "$address_book"}
    ${address_mode:+-a "$address_mode"} ${net_type:+-n "$net_type"} ${aggregate:+-P} ${top_n:+-N "$top_n"} ${full_paths:+-A}
    ${snapshot_seconds:+-I "$snapshot_seconds"} ${per_rank:+--per-rank-output} "${local_trees[@]}")
  [[ $node_logs == "$logs" ]] || service_arguments+=(--node-log-dir "$node_logs")
  if [[ $platform == local ]]; then
    run_dir=$runs/$run_job
    for ((i = 0; i < nodes; ++i)); do
      plan "copper_fuse.node$i" "$front_end" --run-dir "$run_dir" --log-dir "$logs" --node "$i" \
        --mount "$(node_mount "$mount" "$nodes" "$i")" "${front_end_arguments[@]}" ${record:+--record "$record/node$i.trace"}
    done
    local_launcher
    plan copper_service "${step[@]}" -n "$nodes" "$service" --run-dir "$run_dir" --nodes "$nodes" "${service_arguments[@]}"
    return
  fi
  run_dir=$runs/$run_job.launch
  node_arguments=(--job "$run_job" --mount "$mount" --job-dir "$run_job_dir" --log-dir "$node_logs" --launched-by "$run_dir"
    ${cores:+-b "$cores"})
  detached=''
  [[ -n $scheduler_job || $(setting detach) != yes ]] || detached=1
  step_command front_end "$logs/node_file.txt"
  plan copper_fuse "${step[@]}" "$lib/copper_node.sh" front_end "${node_arguments[@]}" ${detached:+--detach} ${record:+--record-dir "$record"} \
    -- "$front_end" --log-dir "$node_logs" --node 0 --mount "$mount" "${front_end_arguments[@]}"
  step_command service "$logs/node_file.txt"
  plan copper_service "${step[@]}" "$lib/copper_node.sh" service "${node_arguments[@]}" -- "$service" "${service_arguments[@]}"
}

plan() { # name command...
  local -n command=command_${#names[@]}
  names+=("$1")
  shift
  command=("$@")
}

# Sets step: many ranks on this machine.
local_launcher() {
  case $mpi in
    mpich) step=("$mpiexec" -launcher fork -rmk user -iface lo -bind-to none) ;;
    openmpi)
      step=("$mpiexec" --oversubscribe --bind-to none --mca plm isolated --mca oob_tcp_if_include lo
        --mca btl 'self,vader' --mca btl_vader_backing_directory "$run_dir" --mca orte_tmpdir_base "$run_dir")
      (($(id -u) == 0)) && step+=(--allow-run-as-root)
      ;;
  esac
}

# One a line, quoted for a shell.
print_commands() {
  local i
  for ((i = 0; i < ${#names[@]}; ++i)); do
    local -n command=command_$i
    shell_line env -i "${clean[@]}" "${command[@]}"
    unset -n command
  done
}

# ---- the claim ----

# This machine's, for all nodes that it plays.
claim_machine() {
  claim_run local "$mount" "$nodes" launch
  mkfifo -- "$run_dir/events" 2>/dev/null || refuse "cannot write to $run_dir: /dev/shm is full"
  write_down
}

# A job's: its record in the job directory. Each host is claimed by the step that comes up on it.
claim_job() {
  make_run "$run_dir" launch "$mount" 0 launch
  mkfifo -- "$run_dir/events" 2>/dev/null || refuse "cannot write to $run_dir: /dev/shm is full"
  write_down
  write_job 2>/dev/null || refuse "cannot write to $run_job_dir"
  claimed=job
}

# Whatever ends launch before all is ready leaves nothing running.
give_up() {
  local IFS=$' \t\n' # a trap may find it otherwise
  trap '' HUP INT TERM
  case $claimed in
    run) end_run ;;
    job) end_job ;;
  esac
  leave_runs
  rmdir -- "$run_job_dir" 2>/dev/null # stays if there is a word in it
}

# What the run is, for people and for tools.
write_down() {
  local reason
  mkdir -p -- "$logs" 2>/dev/null || refuse "cannot make the log directory $logs"
  if [[ -n $record ]]; then
    mkdir -p -- "$record" 2>/dev/null || refuse "cannot make the record directory $record"
    reason=$(check_own_way "$record") || refuse "record directory: $reason"
    [[ -w $record ]] || refuse "the record directory $record is not writable"
  fi
  {
    if ((${#host_list[@]})); then printf '%s\n' "${host_list[@]}"; else printf '%s\n' "$HOSTNAME"; fi >"$logs/node_file.txt"
    print_commands >"$logs/launch_commands.txt"
    options_json >"$logs/options.json"
  } 2>/dev/null || refuse "cannot write to $logs"
}

# ---- start and wait ----

fail() { # status reason
  printf '%s: %s (logs: %s)\n' "$program" "$2" "$logs" >&2
  exit "$1"
}

start_steps() {
  local i
  for ((i = 0; i < ${#names[@]}; ++i)); do
    local -n command=command_$i
    keep "${names[i]}" "${command[@]}"
    unset -n command
  done
  write_record 2>/dev/null || fail 2 "/dev/shm is full"
}

keep() { # name command...
  local name=$1 pid
  shift
  # shellcheck disable=SC2094  # both only append
  (
    exec {events}>&-
    cd / && exec setsid env -i "${clean[@]}" "$lib/copper_keeper.sh" --run-dir "$run_dir" "$name" "$logs/$name.output" "$@"
  ) </dev/null >/dev/null 2>>"$logs/$name.output" &
  pid=$!
  run_processes+=("$pid $(start_time $pid) keeper")
}

# What a keeper's program complained of: its refusal, else the first error in its logs, else what it printed last.
first_complaint() {
  local line
  line=$(grep -hm1 "^${1%%.*}: " "$logs/$1.output") && printf '%s' "$line" && return
  line=$(grep -hE ' (error|critical) ' "$logs/$1"*.log 2>/dev/null | sort | head -n1)
  [[ -n $line ]] && printf '%s' "${line#* * }" && return
  tail -n1 "$logs/$1.output"
}

# A step stays alive when one of its processes ends, so what that process complained of comes before the step's end, or
# without it; where the end comes soon, its status says whether we are refused.
wait_until_ready() {
  local line left name status ready complaint='' clock deadline
  read_clock
  deadline=$((clock + patience + 5))
  [[ $platform == local ]] || deadline=$((deadline + 30)) # the scheduler's part
  while :; do
    read_clock
    left=$((deadline - clock))
    if ((left <= 0)); then
      [[ -n $complaint ]] && fail 1 "$complaint"
      fail 1 "no word from the service within $((patience + 5)) s"
    fi
    read_line $left "$events" || continue
    read_clock
    case $line in
      'said copper_service copper: ready: '*)
        read -r _ _ _ _ ready _ <<<"$line"
        ((ready == ${nodes:-${#host_list[@]}})) && return # --nodes of this machine, or hosts
        fail 1 "the launcher made of each rank a job of its own: is it this MPI's? (service_flags of the site, such as --mpi)"
        ;;
      'said copper_service copper: note: '*) printf '%s: %s\n' "$program" "${line#*copper: note: }" >&2 ;;
      'said copper_service copper: not ready: '*) fail 1 "${line#*copper: }" ;;
      'said '*' copper: refused: '*) fail 2 "${line#*copper: refused: }" ;;
      'said '*)
        [[ -n $complaint ]] || deadline=$((clock + 3))
        complaint=${complaint:-${line#said * }}
        ;;
      'ended '*)
        read -r _ name status <<<"$line"
        [[ -n ${detached-} && $name == copper_fuse && $status == 0 ]] && continue
        complaint=${complaint:-$(first_complaint "$name")}
        ((status == 2)) && [[ $name == *.node* ]] && fail 2 "${name#*.}: $complaint"
        ((status == 2)) && fail 2 "$complaint"
        fail 1 "$name ended with status $status: $complaint"
        ;;
    esac
  done
}

where_mounted() {
  if [[ $platform != local ]]; then
    printf '%d host%s, mounted at %s' "${#host_list[@]}" "$( ((${#host_list[@]} == 1)) || echo s)" "$mount"
  elif ((nodes == 1)); then
    printf '1 node, mounted at %s' "$mount"
  else
    printf '%d nodes, mounted at %s/node0 to node%d' "$nodes" "$mount" $((nodes - 1))
  fi
}
