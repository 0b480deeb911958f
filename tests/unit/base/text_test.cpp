#include "base/text.h"

#include <gtest/gtest.h>

namespace todo {
namespace {

TEST(TextTest, knows_utf8_from_other_bytes) {
  for (const char* text : {"", "a", "é", "€", "😀", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xF4\x8F\xBF\xBF", "\xC2\x80", "\xE0\xA0\x80", "\xF0\x90\x80\x80"}) {
    EXPECT_TRUE(is_valid_utf8(text)) << to_hex(text);
  }
  EXPECT_TRUE(is_valid_utf8(std::string_view("a\0b", 3)));
  // Stray and missing continuations, overlong forms, surrogates, beyond U+10FFFF (RFC 3629).
  for (const char* text : {"\x80",
                           "\xBF",
                           "a\x80",
                           "\xC3",
                           "\xE2\x82",
                           "\xF0\x9F\x98",
                           "\xC3(",
                           "\xE2(\x82",
                           "\xC0\x80",
                           "\xC1\xBF",
                           "\xE0\x9F\xBF",
                           "\xF0\x8F\xBF\xBF",
                           "\xED\xA0\x80",
                           "\xED\xBF\xBF",
                           "\xF4\x90\x80\x80",
                           "\xF5\x80\x80\x80",
                           "\xF8\x88\x80\x80\x80",
                           "\xFE",
                           "\xFF",
                           "ok \xFF ok"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << to_hex(text);
  }
}

TEST(TextTest, counts_code_points_not_bytes_and_not_glyphs) {
  EXPECT_EQ(count_code_points(""), 0U);
  EXPECT_EQ(count_code_points("milk"), 4U);
  EXPECT_EQ(count_code_points("Größe"), 5U);
  EXPECT_EQ(count_code_points("牛乳を買う"), 5U);
  EXPECT_EQ(count_code_points("😀😀"), 2U);
  EXPECT_EQ(count_code_points("👩‍👧"), 3U);  // two people and a joiner
  EXPECT_EQ(count_code_points("e\xCC\x81"), 2U);    // e and a combining accent
}

TEST(TextTest, trims_what_nobody_sees) {
  EXPECT_EQ(trim("  buy milk \t\r\n"), "buy milk");
  EXPECT_EQ(trim("buy  milk"), "buy  milk");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \n\t "), "");
  EXPECT_EQ(trim("\u00A0\u2003\u3000milk\u2028\u205F"), "milk");
  EXPECT_EQ(trim("\uFEFFmilk"), "milk");
  EXPECT_EQ(trim("\x01\x7Fmilk\u0085"), "milk");
  EXPECT_EQ(trim("é"), "é");
  EXPECT_EQ(trim(" 😀 "), "😀");
}

TEST(TextTest, takes_for_the_same_what_people_take_for_the_same) {
  EXPECT_EQ(fold_case("Buy MILK 2%"), "buy milk 2%");
  EXPECT_EQ(fold_case("STRASSE"), fold_case("straße"));
  EXPECT_EQ(fold_case("ΌΔΟΣ"), fold_case("όδος"));
  EXPECT_EQ(fold_case("Ärger"), fold_case("A\u0308RGER"));  // composed and not
  EXPECT_EQ(fold_case("ﬁle"), fold_case("FILE"));           // a ligature
  EXPECT_EQ(fold_case("１２"), "12");                       // full width
  EXPECT_NE(fold_case("résumé"), fold_case("resume"));
  EXPECT_EQ(fold_case(""), "");
}

TEST(TextTest, shortens_by_code_points_and_says_so) {
  EXPECT_EQ(shorten("milk", 4), "milk");
  EXPECT_EQ(shorten("milk!", 4), "mil…");
  EXPECT_EQ(shorten("Größenwahn", 5), "Größ…");
  EXPECT_EQ(shorten("😀😀😀", 2), "😀…");
  EXPECT_EQ(shorten("ab cdef", 4), "ab…");  // no blank before the sign
  EXPECT_EQ(count_code_points(shorten(std::string(300, 'x'), 100)), 100U);
}

TEST(TextTest, takes_whole_code_points_from_the_beginning) {
  EXPECT_EQ(first_code_points("Größe", 3), "Grö");
  EXPECT_EQ(first_code_points("😀😀", 1), "😀");
  EXPECT_EQ(first_code_points("milk", 9), "milk");
  EXPECT_EQ(first_code_points("milk", 0), "");
}

TEST(TextTest, writes_hex_in_lower_case) {
  EXPECT_EQ(to_hex(std::string_view("\x00\xFF\x1a", 3)), "00ff1a");
}

TEST(TextTest, base64url_has_no_padding_and_one_form_for_each_text) {
  // RFC 4648, section 10, in the alphabet of section 5.
  EXPECT_EQ(base64url_encode(""), "");
  EXPECT_EQ(base64url_encode("f"), "Zg");
  EXPECT_EQ(base64url_encode("fo"), "Zm8");
  EXPECT_EQ(base64url_encode("foo"), "Zm9v");
  EXPECT_EQ(base64url_encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64url_encode("\xFB\xFF\xFE"), "-__-");
  EXPECT_EQ(base64url_decode("-__-"), "\xFB\xFF\xFE");
  EXPECT_EQ(base64url_decode("Zg"), "f");
  EXPECT_EQ(base64url_decode(""), "");
  // Length, padding, other alphabets, bits left over.
  for (const char* text : {"Z", "Zm9vY", "Zg==", "Zm8=", "+//+", "Zm 9v", "Zh", "Zm9", "Zm8\n"}) {
    EXPECT_FALSE(base64url_decode(text)) << text;
  }
}

}  // namespace
}  // namespace todo
