#include "base/json_scanner.h"

#include <gtest/gtest.h>

namespace todo {
namespace {

TEST(JsonScanner, members_are_the_texts_own_bytes) {
  const auto members =
      scan_object(R"( {"a": 1.50 , "b":{"c":["]}",{"d":"\\\""}]},"e":"x\u0000","f":[ ] } )");
  ASSERT_TRUE(members);
  ASSERT_EQ(members->size(), 4U);
  EXPECT_EQ(find_raw(*members, "a"), "1.50");
  EXPECT_EQ(find_raw(*members, "b"), R"({"c":["]}",{"d":"\\\""}]})");
  EXPECT_EQ(find_raw(*members, "e"), R"("x\u0000")");
  EXPECT_EQ(find_raw(*members, "f"), "[ ]");
  EXPECT_EQ(find_raw(*members, "g"), "");
}

TEST(JsonScanner, elements_may_be_no_json) {
  const auto elements = scan_array(R"([{"a":nonsense}, 1, [1 2] ,"x"])");
  ASSERT_TRUE(elements);
  EXPECT_EQ(*elements,
            (std::vector<std::string_view>{R"({"a":nonsense})", "1", "[1 2]", R"("x")"}));
  EXPECT_TRUE(scan_array(" [ ] ")->empty());
  EXPECT_TRUE(scan_object("{}")->empty());
}

TEST(JsonScanner, what_cannot_be_told_apart_is_refused) {
  for (const char* text : {"", "{", "[", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{a:1}",
                           "{} x", "[1,]", "[\"]", "[[1]", "\"a\"", "[\"\\"}) {
    EXPECT_FALSE(scan_object(text)) << text;
    EXPECT_FALSE(scan_array(text)) << text;
  }
}

TEST(JsonScanner, plain_strings_have_no_escapes) {
  EXPECT_EQ(plain_string("\"abc\""), "abc");
  EXPECT_EQ(plain_string("\"\""), "");
  EXPECT_FALSE(plain_string("\"a\\n\""));
  EXPECT_FALSE(plain_string("12"));
  EXPECT_FALSE(plain_string("\""));
  EXPECT_FALSE(plain_string(""));
}

}  // namespace
}  // namespace todo
