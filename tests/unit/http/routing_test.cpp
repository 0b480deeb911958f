// How a request finds its route, and what its query and cursor say.

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/text.h"
#include "http/cursor.h"
#include "http/query.h"
#include "http/router.h"

namespace todo::http {
namespace {

using net::Method;

// --- routes ---

Router router() {
  Router router;
  router.add(Method::get, "/tasks", 1);
  router.add(Method::post, "/tasks", 2);
  router.add(Method::get, "/tasks/{id}", 3);
  router.add(Method::del, "/tasks/{id}", 4);
  router.add(Method::get, "/tasks/categories", 5);
  router.add(Method::post, "/tasks/{id}/complete", 6);
  router.add(Method::get, "/", 7);
  router.add(Method::get, "/a/{x}/b/{y}", 8);
  return router;
}

TEST(RouterTest, finds_the_route_of_method_and_path) {
  const Router routes = router();
  EXPECT_EQ(routes.find(Method::get, "/tasks").route, 1);
  EXPECT_EQ(routes.find(Method::post, "/tasks").route, 2);
  EXPECT_EQ(routes.find(Method::get, "/").route, 7);
  EXPECT_EQ(routes.find(Method::head, "/tasks").route, 1);
  const auto two = routes.find(Method::get, "/a/1/b/2");
  EXPECT_EQ(two.route, 8);
  EXPECT_EQ(two.params, (std::array<std::string_view, 2>{"1", "2"}));
}

TEST(RouterTest, a_literal_wins_over_a_parameter_whatever_came_first) {
  const Router routes = router();
  EXPECT_EQ(routes.find(Method::get, "/tasks/categories").route, 5);
  EXPECT_EQ(routes.find(Method::get, "/tasks/other").route, 3);
  EXPECT_EQ(routes.find(Method::get, "/tasks/other").params[0], "other");
  EXPECT_EQ(routes.find(Method::get, "/tasks/categories2").route, 3);
}

TEST(RouterTest, a_parameter_is_one_segment_as_it_was_sent) {
  const Router routes = router();
  EXPECT_EQ(routes.find(Method::get, "/tasks/a%2Fb").params[0], "a%2Fb");
  for (const char* path : {"/tasks/", "/tasks//complete", "/tasks/a/b/c", "/tasks/a/complete/",
                           "//tasks", "tasks", "", "/Tasks", "/tasks/a/b", "/task"}) {
    const auto match = routes.find(Method::get, path);
    EXPECT_EQ(match.route, -1) << path;
    EXPECT_FALSE(match.path_known) << path;
  }
}

TEST(RouterTest, a_known_path_names_its_methods) {
  const Router routes = router();
  const auto match = routes.find(Method::put, "/tasks/1");
  EXPECT_EQ(match.route, -1);
  EXPECT_TRUE(match.path_known);
  EXPECT_EQ(match.allow, "GET, HEAD, DELETE");
  EXPECT_EQ(routes.find(Method::get, "/tasks/1/complete").allow, "POST");
  EXPECT_EQ(routes.find(Method::head, "/tasks/1/complete").route, -1);
  EXPECT_TRUE(routes.find(Method::other, "/tasks").path_known);
}

// --- queries ---

std::string fields_of(const Result<void>& result) {
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::invalid);
  std::string fields;
  for (const auto& error : result.error().fields) {
    EXPECT_FALSE(error.message.empty());
    fields += (fields.empty() ? "" : " ") + error.field;
  }
  return fields;
}

TEST(QueryTest, reads_each_kind_of_parameter) {
  auto query = Query::parse(
      "q=milk+%26+caf%C3%A9&done=true&late=false&limit=7&id=0198f2c4-7bde-7abc-9def-0123456789AB"
      "&order=desc&empty=&flag");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text("q", 20), "milk & café");
  EXPECT_EQ(query->boolean("done"), true);
  EXPECT_EQ(query->boolean("late"), false);
  EXPECT_EQ(query->integer("limit", 1, 500), 7);
  EXPECT_EQ(query->uuid("id"), Uuid::parse("0198f2c4-7bde-7abc-9def-0123456789ab"));
  EXPECT_EQ(query->word("order", {"asc", "desc"}), 1);
  EXPECT_EQ(query->text("empty", 5), "");
  EXPECT_EQ(query->text("flag", 5), "");
  EXPECT_EQ(query->text("absent", 5), std::nullopt);
  EXPECT_EQ(query->integer("absent", 0, 1), std::nullopt);
  EXPECT_EQ(fields_of(query->finish()), "");
}

TEST(QueryTest, names_every_bad_value_at_once) {
  auto query = Query::parse("a=yes&b=1.5&c=xyz&d=sideways&e=%C3%A9%C3%A9%C3%A9&f=501");
  ASSERT_TRUE(query);
  EXPECT_FALSE(query->boolean("a"));
  EXPECT_FALSE(query->integer("b", 0, 9));
  EXPECT_FALSE(query->uuid("c"));
  EXPECT_FALSE(query->word("d", {"asc", "desc"}));
  EXPECT_FALSE(query->text("e", 2));
  EXPECT_FALSE(query->integer("f", 1, 500));
  EXPECT_EQ(fields_of(query->finish()), "a b c d e f");
}

TEST(QueryTest, takes_whole_numbers_within_their_bounds_alone) {
  for (const char* text : {"1", "500", "007"}) {
    auto query = Query::parse(std::string("limit=") + text);
    EXPECT_TRUE(query->integer("limit", 1, 500)) << text;
    EXPECT_EQ(fields_of(query->finish()), "") << text;
  }
  for (const char* text : {"", "0", "501", "-1", "+5", "%2B5", "1e2", "0x10", "5.0", " 5", "5 ",
                           "٣", "99999999999999999999"}) {
    auto query = Query::parse(std::string("limit=") + text);
    ASSERT_TRUE(query) << text;
    EXPECT_FALSE(query->integer("limit", 1, 500)) << text;
    EXPECT_EQ(fields_of(query->finish()), "limit") << text;
  }
}

TEST(QueryTest, words_and_truths_are_written_one_way) {
  for (const char* text : {"True", "TRUE", "1", "yes", "", "t"}) {
    auto query = Query::parse(std::string("done=") + text);
    EXPECT_FALSE(query->boolean("done")) << text;
    EXPECT_EQ(fields_of(query->finish()), "done") << text;
  }
  auto query = Query::parse("order=DESC");
  EXPECT_FALSE(query->word("order", {"asc", "desc"}));
  EXPECT_EQ(query->finish().error().fields.front().message, "Must be one of asc, desc");
}

TEST(QueryTest, refuses_unknown_names_and_names_given_twice) {
  auto query = Query::parse("q=a&q=b&other=1&Q=2");
  ASSERT_TRUE(query);
  EXPECT_FALSE(query->text("q", 5));
  EXPECT_EQ(fields_of(query->finish()), "q other Q");
}

TEST(QueryTest, hands_its_mistakes_over_once) {
  auto query = Query::parse("scope=all&other=1");
  query->word("scope", {"this"});
  EXPECT_EQ(query->refusals().size(), 2U);
}

TEST(QueryTest, refuses_broken_encodings) {
  for (const char* text : {"q=%", "q=%4", "q=%zz", "q=%4g", "q=%FF", "q=%C3", "q=%C0%80",
                           "q=%ED%A0%80", "q=a%00b", "%=1", "q=\xFF", "%00=1"}) {
    const auto query = Query::parse(text);
    ASSERT_FALSE(query) << text;
    EXPECT_EQ(query.error().code, ErrorCode::invalid) << text;
    EXPECT_FALSE(query.error().fields.empty()) << text;
  }
  EXPECT_TRUE(Query::parse(""));
  EXPECT_TRUE(Query::parse("&&"));
  EXPECT_TRUE(Query::parse("q=%41"));
}

TEST(QueryTest, the_next_pages_link_says_the_same_again) {
  const auto query = Query::parse("q=milk+%26+caf%C3%A9&cursor=old&category=a%3Db&category=c");
  EXPECT_EQ(query->encoded_without("cursor"), "q=milk%20%26%20caf%C3%A9&category=a%3Db&category=c");
}

// --- cursors ---

TEST(CursorTest, brings_a_position_back) {
  const Uuid id = Uuid::parse("0198f2c4-7bde-7abc-9def-0123456789ab").value();
  const std::string cursor = CursorWriter("sort=title")
                                 .number(-5)
                                 .optional_number(std::nullopt)
                                 .optional_number(INT64_MAX)
                                 .id(id)
                                 .text("a\0é")
                                 .text("")
                                 .finish();
  EXPECT_TRUE(base64url_decode(cursor));
  CursorReader reader(cursor, "sort=title");
  EXPECT_EQ(reader.number(), -5);
  EXPECT_EQ(reader.optional_number(), std::nullopt);
  EXPECT_EQ(reader.optional_number(), INT64_MAX);
  EXPECT_FALSE(reader.valid());  // not yet: something is left
  EXPECT_EQ(reader.id(), id);
  EXPECT_EQ(reader.text(), "a\0é");
  EXPECT_EQ(reader.text(), "");
  EXPECT_TRUE(reader.valid());
}

TEST(CursorTest, belongs_to_one_query) {
  const std::string cursor = CursorWriter("sort=title").number(1).finish();
  CursorReader other(cursor, "sort=priority");
  other.number();
  EXPECT_FALSE(other.valid());
}

TEST(CursorTest, of_another_version_is_none) {
  std::string bytes = base64url_decode(CursorWriter("q").number(1).finish()).value();
  bytes[0] = static_cast<char>(bytes[0] + 1);
  CursorReader reader(base64url_encode(bytes), "q");
  reader.number();
  EXPECT_FALSE(reader.valid());
}

TEST(CursorTest, tampering_is_found_or_reads_as_another_position) {
  const std::string whole =
      base64url_decode(CursorWriter("q").optional_number(7).text("milk").finish()).value();
  const auto read = [](const std::string& bytes) {
    CursorReader reader(base64url_encode(bytes), "q");
    reader.optional_number();
    reader.text();
    return reader.valid();
  };
  EXPECT_TRUE(read(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read(whole.substr(0, size)));
  EXPECT_FALSE(read(whole + "x"));
  for (std::size_t i = 0; i < 9; ++i) {  // version and fingerprint
    std::string bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ 1);
    EXPECT_FALSE(read(bytes)) << i;
  }
  std::string flag = whole;
  flag[9] = 2;
  EXPECT_FALSE(read(flag));
  // Lengths of a text that would reach beyond the end, or below zero.
  for (const char byte : {'\x01', '\x7f', '\xff'}) {
    std::string length = whole;
    length[18] = byte;
    EXPECT_FALSE(read(length));
  }
}

TEST(CursorTest, what_is_no_cursor_is_refused) {
  for (const std::string& text : {std::string(), std::string("x"), std::string("not a cursor!"),
                                  std::string("===="), std::string(8'000, 'A')}) {
    CursorReader reader(text, "q");
    EXPECT_FALSE(reader.valid()) << text.substr(0, 20);
    EXPECT_EQ(reader.text(), "");
    EXPECT_EQ(reader.id(), Uuid{});
    EXPECT_FALSE(reader.valid());
  }
}

}  // namespace
}  // namespace todo::http
