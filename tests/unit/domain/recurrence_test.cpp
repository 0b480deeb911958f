#include "domain/recurrence.h"

#include <fstream>
#include <iterator>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "base/time_text.h"
#include "support/source_dir.h"

namespace todo {
namespace {

namespace json = boost::json;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;

TimeZone zone(std::string_view name) { return TimeZone::find(name).value(); }
Instant at(std::string_view text) { return parse_instant(text).value(); }

// --- the vectors ---

json::object read_vectors() {
  const std::string path = std::string(test::source_dir) + "/tests/vectors/recurrence.json";
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return parse_json(text).value().as_object();
}

std::string text(const json::object& vector, std::string_view name) {
  return std::string(std::string_view(vector.at(name).as_string()));
}

Recurrence rule_of(const json::object& vector) {
  Recurrence recurrence;
  recurrence.rule = parse_recurrence_rule(text(vector, "rule")).value();
  recurrence.interval = static_cast<int>(vector.at("interval").as_int64());
  if (vector.contains("from")) {
    recurrence.from = parse_recurrence_from(text(vector, "from")).value();
  }
  if (vector.at("weekdays").is_null()) return recurrence;
  WeekdaySet set;
  for (const auto& day : vector.at("weekdays").as_array()) {
    const int index = parse_weekday(std::string_view(day.as_string())).value();
    set.bits = static_cast<std::uint8_t>(set.bits | 1U << index);
  }
  recurrence.weekdays = set;
  return recurrence;
}

// A due date as somebody in the zone means it.
Due due_of(const json::object& vector) {
  const TimeZone here = zone(text(vector, "zone"));
  const std::string due = text(vector, "due");
  if (const auto date = parse_date(due)) return due_on(*date, here);
  const LocalTime local = parse_local(due).value();
  return {here.to_instant(local), std::nullopt, {local, here.name(), 0}};
}

std::string shown(const std::optional<Due>& due) {
  if (!due) return "none";
  return due->on ? format_date(*due->on) : format_instant(due->at);
}

std::string shown(const json::value& value) {
  return value.is_null() ? "none" : std::string(std::string_view(value.as_string()));
}

// As if each occurrence were done on its day.
std::optional<Due> then_of(const Recurrence& recurrence, const Due& due, const TimeZone& here) {
  return next_due(recurrence, due, here, due.at, MissedOccurrences::keep, due.at);
}

TEST(RecurrenceTest, series_follow_the_vectors) {
  const json::object vectors = read_vectors();
  for (const auto& entry : vectors.at("series").as_array()) {
    const json::object& vector = entry.as_object();
    SCOPED_TRACE(text(vector, "name"));
    const Recurrence recurrence = rule_of(vector);
    const TimeZone here = zone(text(vector, "zone"));
    const json::array& then = vector.at("then").as_array();
    const Due first = due_of(vector);
    std::optional<Due> due = first;
    std::vector<Instant> instants;
    for (const auto& expected : then) {
      due = then_of(recurrence, *due, here);
      ASSERT_EQ(shown(due), shown(expected));
      instants.push_back(due->at);
    }
    if (vector.at("ends").as_bool()) {
      EXPECT_EQ(shown(then_of(recurrence, *due, here)), "none");
    }
    const int more = vector.at("ends").as_bool() ? 3 : 0;
    EXPECT_EQ(upcoming(recurrence, first, here, static_cast<int>(then.size()) + more), instants);
  }
}

TEST(RecurrenceTest, completions_follow_the_vectors) {
  const json::object vectors = read_vectors();
  for (const auto& entry : vectors.at("completions").as_array()) {
    const json::object& vector = entry.as_object();
    SCOPED_TRACE(text(vector, "name"));
    const Instant now = at(text(vector, "completed_at"));
    const auto missed =
        text(vector, "missed") == "skip" ? MissedOccurrences::skip : MissedOccurrences::keep;
    const auto next =
        next_due(rule_of(vector), due_of(vector), zone(text(vector, "zone")), now, missed, now);
    EXPECT_EQ(shown(next), shown(vector.at("next")));
  }
}

TEST(RecurrenceTest, zone_changes_follow_the_vectors) {
  const json::object vectors = read_vectors();
  for (const auto& entry : vectors.at("zone_changes").as_array()) {
    const json::object& vector = entry.as_object();
    SCOPED_TRACE(text(vector, "name"));
    const Recurrence recurrence = rule_of(vector);
    const TimeZone to = zone(text(vector, "to_zone"));
    const Due start = due_of(vector);
    auto due =
        due_of_step(recurrence, start.anchor, start.on.has_value(), vector.at("step").as_int64());
    for (const auto& expected : vector.at("then").as_array()) {
      due = then_of(recurrence, due.value(), to);
      ASSERT_EQ(shown(due), shown(expected));
    }
  }
}

// --- what no table shows ---

const Recurrence daily{RecurrenceRule::daily, 1, std::nullopt, RecurrenceFrom::due};
const Recurrence monthly{RecurrenceRule::monthly, 1, std::nullopt, RecurrenceFrom::due};

TEST(RecurrenceTest, an_instant_is_anchored_at_its_wall_clock_time_to_the_millisecond) {
  const Due due = due_at(at("2026-02-09T14:00:00.250Z"), zone("America/New_York"));
  EXPECT_EQ(due.at, at("2026-02-09T14:00:00.250Z"));
  EXPECT_FALSE(due.on);
  EXPECT_EQ(format_local(due.anchor.local), "2026-02-09T09:00:00.250");
  EXPECT_EQ(due.anchor.zone, "America/New_York");
  EXPECT_EQ(due.anchor.step, 0);
}

TEST(RecurrenceTest, an_all_day_task_is_due_at_the_last_second_of_its_day_there) {
  const Due due = due_on(parse_date("2026-02-10").value(), zone("America/New_York"));
  EXPECT_EQ(due.at, at("2026-02-11T04:59:59Z"));
  EXPECT_EQ(due.on, parse_date("2026-02-10"));
  EXPECT_EQ(due_on(parse_date("2026-02-10").value(), TimeZone::utc()).at,
            at("2026-02-10T23:59:59Z"));
}

TEST(RecurrenceTest, the_last_day_ends_everywhere_with_the_last_instant) {
  const Date last_day = parse_date("9999-12-31").value();
  EXPECT_EQ(due_on(last_day, zone("America/New_York")).at, latest_instant);
  EXPECT_EQ(due_on(last_day, TimeZone::utc()).at, at("9999-12-31T23:59:59Z"));
  const Due there = in_zone(due_on(last_day, TimeZone::utc()), daily, zone("Pacific/Honolulu"));
  EXPECT_EQ(there.at, latest_instant);
  EXPECT_EQ(there.on, last_day);
}

TEST(RecurrenceTest, each_next_date_has_the_anchor_and_one_step_more) {
  const Due first = due_at(at("2026-01-31T09:00:00Z"), TimeZone::utc());
  const auto second = then_of(monthly, first, TimeZone::utc());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->anchor.local, first.anchor.local);
  EXPECT_EQ(second->anchor.step, 1);
  EXPECT_EQ(then_of(monthly, *second, TimeZone::utc())->anchor.step, 2);
  EXPECT_EQ(second, due_of_step(monthly, first.anchor, false, 1));
}

TEST(RecurrenceTest, skipping_counts_the_steps_it_skipped) {
  const Due first = due_at(at("2026-01-31T09:00:00Z"), TimeZone::utc());
  const Instant now = at("2026-07-15T00:00:00Z");
  const auto next = next_due(monthly, first, TimeZone::utc(), now, MissedOccurrences::skip, now);
  ASSERT_TRUE(next);
  EXPECT_EQ(shown(next), "2026-07-31T09:00:00Z");
  EXPECT_EQ(next->anchor.step, 6);
}

TEST(RecurrenceTest, an_occurrence_that_was_moved_alone_leaves_the_series_where_it_is) {
  Due due = due_at(at("2026-02-09T09:00:00Z"), TimeZone::utc());
  due.at = at("2026-02-09T15:00:00Z");
  EXPECT_EQ(shown(then_of(daily, due, TimeZone::utc())), "2026-02-10T09:00:00Z");
}

TEST(RecurrenceTest, from_completion_begins_anew_on_the_day_it_was_done) {
  Recurrence recurrence = monthly;
  recurrence.from = RecurrenceFrom::completion;
  const Due first = due_at(at("2026-01-15T09:00:00Z"), TimeZone::utc());
  const Instant done = at("2026-01-31T20:00:00Z");
  const auto next =
      next_due(recurrence, first, TimeZone::utc(), done, MissedOccurrences::keep, done);
  ASSERT_TRUE(next);
  EXPECT_EQ(format_local(next->anchor.local), "2026-02-28T09:00:00");
  EXPECT_EQ(next->anchor.step, 0);
}

TEST(RecurrenceTest, skipping_costs_the_same_however_long_ago_the_task_was_due) {
  // Stepping from 1970 to 9000 would be 2.5 million steps each: minutes instead of milliseconds.
  const TimeZone here = zone("America/New_York");
  const Due first = due_at(at("1970-01-01T12:00:00Z"), here);
  const Instant now = at("9000-06-01T00:00:00Z");
  for (int i = 0; i < 2'000; ++i) {
    const auto next =
        next_due(daily, first, here, now, MissedOccurrences::skip, now + hours{24} * i);
    ASSERT_TRUE(next);
    ASSERT_GT(next->at, now + hours{24} * i);
    ASSERT_LE(next->at, now + hours{24} * (i + 1));
  }
}

TEST(RecurrenceTest, the_largest_steps_end_a_series_and_overflow_nothing) {
  const Due first = due_at(at("2026-01-31T09:00:00Z"), TimeZone::utc());
  for (const auto rule : {RecurrenceRule::daily, RecurrenceRule::weekly, RecurrenceRule::monthly,
                          RecurrenceRule::yearly}) {
    const Recurrence recurrence{rule, 400, std::nullopt, RecurrenceFrom::due};
    for (const std::int64_t step :
         {std::int64_t{2'999'999}, std::int64_t{3'000'001}, INT64_MAX / 2}) {
      EXPECT_FALSE(due_of_step(recurrence, first.anchor, false, step));
    }
  }
  const Recurrence weekdays{RecurrenceRule::weekly, 400, WeekdaySet{0x7f}, RecurrenceFrom::due};
  EXPECT_FALSE(due_of_step(weekdays, first.anchor, false, 2'999'999));
}

TEST(RecurrenceTest, a_preview_ends_with_the_series) {
  const Due first = due_at(at("9999-12-30T10:00:00Z"), TimeZone::utc());
  EXPECT_EQ(upcoming(daily, first, TimeZone::utc(), 100).size(), 1U);
  EXPECT_TRUE(upcoming(Recurrence{}, first, TimeZone::utc(), 5).empty());
  EXPECT_TRUE(upcoming(daily, first, TimeZone::utc(), 0).empty());
}

TEST(RecurrenceTest, a_preview_is_what_completing_on_time_leads_to) {
  const TimeZone here = zone("Europe/Berlin");
  Due due = due_at(at("2026-01-31T08:00:00Z"), here);
  const auto preview = upcoming(monthly, due, here, 24);
  ASSERT_EQ(preview.size(), 24U);
  for (const Instant expected : preview) {
    const Instant done = due.at - hours{1};
    due = next_due(monthly, due, here, done, MissedOccurrences::skip, done).value();
    EXPECT_EQ(due.at, expected);
  }
}

// --- zones ---

TEST(RecurrenceTest, a_change_of_zone_keeps_the_instant) {
  const Due here = due_at(at("2026-02-09T14:00:00Z"), zone("America/New_York"));
  const Due there = in_zone(here, daily, zone("Europe/Berlin"));
  EXPECT_EQ(there.at, here.at);
  EXPECT_EQ(there.anchor.zone, "Europe/Berlin");
  EXPECT_EQ(format_local(there.anchor.local), "2026-02-09T15:00:00");
  EXPECT_EQ(in_zone(there, daily, zone("Europe/Berlin")), there);
}

TEST(RecurrenceTest, a_change_of_zone_keeps_the_date_of_an_all_day_task) {
  const Due here = due_on(parse_date("2026-02-10").value(), zone("Pacific/Auckland"));
  const Due there = in_zone(here, daily, zone("Pacific/Honolulu"));
  EXPECT_EQ(there.on, here.on);
  EXPECT_EQ(there.at, at("2026-02-11T09:59:59Z"));
}

TEST(RecurrenceTest, a_change_of_zone_keeps_the_step_where_it_can) {
  const Anchor anchor = due_at(at("2026-01-31T14:00:00Z"), zone("America/New_York")).anchor;
  const Due second = due_of_step(monthly, anchor, false, 1).value();
  const Due there = in_zone(second, monthly, zone("Europe/Berlin"));
  EXPECT_EQ(there.at, second.at);
  EXPECT_EQ(there.anchor.step, 1);
  EXPECT_EQ(format_local(there.anchor.local), "2026-01-31T15:00:00");
}

TEST(RecurrenceTest, due_dates_move_with_the_wall_clock_where_that_is_asked) {
  const Due here = due_at(at("2026-02-09T14:00:00Z"), zone("America/New_York"));
  const Due shifted = shifted_to_zone(here, daily, zone("Europe/Berlin"));
  EXPECT_EQ(shifted.at, at("2026-02-09T08:00:00Z"));  // nine o'clock there
  EXPECT_EQ(format_local(shifted.anchor.local), "2026-02-09T09:00:00");
  EXPECT_EQ(shifted.anchor.zone, "Europe/Berlin");

  const Due day = due_on(parse_date("2026-02-10").value(), zone("America/New_York"));
  const Due same_day = shifted_to_zone(day, daily, zone("Europe/Berlin"));
  EXPECT_EQ(same_day.on, day.on);
  EXPECT_EQ(same_day.at, at("2026-02-10T22:59:59Z"));
}

TEST(RecurrenceTest, at_the_ends_of_time_a_shift_keeps_the_instant) {
  const Due first = due_at(earliest_instant, TimeZone::utc());
  EXPECT_EQ(shifted_to_zone(first, daily, zone("Asia/Tokyo")).at, earliest_instant);
  const Due last = due_at(latest_instant, TimeZone::utc());
  EXPECT_EQ(shifted_to_zone(last, daily, zone("America/New_York")).at, latest_instant);
}

TEST(RecurrenceTest, a_shift_of_zone_keeps_the_month_end) {
  const Anchor anchor = due_at(at("2026-01-31T14:00:00Z"), zone("America/New_York")).anchor;
  const Due second = due_of_step(monthly, anchor, false, 1).value();
  const Due shifted = shifted_to_zone(second, monthly, zone("Asia/Tokyo"));
  EXPECT_EQ(shifted.at, at("2026-02-28T00:00:00Z"));
  EXPECT_EQ(shown(then_of(monthly, shifted, zone("Asia/Tokyo"))), "2026-03-31T00:00:00Z");
}

}  // namespace
}  // namespace todo
