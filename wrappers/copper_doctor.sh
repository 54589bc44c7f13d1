#!/usr/bin/env bash
# shellcheck disable=SC2154,SC2034  # the parts set what this uses
# What `copper doctor` runs: the checks that launch makes, all of them, without launching. One line for what is missing, and
# exit status 2; else one line that says so.
set -u
shopt -s extglob
lib=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
here=$lib
[[ ! -d $lib/../../bin ]] || here=$(realpath -- "$lib/../../bin")
for part in run/{way,run} settings/{options,site,environment,platform} run/checks; do
  # shellcheck source=/dev/null
  source "$lib/$part.sh" || exit 2
done
program='copper doctor'

usage() {
  cat <<'END'
Usage: copper doctor [options]
Check that Copper can be launched on this host: one line for what is missing.

  -v, --mount DIR             mount directory to check (default /tmp/$USER/copper)
  -b, --cores LIST            cores that Copper's processes are to have
      --nodes N               nodes that this machine is to play (default 1)
      --site NAME             the settings of a site, as for launch_copper.sh
      --platform NAME         as for launch_copper.sh
  -h, --help                  this text
END
}

parse_options "$@"
load_site
given=$mount
mount=$(mount_path "$mount") || exit
find_platform
load_site_variables
clean_environment "${site_variables[@]}"
nodes=${nodes:-1}

missing=0
look() { # check arguments...
  local reason
  reason=$("$@") && return
  printf '%s: %s\n' "$program" "$reason" >&2
  missing=1
  return 1
}
look check_device
look check_fusermount
look check_shared_memory "$nodes"
look check_cgroup "$nodes"
look check_cores "$cores"
if mount_is_dead "$mount"; then
  printf '%s: the mount at %s is dead: its Copper was killed; launch or stop removes it\n' "$program" "$mount" >&2
  missing=1
else
  { [[ -n $(mount_type "$mount") ]] || look check_own_way "$given"; } && look check_mount "$mount" "$nodes"
fi
if (find_programs) 2>/dev/null; then
  find_programs
  look check_launcher
else
  (find_programs)
  missing=1
fi
((missing)) && exit 2
printf '%s: ready to launch on %s, mounted at %s\n' "$program" "$HOSTNAME" "$mount"
