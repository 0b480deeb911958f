#pragma once

#include <expected>
#include <memory>
#include <string>

#include "base/clock.h"
#include "observability/metrics.h"
#include "storage/store.h"

namespace todo::storage::sqlite {

struct Options {
  std::string path;              // the database file; made where it is missing
  int readers = 2;               // min(4, cores)
  bool migrate = true;           // false: an older schema is refused
  std::string backup_directory;  // where the automatic backup before a migration goes
};

// Opens (and migrates) the database. The caller holds the flock on DATA_DIR/lock, so nobody else
// writes the file. Fails with a sentence for the operator: a newer schema, not a database, no
// permission, disk full.
std::expected<std::unique_ptr<Store>, std::string> open(const Options& options, const Clock& clock,
                                                        metrics::Registry& metrics);

// Migrates and closes again; says from which version to which (equal: nothing to do).
struct Migrated {
  int from = 0;
  int to = 0;
};
std::expected<Migrated, std::string> migrate(const Options& options);

}  // namespace todo::storage::sqlite
