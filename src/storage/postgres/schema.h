#pragma once

#include <chrono>
#include <expected>
#include <limits>
#include <span>
#include <string>

#include "storage/postgres/connection.h"

namespace todo::storage::postgres {

// The newest schema this program knows.
inline constexpr int schema_version = 1;

// CREATE INDEX CONCURRENTLY `name` …: made outside of a transaction, while everybody goes on.
struct ConcurrentIndex {
  const char* name;
  const char* sql;
};

// What leads from one schema to the next. A release only adds to it what the release before can
// live with; what it no longer needs goes in the one after.
struct Migration {
  const char* script;  // statements, in one transaction
  int min_app;         // the oldest program that may use the result, by the schema it knows
  std::span<const ConcurrentIndex> indexes;
};

// migrations()[n] leads from schema n to n + 1.
std::span<const Migration> migrations();

// What a database that a copy is filling asks for: no program knows as much, so that no server, of
// whatever release, starts on a part of it.
inline constexpr int min_app_never = std::numeric_limits<int>::max();

struct SchemaState {
  int version = 0;  // 0: there is nothing
  int min_app = 0;
};

// In the connection's transaction. Fails with a sentence where the tables are not ours.
std::expected<SchemaState, std::string> read_schema(Connection& connection);

// Whether a program that knows `known` at most can work on it; else a sentence for the operator.
std::expected<void, std::string> check_schema(SchemaState state, int known = schema_version);

struct MigrationOptions {
  ConnectionOptions connection;
  // For each lock that a migration needs: requests queue up behind one that waits.
  std::chrono::milliseconds lock_max{5'000};
  int attempts_max = 60;
};

struct Migrated {
  int from = 0;
  int to = 0;
};

// Leads to the newest schema and makes missing or broken concurrent indexes. Several processes may
// do so at once: one works, the others wait for it. A newer schema is left as it is. Fails with a
// sentence for the operator.
std::expected<Migrated, std::string> migrate_schema(
    const MigrationOptions& options, std::span<const Migration> steps = migrations());

// In the connection's transaction. A new epoch: answers cached by clients before a restore are no
// longer good.
void renew_epoch(Connection& connection);

}  // namespace todo::storage::postgres
