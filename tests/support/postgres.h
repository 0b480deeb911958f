#pragma once

#include <string>

namespace todo::test {

// An empty PostgreSQL database of its own for a test, gone with the object. The cluster is the test
// run's, which tools/run_tests.py names in TODO_TEST_POSTGRES; without that this program starts one
// with its first database and ends it at exit. What fails throws std::runtime_error.
class PostgresDatabase {
 public:
  PostgresDatabase() : PostgresDatabase("template0") {}
  ~PostgresDatabase();  // whoever is still connected is cut off
  PostgresDatabase(const PostgresDatabase&) = delete;
  PostgresDatabase& operator=(const PostgresDatabase&) = delete;

  // Another with what is in this one now; nobody may be connected to this one. A quarter of the
  // time that the migrations take.
  PostgresDatabase copy() const { return PostgresDatabase(name_); }

  const std::string& name() const { return name_; }
  const std::string& url() const { return url_; }  // postgres://postgres@127.0.0.1:PORT/NAME

  // Runs statements on a connection of its own, as the superuser; the first column of the first row
  // that the last one answers, or an empty text.
  std::string execute(const std::string& sql) const;

  // Ends all connections to it, as an administrator does (SQLSTATE 57P01), once they are gone.
  void cut_connections() const;

 private:
  explicit PostgresDatabase(const std::string& original);

  std::string name_;
  std::string url_;
};

}  // namespace todo::test
