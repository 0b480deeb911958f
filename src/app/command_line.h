#pragma once

#include <string>
#include <variant>

#include "app/client.h"
#include "app/config.h"
#include "app/copy.h"
#include "app/operations.h"

namespace todo::app {

enum class Command {
  serve,
  migrate,
  check_config,
  operation,
  copy,
  login,
  add,
  healthcheck,
  version
};

// What the program was asked to do.
struct CommandLine {
  Command command = Command::serve;
  Config config;
  Operation operation;          // with Command::operation
  bool needs_password = false;  // read from standard input
  CopyRequest copy;             // with Command::copy
  Client client;                // with Command::login and Command::add, which need no config
  std::string email;            // with Command::login; empty: read from standard input too
  std::string text;             // with Command::add
};

// Text to print, and the exit code to end with: help (0) or a mistake (2, on standard error).
struct Notice {
  std::string text;
  int exit_code = 0;
  bool serves = false;  // the server was meant to start
};

// Flags win over environment variables.
std::variant<CommandLine, Notice> parse_command_line(int argc, const char* const* argv,
                                                     const Lookup& environment);

}  // namespace todo::app
