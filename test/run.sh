#!/usr/bin/env bash
# Installs what is missing, builds with both MPIs and runs the tests by ctest: with MPICH all but the long ones (`ctest -L long`, by
# hand), what depends on the MPI once more with Open MPI, and what is most worth it with sanitizers. Exit status: 0 if all passed.
set -eu
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
cd "$root"
wrappers/install_packages.sh build test
wrappers/install_packages.sh fuzz || echo "Without clang 19: g++ makes the sanitized build, and nothing is searched." >&2

# With MPICH sources are compiled several at once, in half the time; with Open MPI the product's one by one, as a user does.
export CCACHE_NOHASHDIR=1
configure() {
  cmake -S . -B "build/test-$1" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O2 -g1 -DNDEBUG' \
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCOPPER_MPI="$1" "${@:2}"
}
configure mpich -DCMAKE_UNITY_BUILD=ON
cmake --build build/test-mpich
configure openmpi
cmake --build build/test-openmpi --target copper copper_fuse copper_service copper_storage_model mpi_transport mpi_relay mpi_damage bulk_bench

status=0
run() {
  ctest --test-dir "$1" --output-on-failure --no-tests=error "${@:2}" || status=1
}
run build/test-openmpi -j "$(nproc)" -R '^(mpi_.*|mount\.(read_once|imports|killed|clear)|survival\.(rank|trials)|cluster\.(openmpi|jobs\.openmpi))'
test/sanitizers.sh || status=1
run build/test-mpich -j $(($(nproc) + 1)) -LE long # the soak computes little
exit $status
