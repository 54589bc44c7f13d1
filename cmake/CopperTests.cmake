# One function for each kind of test. Everything a test needs to know about this build is in its environment:
#   COPPER_SOURCE  the checkout          COPPER_BIN  where the programs of this build are, also first in PATH
#   COPPER_MPI     mpich or openmpi      COPPER_MPIEXEC  its launcher with the flags for many ranks on one machine
# Exit status 77 is a skip, which ctest shows.

if(COPPER_MPI_CHOSEN STREQUAL openmpi)
  set(COPPER_MPIEXEC_FLAGS --allow-run-as-root --oversubscribe --bind-to none --mca btl self,vader --mca plm isolated)
else()
  set(COPPER_MPIEXEC_FLAGS -launcher fork -rmk user -bind-to none -iface lo)
endif()

if(COPPER_TESTS)
  # Catch's main is compiled once, without our warnings, and fast: it is no part of what is tested.
  add_library(copper_catch_main STATIC EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/test/catch_main.cpp)
  target_compile_features(copper_catch_main PUBLIC cxx_std_20)
  target_link_libraries(copper_catch_main PUBLIC Catch2::Catch2)
  target_compile_options(copper_catch_main PRIVATE -O0)
  add_custom_target(unit)  # builds the unit tests
endif()

function(copper_set_test name timeout)  # then labels
  if(COPPER_SANITIZE)  # takes several times as long
    math(EXPR timeout "4 * ${timeout}")
  endif()
  list(JOIN COPPER_MPIEXEC_FLAGS " " flags)
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${timeout} LABELS "${ARGN}" SKIP_RETURN_CODE 77
    ENVIRONMENT "COPPER_SOURCE=${PROJECT_SOURCE_DIR};COPPER_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};COPPER_MPI=${COPPER_MPI_CHOSEN};COPPER_MPIEXEC=${MPIEXEC_EXECUTABLE} ${flags};PATH=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}:$ENV{PATH}")
endfunction()

function(copper_test_program name)
  add_executable(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test-bin)
endfunction()

# copper_unit_test(NAME <n> SOURCES <file>... LIBRARIES <target>... [TIMEOUT <s>] [LABELS <label>...])
# A Catch2 program named <n>: one ctest entry, label `unit`.
function(copper_unit_test)
  cmake_parse_arguments(T "" "NAME;TIMEOUT" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  copper_test_program(${T_NAME} ${T_SOURCES})
  set_target_properties(${T_NAME} PROPERTIES UNITY_BUILD OFF)  # each file's names are its own
  target_link_libraries(${T_NAME} PRIVATE copper_options ${T_LIBRARIES} copper_catch_main)
  add_dependencies(unit ${T_NAME})
  add_test(NAME ${T_NAME} COMMAND ${T_NAME})
  copper_set_test(${T_NAME} ${T_TIMEOUT} unit ${T_LABELS})
endfunction()

# copper_mpi_test(NAME <n> RANKS <r>... SOURCES <file>... LIBRARIES <target>... [ARGUMENTS <a>...] [TIMEOUT <s>])
# A program with a main of its own, started by mpiexec: one ctest entry <n>.<r> for each number of ranks, label `mpi`.
function(copper_mpi_test)
  cmake_parse_arguments(T "" "NAME;TIMEOUT" "RANKS;SOURCES;LIBRARIES;ARGUMENTS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 60)
  endif()
  if(NOT TARGET ${T_NAME})
    copper_test_program(${T_NAME} ${T_SOURCES})
    target_link_libraries(${T_NAME} PRIVATE copper_options ${T_LIBRARIES} MPI::MPI_CXX)
  endif()
  foreach(ranks IN LISTS T_RANKS)
    add_test(NAME ${T_NAME}.${ranks}
             COMMAND ${MPIEXEC_EXECUTABLE} ${COPPER_MPIEXEC_FLAGS} -n ${ranks} $<TARGET_FILE:${T_NAME}> ${T_ARGUMENTS})
    copper_set_test(${T_NAME}.${ranks} ${T_TIMEOUT} mpi)
    set_tests_properties(${T_NAME}.${ranks} PROPERTIES PROCESSORS ${ranks})
  endforeach()
endfunction()

# copper_script_test(NAME <n> COMMAND <c>... [TIMEOUT <s>] [LABELS <label>...] [SERIAL])
# A script, run in the binary directory. SERIAL: it measures, or it needs the machine's one of something.
function(copper_script_test)
  cmake_parse_arguments(T "SERIAL" "NAME;TIMEOUT" "COMMAND;LABELS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_test(NAME ${T_NAME} COMMAND ${T_COMMAND})
  copper_set_test(${T_NAME} ${T_TIMEOUT} ${T_LABELS})
  set_tests_properties(${T_NAME} PROPERTIES RUN_SERIAL "${T_SERIAL}")
endfunction()
