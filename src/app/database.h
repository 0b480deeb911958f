#pragma once

#include <expected>
#include <memory>
#include <string>

#include "app/config.h"
#include "app/data_directory.h"
#include "base/clock.h"
#include "observability/metrics.h"
#include "storage/store.h"

namespace todo::app {

// The only place that knows which database is below: PostgreSQL where DATABASE_URL says so, else an
// SQLite file, whose data directory this process must have locked.

struct Migrated {
  int from = 0;
  int to = 0;
};

// `directory` is the locked one; null with PostgreSQL. Both bring the schema up to date. They fail
// with a sentence for the operator.
std::expected<std::unique_ptr<storage::Store>, std::string> open_database(
    const Config& config, const DataDirectory* directory, const Clock& clock,
    metrics::Registry& metrics);
std::expected<Migrated, std::string> migrate_database(const Config& config,
                                                      const DataDirectory* directory);

}  // namespace todo::app
