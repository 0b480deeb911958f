#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/limits.h"

namespace todo {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

void expect_refused(std::string_view text) {
  const auto value = parse_json(text);
  ASSERT_FALSE(value) << text;
  EXPECT_EQ(value.error().code, ErrorCode::malformed) << text;
  EXPECT_FALSE(value.error().detail.empty()) << text;
}

TEST(JsonReaderTest, reads_what_json_is) {
  const auto value = parse_json(
      " {\"a\": [1, -2, 2.5, true, null, \"x\\n\\u00e9\\ud83d\\ude00\"], \"\": {}, \"A\": "
      "18446744073709551615} ");
  ASSERT_TRUE(value);
  EXPECT_EQ(value->at("a").at(1).as_int64(), -2);
  EXPECT_EQ(value->at("a").at(5).as_string(), "x\né😀");
  EXPECT_TRUE(value->at("").as_object().empty());
  EXPECT_EQ(value->at("A").as_uint64(), 18446744073709551615U);
  for (const char* text : {"0", "\"\"", "null", "[]", "\t[1]\r\n"}) {
    EXPECT_TRUE(parse_json(text)) << text;
  }
}

TEST(JsonReaderTest, refuses_a_member_that_is_there_twice) {
  expect_refused(R"({"a":1,"a":2})");
  expect_refused(R"({"a":1,"b":2,"a":1})");
  expect_refused(R"({"x":[{"a":1,"\u0061":1}]})");  // the same name, written differently
  expect_refused(R"({"":1,"":2})");
  EXPECT_TRUE(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":1}],"A":1})"));
}

TEST(JsonReaderTest, names_the_member_that_is_there_twice) {
  EXPECT_NE(parse_json(R"({"title":1,"title":2})").error().detail.find("title"), std::string::npos);
}

TEST(JsonReaderTest, refuses_numbers_that_no_double_holds) {
  expect_refused("1e400");
  expect_refused("[-1e400]");
  expect_refused(R"({"a":1e99999999999999999999})");
  expect_refused("1" + std::string(400, '0'));
  EXPECT_TRUE(parse_json("1e-400"));
  EXPECT_TRUE(parse_json("1e308"));
}

TEST(JsonReaderTest, refuses_nul_and_bad_text) {
  expect_refused(R"({"a":"x\u0000y"})");
  expect_refused(R"({"a\u0000":1})");
  expect_refused(std::string_view("\"a\0b\"", 5));
  expect_refused("\"\xFF\"");
  expect_refused("\"\xC0\x80\"");
  expect_refused("\"\xED\xA0\x80\"");   // a surrogate as UTF-8
  expect_refused("\"\xE2\x82\"");       // cut short
  expect_refused(R"("\ud800")");        // half a pair
  expect_refused(R"("\ud800\u0041")");  // with no other half
  expect_refused("{\"\xFF\":1}");
  expect_refused("\"a\nb\"");  // control characters are escaped
  expect_refused("\"\\x41\"");
}

TEST(JsonReaderTest, nests_to_its_limit_and_no_deeper) {
  EXPECT_TRUE(parse_json(nested(limits::json_depth_max)));
  expect_refused(nested(limits::json_depth_max + 1));
  expect_refused(nested(100'000));
  expect_refused(std::string(200'000, '['));
  std::string objects;
  for (std::size_t i = 0; i < limits::json_depth_max; ++i) objects += "{\"a\":";
  EXPECT_TRUE(parse_json(objects + "1" + std::string(limits::json_depth_max, '}')));
  expect_refused("{\"a\":" + objects + "1" + std::string(limits::json_depth_max + 1, '}'));
}

TEST(JsonReaderTest, refuses_what_is_no_json) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[1,]",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{'a':1}",
                           "01",
                           "+1",
                           "1.",
                           ".5",
                           "NaN",
                           "Infinity",
                           "tru",
                           "nul",
                           "\"",
                           "[1] 2",
                           "{} {}",
                           "[1]x",
                           "// c\n1",
                           "/* c */1",
                           "\xEF\xBB\xBF{}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "-",
                           "1e"}) {
    expect_refused(text);
  }
  expect_refused(std::string_view("1\0", 2));
}

TEST(JsonWriterTest, escapes_what_json_wants_escaped_and_no_more) {
  std::string out;
  append_json_string(out, "a\"b\\c/d\n\r\t\b\f\x01\x1f\x7f é😀\u2028");
  EXPECT_EQ(out, "\"a\\\"b\\\\c/d\\n\\r\\t\\u0008\\u000c\\u0001\\u001f\x7f é😀\u2028\"");
  out.clear();
  append_json_string(out, std::string_view("\0", 1));
  EXPECT_EQ(out, "\"\\u0000\"");
}

TEST(JsonWriterTest, places_commas_and_colons) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("a", 1).key("b").begin_array().end_array();
  json.key("c").begin_array().value(true).null().value("x").begin_object().end_object().end_array();
  json.member("d", std::optional<std::string>()).key("e").raw("{\"f\":2}").end_object();
  EXPECT_EQ(out, R"({"a":1,"b":[],"c":[true,null,"x",{}],"d":null,"e":{"f":2}})");
}

TEST(JsonWriterTest, writes_our_types_as_the_api_shows_them) {
  std::string out;
  JsonWriter json(out);
  json.begin_array()
      .value(std::int64_t{INT64_MIN})
      .value(*Uuid::parse("0198F2C4-7BDE-7ABC-9DEF-0123456789AB"))
      .value(instant_from_ms(1'770'638'400'050))
      .value(std::chrono::year{2026} / 2 / 9)
      .value(std::optional(instant_from_ms(0)))
      .end_array();
  EXPECT_EQ(out,
            "[-9223372036854775808,\"0198f2c4-7bde-7abc-9def-0123456789ab\","
            "\"2026-02-09T12:00:00.050Z\",\"2026-02-09\",\"1970-01-01T00:00:00Z\"]");
}

}  // namespace
}  // namespace todo
