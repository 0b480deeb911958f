#pragma once

#include <expected>
#include <string>

#include "app/config.h"
#include "app/operations.h"

namespace todo::app {

// `sqlite:PATH` or a PostgreSQL URL.
struct CopyRequest {
  std::string from;
  std::string to;
};

// Moves a whole database into an empty one, on the calling thread, and verifies it: all rows are
// read back, and every user's chain is walked at the target. A copy that was broken off goes on
// where it was. An SQLite file must not be served meanwhile; of PostgreSQL one snapshot is read.
// How far it is goes to standard error. Never throws; no text shows a password.
OperationResult copy_database(const Config& config, const CopyRequest& request);

// A backup of PostgreSQL is an SQLite file, as the embedded database's is, so that either database
// restores it. Both fail with a sentence.
std::expected<void, std::string> back_up_postgres(const std::string& url, const std::string& path);
// Replaces everything in one transaction, while servers go on.
std::expected<void, std::string> restore_postgres(const std::string& url, const std::string& path);

}  // namespace todo::app
