#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "observability/metrics.h"
#include "storage/postgres/schema.h"
#include "storage/store.h"

namespace todo::storage::postgres {

// Backs up to a file, or restores from it; fails with a sentence.
using FileWork = std::function<std::expected<void, std::string>(const std::string& path)>;

struct Options {
  std::string url;         // postgres://…; a transaction pooler's is good
  std::string direct_url;  // past any pooler: for LISTEN and migrations; empty: none
  int pool = 16;           // threads, with a connection each
  bool migrate = true;     // false: an older schema is refused
  std::chrono::milliseconds connect_max{5'000};
  std::chrono::milliseconds answer_max{10'000};  // for each answer of the database
  std::chrono::milliseconds queue_max{10'000};   // what waited longer fails without being begun
  // A backup is an SQLite file, of which this folder knows nothing: whoever knows both does it.
  // Without them the store refuses.
  FileWork back_up = nullptr;
  FileWork restore = nullptr;
};

// Connects, migrates and starts. Fails with a sentence for the operator, without the password: not
// reachable, not allowed, a newer schema, tables of another program.
std::expected<std::unique_ptr<Store>, std::string> open(const Options& options, const Clock& clock,
                                                        metrics::Registry& metrics);

// Migrates; says from which version to which (equal: nothing to do).
std::expected<Migrated, std::string> migrate(const Options& options);

}  // namespace todo::storage::postgres
