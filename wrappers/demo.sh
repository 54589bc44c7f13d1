#!/usr/bin/env bash
# Shows Copper on this machine: installs what is missing, builds, starts nodes, imports a real Python package through each
# node's mount at the same time, prints a table, stops.
#
#   demo.sh [--torch] [--nodes N]      torch instead of numpy; N nodes instead of 4
set -eu
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(dirname -- "$here")

refuse() {
  echo "demo.sh: $*" >&2
  exit 2
}
package=numpy nodes=4
while (($#)); do
  case $1 in
    --torch) package=torch ;;
    --nodes)
      [[ ${2:-} =~ ^[1-9][0-9]?$ ]] || refuse "--nodes needs a number from 1 to 99"
      nodes=$2
      shift
      ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" && exit 0 ;;
    *) refuse "unknown option $1 (see --help)" ;;
  esac
  shift
done

purposes=(build demo)
[[ $package == torch ]] && purposes+=(torch)
"$here/install_packages.sh" "${purposes[@]}"

echo "Building into $root/build ..."
generator=()
[[ -f $root/build/CMakeCache.txt ]] || generator=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DCOPPER_TESTS=OFF)
work=$(mktemp -d "${TMPDIR:-/tmp}/copper-demo.XXXXXX")
cmake -S "$root" -B "$root/build" "${generator[@]}" >"$work/log" 2>&1 && cmake --build "$root/build" >>"$work/log" 2>&1 ||
  { tail -n 40 "$work/log" && rm -rf -- "$work" && exit 1; }

PATH=$root/build/bin:$PATH
cd /
finish() {
  "$here/stop_copper.sh" -v "$work/mount" >/dev/null
  rm -rf --one-file-system -- "$work"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM
# What is installed does not change under the demo: directories stay fresh while it runs (-E).
"$here/launch_copper.sh" --nodes "$nodes" -v "$work/mount" -d "$work/logs" -E 600000
/usr/bin/python3 "$here/demo.py" "$package" "$nodes" "$work/mount"
