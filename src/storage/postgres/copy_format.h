#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "storage/transfer.h"

// The binary format of COPY (PostgreSQL's manual, COPY, “Binary Format”).
namespace todo::storage::postgres {

void append_copy_header(std::string& out);
// `types` are the object ids of the columns' types. Throws std::runtime_error for a number that its
// column cannot hold.
void append_copy_row(std::string& out, const transfer::Table& table,
                     std::span<const std::uint32_t> types, std::string_view row);
void append_copy_end(std::string& out);

}  // namespace todo::storage::postgres
