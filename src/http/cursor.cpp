#include "http/cursor.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"

namespace todo::http {
namespace {

constexpr char version = 1;

// FNV-1a, 64 bits: a cursor is no secret, its fingerprint only tells a mistake from a page.
std::uint64_t fingerprint(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

void append_big_endian(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = (value << 8) | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

CursorWriter::CursorWriter(std::string_view query) {
  bytes_ += version;
  append_big_endian(bytes_, fingerprint(query));
}

CursorWriter& CursorWriter::number(std::int64_t value) {
  append_big_endian(bytes_, static_cast<std::uint64_t>(value));
  return *this;
}

CursorWriter& CursorWriter::optional_number(std::optional<std::int64_t> value) {
  bytes_ += static_cast<char>(value ? 1 : 0);
  return number(value.value_or(0));
}

CursorWriter& CursorWriter::id(const Uuid& value) {
  bytes_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  return *this;
}

CursorWriter& CursorWriter::text(std::string_view value) {
  number(static_cast<std::int64_t>(value.size()));
  bytes_ += value;
  return *this;
}

std::string CursorWriter::finish() const { return base64url_encode(bytes_); }

CursorReader::CursorReader(std::string_view cursor, std::string_view query) {
  auto bytes = cursor.size() <= limits::cursor_bytes_max ? base64url_decode(cursor) : std::nullopt;
  if (!bytes || bytes->size() < 9 || bytes->front() != version) return;
  bytes_ = std::move(*bytes);
  valid_ = true;
  at_ = 1;
  valid_ = read_big_endian(take(8)) == fingerprint(query);
}

std::string_view CursorReader::take(std::size_t count) {
  if (!valid_ || bytes_.size() - at_ < count) {
    valid_ = false;
    return {};
  }
  const std::string_view taken = std::string_view(bytes_).substr(at_, count);
  at_ += count;
  return taken;
}

std::int64_t CursorReader::number() { return static_cast<std::int64_t>(read_big_endian(take(8))); }

std::optional<std::int64_t> CursorReader::optional_number() {
  const std::string_view flag = take(1);
  if (valid_ && flag[0] != 0 && flag[0] != 1) valid_ = false;
  const std::int64_t value = number();
  return valid_ && flag[0] == 1 ? std::optional(value) : std::nullopt;
}

Uuid CursorReader::id() {
  Uuid id;
  const std::string_view bytes = take(id.bytes.size());
  std::ranges::copy(bytes, reinterpret_cast<char*>(id.bytes.data()));
  return id;
}

std::string CursorReader::text() {
  const std::int64_t size = number();
  if (size < 0) valid_ = false;
  return std::string(take(static_cast<std::size_t>(size)));
}

}  // namespace todo::http
