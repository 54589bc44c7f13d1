#!/usr/bin/env bash
# Starts Copper on this machine and returns when every node's mount answers. Exit status: 0 ready, 1 not ready (the
# reason on stderr, nothing left running), 2 refused (one line on stderr, nothing begun).
set -u
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
lib=$here
[[ -f $lib/copper_run.sh ]] || lib=$here/../libexec/copper
# shellcheck source=wrappers/copper_run.sh
source "$lib/copper_run.sh" || exit 2

usage() {
  cat <<'END'
Usage: launch_copper.sh [options]
Start Copper: files below / appear, read-only and cached, below the mount directory.

      --nodes N               nodes that this machine plays, node i at MOUNT/node<i> (default 1, at MOUNT)
  -v, --mount DIR             mount directory (default /tmp/$USER/copper)
  -d, --log-dir-base DIR      logs go to DIR/<job>/logs (default ~/copper-logs)
  -E, --md-enoent-ttl-ms MS   how long directories and absent names stay fresh (default 2000)
  -T, --trees N               trees, each with a root of its own (default 1)
      --fanout N              nodes that ask one node, at most (default 16)
      --bulk-fanout N         nodes that one node passes blocks of files on to, at most (default 2)
      --publish POLICY        what goes to all nodes unasked: all, asked (nothing) or auto (what is shared; default)
      --groups FILE           lines "host group": hosts of one group become neighbours (default: by host name)
  -l, --log-level 0-5         0 nothing, 1 fatal, 2 errors, 3 warnings, 4 information, 5 debug (default 3)
  -t, --log-type TYPE         file, stdout or both (default file)
  -b, --cores LIST            cores for Copper's processes, e.g. 0-1,4
  -s, --sleep SECONDS         wait this long after Copper is ready (default 0)
      --cache-bytes BYTES     memory for the cache of each node
      --local PREFIX          a tree that each node has of its own, as /proc, /sys, /dev and /run: the mount has a link
                              to it; once for each tree
      --share PREFIX          a tree that is served although it lies in a local one; once for each tree
      --map-links             links with absolute targets lead on below the mount, but for those to local trees
  -M, --max-cacheable-byte-size BYTES
                              each node reads larger files from storage itself, not through the trees; with K, M, G or T
                              if wanted (default: the size of the cache)
      --record DIR            write what node i's mount is asked, as a trace, to DIR/node<i>.trace
      --ready-seconds S       give up when a node's mount does not answer within S seconds (default 30)
  -h, --help                  this text
END
}

# ---- options ----
nodes=1 mount='' log_base='' freshness='' trees='' level='' type='' cores='' pause=0 cache='' record='' patience=30
fanout='' bulk_fanout='' publish='' groups='' map_links='' max_cacheable='' local_trees=()

want_number() { # name value low high
  [[ $2 =~ ^[0-9]{1,18}$ ]] && ((10#$2 >= $3 && 10#$2 <= $4)) || refuse "$1 must be a number from $3 to $4, not '$2'"
}

# The path of a tree as the mount asks for it: the programs look at its form, we at the way to it.
want_tree() { # name path
  local above
  [[ $2 == /?* ]] || refuse "$1 must be an absolute path other than /, not '$2'"
  [[ $2/ != *//* && $2/ != */./* && $2/ != */../* && $2 != *$'\n'* ]] ||
    refuse "$1 must be a path without . and .. and a slash at its end, not '$2'"
  above=$(dirname -- "$2")
  [[ $(realpath -m -- "$above") == "$above" ]] ||
    refuse "$1 $2: the way there is through a symbolic link, say $(realpath -m -- "$above")/${2##*/}"
}

while (($#)); do
  option=$1
  shift
  case $option in
    -h | --help) usage && exit 0 ;;
    --map-links) map_links=1 && continue ;;
    --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;;
    -[a-zA-Z]?*) set -- "${option:2}" "$@" && option=${option:0:2} ;;
  esac
  case $option in
    --nodes | -[vdETltbsM] | --mount | --log-dir-base | --md-enoent-ttl-ms | --trees | --log-level | --log-type | --cores | \
      --sleep | --cache-bytes | --record | --ready-seconds | --fanout | --bulk-fanout | --publish | --groups | --local | --share | \
      --max-cacheable-byte-size)
      (($#)) && [[ -n $1 ]] || refuse "option $option needs a value (see -h)"
      ;;
    --map-links) refuse "option $option takes no value" ;;
    *) refuse "unknown option $option (see -h)" ;;
  esac
  case $option in
    --nodes) want_number "$option" "$1" 1 256 && nodes=$((10#$1)) ;;
    -v | --mount) mount=$1 ;;
    -d | --log-dir-base) log_base=$1 ;;
    -E | --md-enoent-ttl-ms) want_number "$option" "$1" 0 86400000 && freshness=$1 ;;
    -T | --trees) want_number "$option" "$1" 1 64 && trees=$1 ;;
    --fanout) want_number "$option" "$1" 1 64 && fanout=$1 ;;
    --bulk-fanout) want_number "$option" "$1" 1 64 && bulk_fanout=$1 ;;
    --publish)
      [[ $1 == all || $1 == asked || $1 == auto ]] || refuse "$option must be all, asked or auto, not '$1'"
      publish=$1
      ;;
    --groups)
      [[ -f $1 && -r $1 ]] || refuse "$option: cannot read the file $1"
      groups=$(realpath -- "$1")
      ;;
    -l | --log-level) want_number "$option" "$1" 0 5 && level=$1 ;;
    -t | --log-type)
      [[ $1 == file || $1 == stdout || $1 == both ]] || refuse "$option must be file, stdout or both, not '$1'"
      type=$1
      ;;
    -b | --cores)
      [[ $1 =~ ^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$ ]] || refuse "$option must be like 0-1,4, not '$1'"
      taskset -c "$1" true 2>/dev/null || refuse "$option $1: this machine has no such cores to give"
      cores=$1
      ;;
    -s | --sleep) want_number "$option" "$1" 0 86400 && pause=$((10#$1)) ;;
    --cache-bytes) want_number "$option" "$1" 16777216 17592186044416 && cache=$1 ;;
    --local | --share) want_tree "$option" "$1" && local_trees+=("$option" "$1") ;;
    -M | --max-cacheable-byte-size)
      [[ $1 =~ ^[0-9]{1,15}[KMGT]?$ ]] || refuse "$option must be a number of bytes, such as 10485760 or 10M, not '$1'"
      max_cacheable=$1
      ;;
    --record) record=$1 ;;
    --ready-seconds) want_number "$option" "$1" 1 3600 && patience=$((10#$1)) ;;
  esac
  shift
done

# ---- what the machine must have ----
[[ -c /dev/fuse ]] || refuse "there is no /dev/fuse: load the fuse kernel module, or give this container the device"
(($(id -u) == 0)) || type -P fusermount3 >/dev/null || refuse "fusermount3 was not found: apt install fuse3"

for ((i = 0; i < ${#local_trees[@]}; i += 2)); do
  [[ ${local_trees[i]} == --local ]] || continue
  for ((j = 0; j < ${#local_trees[@]}; j += 2)); do
    [[ ${local_trees[j]} == --share && ${local_trees[j + 1]} == "${local_trees[i + 1]}" ]] &&
      refuse "${local_trees[i + 1]} cannot be both local (--local) and shared (--share)"
  done
done

default_parent=/tmp/${USER:-$(id -un)}
mount=$(mount_path "${mount:-$default_parent/copper}") || exit
log_base=$(realpath -m -- "${log_base:-${HOME:-/}/copper-logs}")
[[ -n $record ]] && record=$(realpath -m -- "$record")
for name in "log:$log_base" "record:$record"; do
  [[ ${name#*:} != "$mount" && ${name#*:} != "$mount"/* ]] || refuse "the ${name%%:*} directory ${name#*:} is under the mount $mount"
done

# A colon-separated list without what lies under the mount.
without_mount() {
  local entry kept=''
  while IFS= read -r -d : entry; do
    [[ $entry == "$mount" || $entry == "$mount"/* ]] || kept+=:$entry
  done <<<"$1:"
  printf '%s' "${kept#:}"
}

# Copper's own processes get what they need, and nothing that would make them read through their own mount.
clean=()
while IFS= read -r name; do
  case $name in
    PATH | HOME | USER | LOGNAME | LANG | LC_* | TZ | TMPDIR | LD_LIBRARY_PATH) ;;
    OMPI_MCA_* | MPICH_* | MPIR_* | HYDRA_* | UCX_* | FI_* | *SAN_OPTIONS) ;;
    *) continue ;;
  esac
  value=$(without_mount "${!name}")
  [[ -n $value ]] && clean+=("$name=$value")
done < <(compgen -e)
PATH=$(without_mount "$PATH")

# In PATH, else beside this script, else in the build tree.
find_program() {
  local found
  found=$(type -P "$1") || found=$here/$1
  [[ -x $found ]] || found=$(realpath -m -- "$here/../build/bin")/$1
  [[ -x $found ]] || refuse "$1 was not found in PATH, in $here or in ${found%/*}: build Copper first"
  realpath -- "$found"
}
service=$(find_program copper_service) || exit
front_end=$(find_program copper_fuse) || exit

mpi=$(env -i "${clean[@]}" "$service" --mpi 2>/dev/null)
case $mpi in
  mpich) sign=HYDRA ;;
  openmpi) sign='Open' ;;
  *) refuse "$service does not say which MPI it needs: '$mpi'" ;;
esac
mpiexec=''
for name in "mpiexec.$mpi" mpiexec.hydra mpiexec; do
  found=$(type -P "$name") && [[ $("$found" --version 2>/dev/null) == *"$sign"* ]] && mpiexec=$found && break
done
[[ -n $mpiexec ]] || refuse "no mpiexec of $mpi was found in PATH; $service needs it"

# ---- the claim: this run's directory and record, and the mount directories ----
trap 'trap "" HUP INT TERM; leave_runs' EXIT
trap 'echo "launch_copper.sh: interrupted" >&2; exit 1' HUP INT TERM
claim_runs
for other in "$runs"/*/; do
  [[ -d $other ]] || continue
  (
    if ! read_record "${other%/}"; then  # killed before it had begun anything
      rm -rf -- "$run_dir"
      exit 0
    fi
    [[ $run_mount == "$mount" ]] || exit 0
    run_served && refuse "$mount is in use by $run_job ($run_nodes nodes); end it with: stop_copper.sh -v $mount"
    end_run
  ) || exit
done
for ((i = 0; i < nodes; ++i)); do
  point=$(node_mount "$mount" "$nodes" "$i")
  if mount_is_dead "$point"; then unmount "$point"; fi
  found=$(mount_type "$point")
  [[ -z $found ]] || refuse "something is mounted at $point already (type $found)"
done
want_mib=$((nodes * 32 + 16))  # rings, request slots, the smallest cache; and what MPI takes
have_mib=$(($(stat -f -c '%a * %S' /dev/shm) >> 20))
((have_mib >= want_mib)) || refuse "/dev/shm is too small: it has $have_mib MiB left, and $nodes nodes need at least $want_mib MiB"

directories=()
want_directory() { # made if it is not there; what is above it must be
  [[ -e $1 || -L $1 ]] || directories+=("$1")
  [[ ! -e $1 || -d $1 ]] || refuse "$1 is not a directory"
}
parent=$(dirname -- "$mount")
[[ $parent == "$default_parent" ]] && want_directory "$parent"
if ((!${#directories[@]})); then
  [[ -d $parent ]] || refuse "the mount directory's parent $parent is missing"
  [[ -e $mount || -w $parent ]] || refuse "cannot make $mount: $parent is not writable"
fi
want_directory "$mount"
for ((i = 0; nodes > 1 && i < nodes; ++i)); do want_directory "$mount/node$i"; done
[[ ! -e $mount || -w $mount ]] || refuse "the mount directory $mount is not writable"

umask 077
run_job=local-$$-$(date +%s)
run_dir=$runs/$run_job run_mount=$mount run_nodes=$nodes run_job_dir=$log_base/$run_job
run_made=("${directories[@]}") run_processes=("$$ $(start_time $$) launch")
logs=$run_job_dir/logs
mkdir -p -- "$logs" 2>/dev/null || refuse "cannot make the log directory $logs"
if [[ -n $record ]]; then
  mkdir -p -- "$record" 2>/dev/null || refuse "cannot make the record directory $record"
  [[ -w $record ]] || refuse "the record directory $record is not writable"
fi
if ! { mkdir -- "$run_dir" && write_record && mkfifo -- "$run_dir/events"; } 2>/dev/null; then
  rm -rf -- "$run_dir"
  refuse "cannot write to $run_dir: /dev/shm is full"
fi
trap 'trap "" HUP INT TERM; end_run; leave_runs' EXIT
for name in "${directories[@]}"; do
  mkdir -m 0755 -- "$name" 2>/dev/null || refuse "cannot make the directory $name"
done
exec {events}<>"$run_dir/events" {runs_lock}<&-

fail() { # status reason
  printf '%s: %s (logs: %s)\n' "$program" "$2" "$logs" >&2
  exit "$1"
}

# ---- start: one keeper for each front end, one for the service ----
case $mpi in
  mpich) launcher=("$mpiexec" -launcher fork -rmk user -iface lo -bind-to none) ;;
  openmpi)
    launcher=("$mpiexec" --oversubscribe --bind-to none --mca plm isolated --mca oob_tcp_if_include lo
      --mca btl 'self,vader' --mca btl_vader_backing_directory "$run_dir" --mca orte_tmpdir_base "$run_dir")
    (($(id -u) == 0)) && launcher+=(--allow-run-as-root)
    ;;
esac
both=(--run-dir "$run_dir" --log-dir "$logs" ${level:+-l "$level"} ${type:+-t "$type"} ${cores:+-b "$cores"})

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
for ((i = 0; i < nodes; ++i)); do
  keep "copper_fuse.node$i" "$front_end" "${both[@]}" --node "$i" --mount "$(node_mount "$mount" "$nodes" "$i")" \
    "${local_trees[@]}" ${map_links:+--map-links} ${record:+--record "$record/node$i.trace"}
done
keep copper_service "${launcher[@]}" -n "$nodes" "$service" "${both[@]}" --nodes "$nodes" --mount "$mount" \
  --ready-seconds "$patience" ${freshness:+-E "$freshness"} ${trees:+-T "$trees"} ${cache:+--cache-bytes "$cache"} \
  ${fanout:+--fanout "$fanout"} ${bulk_fanout:+--bulk-fanout "$bulk_fanout"} ${publish:+--publish "$publish"} \
  ${groups:+--groups "$groups"} ${max_cacheable:+-M "$max_cacheable"} "${local_trees[@]}"
write_record 2>/dev/null || fail 2 "/dev/shm is full"

# ---- wait for the one line ----
# What a keeper's program complained of: its refusal, else the first error in its logs, else what it printed last.
first_complaint() {
  local line
  line=$(grep -hm1 "^${1%%.*}: " "$logs/$1.output") && printf '%s' "$line" && return
  line=$(grep -hE ' (error|critical) ' "$logs/$1"*.log 2>/dev/null | sort | head -n1)
  [[ -n $line ]] && printf '%s' "${line#* * }" && return
  tail -n1 "$logs/$1.output"
}
deadline=$((SECONDS + patience + 5))
ready=''
while [[ -z $ready ]]; do
  left=$((deadline - SECONDS))
  ((left > 0)) && IFS= read -r -t $left -u "$events" line || fail 1 "no word from the service within $((patience + 5)) s"
  case $line in
    'said copper_service copper: ready: '*) ready=1 ;;
    'said copper_service copper: not ready: '*) fail 1 "${line#*copper: }" ;;
    'ended '*)
      read -r _ name status <<<"$line"
      complaint=$(first_complaint "$name")
      ((status == 2)) && [[ $name == *.node* ]] && fail 2 "${name#*.}: $complaint"
      ((status == 2)) && fail 2 "$complaint"
      fail 1 "$name ended with status $status: $complaint"
      ;;
  esac
done

# ---- ready: from here on the run stands without this script ----
trap - EXIT HUP INT TERM
rm -f -- "$run_dir/events"
run_processes=("${run_processes[@]:1}")
write_record
if ((nodes == 1)); then where="1 node, mounted at $mount"; else where="$nodes nodes, mounted at $mount/node0 to node$((nodes - 1))"; fi
printf 'Copper is ready: %s (log: %s)\n' "$where" "$logs"
((pause == 0)) || exec sleep "$pause"
