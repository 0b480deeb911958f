#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.h"

namespace todo::http {

// Opaque, versioned page positions: a version byte, a fingerprint of the query they belong to, and
// the position.
class CursorWriter {
 public:
  explicit CursorWriter(std::string_view query);
  CursorWriter& number(std::int64_t value);
  CursorWriter& optional_number(std::optional<std::int64_t> value);
  CursorWriter& id(const Uuid& value);
  CursorWriter& text(std::string_view value);
  std::string finish() const;  // base64url

 private:
  std::string bytes_;
};

// Reads what CursorWriter wrote for the same query. Any reading past the end or a wrong fingerprint
// makes `valid` false.
class CursorReader {
 public:
  CursorReader(std::string_view cursor, std::string_view query);
  std::int64_t number();
  std::optional<std::int64_t> optional_number();
  Uuid id();
  std::string text();
  // Everything read, nothing left over.
  bool valid() const { return valid_ && at_ == bytes_.size(); }

 private:
  std::string_view take(std::size_t count);
  std::string bytes_;
  std::size_t at_ = 0;
  bool valid_ = false;
};

}  // namespace todo::http
