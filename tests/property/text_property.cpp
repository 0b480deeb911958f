#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "base/time_text.h"
#include "base/uuid.h"
#include "http/cursor.h"
#include "http/query.h"

namespace todo {
namespace {

namespace json = boost::json;

void append_code_point(std::string& out, std::uint32_t c) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) return byte(c);
  if (c < 0x800) {
    byte(0xc0 | c >> 6);
  } else if (c < 0x10000) {
    byte(0xe0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3f));
  } else {
    byte(0xf0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3f));
    byte(0x80 | (c >> 6 & 0x3f));
  }
  byte(0x80 | (c & 0x3f));
}

// Any text a person could send: no NUL, no surrogates; ASCII and blanks more often than their
// share.
std::string any_text() {
  const auto code_point = rc::gen::oneOf(
      rc::gen::inRange<std::uint32_t>(1, 0x80), rc::gen::inRange<std::uint32_t>(0x80, 0x800),
      rc::gen::inRange<std::uint32_t>(0x800, 0xd800),
      rc::gen::inRange<std::uint32_t>(0xe000, 0x110000),
      rc::gen::element<std::uint32_t>(' ', '\t', 0xa0, 0x2003, 0x3000, 0xfeff, '"', '\\', '\n'));
  std::string text;
  for (const auto c : *rc::gen::container<std::vector<std::uint32_t>>(code_point)) {
    append_code_point(text, c);
  }
  return text;
}

Uuid any_uuid() {
  Uuid id;
  for (auto& byte : id.bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
  return id;
}

// --- text ---

RC_GTEST_PROP(TextProperty, trimming_and_shortening_leave_whole_characters, ()) {
  const std::string text = any_text();
  RC_ASSERT(is_valid_utf8(text));
  const std::string_view trimmed = trim(text);
  RC_ASSERT(is_valid_utf8(trimmed));
  RC_ASSERT(trim(trimmed) == trimmed);
  const std::size_t limit = *rc::gen::inRange<std::size_t>(1, 30);
  const std::string shortened = shorten(text, limit);
  RC_ASSERT(is_valid_utf8(shortened));
  RC_ASSERT(count_code_points(shortened) <= limit);
  RC_ASSERT(count_code_points(text) > limit || shortened == text);
}

RC_GTEST_PROP(TextProperty, folded_text_is_text_and_folds_to_itself, ()) {
  const std::string folded = fold_case(any_text());
  RC_ASSERT(is_valid_utf8(folded));
  RC_ASSERT(fold_case(folded) == folded);
}

RC_GTEST_PROP(TextProperty, base64url_brings_bytes_back, (const std::string& bytes)) {
  const std::string text = base64url_encode(bytes);
  RC_ASSERT(base64url_decode(text) == bytes);
  RC_ASSERT(http::percent_encode(text) == text);  // fit for a URL as it stands
}

RC_GTEST_PROP(TextProperty, query_parameters_come_back_as_they_were_meant, ()) {
  const std::string name = any_text();
  const std::string value = any_text();
  RC_PRE(!name.empty());
  const std::string encoded = http::percent_encode(name) + "=" + http::percent_encode(value);
  auto query = http::Query::parse(encoded);
  RC_ASSERT(query.has_value());
  RC_ASSERT(query->text(name, 10'000) == value);
  RC_ASSERT(query->finish().has_value());
  RC_ASSERT(query->encoded_without("") == encoded);
}

// --- time ---

RC_GTEST_PROP(TimeTextProperty, instants_come_back_from_their_text, ()) {
  const Instant instant = instant_from_ms(
      *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, to_ms(latest_instant) + 1),
                      rc::gen::inRange<std::int64_t>(-86'400'000, 4'102'444'800'000)));
  const std::string text = format_instant(instant);
  RC_ASSERT(parse_instant(text) == instant);
  RC_ASSERT(text.ends_with('Z'));
  const LocalTime local{instant.time_since_epoch()};
  RC_ASSERT(parse_local(format_local(local)) == local);
  const Date date{std::chrono::floor<std::chrono::days>(local)};
  RC_ASSERT(parse_date(format_date(date)) == date);
}

RC_GTEST_PROP(TimeTextProperty, an_offset_says_the_same_instant, ()) {
  const Instant instant = instant_from_ms(*rc::gen::inRange<std::int64_t>(0, 4'102'444'800'000));
  const int minutes = *rc::gen::inRange(-1'439, 1'440);
  const LocalTime local{instant.time_since_epoch() + std::chrono::minutes{minutes}};
  std::string text = format_local(local);
  // Digits behind the milliseconds are cut, whatever they are.
  if (text.size() > 19) text += std::to_string(*rc::gen::inRange(0, 1'000'000));
  const auto two_digits = [](int value) { return std::to_string(100 + value).substr(1); };
  text += minutes < 0 ? '-' : '+';
  text += two_digits(std::abs(minutes) / 60) + ":" + two_digits(std::abs(minutes) % 60);
  RC_ASSERT(parse_instant(text) == instant);
}

// --- ids ---

RC_GTEST_PROP(UuidProperty, texts_sort_as_ids_do, ()) {
  const Uuid one = any_uuid();
  const Uuid other = any_uuid();
  RC_ASSERT(Uuid::parse(one.to_string()) == one);
  RC_ASSERT((one <=> other) == (one.to_string() <=> other.to_string()));
}

class SteppingClock final : public Clock {
 public:
  Instant now() const override { return instant_from_ms(ms); }
  std::int64_t ms = 1'770'638'400'000;
};

RC_GTEST_PROP(UuidProperty, ids_increase_however_the_clock_steps,
              (const std::vector<std::int8_t>& steps)) {
  SteppingClock clock;
  Uuid7Generator ids(clock);
  Uuid last = ids.next();
  for (const auto step : steps) {
    clock.ms += step;
    const Uuid next = ids.next();
    RC_ASSERT(last < next);
    last = next;
  }
}

// --- JSON ---

// Writes a value with the writer and makes the same one by hand.
json::value any_value(JsonWriter& writer, int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 6 : 4)) {
    case 0: {
      const std::string text = any_text();
      writer.value(text);
      return json::string(text);
    }
    case 1: {
      const auto number = *rc::gen::arbitrary<std::int64_t>();
      writer.value(number);
      return number;
    }
    case 2: {
      const bool truth = *rc::gen::arbitrary<bool>();
      writer.value(truth);
      return truth;
    }
    case 3:
      writer.null();
      return nullptr;
    case 4: {
      json::array array;
      writer.begin_array();
      const int size = *rc::gen::inRange(0, 4);
      for (int i = 0; i < size; ++i) array.push_back(any_value(writer, depth - 1));
      writer.end_array();
      return array;
    }
    default: {
      json::object object;
      writer.begin_object();
      const int size = *rc::gen::inRange(0, 4);
      for (int i = 0; i < size; ++i) {
        const std::string name = "member_" + std::to_string(i);
        writer.key(name);
        object.emplace(name, any_value(writer, depth - 1));
      }
      writer.end_object();
      return object;
    }
  }
}

RC_GTEST_PROP(JsonProperty, what_is_written_is_read_again, ()) {
  std::string text;
  JsonWriter writer(text);
  const json::value expected = any_value(writer, 4);
  const auto value = parse_json(text);
  RC_ASSERT(value.has_value());
  RC_ASSERT(*value == expected);
  RC_ASSERT(text.find('\n') == std::string::npos);
}

// --- cursors ---

struct Item {
  int kind = 0;
  std::int64_t number = 0;
  std::string text;
  Uuid id;

  void write(http::CursorWriter& cursor) const {
    if (kind == 0) cursor.number(number);
    if (kind == 1) cursor.optional_number(number);
    if (kind == 2) cursor.optional_number(std::nullopt);
    if (kind == 3) cursor.id(id);
    if (kind == 4) cursor.text(text);
  }
  bool comes_back(http::CursorReader& cursor) const {
    if (kind == 0) return cursor.number() == number;
    if (kind == 1) return cursor.optional_number() == number;
    if (kind == 2) return cursor.optional_number() == std::nullopt;
    if (kind == 3) return cursor.id() == id;
    return cursor.text() == text;
  }
};

RC_GTEST_PROP(CursorProperty, a_position_comes_back_for_its_query_alone, ()) {
  const auto query = *rc::gen::arbitrary<std::string>();
  std::vector<Item> items(*rc::gen::inRange<std::size_t>(0, 6));
  http::CursorWriter writer(query);
  for (Item& item : items) {
    item = {*rc::gen::inRange(0, 5), *rc::gen::arbitrary<std::int64_t>(),
            *rc::gen::arbitrary<std::string>(), any_uuid()};
    item.write(writer);
  }
  const std::string cursor = writer.finish();
  http::CursorReader reader(cursor, query);
  for (const Item& item : items) RC_ASSERT(item.comes_back(reader));
  RC_ASSERT(reader.valid());
  RC_ASSERT(!http::CursorReader(cursor, query + "x").valid());
}

RC_GTEST_PROP(CursorProperty, a_cursor_cut_short_or_drawn_out_is_none, ()) {
  const std::string cursor = http::CursorWriter("q").number(7).text("milk").finish();
  const auto read = [](const std::string& text) {
    http::CursorReader reader(text, "q");
    reader.number();
    reader.text();
    return reader.valid();
  };
  RC_ASSERT(read(cursor));
  RC_ASSERT(!read(cursor.substr(0, *rc::gen::inRange<std::size_t>(0, cursor.size()))));
  RC_ASSERT(!read(cursor + *rc::gen::nonEmpty<std::string>()));
}

}  // namespace
}  // namespace todo
