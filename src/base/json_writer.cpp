#include "base/json_writer.h"

#include <charconv>
#include <cstring>

namespace todo {
namespace {

bool needs_escape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; }

// Of eight bytes: has one a value below 0x20, or is it a quote or a backslash? (Bit tricks on a
// word: "Determine if a word has a byte less than n", Bit Twiddling Hacks.)
bool any_needs_escape(const char* eight) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t highs = 0x8080808080808080;
  std::uint64_t word = 0;
  std::memcpy(&word, eight, sizeof word);
  const auto has_zero = [](std::uint64_t w) { return (w - ones) & ~w & highs; };
  const std::uint64_t below_space = (word - ones * 0x20) & ~word & highs;
  return (below_space | has_zero(word ^ (ones * '"')) | has_zero(word ^ (ones * '\\'))) != 0;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 0xf];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t run = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // Most texts have nothing to escape: eight bytes at a look.
    while (i + 8 <= text.size() && !any_needs_escape(text.data() + i)) i += 8;
    if (i == text.size()) break;
    if (!needs_escape(text[i])) continue;
    out.append(text, run, i - run);
    append_escape(out, text[i]);
    run = i + 1;
  }
  out.append(text, run, text.size() - run);
  out += '"';
}

char* put_json(char* to, bool value) {
  return std::ranges::copy(value ? std::string_view{"true"} : std::string_view{"false"}, to).out;
}

char* put_json(char* to, std::int64_t value) {
  return std::to_chars(to, to + json_bytes_max(value), value).ptr;
}

char* put_json(char* to, const Uuid& id) {
  *to++ = '"';
  to = id.put(to);
  *to++ = '"';
  return to;
}

char* put_json(char* to, Instant instant) {
  *to++ = '"';
  to = put_instant(to, instant);
  *to++ = '"';
  return to;
}

char* put_json(char* to, Date date) {
  *to++ = '"';
  to = put_date(to, date);
  *to++ = '"';
  return to;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

}  // namespace todo
