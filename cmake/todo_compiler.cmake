# Language, warnings, sanitizers, linker and compiler cache: what every target of ours is built with.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

# Every target of ours links todo_options; the packages' own targets never do.
add_library(todo_options INTERFACE)
target_include_directories(todo_options INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_options(todo_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fno-omit-frame-pointer
  # The same bytes from any checkout: no path of the machine in debug information or __FILE__.
  "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Both warn about code that the optimizer made, inside the standard library and Boost.
  target_compile_options(todo_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict)
endif()

if(TODO_SANITIZE)
  target_compile_options(todo_options INTERFACE "-fsanitize=${TODO_SANITIZE}")
  target_link_options(todo_options INTERFACE "-fsanitize=${TODO_SANITIZE}")
  if(TODO_FUZZ)
    # The fuzzer steers by the coverage of our libraries, not of its target alone.
    target_compile_options(todo_options INTERFACE -fsanitize=fuzzer-no-link)
  endif()
  if(TODO_SANITIZE MATCHES "undefined")
    target_compile_options(todo_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
else()
  # Our own assertions stay on in the release: they state bugs. Boost's would be paid for on each byte.
  target_compile_definitions(todo_options INTERFACE BOOST_DISABLE_ASSERTS)
  target_compile_options(todo_options INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
endif()

find_program(TODO_MOLD mold)
if(TODO_MOLD)
  target_link_options(todo_options INTERFACE -fuse-ld=mold)
endif()

# The cache's keys hold no absolute path, so that another checkout hits too.
find_program(TODO_CCACHE ccache)
if(TODO_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=true
      "${TODO_CCACHE}")
endif()
