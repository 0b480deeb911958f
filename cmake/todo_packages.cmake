# The libraries we use, each as an imported target. Debian 12 names; `./dev build` installs them.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)

find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(SQLite3 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_package(absl REQUIRED CONFIG)
find_package(fmt REQUIRED CONFIG)
find_package(spdlog REQUIRED CONFIG)
find_package(zstd REQUIRED CONFIG)
find_package(CLI11 REQUIRED CONFIG)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(jwt REQUIRED IMPORTED_TARGET libjwt)
# Not its CMake package: that asks for curl, zlib and a web server, which the core does not use.
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)

# Asio and Beast, compiled once: src/net/asio_impl.cpp holds their implementation, so whoever uses them
# links todo_net.
add_library(todo_boost_asio INTERFACE)
target_link_libraries(todo_boost_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(todo_boost_asio INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)

if(TODO_TESTS)
  find_package(GTest REQUIRED CONFIG)
  find_package(rapidcheck REQUIRED CONFIG)
endif()
