#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "domain/quick_add.h"
#include "support/quick_add_check.h"

namespace todo {
namespace {

// What lines are made of: all that is read, and what stands in its way.
std::string any_word() {
  return *rc::gen::element<std::string>(
      "buy", "milk", "today", "tod", "tomorrow", "tmr", "day", "after", "mon", "friday", "sat",
      "sun", "weekend", "next", "this", "week", "month", "year", "dec", "5", "5th", "31st", "of",
      "december", "2027", "29", "feb", "2026-12-01", "2026-12-01T09:30", "9999-12-31", "in", "a",
      "an", "3", "days", "45", "min", "2", "hours", "9am", "9:30pm", "17:45", "noon", "at", "9",
      "morning", "evening", "tonight", "every", "every!", "other", "weekday", "weeks", "daily",
      "monthly", "mon,", "wed,", "and", "on", "by", "due", "starting", "the", "15th", "until",
      "for", "last", "black", "!urgent", "!u", "!4", "!important", "!high,", "#home", "#123",
      "#\"two words\"", "#\"open", "\"every day\"", "\"tomorrow\"", "\\friday", "12/4", "second",
      "tuesday", "second", "hour", "pm", "5,", "2027,", "Ünï😀", "\"", "\\", "#", "!");
}

std::string any_line() {
  std::string line;
  const auto words = *rc::gen::inRange(0, 14);
  for (int i = 0; i < words; ++i) {
    if (i > 0) line += *rc::gen::element<std::string>(" ", " ", " ", "  ", "\t", "\u00a0");
    line += any_word();
  }
  return line;
}

TimeZone any_zone() {
  return TimeZone::find(*rc::gen::element<std::string>("UTC", "America/New_York", "Europe/London",
                                                       "Pacific/Kiritimati", "Asia/Beirut",
                                                       "Etc/GMT+12", "Australia/Lord_Howe"))
      .value();
}

Instant any_now() {
  const std::int64_t last = to_ms(latest_instant);
  return instant_from_ms(
      *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, last + 1),
                      rc::gen::inRange<std::int64_t>(last - 10LL * 86'400'000, last + 1),
                      rc::gen::inRange<std::int64_t>(1'764'000'000'000, 1'900'000'000'000)));
}

std::string wrong(std::string_view text) {
  const TimeZone zone = any_zone();
  const char* what = test::wrong_with(text, quick_add::parse(text, any_now(), zone), zone);
  return what == nullptr ? "nothing" : what;
}

RC_GTEST_PROP(QuickAddProperty, title_and_chips_hold_every_word_of_any_line, ()) {
  const std::string line = any_line();
  RC_LOG() << "line: " << line;
  RC_ASSERT(wrong(line) == "nothing");
}

RC_GTEST_PROP(QuickAddProperty, title_and_chips_hold_every_character_of_any_text, ()) {
  std::string text;
  for (const char c : *rc::gen::string<std::string>()) {
    if (c > 0) text += c;
  }
  RC_ASSERT(wrong(text) == "nothing");
}

RC_GTEST_PROP(QuickAddProperty, what_is_quoted_is_words_and_nothing_else, ()) {
  std::string line;
  for (const char c : any_line()) {
    if (c != '"') line += c;
  }
  RC_PRE(!trim(line).empty());
  const auto parsed = quick_add::parse("\"" + line + "\"", any_now(), any_zone());
  RC_ASSERT(parsed.title == trim(line));
  RC_ASSERT(parsed.spans.empty());
  RC_ASSERT(!parsed.due);
}

}  // namespace
}  // namespace todo
