#include "support/postgres.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "support/source_dir.h"

namespace todo::test {
namespace {

void check(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}

// A cluster of this program's own: tests/harness/postgres.py holds it for as long as our end of its
// standard input is open, so it also goes when we crash.
class OwnCluster {
 public:
  OwnCluster() {
    std::array<int, 2> input{};
    std::array<int, 2> output{};
    check(::pipe2(input.data(), O_CLOEXEC) == 0 && ::pipe2(output.data(), O_CLOEXEC) == 0, "pipe");
    spawn(input[0], output[1]);
    ::close(input[0]);
    ::close(output[1]);
    hold_ = input[1];
    url_ = read_line(output[0]);
    ::close(output[0]);
    check(!url_.empty(), "tests/harness/postgres.py started no cluster: see its message");
  }
  ~OwnCluster() {
    ::close(hold_);
    ::waitpid(child_, nullptr, 0);
  }
  OwnCluster(const OwnCluster&) = delete;
  OwnCluster& operator=(const OwnCluster&) = delete;

  const std::string& url() const { return url_; }

 private:
  void spawn(int input, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawnattr_init(&attributes);
    // Ctrl-C is ours alone; it learns of our end.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    std::string python = "/usr/bin/python3";
    std::string script = std::string(source_dir) + "/tests/harness/postgres.py";
    std::string command = "run";
    std::array<char*, 4> arguments{python.data(), script.data(), command.data(), nullptr};
    const int failed =
        ::posix_spawn(&child_, python.c_str(), &actions, &attributes, arguments.data(), environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    check(failed == 0, "cannot run " + python);
  }

  static std::string read_line(int file) {
    std::string line;
    for (char c = 0; ::read(file, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  pid_t child_ = 0;
  int hold_ = -1;
  std::string url_;
};

// The URL of the cluster's database postgres.
std::string cluster_url() {
  if (const char* given = std::getenv("TODO_TEST_POSTGRES")) return given;
  static const OwnCluster own;
  return own.url();
}

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

Connection connect(const std::string& url) {
  Connection connection(PQconnectdb(url.c_str()), PQfinish);
  check(PQstatus(connection.get()) == CONNECTION_OK, PQerrorMessage(connection.get()));
  return connection;
}

std::string run(PGconn* connection, const std::string& sql) {
  const Result result(PQexec(connection, sql.c_str()), PQclear);
  const auto status = PQresultStatus(result.get());
  check(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, PQerrorMessage(connection));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

// On the database postgres, on a connection that is kept for the next time.
void administer(const std::string& sql) {
  static const Connection connection = connect(cluster_url());
  run(connection.get(), sql);
}

std::string new_name() {
  static std::atomic<int> count{0};
  return "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
}

}  // namespace

PostgresDatabase::PostgresDatabase(const std::string& original) : name_(new_name()) {
  administer("CREATE DATABASE " + name_ + " TEMPLATE " + original + " STRATEGY FILE_COPY");
  const std::string cluster = cluster_url();
  url_ = cluster.substr(0, cluster.rfind('/') + 1) + name_;
}

PostgresDatabase::~PostgresDatabase() {
  try {
    administer("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
  } catch (const std::exception& error) {
    // It goes with its cluster.
    std::fprintf(stderr, "%s is left: %s", name_.c_str(), error.what());
  }
}

std::string PostgresDatabase::execute(const std::string& sql) const {
  return run(connect(url_).get(), sql);
}

void PostgresDatabase::cut_connections() const {
  administer("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '" +
             name_ + "'");
}

}  // namespace todo::test
