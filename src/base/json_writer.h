#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time_text.h"
#include "base/uuid.h"

namespace todo {

// Values that are short, and never escaped: as JSON, and how long that is at most.
inline std::size_t json_bytes_max(bool) { return 5; }
inline std::size_t json_bytes_max(int) { return 11; }
inline std::size_t json_bytes_max(std::int64_t) { return 20; }
inline std::size_t json_bytes_max(const Uuid&) { return 38; }
inline std::size_t json_bytes_max(Instant) { return instant_text_max + 2; }
inline std::size_t json_bytes_max(Date) { return date_text_max + 2; }
char* put_json(char* to, bool value);
char* put_json(char* to, std::int64_t value);
inline char* put_json(char* to, int value) { return put_json(to, std::int64_t{value}); }
char* put_json(char* to, const Uuid& id);
char* put_json(char* to, Instant instant);
char* put_json(char* to, Date date);

template <class T>
concept JsonScalar =
    std::same_as<T, bool> || std::same_as<T, int> || std::same_as<T, std::int64_t> ||
    std::same_as<T, Uuid> || std::same_as<T, Instant> || std::same_as<T, Date>;

// Writes JSON (RFC 8259) straight into a string. The caller keeps objects and arrays balanced;
// commas are placed by the writer. Texts must be valid UTF-8.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  // `name` is one of ours: it is written as it stands.
  JsonWriter& key(std::string_view name) {
    append(name.size() + 4, [&](char* to) { return put_key(to, name); });
    first_ = true;
    return *this;
  }

  JsonWriter& null() { return raw("null"); }
  JsonWriter& value(const JsonScalar auto& value) {
    append(1 + json_bytes_max(value), [&](char* to) {
      if (!first_) *to++ = ',';
      return put_json(to, value);
    });
    first_ = false;
    return *this;
  }
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const std::string& text) { return value(std::string_view{text}); }
  JsonWriter& value(const char* text) { return value(std::string_view{text}); }
  // Text that is JSON already.
  JsonWriter& raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
  }

  template <class T>
  JsonWriter& value(const std::optional<T>& optional) {
    return optional ? value(*optional) : null();
  }
  template <class T>
  JsonWriter& member(std::string_view name, const T& value) {
    if constexpr (JsonScalar<T>) {
      append(name.size() + 4 + json_bytes_max(value),
             [&](char* to) { return put_json(put_key(to, name), value); });
      first_ = false;
      return *this;
    } else {
      return key(name).value(value);
    }
  }

 private:
  // `put` writes at most `bytes_max` and answers where it ended.
  template <class Put>
  void append(std::size_t bytes_max, Put put) {
    const std::size_t before = out_.size();
    out_.resize_and_overwrite(before + bytes_max, [&](char* text, std::size_t) {
      return static_cast<std::size_t>(put(text + before) - text);
    });
  }
  char* put_key(char* to, std::string_view name) const {
    if (!first_) *to++ = ',';
    *to++ = '"';
    to = std::ranges::copy(name, to).out;
    *to++ = '"';
    *to++ = ':';
    return to;
  }

  JsonWriter& open(char bracket) {
    separate();
    out_ += bracket;
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    out_ += bracket;
    first_ = false;
    return *this;
  }
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }

  std::string& out_;
  bool first_ = true;
};

void append_json_string(std::string& out, std::string_view text);

}  // namespace todo
