# shellcheck shell=bash
# A run of Copper on this host: its directory, its record, its processes, and how it is ended. Sourced by launch_copper.sh,
# stop_copper.sh and copper_node.sh.
#
#   /dev/shm/copper-<uid>/            0700, of this user; flock on it: one launch or stop at a time
#   /dev/shm/copper-<uid>/<job>/      0700, one run: segments, doorbells, the record
#   /dev/shm/copper-<uid>/<job>/run   the record: key=value lines, replaced by rename only
#   /dev/shm/copper-<uid>/<job>/stopping   there as soon as the run is being ended: keepers start nothing again
#
# Invariants: the record is there before anything is started or made, so whatever is killed when, stop knows
# what to look for. A process is signalled only if its start time is the recorded one, or its arguments say
# "--run-dir <this run>" or "--launched-by <this run>": a recycled pid is never hit.

program=${0##*/}
runs=/dev/shm/copper-$(id -u)

# One clear line, nothing else.
refuse() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 2
}

# Sets clock, in seconds, which nobody sets back or forth: SECONDS follows the machine's time of day.
read_clock() {
  IFS=. read -r clock _ </proc/uptime
}

# Sets line, the next one from a descriptor; 1 where it does not come within so many seconds, 2 where none comes any more.
# When somebody sets the time of day, read -t gives up early, with a part of a line.
read_line() { # seconds descriptor
  local clock end part status
  line=''
  read_clock
  end=$((clock + $1))
  while ((clock < end)); do
    IFS= read -r -t $((end - clock)) -u "$2" part
    status=$?
    line+=$part
    ((status)) || return 0
    ((status > 128)) || return 2
    read_clock
  done
  return 1
}

rest() { # seconds
  local line never
  exec {never}<> <(:) # what nothing is read from
  read_line "$1" "$never"
  exec {never}<&-
}

# ---- paths and mounts ----

# The absolute path of a mount directory. Never asks the mount itself, which may hang: only what is above it is looked at.
mount_path() {
  local path=$1 parent
  case $path in
    *$'\n'*) refuse "the mount directory's name must not contain a line break" ;;
    '' | .) path=$PWD ;;
  esac
  while [[ $path == *?/ ]]; do path=${path%/}; done
  [[ $path != / ]] || refuse "the mount directory must not be /"
  parent=$(realpath -m -- "$(dirname -- "$path")")
  path=${parent%/}/$(basename -- "$path")
  [[ -z $(mount_type "$path") && -L $path ]] && path=$(realpath -m -- "$path")
  printf '%s\n' "$path"
}

# What is mounted at a path, or nothing: "type source options" of the file system.
mounted_at() {
  local point rest found=''
  while read -r _ _ _ _ point rest; do
    printf -v point %b "$point"
    [[ $point == "$1" ]] && found=${rest#* - }
  done </proc/self/mountinfo
  printf '%s' "$found"
}

mount_type() {
  local found
  found=$(mounted_at "$1")
  printf '%s' "${found%% *}"
}

# A FUSE mount that this user has made. Where one is, launch has seen that the way to it is safe.
mount_is_ours() {
  local found
  found=$(mounted_at "$1")
  [[ $found == fuse* && ,${found##* }, == *,"user_id=$EUID",* ]]
}

# Where node i of a run is mounted: mount nodes i
node_mount() {
  if (($2 == 1)); then printf '%s' "$1"; else printf '%s/node%d' "${1%/}" "$3"; fi
}

# Ours, and its server is gone: everything asked of it fails with ENOTCONN.
mount_is_dead() {
  local said
  mount_is_ours "$1" || return 1
  said=$(LC_ALL=C timeout 5 stat -- "$1" 2>&1 >/dev/null) && return 1
  [[ $said == *'not connected'* ]]
}

# Ends what the kernel still waits for on a FUSE mount whose server is gone or hangs, where it may be told so: else who hangs
# there hangs on, with the mount or without.
abort_mount() {
  local device point
  while read -r _ _ device _ point _; do
    printf -v point %b "$point"
    [[ $point == "$1" ]] && { printf 1 >"/sys/fs/fuse/connections/${device#*:}/abort"; } 2>/dev/null
  done </proc/self/mountinfo
}

unmount() {
  while mount_is_ours "$1"; do
    if (($(id -u) == 0)); then
      timeout 10 umount -l -- "$1" 2>/dev/null || return 1
    else
      timeout 10 fusermount3 -u -z -- "$1" 2>/dev/null || return 1
    fi
  done
}

# ---- the directory of this user's runs ----

# Makes it if it is not there; anything but a private directory of this user is refused.
claim_runs() {
  [[ -d /dev/shm && -w /dev/shm ]] || refuse "/dev/shm is missing or not writable"
  local try
  for try in {1..100}; do
    mkdir -m 0700 -- "$runs" 2>/dev/null
    check_runs
    { exec {runs_lock}<"$runs"; } 2>/dev/null || continue
    flock -w 60 "$runs_lock" || refuse "another launch or stop has held $runs for 60 s"
    [[ /proc/self/fd/$runs_lock -ef $runs ]] && return  # else a stop removed it in between
    exec {runs_lock}<&-
  done
  refuse "cannot make $runs (tried $try times)"
}

# Removed with the last run, under the lock: ours if we have it, else nobody's. Who has it is about to make a run there.
leave_runs() {
  local lock
  [[ -d $runs && -O $runs && ! -L $runs ]] || return 0 # another's may be a FIFO, which opening would wait for
  if [[ /proc/self/fd/${runs_lock:-none} -ef $runs ]]; then
    rmdir -- "$runs"
  elif { exec {lock}<"$runs"; }; then
    flock -n "$lock" && rmdir -- "$runs"
    exec {lock}<&-
  fi 2>/dev/null
}

# One look, since a stop may remove it between two; where it is missing all is well.
check_runs() {
  local reason
  reason=$(check_way "$runs") || refuse "$reason"
  reason=$(stat -c '%u %f' -- "$runs" 2>/dev/null) || return 0
  [[ $reason == "$EUID 41c0" ]] || refuse "$runs is not a directory of mode 0700 that belongs to you: remove it"
}

# ---- the record ----
# run_dir is the run; the others are the record's lines. run_kind: local, where all of the run is on this machine; node,
# this host's part of a job's run; launch, what launched a job's run. run_made: directories made, outer ones first.
# run_processes: "pid start-time name".
run_made=() run_processes=()

# 1 where there is no room for it: the former one stays.
write_record() {
  printf '%s\n' version=1 "kind=$run_kind" "job=$run_job" "mount=$run_mount" "nodes=$run_nodes" "job_dir=$run_job_dir" \
    "${run_made[@]/#/made=}" "${run_processes[@]/#/process=}" >"$run_dir/run.new" \
    && mv -f -- "$run_dir/run.new" "$run_dir/run" && return
  rm -f -- "$run_dir/run.new"
  return 1
}

read_record() {
  local line
  run_dir=$1 run_kind=local run_job=${1##*/} run_mount='' run_nodes=0 run_job_dir='' run_made=() run_processes=()
  [[ -f $run_dir/run ]] || return 1
  while IFS= read -r line; do
    case $line in
      kind=*) run_kind=${line#*=} ;;
      job=*) run_job=${line#*=} ;;
      mount=*) run_mount=${line#*=} ;;
      nodes=*) run_nodes=${line#*=} ;;
      job_dir=*) run_job_dir=${line#*=} ;;
      made=*) run_made+=("${line#*=}") ;;
      process=*) run_processes+=("${line#*=}") ;;
    esac
  done <"$run_dir/run"
  [[ -n $run_mount && $run_nodes =~ ^[0-9]+$ ]]
}

# ---- processes ----

start_time() {
  process_stat "$1" && printf '%s' "$stat_start"
}

# Sets stat_start and stat_parent of a pid; 1 if there is no such process (or it is a zombie).
process_stat() {
  local stat=''
  stat_start='' stat_parent=''
  { IFS= read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null
  [[ -n $stat ]] || return 1
  read -ra stat <<<"${stat##*) }"  # after the name, which may hold anything, comes field 3: the state
  [[ ${stat[0]} != [ZX] ]] || return 1
  stat_start=${stat[19]} stat_parent=${stat[1]}
}

# What our processes, and who starts them, may be called.
ours='^(copper|launch_copper|stop_copper|bash|sh|env|mpiexec|mpirun|hydra|orte|prte|srun|pals)'

# The living processes of the run that was read, without the caller: lines "pid start-time parent name". Nobody else's
# arguments are read: who hangs in storage may hold them, and whoever reads them.
run_alive() {
  local pid recorded name entry argument previous file files
  local -A seen=([$$]=1)
  for entry in "${run_processes[@]}"; do
    read -r pid recorded name <<<"$entry"
    process_stat "$pid" && [[ $stat_start == "$recorded" && -z ${seen[$pid]:-} ]] || continue
    seen[$pid]=1
    printf '%s %s %s %s\n' "$pid" "$stat_start" "$stat_parent" "$name"
  done
  mapfile -t files < <(grep -lE -- "$ours" /proc/[0-9]*/comm 2>/dev/null)
  ((${#files[@]})) || return 0
  while IFS= read -r file; do
    pid=${file#/proc/} pid=${pid%/cmdline}
    [[ -z ${seen[$pid]:-} && -O /proc/$pid ]] && process_stat "$pid" || continue
    name='' previous=''
    { read -r name <"/proc/$pid/comm"; } 2>/dev/null
    {
      while IFS= read -r -d '' argument; do
        if [[ $previous == --@(run-dir|launched-by) && $argument == "$run_dir" ]]; then
          printf '%s %s %s %s\n' "$pid" "$stat_start" "$stat_parent" "${name:-?}"
          break
        fi
        previous=$argument
      done <"/proc/$pid/cmdline"
    } 2>/dev/null
  done < <(exec timeout 5 grep -lzxF -- "$run_dir" "${files[@]/%comm/cmdline}" 2>/dev/null)
}

# Somebody is served by it, or will be: a front end lives, or the launcher that is starting it.
run_served() {
  run_alive | grep -qE ' (launch|copper_fuse[^ ]*)$'
}

# Signals the run's processes whose name matches a pattern, and waits until they have ended: signal pattern seconds.
# TERM goes to a front end's parent only, which ends its worker; 0 only waits.
end_named() {
  local signal=$1 pattern=$2 clock deadline pid start parent name alive never
  local -A names=() starts=() parents=()
  while read -r pid start parent name; do
    # shellcheck disable=SC2053  # a pattern
    [[ $name == $pattern ]] && names[$pid]=$name starts[$pid]=$start parents[$pid]=$parent
  done < <(run_alive)
  for pid in "${!names[@]}"; do
    [[ $signal == TERM && ${names[${parents[$pid]}]:-} == "${names[$pid]}" ]] && continue
    process_stat "$pid" && [[ $stat_start == "${starts[$pid]}" ]] || continue
    kill "-$signal" "$pid" 2>/dev/null && [[ $signal != 0 ]] && kill -CONT "$pid" 2>/dev/null
  done
  ((${#names[@]})) || return 0
  exec {never}<> <(:) # what nothing is read from
  read_clock
  deadline=$((clock + $3))
  while :; do
    alive=''
    for pid in "${!names[@]}"; do
      process_stat "$pid" && [[ $stat_start == "${starts[$pid]}" ]] && alive+="${names[$pid]}($pid) "
    done
    read_clock
    [[ -n $alive ]] && ((clock <= deadline)) || break
    read -r -t 0.02 -u "$never"
  done
  exec {never}<&-
  [[ -z $alive ]]
}

# ---- ending ----

# Ends the run that was read and removes all it left. A line and 1 for what it could not.
end_run() {
  local i point status=0
  : 2>/dev/null >"$run_dir/stopping"  # keepers start nothing again
  end_named TERM launch 15            # still starting: it cleans up itself
  end_named TERM 'copper_fuse*' 5     # unmount and end
  end_named TERM 'copper_service*' 20  # leave MPI together, after they have written what the run was like
  end_named 0 '*' 1                   # then launcher and keepers end by themselves
  end_named TERM '@(mpi|srun)*' 2
  for ((i = 0; i < run_nodes; ++i)); do
    point=$(node_mount "$run_mount" "$run_nodes" "$i")
    [[ $(mount_type "$point") == fuse* ]] && abort_mount "$point"
  done
  if ! end_named KILL '*' 3; then
    printf '%s: could not end: %s\n' "$program" "$(run_alive | tr '\n' ';')" >&2
    status=1
  fi
  for ((i = 0; i < run_nodes; ++i)); do
    point=$(node_mount "$run_mount" "$run_nodes" "$i")
    if ! unmount "$point"; then
      printf '%s: could not unmount %s\n' "$program" "$point" >&2
      status=1
    fi
  done
  for ((i = ${#run_made[@]} - 1; i >= 0; --i)); do
    rmdir -- "${run_made[i]}" 2>/dev/null  # stays if somebody put something there
  done
  ((status)) && return 1
  rm -rf -- "$run_dir"
}
