#!/usr/bin/env bash
# clang-format is law for every C++ file. Versions differ in detail: this is checked with the one of Debian 12.
set -u
version=14
tool=$(type -P clang-format-$version clang-format | head -n1)
if [[ -z $tool ]] || ! "$tool" --version | grep -q "version $version\."; then
  echo "SKIPPED: clang-format $version is not here (apt install clang-format on Debian 12)"
  exit 77
fi
cd "$COPPER_SOURCE" || exit 1
find tree service fuse_frontend wrappers test \( -name '*.h' -o -name '*.cpp' \) -print0 |
  xargs -0 -r "$tool" --dry-run -Werror --style=file
