# shellcheck shell=bash disable=SC2154,SC2034  # what the other parts of launch_copper.sh set and use
# launch_copper.sh's options: read once, validated, constant afterwards. Sourced by launch_copper.sh. Empty: not given.

usage() {
  cat <<'END'
Usage: launch_copper.sh [options]
Start Copper on every node of the job: files below / appear, read-only and cached, below the mount directory.

  -v, --mount DIR             mount directory (default /tmp/$USER/copper)
  -d, --log-dir-base DIR      logs, tables and profiles go to DIR/<job> (default ~/copper-logs)
  -l, --log-level 0-5         0 nothing, 1 fatal, 2 errors, 3 warnings, 4 information, 5 debug (default 3)
  -t, --log-type TYPE         file, stdout or both (default file)
  -T, --trees N               trees, each with a root of its own (default 1)
  -M, --max-cacheable-byte-size BYTES
                              each node reads larger files from storage itself, not through the trees; with K, M, G or T
                              if wanted (default: the size of the cache)
  -E, --md-enoent-ttl-ms MS   how long directories and absent names stay fresh (default 2000)
  -s, --sleep SECONDS         wait this long after Copper is ready (default 0)
  -b, --cores LIST            cores for Copper's processes on each node, e.g. 0-1,4
      --cache-bytes BYTES     memory for the cache of each node
      --ready-seconds S       give up when a node's mount does not answer within S seconds (default 30)

What is recorded:
  -P, --aggregate-profiling   sums over all ranks too, in profiling/cluster
  -N, --top-n N               rows of the hottest paths
  -A, --full-path-profiling   every path that was asked for
  -I, --snapshot-seconds S    tables and profiles each S seconds, not only at the end
      --per-rank-output       files of each rank also where there are more than 64
      --record DIR            write what each node's mount is asked, as a trace, to DIR/<node>.trace

Where it runs:
      --site NAME             the settings of a site: NAME of sites/NAME.conf, or a file
      --platform NAME         slurm, pbs, hydra, openmpi or local (default: what the shell is in)
      --hosts LIST            run on these hosts, separated by commas
      --hostfile FILE         run on the hosts of FILE, one a line
      --nodes N               nodes that this one machine plays, node i at MOUNT/node<i> (default 1, at MOUNT)
  -F, --facility-address-book FILE
                              lines "host endpoint [group]": hosts of one group become neighbours
  -a, --address-mode MODE     facility (the book's order and groups) or discover (what the ranks find out)
  -n, --net-type TYPE         cxi, cxi0 to cxi7, cxi://cxi<i>, hsn<i>, the name of an interface, or auto
      --dry-run               print the commands, one a line, and start nothing

How it works:
      --fanout N              nodes that ask one node, at most (default 16)
      --bulk-fanout N         nodes that one node passes blocks of files on to, at most (default 2)
      --publish POLICY        what goes to all nodes unasked: all, asked (nothing) or auto (what is shared; default)
      --direct-per-second N   operations of storage that all nodes together ask for in a second while no rank answers
                              (default 20000, and at least five of each node)
      --local PREFIX          a tree that each node has of its own, as /proc, /sys, /dev and /run: the mount has a link
                              to it; once for each tree
      --share PREFIX          a tree that is served although it lies in a local one; once for each tree
      --map-links             links with absolute targets lead on below the mount, but for those to local trees
  -h, --help                  this text
END
}

mount='' log_base='' level='' type='' trees='' max_cacheable='' freshness='' pause=0 cores='' cache='' patience=30
aggregate='' top_n='' full_paths='' snapshot_seconds='' per_rank='' record=''
site='' platform='' host_list=() hosts_given='' nodes='' address_book='' address_mode='' net_type='' dry_run=''
fanout='' bulk_fanout='' publish='' direct='' map_links='' local_trees=()

want_number() { # name value low high
  [[ $2 =~ ^[0-9]{1,18}$ ]] && ((10#$2 >= $3 && 10#$2 <= $4)) || refuse "$1 must be a number from $3 to $4, not '$2'"
}

want_bytes() { # name value: at most 1 EiB
  local unit
  [[ $2 =~ ^([0-9]{1,15})([KMGT]?)$ ]] || refuse "$1 must be a number of bytes, such as 10485760 or 10M, not '$2'"
  case ${BASH_REMATCH[2]} in K) unit=10 ;; M) unit=20 ;; G) unit=30 ;; T) unit=40 ;; *) unit=0 ;; esac
  ((10#${BASH_REMATCH[1]} <= 1 << (60 - unit))) || refuse "$1 must be at most $((1 << 20))T, not '$2'"
}

want_one_of() { # name value words...
  local name=$1 value=$2
  shift 2
  [[ " $* " == *" $value "* && $value != *' '* ]] || refuse "$name must be one of: $*; not '$value'"
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

want_cores() { # name list
  [[ $2 =~ ^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$ ]] || refuse "$1 must be like 0-1,4, not '$2'"
}

want_net_type() { # name value
  [[ $2 =~ ^(cxi[0-7]?|cxi://cxi[0-7])$ || ($2 != cxi* && $2 =~ ^[A-Za-z][A-Za-z0-9_.-]{0,14}$) ]] ||
    refuse "$1 must be cxi, cxi0 to cxi7, cxi://cxi<i>, the name of an interface or auto, not '$2'"
}

want_hosts() { # name hosts...: sets host_list, each host once
  local name=$1 host
  local -A seen=()
  shift
  host_list=()
  for host in "$@"; do
    [[ $host =~ ^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$ ]] || refuse "$name: '$host' is no host name"
    [[ -n ${seen[$host]-} ]] || host_list+=("$host")
    seen[$host]=1
  done
  ((${#host_list[@]})) || refuse "$name names no host"
}

want_readable_file() { # name path
  [[ -f $2 && -r $2 ]] || refuse "$1: cannot read the file $2"
}

parse_options() {
  local option words
  while (($#)); do
    option=$1
    shift
    case $option in
      -h | --help) usage && exit 0 ;;
      --map-links) map_links=1 && continue ;;
      --per-rank-output) per_rank=1 && continue ;;
      --dry-run) dry_run=1 && continue ;;
      -P | --aggregate-profiling) aggregate=1 && continue ;;
      -A | --full-path-profiling) full_paths=1 && continue ;;
      -[PA]?*) set -- "${option:0:2}" "-${option:2}" "$@" && continue ;;
      --*=*) set -- "${option#*=}" "$@" && option=${option%%=*} ;;
      -[a-zA-Z]?*) set -- "${option:2}" "$@" && option=${option:0:2} ;;
    esac
    case $option in
      -[vdltTMEsbNIFan] | --mount | --log-dir-base | --log-level | --log-type | --trees | --max-cacheable-byte-size | \
        --md-enoent-ttl-ms | --sleep | --cores | --cache-bytes | --ready-seconds | --top-n | --snapshot-seconds | --record | \
        --site | --platform | --hosts | --hostfile | --nodes | --facility-address-book | --address-mode | --net-type | \
        --fanout | --bulk-fanout | --publish | --direct-per-second | --local | --share)
        (($#)) && [[ -n $1 ]] || refuse "option $option needs a value (see -h)"
        ;;
      --map-links | --per-rank-output | --dry-run | --aggregate-profiling | --full-path-profiling)
        refuse "option $option takes no value"
        ;;
      *) refuse "unknown option $option (see -h)" ;;
    esac
    case $option in
      -v | --mount) mount=$1 ;;
      -d | --log-dir-base) log_base=$1 ;;
      -l | --log-level) want_number "$option" "$1" 0 5 && level=$((10#$1)) ;;
      -t | --log-type) want_one_of "$option" "$1" file stdout both && type=$1 ;;
      -T | --trees) want_number "$option" "$1" 1 64 && trees=$((10#$1)) ;;
      -M | --max-cacheable-byte-size)
        want_bytes "$option" "$1" && max_cacheable=$1
        ;;
      -E | --md-enoent-ttl-ms) want_number "$option" "$1" 0 86400000 && freshness=$((10#$1)) ;;
      -s | --sleep) want_number "$option" "$1" 0 86400 && pause=$((10#$1)) ;;
      -b | --cores) want_cores "$option" "$1" && cores=$1 ;;
      --cache-bytes) want_number "$option" "$1" 16777216 17592186044416 && cache=$((10#$1)) ;;
      --ready-seconds) want_number "$option" "$1" 1 3600 && patience=$((10#$1)) ;;
      -N | --top-n) want_number "$option" "$1" 1 1000000 && top_n=$((10#$1)) ;;
      -I | --snapshot-seconds) want_number "$option" "$1" 0 86400 && snapshot_seconds=$((10#$1)) ;;
      --record) record=$1 ;;
      --site) site=$1 ;;
      --platform) want_one_of "$option" "$1" slurm pbs hydra openmpi local && platform=$1 ;;
      --hosts)
        IFS=, read -ra words <<<"$1"
        want_hosts "$option" "${words[@]}" && hosts_given=1
        ;;
      --hostfile)
        want_readable_file "$option" "$1"
        mapfile -t words < <(sed 's/#.*//; s/^[[:space:]]*//; s/[[:space:]:].*//; /^$/d' -- "$1")
        want_hosts "$option" "${words[@]}" && hosts_given=1
        ;;
      --nodes) want_number "$option" "$1" 1 256 && nodes=$((10#$1)) ;;
      -F | --facility-address-book) want_readable_file "$option" "$1" && address_book=$(realpath -- "$1") ;;
      -a | --address-mode) want_one_of "$option" "$1" facility discover && address_mode=$1 ;;
      -n | --net-type) want_net_type "$option" "$1" && net_type=$1 ;;
      --fanout) want_number "$option" "$1" 1 64 && fanout=$((10#$1)) ;;
      --bulk-fanout) want_number "$option" "$1" 1 64 && bulk_fanout=$((10#$1)) ;;
      --publish) want_one_of "$option" "$1" all asked auto && publish=$1 ;;
      --direct-per-second) want_number "$option" "$1" 1 1000000000 && direct=$((10#$1)) ;;
      --local | --share) want_tree "$option" "$1" && local_trees+=("$option" "$1") ;;
    esac
    shift
  done
  options_agree
}

options_agree() {
  local i j
  for ((i = 0; i < ${#local_trees[@]}; i += 2)); do
    [[ ${local_trees[i]} == --local ]] || continue
    for ((j = 0; j < ${#local_trees[@]}; j += 2)); do
      [[ ${local_trees[j]} == --share && ${local_trees[j + 1]} == "${local_trees[i + 1]}" ]] &&
        refuse "${local_trees[i + 1]} cannot be both local (--local) and shared (--share)"
    done
  done
  [[ -z $nodes || -z $hosts_given ]] || refuse "--nodes plays nodes on this machine: it does not go with --hosts"
  [[ -z $nodes || $platform =~ ^(local)?$ ]] || refuse "--nodes plays nodes on this machine: it does not go with --platform $platform"
  [[ $platform != local || -z $hosts_given ]] || refuse "--platform local is this machine: it does not go with --hosts"
  [[ $address_mode != discover || -z $address_book ]] || refuse "--address-mode discover has no use for a --facility-address-book"
}

# ---- the effective options as JSON, for logs/options.json; null: left to the programs ----

options_json() {
  json_separator='{'
  json_text job "$run_job"
  json_text platform "$platform"
  json_text site "$site"
  json_text mpi "$mpi"
  json nodes "${nodes:-${#host_list[@]}}"
  json_list hosts "${host_list[@]}"
  json_text mount "$mount"
  json_text log_dir_base "$log_base"
  json log_level "${level:-3}"
  json_text log_type "${type:-file}"
  json trees "${trees:-1}"
  json_text max_cacheable_byte_size "$max_cacheable"
  json md_enoent_ttl_ms "${freshness:-2000}"
  json sleep "$pause"
  json_text cores "$cores"
  json cache_bytes "${cache:-null}"
  json ready_seconds "$patience"
  json_flag aggregate_profiling "$aggregate"
  json top_n "${top_n:-50}"
  json_flag full_path_profiling "$full_paths"
  json snapshot_seconds "${snapshot_seconds:-0}"
  json_flag per_rank_output "$per_rank"
  json_text record "$record"
  json_text facility_address_book "$address_book"
  if [[ -n $address_book ]]; then json_text address_mode facility; else json_text address_mode discover; fi
  json_text net_type "${net_type:-auto}"
  json fanout "${fanout:-16}"
  json bulk_fanout "${bulk_fanout:-2}"
  json_text publish "${publish:-auto}"
  json direct_per_second "${direct:-20000}"
  json_flag map_links "$map_links"
  json_trees local
  json_trees share
  printf '\n}\n'
}

json() { # name value
  printf '%s\n  "%s": %s' "$json_separator" "$1" "$2"
  json_separator=,
}

json_quoted() { # variable text
  local text=$2
  text=${text//\\/\\\\} text=${text//\"/\\\"} text=${text//$'\t'/\\t}
  printf -v "$1" '"%s"' "$text"
}

json_text() { # name text
  local value=null
  [[ -z $2 ]] || json_quoted value "$2"
  json "$1" "$value"
}

json_flag() { # name text
  if [[ -n $2 ]]; then json "$1" true; else json "$1" false; fi
}

json_list() { # name text...
  local item value list=''
  for item in "${@:2}"; do
    json_quoted value "$item"
    list+=", $value"
  done
  json "$1" "[${list#, }]"
}

json_trees() { # local or share
  local i chosen=()
  for ((i = 0; i < ${#local_trees[@]}; i += 2)); do
    [[ ${local_trees[i]} == "--$1" ]] && chosen+=("${local_trees[i + 1]}")
  done
  json_list "$1" "${chosen[@]}"
}
