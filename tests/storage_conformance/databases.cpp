#include <stdexcept>

#include "database.h"
#include "observability/metrics.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/sqlite_store.h"

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
  void age_into_the_future(const std::string& backup) override {
    sqlite::Connection(backup, sqlite::Access::read_write)
        .execute("UPDATE schema_info SET version = version + 100, min_app = min_app + 100");
  }

 private:
  test::TempFolder folder_;
  metrics::Registry metrics_;
};

}  // namespace

const std::vector<DatabaseKind>& all_databases() {
  static const std::vector<DatabaseKind> all{
      {"sqlite", false, [] { return std::make_unique<SqliteDatabase>(); }},
  };
  return all;
}

}  // namespace todo::storage::conformance
