# The one interface target that carries language level, warnings and sanitizers, and the user's switches.
option(COPPER_TESTS "Build the tests" ON)
set(COPPER_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize= (address,undefined or thread)")
set(COPPER_MPI "" CACHE STRING "mpich or openmpi; empty: MPICH if it is there, else Open MPI, else what CMake finds")

if(NOT COPPER_MPI MATCHES "^(mpich|openmpi)?$")
  message(FATAL_ERROR "COPPER_MPI is '${COPPER_MPI}': it must be mpich, openmpi or empty")
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
if(NOT CMAKE_RUNTIME_OUTPUT_DIRECTORY)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(copper_options INTERFACE)
target_compile_features(copper_options INTERFACE cxx_std_20)
target_compile_options(copper_options INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
# g++ 12 takes the untaken alternatives of a moved std::variant for uninitialized.
target_compile_options(copper_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
# Where several sources are compiled at once, it takes them for a header.
target_compile_options(copper_options INTERFACE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>)
target_include_directories(copper_options INTERFACE ${PROJECT_SOURCE_DIR})
if(COPPER_SANITIZE)
  target_compile_options(copper_options INTERFACE -fsanitize=${COPPER_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(copper_options INTERFACE -fsanitize=${COPPER_SANITIZE})
endif()
