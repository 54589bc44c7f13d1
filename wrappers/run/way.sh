# shellcheck shell=bash
# Could another user have put there what we are about to use, or put something else in its place? For directories whose names
# others know. Sourced by launch_copper.sh, stop_copper.sh, copper_node.sh and copper_doctor.sh.
#
# In a directory that everybody may write to only what belongs to us or to root is safe, a link too, and only where the directory
# is sticky. Whoever owns a directory that not everybody may write to, and its group, are trusted: the user has chosen them. The
# kernel's own protection of links (fs.protected_symlinks) is not counted on.
declare -A way_stat

# Looks at everything that the path leads through, as it is given, as far as it is there. A line and 1 for what is not safe.
check_way() { # path
  way_links=0 way_stat=()
  look_along "$1"
  follow_way "$1"
}

# The same of a directory that is to be ours alone, once it is there.
check_own_way() { # path
  check_way "$1" || return
  ((way_mode)) || return 0
  ((way_owner == 0 || way_owner == EUID)) || { echo "$1 belongs to user $way_owner" && return 1; }
  (((way_mode & 2) == 0)) || { echo "everybody may write to $1" && return 1; }
}

# Adds to way_stat the owner and st_mode of all that the path names, which one process tells.
look_along() { # path
  local path=$1 line names=(/)
  [[ $path == /* ]] || path=$PWD/$path
  while path=${path%"${path##*[!/]}"} && [[ -n $path ]]; do
    names+=("$path")
    path=${path%/*}
  done
  while IFS= read -r -d '' line; do way_stat[/${line#*/}]=${line%%/*}; done \
    < <(stat --printf '%u 0x%f %n\0' -- "${names[@]}" 2>/dev/null)
}

# Sets way_owner, and way_mode: st_mode of what the path leads to, 0 where it is missing. Not for a mount, which may hang.
follow_way() { # path
  local path=$1 above target
  [[ $path == /* ]] || path=$PWD/$path
  while [[ $path == */ ]]; do path=${path%/}; done
  above=0
  if [[ -n $path ]]; then
    follow_way "${path%/*}/" || return
    above=$way_mode
    ((above)) || return 0
  fi
  if (((above & 01002) == 2)); then
    echo "${path%/*} is not safe: everybody may write to it, and it is not sticky"
    return 1
  fi
  way_owner=0 way_mode=0
  read -r way_owner way_mode <<<"${way_stat[${path:-/}]-}"
  ((way_mode = way_mode)) || return 0
  if ((above & 2)) && ((way_owner != 0 && way_owner != EUID)); then
    echo "$path is not safe: user $way_owner has put it into a directory that everybody may write to"
    return 1
  fi
  (((way_mode & 0170000) == 0120000)) || return 0
  ((++way_links <= 40)) || { echo "$path: too many symbolic links" && return 1; }
  target=$(readlink -- "$path")
  [[ $target == /* ]] || target=${path%/*}/$target
  look_along "$target"
  follow_way "$target"
}
