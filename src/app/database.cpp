#include "app/database.h"

#include <algorithm>
#include <thread>

#include "app/copy.h"
#include "storage/postgres/postgres_store.h"
#include "storage/sqlite/sqlite_store.h"

namespace todo::app {
namespace {

constexpr unsigned sqlite_readers_max = 4;

storage::sqlite::Options sqlite_options(const Config& config, const DataDirectory& directory) {
  storage::sqlite::Options options;
  options.path = database_path(config, directory);
  options.backup_directory = directory.backups_directory();
  options.readers =
      static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, sqlite_readers_max));
  return options;
}

storage::postgres::Options postgres_options(const Config& config) {
  storage::postgres::Options options;
  options.url = config.database_url;
  options.direct_url = config.database_direct_url;
  options.pool = config.db_pool;
  options.back_up = [url = config.database_url](const std::string& path) {
    return back_up_postgres(url, path);
  };
  options.restore = [url = config.database_url](const std::string& path) {
    return restore_postgres(url, path);
  };
  return options;
}

template <class T>
std::expected<Migrated, std::string> as_migrated(const std::expected<T, std::string>& migrated) {
  if (!migrated) return std::unexpected(migrated.error());
  return Migrated{migrated->from, migrated->to};
}

}  // namespace

std::expected<std::unique_ptr<storage::Store>, std::string> open_database(
    const Config& config, const DataDirectory* directory, const Clock& clock,
    metrics::Registry& metrics) {
  return config.uses_postgres()
             ? storage::postgres::open(postgres_options(config), clock, metrics)
             : storage::sqlite::open(sqlite_options(config, *directory), clock, metrics);
}

std::expected<Migrated, std::string> migrate_database(const Config& config,
                                                      const DataDirectory* directory) {
  return config.uses_postgres()
             ? as_migrated(storage::postgres::migrate(postgres_options(config)))
             : as_migrated(storage::sqlite::migrate(sqlite_options(config, *directory)));
}

}  // namespace todo::app
