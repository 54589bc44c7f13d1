#!/usr/bin/env bash
# search.sh TARGET CORPUS OPTION...: has libFuzzer search from the corpus on, which stays as it is. What breaks the target is
# left in the current directory, crash-* or slow-unit-*, and the exit status says so. libFuzzer's own is 77, a skip to ctest.
set -eu
target=$1 corpus=$2
shift 2
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
"$target" "$found" "$corpus" -print_final_stats=1 -verbosity=0 -timeout=20 -rss_limit_mb=4096 -error_exitcode=1 "$@"
