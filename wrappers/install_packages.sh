#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that are missing for the given purposes (build, test, fuzz, demo, torch), as listed in
# cmake/packages.txt; through sudo if not root. On other systems it does nothing: CMake says what is missing.
set -eu
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

if ! type -P dpkg-query apt-get >/dev/null; then
  echo "This is not Debian or Ubuntu: packages are not installed, only used." >&2
  exit 0
fi
missing=()
while read -r purpose package; do
  [[ " $* " == *" ${purpose%:} "* ]] || continue
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done < <(grep -v '^#' "$here/../cmake/packages.txt")
((${#missing[@]})) || exit 0

printf 'Installing: %s\n' "${missing[*]}"
as_root=()
if (($(id -u) != 0)); then
  type -P sudo >/dev/null || { echo "Neither root nor sudo: apt install ${missing[*]}" >&2 && exit 2; }
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
