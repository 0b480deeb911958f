#pragma once

#include <expected>
#include <string>

#include "storage/sqlite/connection.h"

// Databases as files: copies, and what a restore needs.
namespace todo::storage::sqlite {

// A consistent copy of a database in use, synced to the disk; refuses to overwrite. Fails with a
// sentence.
std::expected<void, std::string> copy_database(const std::string& from, const std::string& to);

// A closed database gets its name: for its owner alone, synced to the disk. Fails with a sentence.
std::expected<void, std::string> put_in_place(const std::string& temporary, const std::string& to);

// Copies a backup to `to`, checks it, brings it to this program's schema and gives it a new epoch.
std::expected<void, std::string> prepare_restore(const std::string& backup, const std::string& to);

// Replaces everything in `target` by the database at `path`, in one transaction.
std::expected<void, std::string> replace_contents(Connection& target, const std::string& path);

// The file and what SQLite keeps beside it.
void remove_database(const std::string& path);

}  // namespace todo::storage::sqlite
