#pragma once

#include <expected>
#include <memory>
#include <string>

#include "storage/transfer.h"

// SQLite files as ends of a copy. Nobody else writes them meanwhile: the caller holds the lock of
// the data directory that they are in.
namespace todo::storage::sqlite {

// A snapshot of a whole database of this program's schema. Fails with a sentence.
std::expected<std::unique_ptr<transfer::Reader>, std::string> open_source(const std::string& path);

enum class Leftover { go_on, forget };

// The file is made as `path`.copying and gets its name when it is whole, so that no server can
// start on a part of it. `source_epoch` is of the database that is copied: with go_on a copy of it
// that was broken off is gone on with, and one of another database is refused. Fails with a
// sentence.
std::expected<std::unique_ptr<transfer::Writer>, std::string> open_target(
    const std::string& path, const std::string& source_epoch, Leftover leftover);

}  // namespace todo::storage::sqlite
