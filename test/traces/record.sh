#!/usr/bin/env bash
# Records the traces of this folder anew, or those that are named: record.sh [NAME]... Copper's programs must be in PATH or
# in build/bin, python3-torch installed.
set -eu
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
inputs=/var/tmp/copper-inputs  # its name is in the trace
mkdir -- "$inputs"
work=$(mktemp -d /var/tmp/copper-traces.XXXXXX)
finish() {
  "$here/../../wrappers/stop_copper.sh" -v "$work/mount" >/dev/null
  rm -rf --one-file-system -- "$work" "$inputs"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

# shellcheck disable=SC2016  # MOUNT is told to the shell that runs it
declare -A commands=(
  [import_torch]='PYTHONPATH=$MOUNT/usr/lib/python3/dist-packages LD_LIBRARY_PATH=$MOUNT/usr/lib/x86_64-linux-gnu python3 -c "import torch"'
  [distinct_file]="cat \$MOUNT$inputs/input"
  [find]='find $MOUNT/usr/lib/python3'
)
run() { # name mount
  (cd / && env -i PATH=/usr/bin:/bin HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1 MOUNT="$2" bash -c "${commands[$1]}" >/dev/null)
}

head -c 64M /dev/urandom >"$inputs/input"
sleep 3  # Copper looks again at what has just changed
(($#)) || set -- import_torch distinct_file find
for name; do
  run "$name" ''  # so that the program's own files are in memory
  "$here/../../wrappers/launch_copper.sh" -v "$work/mount" -d "$work/logs" -E 86400000 --record "$work" >/dev/null
  run "$name" "$work/mount"
  "$here/../../wrappers/stop_copper.sh" -v "$work/mount" >/dev/null
  {
    head -n 1 "$work/node0.trace"
    printf '# %s\n' "${commands[$name]}" "$(nproc) cores, kernel $(uname -r | cut -d. -f1,2), $(. /etc/os-release && echo "$NAME $VERSION_ID")"
    [[ $name != distinct_file ]] || printf 'distinct %s\n' "$inputs/input"
    tail -n +2 "$work/node0.trace"
  } >"$here/$name.trace"
done
