#pragma once

#include <expected>
#include <memory>
#include <string>

#include "storage/transfer.h"

// PostgreSQL as an end of a copy.
namespace todo::storage::postgres {

// A snapshot of a whole database of this program's schema, while servers go on with it. Fails with
// a sentence.
std::expected<std::unique_ptr<transfer::Reader>, std::string> open_source(const std::string& url);

// An empty database, which is given the schema where it has none, or one that a copy was broken off
// in. Until it is finished its schema asks for a program that does not exist, so that no server
// starts on it. A copy of the database with that `source_epoch` is gone on with, one of another is
// refused, and so is a database that holds anything of its own. Fails with a sentence.
std::expected<std::unique_ptr<transfer::Writer>, std::string> open_target(
    const std::string& url, const std::string& source_epoch);

// A database in use, whose contents are replaced in one transaction: readers see the old or the
// new, and writers wait. Nothing is kept until `finish`; there is nothing to go on with nor to read
// back. Fails with a sentence.
std::expected<std::unique_ptr<transfer::Writer>, std::string> open_replacement(
    const std::string& url);

}  // namespace todo::storage::postgres
