#pragma once

#include <expected>
#include <string>

#include "storage/sqlite/connection.h"

namespace todo::storage::sqlite {

// The newest schema this program knows.
inline constexpr int schema_version = 1;
// The oldest program that may use this schema, by the schema it knows.
inline constexpr int schema_min_app = 1;

// 0: an empty file. Fails with a sentence when the file is no database of ours, or one that newer
// programs alone can use.
std::expected<int, std::string> read_schema_version(Connection& connection);
// One transaction from `from` to schema_version.
void migrate_schema(Connection& connection, int from);
// A new epoch: answers cached by clients before a restore are no longer good.
void renew_epoch(Connection& connection);

}  // namespace todo::storage::sqlite
