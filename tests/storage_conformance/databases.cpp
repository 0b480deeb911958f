#include <stdexcept>

#include "app/copy.h"
#include "database.h"
#include "observability/metrics.h"
#include "storage/postgres/postgres_store.h"
#include "storage/postgres/schema.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/sqlite_store.h"
#include "support/postgres.h"

namespace todo::storage::conformance {
namespace {

class SqliteDatabase final : public Database {
 public:
  std::unique_ptr<Store> open(const Clock& clock) override {
    auto store = sqlite::open({.path = folder_.file("todo.db"),
                               .readers = 2,
                               .migrate = true,
                               .backup_directory = folder_.file("backups")},
                              clock, metrics_);
    if (!store) throw std::runtime_error(store.error());
    return std::move(*store);
  }

 private:
  test::TempFolder folder_;
  metrics::Registry metrics_;
};

// Migrated once; each test's database is a copy.
const test::PostgresDatabase& migrated() {
  static const auto made = [] {
    auto database = std::make_unique<test::PostgresDatabase>();
    const auto done = postgres::migrate_schema({.connection = {.url = database->url()}});
    if (!done) throw std::runtime_error(done.error());
    return database;
  }();
  return *made;
}

class PostgresDatabase final : public Database {
 public:
  std::unique_ptr<Store> open(const Clock& clock) override {
    postgres::Options options;
    options.url = database_.url();
    options.direct_url = database_.url();
    options.pool = 8;
    const auto with_url = [url = options.url](auto work) {
      return [url, work](const std::string& path) { return work(url, path); };
    };
    options.back_up = with_url(app::back_up_postgres);
    options.restore = with_url(app::restore_postgres);
    // A registry for each store: two stand for two processes.
    auto store = postgres::open(options, clock,
                                *metrics_.emplace_back(std::make_unique<metrics::Registry>()));
    if (!store) throw std::runtime_error(store.error());
    return std::move(*store);
  }

 private:
  test::PostgresDatabase database_ = migrated().copy();
  std::vector<std::unique_ptr<metrics::Registry>> metrics_;
};

}  // namespace

const std::vector<DatabaseKind>& all_databases() {
  static const std::vector<DatabaseKind> all{
      {"sqlite", false, [] { return std::make_unique<SqliteDatabase>(); }},
      {"postgres", true, [] { return std::make_unique<PostgresDatabase>(); }},
  };
  return all;
}

}  // namespace todo::storage::conformance
