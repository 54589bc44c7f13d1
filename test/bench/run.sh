#!/usr/bin/env bash
# Measures Copper on this machine and prints tables: installs what is missing, builds, runs bench.py. run.sh --help.
set -eu
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
root=$(dirname -- "$(dirname -- "$here")")
"$root/wrappers/install_packages.sh" build test

export CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=$root
build=$root/build/bench
# As the tests build it: ccache makes that free.
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >/dev/null
cmake --build "$build" --target copper copper_fuse copper_service copper_storage_model bench_workload >/dev/null
COPPER_BIN=$build/bin PATH=$build/bin:$PATH exec /usr/bin/python3 "$here/bench.py" "$@"
