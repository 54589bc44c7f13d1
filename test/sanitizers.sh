#!/usr/bin/env bash
# Builds with sanitizers what is most worth it, and runs it: sanitizers.sh [fuzz] [tsan] (both, where none is named). `fuzz` is clang's
# build with address and undefined-behaviour sanitizers: each fuzz target for some seconds, unit tests, seeds of the
# simulator, a part of the mount tests; without clang 15 or later g++ builds it, and corpora are only replayed. `tsan`: what
# has threads. Exit status: 0 if all passed.
set -eu
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
cd "$root"
(($#)) || set -- fuzz tsan
export CCACHE_NOHASHDIR=1
# UCX would patch functions of the C library that sanitizers have replaced.
export UCX_MEM_MMAP_HOOK_MODE=none
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
ASAN_SYMBOLIZER_PATH=$(type -P llvm-symbolizer llvm-symbolizer-19 | head -n1) && export ASAN_SYMBOLIZER_PATH

status=0
# build PRESET TARGET...: in the preset's directory
build() {
  cmake --preset "$1" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O1 -g1 -DNDEBUG'
  cmake --build "build/$1" --target "${@:2}"
}
# run PRESET TESTS: those whose names match
run() {
  ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j "$(nproc)" -R "$2" || status=1
}
programs=(copper copper_fuse copper_service copper_storage_model)
mounts='^mount\.(permissions|read_once|freshness|clear)$'

for which in "$@"; do
  case $which in
    fuzz)
      preset=fuzz
      type -P clang++-19 >/dev/null || preset=asan
      build $preset fuzz "${programs[@]}" flow_test segment_test storage_test copper_simulation
      run $preset '^(fuzz\..*|flow_test|segment_test|storage_test)$'
      "build/$preset/test-bin/copper_simulation" mixed --seed 1 --seeds 100 || status=1
      # Libraries of MPI do not give back what they have until the process ends.
      ASAN_OPTIONS=detect_leaks=0 run $preset "$mounts"
      ;;
    tsan)
      build tsan "${programs[@]}" segment_test storage_test
      run tsan '^(segment_test|storage_test)$'
      run tsan '^mount\.(read_once|clear)$'
      ;;
    *)
      echo "sanitizers.sh: fuzz or tsan, not '$which'" >&2
      exit 2
      ;;
  esac
done
exit $status
