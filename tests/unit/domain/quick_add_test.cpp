#include "domain/quick_add.h"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "base/time_text.h"
#include "support/source_dir.h"

namespace todo {
namespace {

namespace json = boost::json;
using quick_add::Parsed;

TimeZone zone(std::string_view name) { return TimeZone::find(name).value(); }

// --- the vectors ---

json::object read_vectors() {
  const std::string path = std::string(test::source_dir) + "/tests/vectors/quickadd.json";
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_json(text).value().as_object();
}

std::string text_or(const json::object& object, std::string_view name, std::string_view other) {
  const auto* value = object.if_contains(name);
  return std::string(value == nullptr ? other : std::string_view(value->as_string()));
}

// A vector's `out`, as far as it differs from what a task is without a word about it.
json::object out_of(const Parsed& parsed, const TimeZone& here) {
  json::object out;
  out["title"] = parsed.title;
  if (parsed.title.empty()) out["error"] = "title";
  if (parsed.due) {
    if (const auto* date = std::get_if<Date>(&*parsed.due)) {
      out["due_on"] = format_date(*date);
    } else if (const auto* local = std::get_if<LocalTime>(&*parsed.due)) {
      out["due_date"] = format_instant(here.to_instant(*local));
    } else {
      out["due_date"] = format_instant(std::get<Instant>(*parsed.due));
    }
  }
  if (parsed.priority) out["priority"] = to_string(*parsed.priority);
  if (parsed.category) out["category"] = *parsed.category;
  const Recurrence& rule = parsed.recurrence;
  if (rule.rule != RecurrenceRule::none) out["recurrence_rule"] = to_string(rule.rule);
  if (rule.interval != 1) out["recurrence_interval"] = rule.interval;
  if (rule.from != RecurrenceFrom::due) out["recurrence_from"] = to_string(rule.from);
  if (rule.weekdays) {
    auto& days = (out["recurrence_weekdays"] = json::array()).as_array();
    for (int day = 0; day < 7; ++day) {
      if (rule.weekdays->contains(day)) days.emplace_back(weekday_name(day));
    }
  }
  for (const auto hint : parsed.hints) {
    if (!out.contains("hints")) out["hints"] = json::array();
    out["hints"].as_array().emplace_back(to_string(hint));
  }
  return out;
}

TEST(QuickAddTest, texts_are_read_as_the_vectors_say) {
  const json::object vectors = read_vectors();
  for (const auto& entry : vectors.at("vectors").as_array()) {
    const json::object& vector = entry.as_object();
    const std::string in = text_or(vector, "in", "");
    SCOPED_TRACE(in);
    const TimeZone here = zone(text_or(vector, "zone", vectors.at("zone").as_string()));
    const std::string now = text_or(vector, "now", vectors.at("now").as_string());
    const Instant at = here.to_instant(parse_local(now).value());
    const json::object out = out_of(quick_add::parse(in, at, here), here);
    EXPECT_EQ(out, vector.at("out").as_object()) << json::serialize(out);
  }
}

// --- spans ---

// "kind:part" of an ASCII text.
std::vector<std::string> parts(std::string_view text) {
  const TimeZone here = zone("UTC");
  const Instant now = here.to_instant(parse_local("2026-11-23T10:00:00").value());
  std::vector<std::string> parts;
  for (const auto& span : quick_add::parse(text, now, here).spans) {
    parts.push_back(std::string(to_string(span.kind)) + ":" +
                    std::string(text.substr(span.start, span.end - span.start)));
  }
  return parts;
}

using Parts = std::vector<std::string>;

TEST(QuickAddTest, a_span_is_the_part_with_the_word_that_leads_it) {
  EXPECT_EQ(parts("submit due by friday, at 5 !high #home"),
            (Parts{"date:due by friday,", "time:at 5", "priority:!high", "category:#home"}));
  EXPECT_EQ(parts("on friday 9am call mom"), (Parts{"date:on friday", "time:9am"}));
  EXPECT_EQ(parts("bins every mon, thu at 9"), (Parts{"recurrence:every mon, thu", "time:at 9"}));
}

TEST(QuickAddTest, a_part_that_says_date_and_time_is_one_span) {
  EXPECT_EQ(parts("call tonight"), (Parts{"date_time:tonight"}));
  EXPECT_EQ(parts("call in 45 min"), (Parts{"date_time:in 45 min"}));
  EXPECT_EQ(parts("call 2026-12-01T09:30"), (Parts{"date_time:2026-12-01T09:30"}));
  EXPECT_EQ(parts("plants every morning"), (Parts{"recurrence:every morning"}));
}

TEST(QuickAddTest, a_part_with_a_mark_in_it_has_two_spans) {
  EXPECT_EQ(parts("pay in #home 3 days"), (Parts{"date:in", "category:#home", "date:3 days"}));
}

TEST(QuickAddTest, a_rule_that_tasks_cannot_have_is_a_span_and_words) {
  EXPECT_EQ(parts("poll every 2 hours"), (Parts{"recurrence_unsupported:every 2 hours"}));
}

TEST(QuickAddTest, words_have_no_spans) {
  EXPECT_EQ(parts("read \"tomorrow\" \\friday #1 !x 12/4"), Parts{});
}

}  // namespace
}  // namespace todo
