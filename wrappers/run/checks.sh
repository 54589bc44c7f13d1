# shellcheck shell=bash disable=SC2154  # what run.sh has
# What a node must have. Each check prints one line and fails where something is missing, and says nothing otherwise. Used
# by `copper doctor`, by launch_copper.sh on one machine and by copper_node.sh on each node of a job.

check_device() {
  [[ -c /dev/fuse ]] || { echo "there is no /dev/fuse: load the fuse kernel module, or give this container the device" && return 1; }
  [[ -r /dev/fuse && -w /dev/fuse ]] || { echo "/dev/fuse may not be opened by $(id -un 2>/dev/null || id -u)" && return 1; }
}

# Root mounts by itself.
check_fusermount() {
  local program
  (($(id -u) == 0)) && return
  program=$(type -P fusermount3) || { echo "fusermount3 was not found: apt install fuse3" && return 1; }
  [[ -u $program && $(stat -L -c %u -- "$program") == 0 ]] && return
  echo "$program is not setuid root: an ordinary user cannot mount with it"
  return 1
}

# MiB that so many nodes need at the least: rings, request slots, the smallest cache; and what MPI takes.
least_mib() {
  printf '%d' $(($1 * 32 + 16))
}

check_shared_memory() { # nodes
  local want have
  [[ -d /dev/shm && -w /dev/shm ]] || { echo "/dev/shm is missing or not writable" && return 1; }
  want=$(least_mib "$1")
  have=$(($(stat -f -c '%a * %S' /dev/shm) >> 20))
  ((have >= want)) && return
  echo "/dev/shm is too small: it has $have MiB left, and $1 nodes need at least $want MiB"
  return 1
}

# Shared memory counts for who wrote it: the least limit on the way from our memory cgroup to the root.
check_cgroup() { # nodes
  local want file top path controllers limit
  want=$(least_mib "$1")
  while IFS=: read -r _ controllers path; do
    case $controllers in
      '') top=/sys/fs/cgroup file=memory.max ;;
      memory) top=/sys/fs/cgroup/memory file=memory.limit_in_bytes ;;
      *) continue ;;
    esac
    while :; do
      { read -r limit <"$top${path%/}/$file"; } 2>/dev/null || limit=max
      if [[ $limit =~ ^[0-9]{1,18}$ ]] && ((limit >> 20 < want)); then
        echo "the memory cgroup $path is too small: its limit is $((limit >> 20)) MiB, and $1 nodes need at least $want MiB"
        return 1
      fi
      [[ $path == /?* ]] || break
      path=${path%/*}
    done
  done </proc/self/cgroup
}

check_cores() { # list
  [[ -z $1 ]] || taskset -c "$1" true 2>/dev/null && return
  echo "-b $1: this machine has no such cores to give"
  return 1
}

# Can it be mounted on? A directory that is missing can be made if what is above it is there and ours.
check_mount() { # mount nodes
  local i point found parent
  for ((i = 0; i < $2; ++i)); do
    point=$(node_mount "$1" "$2" "$i")
    found=$(mount_type "$point")
    [[ -z $found ]] || { echo "something is mounted at $point already (type $found)" && return 1; }
    [[ ! -e $point || -d $point ]] || { echo "$point is not a directory" && return 1; }
  done
  check_own_way "$1" || return
  parent=$(dirname -- "$1")
  if [[ $parent != "/tmp/${USER:-$(id -un)}" || -e $parent || -L $parent ]]; then
    [[ -d $parent ]] || { echo "the mount directory's parent $parent is missing" && return 1; }
    [[ -e $1 || -w $parent ]] || { echo "cannot make $1: $parent is not writable" && return 1; }
  fi
  [[ ! -e $1 || -d $1 ]] || { echo "$1 is not a directory" && return 1; }
  [[ ! -e $1 || -w $1 ]] || { echo "the mount directory $1 is not writable" && return 1; }
}

# All that has to do with the machine, not with the mount.
check_machine() { # nodes cores
  check_device && check_fusermount && check_shared_memory "$1" && check_cgroup "$1" && check_cores "$2"
}
