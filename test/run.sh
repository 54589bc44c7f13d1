#!/usr/bin/env bash
# Installs what is missing, builds with both MPIs and runs every test by ctest: everything with MPICH, and what depends on
# the MPI once more with Open MPI. Exit status: 0 if every test passed.
set -eu
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
cd "$root"
wrappers/install_packages.sh build test

ccache=()
type -P ccache >/dev/null && ccache=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
for mpi in mpich openmpi; do
  cmake -S . -B build/test-$mpi -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCOPPER_MPI=$mpi "${ccache[@]}"
  cmake --build build/test-$mpi
done

status=0
run() {
  ctest --test-dir "$1" --output-on-failure --no-tests=error -j "$(nproc)" "${@:2}" || status=1
}
run build/test-openmpi -L 'mpi|mount'
run build/test-mpich
exit $status
