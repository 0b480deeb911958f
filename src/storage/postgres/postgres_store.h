#pragma once

#include <chrono>
#include <expected>
#include <memory>
#include <string>

#include "base/clock.h"
#include "observability/metrics.h"
#include "storage/postgres/schema.h"
#include "storage/store.h"

namespace todo::storage::postgres {

struct Options {
  std::string url;         // postgres://…; a transaction pooler's is good
  std::string direct_url;  // past any pooler: for LISTEN and migrations; empty: none
  int pool = 16;           // threads, with a connection each
  bool migrate = true;     // false: an older schema is refused
  std::chrono::milliseconds connect_max{5'000};
  std::chrono::milliseconds answer_max{10'000};  // for each answer of the database
  std::chrono::milliseconds queue_max{10'000};   // what waited longer fails without being begun
};

// Connects, migrates and starts. Fails with a sentence for the operator, without the password: not
// reachable, not allowed, a newer schema, tables of another program.
std::expected<std::unique_ptr<Store>, std::string> open(const Options& options, const Clock& clock,
                                                        metrics::Registry& metrics);

// Migrates; says from which version to which (equal: nothing to do).
std::expected<Migrated, std::string> migrate(const Options& options);

}  // namespace todo::storage::postgres
