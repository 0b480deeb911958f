#include <malloc.h>
#include <sodium.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "app/client.h"
#include "app/command_line.h"
#include "app/control.h"
#include "app/copy.h"
#include "app/core.h"
#include "app/database.h"
#include "app/server.h"
#include "app/sidecar.h"
#include "net/client.h"
#include "observability/log.h"

namespace todo::app {
namespace {

constexpr std::chrono::seconds healthcheck_limit{5};

int say(const std::string& text, int exit_code) {
  std::fputs(text.c_str(), exit_code == 0 ? stdout : stderr);
  return exit_code;
}

// What an operation found goes to standard output, also when it is bad news.
int tell(const OperationResult& result) {
  std::fputs(result.output.c_str(), result.refused ? stderr : stdout);
  return result.exit_code;
}

std::string read_line() {
  std::string line;
  std::getline(std::cin, line);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

// One line of standard input, not echoed where it is a terminal.
std::string read_password() {
  termios before{};
  const bool terminal = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &before) == 0;
  if (terminal) {
    std::fputs("Password: ", stderr);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &silent);
  }
  std::string line = read_line();
  if (terminal) {
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    std::fputs("\n", stderr);
  }
  return line;
}

// Through the server where one runs on DATA_DIR; none when none does. What was sent is not done
// again here, whatever became of the answer.
std::optional<int> run_at_server(const CommandLine& line) {
  if (line.config.uses_postgres()) return std::nullopt;  // any process may work on it
  const auto directory = DataDirectory::open(line.config.data_dir);
  if (!directory || !directory->in_use()) return std::nullopt;
  if (const auto wrong = check_texts(line.operation)) return say(*wrong + "\n", EXIT_FAILURE);
  const auto sent = send_operation(directory->control_socket(), line.operation);
  if (sent) return tell(*sent);
  const auto lock = directory->lock();
  if (!lock) return say(lock.error() + " (" + sent.error() + ")\n", EXIT_FAILURE);
  return say(
      "the server stopped meanwhile: it may or may not have been done; look before you try "
      "again (" +
          sent.error() + ")\n",
      EXIT_FAILURE);
}

// Through the running server where there is one, else in this process.
int run_operation_anywhere(CommandLine& line) {
  if (line.needs_password) line.operation.password = read_password();
  if (const auto done = run_at_server(line)) return *done;
  // Standard output is for what was asked; only what goes wrong is logged.
  log::set_level(std::max(line.config.log_level, log::Level::warning));
  auto core = Core::open(line.config);
  if (!core) return say(core.error() + "\n", 1);
  const OperationContext context = (*core)->operation_context();
  const OperationResult result = run_operation(context, line.operation);
  if (line.config.uses_postgres()) (*core)->apply_waiting_events();
  (*core)->stop();
  return tell(result);
}

int migrate(const Config& config) {
  std::optional<DataDirectory> directory;
  FileLock lock;
  if (!config.uses_postgres()) {
    auto opened = DataDirectory::open(config.data_dir);
    if (!opened) return say(opened.error() + "\n", 1);
    auto locked = opened->lock();
    if (!locked) return say(locked.error() + "\n", 1);
    directory = std::move(*opened);
    lock = std::move(*locked);
  }
  const auto migrated = migrate_database(config, directory ? &*directory : nullptr);
  if (!migrated) return say(migrated.error() + "\n", 1);
  return say(migrated->from == migrated->to
                 ? fmt::format("the schema is {}: nothing to do\n", migrated->to)
                 : fmt::format("the schema went from {} to {}\n", migrated->from, migrated->to),
             0);
}

int ask_and_log_in(const CommandLine& line) {
  std::string email = line.email;
  if (email.empty()) {
    if (isatty(STDIN_FILENO) != 0) std::fputs("Email: ", stderr);
    email = read_line();
  }
  return tell(log_in(line.client, email, read_password()));
}

int copy(const CommandLine& line) {
  log::set_level(std::max(line.config.log_level, log::Level::warning));
  return tell(copy_database(line.config, line.copy));
}

int healthcheck(const Config& config) {
  const std::string host =
      config.host == "0.0.0.0" || config.host == "::" ? "127.0.0.1" : config.host;
  const auto response =
      net::fetch(host, config.port, net::Method::get, "/readyz", "", {}, healthcheck_limit);
  if (!response) return say(response.error() + "\n", 1);
  return say(response->body + "\n", response->status == 200 ? 0 : 1);
}

// No more than it uses: a job without a sidecar, which has them in its environment, asks nobody.
std::vector<std::string_view> secrets_of(Command command) {
  if (command == Command::migrate) return {"DATABASE_URL"};
  if (command == Command::operation) return {"DATABASE_URL", "JWT_SECRET", "AUDIT_KEY"};
  if (command != Command::serve) return {};
  return {"DATABASE_URL", "JWT_SECRET", "AUDIT_KEY", "OPENAI_API_KEY"};
}

int run(CommandLine line) {
  log::set_level(line.config.log_level);
  if (auto filled = fill_secrets(line.config, secrets_of(line.command)); !filled) {
    log::error("cannot start", {{"error", filled.error()}});
    return say(filled.error() + "\n", EXIT_FAILURE);
  }
  switch (line.command) {
    case Command::serve:
      return serve(line.config);
    case Command::migrate:
      return migrate(line.config);
    case Command::check_config: {
      const auto checked = check_keys(line.config);
      return checked ? say(describe(line.config), 0) : say(checked.error() + "\n", 1);
    }
    case Command::operation:
      return run_operation_anywhere(line);
    case Command::copy:
      return copy(line);
    case Command::login:
      return ask_and_log_in(line);
    case Command::add:
      return tell(add_task(line.client, line.text));
    case Command::healthcheck:
      return healthcheck(line.config);
    case Command::version:
      return say(fmt::format("todo-backend {}\n", version()), 0);
  }
  return EXIT_FAILURE;
}

int start(int argc, const char* const* argv) {
  if (sodium_init() < 0) return say("libsodium could not start\n", EXIT_FAILURE);
  auto parsed =
      parse_command_line(argc, argv, [](std::string_view variable) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(variable).c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      });
  if (const auto* notice = std::get_if<Notice>(&parsed)) {
    // The log is what is read where nobody looks at standard error.
    if (notice->exit_code != 0 && notice->serves)
      log::error("cannot start", {{"error", notice->text.substr(0, notice->text.find('\n'))}});
    return say(notice->text, notice->exit_code);
  }
  return run(std::move(std::get<CommandLine>(parsed)));
}

}  // namespace
}  // namespace todo::app

int main(int argc, char** argv) {
  // Answers come and go by the hundred kilobytes: what was freed is kept for the next, instead of
  // being given back to the system and asked for again. And memory is taken by the megabyte, from
  // one heap: to ask for a page more means waiting for whoever else changes the process's memory,
  // as each password's hash does for milliseconds.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TOP_PAD, 8 << 20);
  try {
    return todo::app::start(argc, argv);
  } catch (const std::exception& error) {
    todo::log::error("the program failed", {{"error", error.what()}});
    return EXIT_FAILURE;
  }
}
