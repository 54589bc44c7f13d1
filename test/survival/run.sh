#!/usr/bin/env bash
# What programs notice of the death of a Copper process, as a table: fault, place, trials, application errors, wrong bytes,
# longest stall, storage operations. Exit status 1 where there is an error.
#
#   test/survival/run.sh [--trials N] [--program numpy|torch] [--json] [--seed N]     20 trials with numpy
#
# COPPER_BIN says where the programs are (default build/bin).
set -eu
root=$(dirname -- "$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")")
export COPPER_SOURCE=$root COPPER_BIN=${COPPER_BIN:-$root/build/bin}
exec /usr/bin/python3 "$root/test/survival/deaths/trials.py" "$@"
