#!/usr/bin/env bash
# Builds with sanitizers what is most worth it, and runs it: sanitizers.sh [fuzz] [tsan] (both, where none is named). `fuzz` has
# address and undefined-behaviour sanitizers: each fuzz target for some seconds, the unit tests, seeds of the simulator in place of its
# long test, front end and service under a part of the mount tests. `tsan`: unit tests of what has threads, seeds, and front end and
# service again; what MPI's libraries do among themselves is none of ours (tsan.supp). By clang 19, which makes sanitized code in
# half of g++ 12's time; without it by g++, and corpora are only replayed. Exit status: 0 if all passed.
set -eu
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
cd "$root"
(($#)) || set -- fuzz tsan
export CCACHE_NOHASHDIR=1
# UCX would patch functions of the C library that sanitizers have replaced.
export UCX_MEM_MMAP_HOOK_MODE=none
# The front end's parent forks beside its log's thread, and so does that one's test.
export UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0
symbolizer=$(type -P llvm-symbolizer llvm-symbolizer-19 | head -n1)
export ASAN_SYMBOLIZER_PATH=$symbolizer
compiler=$(type -P clang++-19 g++ | head -n1)

status=0
# build PRESET TARGET...: in the preset's directory. Most of the time goes into making code, so that none is spent on making it good.
build() {
  cmake --preset "$1" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO='-O0 -g1 -DNDEBUG' -DCMAKE_UNITY_BUILD=ON
  cmake --build "build/$1" --target "${@:2}"
}
# run PRESET TESTS [AT_ONCE]: those whose names match
run() {
  ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j "${3-$(nproc)}" -R "$2" -E '^simulation_test$' || status=1
}
# run_mounted PRESET TESTS: a process that a sanitizer has ended is replaced, and what was said of it is in no test's output: whatever
# is said fails. One test at a time: two take longer than that. MPI's libraries do not give back what they have until the process
# ends.
run_mounted() {
  local said common file
  said=$(mktemp -d)
  chmod 1777 "$said" # some of the tests are another user's
  cp test/tsan.supp "$said"
  common=log_path=$said/said:external_symbolizer_path=$symbolizer
  ASAN_OPTIONS=detect_leaks=0:$common \
    TSAN_OPTIONS=$TSAN_OPTIONS:halt_on_error=0:suppressions=$said/tsan.supp:$common run "$@" 1
  for file in "$said"/said.*; do
    [[ ! -s $file ]] || { head -n 200 -- "$file" && status=1; }
  done
  rm -rf -- "$said"
}
# programs PRESET PROGRAM...: those that need no sanitizer, of the build that run.sh has made, or made here
programs() {
  local program
  for program in "${@:2}"; do
    if [[ -x build/test-mpich/bin/$program ]]; then
      ln -sf "$root/build/test-mpich/bin/$program" "build/$1/bin/$program"
    else
      build "$1" "$program"
    fi
  done
}

for which in "$@"; do
  case $which in
    fuzz)
      preset=fuzz
      [[ $compiler == *clang++-19 ]] || preset=asan
      build $preset fuzz unit copper_fuse copper_service copper_simulation
      programs $preset copper
      run $preset '^(fuzz\..*|.*_test)$'
      "build/$preset/test-bin/copper_simulation" mixed --seed 1 --seeds 2 || status=1
      run_mounted $preset '^mount\.(permissions|freshness)$'
      ;;
    tsan)
      build tsan threads_test log_sink_test questions_test storage_test copper_fuse copper_service copper_simulation
      programs tsan copper copper_storage_model
      run tsan '^(threads|log_sink|questions|storage)_test$'
      build/tsan/test-bin/copper_simulation mixed --seed 1 --seeds 2 || status=1
      run_mounted tsan '^mount\.freshness$'
      ;;
    *)
      echo "sanitizers.sh: fuzz or tsan, not '$which'" >&2
      exit 2
      ;;
  esac
done
exit $status
