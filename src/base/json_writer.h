#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time_text.h"
#include "base/uuid.h"

namespace todo {

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
    const std::size_t before = out_.size();
    const bool comma = !first_;
    out_.resize_and_overwrite(before + name.size() + 4, [&](char* text, std::size_t) {
      char* end = text + before;
      if (comma) *end++ = ',';
      *end++ = '"';
      end = std::ranges::copy(name, end).out;
      *end++ = '"';
      *end++ = ':';
      return static_cast<std::size_t>(end - text);
    });
    first_ = true;
    return *this;
  }

  JsonWriter& null() { return raw("null"); }
  JsonWriter& value(bool value) { return raw(value ? "true" : "false"); }
  JsonWriter& value(std::int64_t value);
  JsonWriter& value(int value) { return this->value(static_cast<std::int64_t>(value)); }
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const std::string& text) { return value(std::string_view{text}); }
  JsonWriter& value(const char* text) { return value(std::string_view{text}); }
  JsonWriter& value(const Uuid& id);
  JsonWriter& value(Instant instant);
  JsonWriter& value(Date date) { return value(std::string_view{format_date(date)}); }
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
    return key(name).value(value);
  }

 private:
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
