#include <array>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/time_text.h"
#include "domain/recurrence.h"
#include "domain/task_json.h"

namespace todo {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::local_days;

// A rule, and the due date that it counts from.
struct Series {
  Recurrence recurrence;
  TimeZone zone;
  Due first;

  std::optional<Due> step(std::int64_t n) const {
    return due_of_step(recurrence, first.anchor, first.on.has_value(), n);
  }
  std::optional<Due> next(const Due& due, MissedOccurrences missed, Instant now) const {
    return next_due(recurrence, due, zone, now, missed, now);
  }
};

std::ostream& operator<<(std::ostream& out, const Series& series) {
  out << to_string(series.recurrence.rule) << " × " << series.recurrence.interval;
  if (series.recurrence.weekdays) out << " on " << int{series.recurrence.weekdays->bits};
  return out << " from " << format_local(series.first.anchor.local) << " in " << series.zone.name()
             << (series.first.on ? ", all day" : "");
}

TimeZone any_zone() {
  const std::array<const char*, 10> names{
      "UTC",           "America/New_York", "Europe/Berlin",     "Australia/Lord_Howe",
      "Pacific/Apia",  "Asia/Kolkata",     "America/Sao_Paulo", "America/St_Johns",
      "Europe/Dublin", "Africa/Cairo"};
  return TimeZone::find(names.at(*rc::gen::inRange<std::size_t>(0, names.size()))).value();
}

Recurrence any_rule() {
  Recurrence recurrence;
  recurrence.rule = static_cast<RecurrenceRule>(*rc::gen::inRange(1, 5));
  recurrence.interval = *rc::gen::oneOf(rc::gen::inRange(1, 4),
                                        rc::gen::inRange(1, limits::recurrence_interval_max + 1));
  if (recurrence.rule == RecurrenceRule::weekly && *rc::gen::arbitrary<bool>()) {
    recurrence.weekdays = WeekdaySet{static_cast<std::uint8_t>(*rc::gen::inRange(1, 128))};
  }
  return recurrence;
}

Series make_series(const TimeZone& zone) {
  // From 1971 to 2199, to the millisecond in one of two.
  const auto day = local_days{days{*rc::gen::inRange(365, 84'000)}};
  if (*rc::gen::inRange(0, 4) == 0) return {any_rule(), zone, due_on(Date{day}, zone)};
  LocalTime local = day + std::chrono::minutes{*rc::gen::inRange(0, 1'440)};
  if (*rc::gen::arbitrary<bool>()) local += std::chrono::milliseconds{*rc::gen::inRange(0, 60'000)};
  return {any_rule(), zone, {zone.to_instant(local), std::nullopt, {local, zone.name(), 0}}};
}

// Shown as a whole where a property fails.
Series any_series() {
  return *rc::gen::exec([] { return make_series(any_zone()); });
}
Series any_series_in_utc() {
  return *rc::gen::exec([] { return make_series(TimeZone::utc()); });
}

RC_GTEST_PROP(RecurrenceProperty, due_dates_never_go_back, ()) {
  const Series series = any_series();
  const std::int64_t n = *rc::gen::inRange<std::int64_t>(0, 3'000);
  const auto before = series.step(n);
  const auto after = series.step(n + 1);
  if (!after) return;
  RC_ASSERT(before.has_value());
  RC_ASSERT(before->at <= after->at);
  if (series.first.on) RC_ASSERT(local_days{*before->on} < local_days{*after->on});
  if (series.zone.name() == "UTC") RC_ASSERT(before->at < after->at);
}

RC_GTEST_PROP(RecurrenceProperty, completing_one_after_the_other_drifts_nowhere, ()) {
  const Series series = any_series();
  Due due = series.first;
  const std::int64_t count = *rc::gen::inRange<std::int64_t>(1, 60);
  for (std::int64_t n = 1; n <= count; ++n) {
    const auto next = series.next(due, MissedOccurrences::keep, due.at);
    RC_ASSERT(next == series.step(n));
    if (!next) return;
    due = *next;
  }
}

RC_GTEST_PROP(RecurrenceProperty, the_calendar_is_kept_to, ()) {
  const Series series = any_series_in_utc();
  const std::int64_t n = *rc::gen::inRange<std::int64_t>(0, 400);
  const auto due = series.step(n);
  if (!due || n == 0) return;
  const LocalTime local = TimeZone::utc().to_local(due->at);
  const LocalTime anchor = series.first.anchor.local;
  const local_days day = floor<days>(local);
  RC_ASSERT(local - day == anchor - floor<days>(anchor));
  const Date date{day};
  const Date from{floor<days>(anchor)};
  const int interval = series.recurrence.interval;
  const auto distance = (day - floor<days>(anchor)).count();
  const auto months = static_cast<int>(date.year()) * 12 +
                      static_cast<int>(unsigned{date.month()}) -
                      static_cast<int>(from.year()) * 12 - static_cast<int>(unsigned{from.month()});
  const auto last_day = (date.year() / date.month() / std::chrono::last).day();
  switch (series.recurrence.rule) {
    case RecurrenceRule::none:
      RC_FAIL("a series without a rule");
    case RecurrenceRule::daily:
      RC_ASSERT(distance == n * interval);
      break;
    case RecurrenceRule::weekly: {
      const int monday = days_after_monday(from);
      RC_ASSERT((distance + monday) / 7 % interval == 0);
      if (series.recurrence.weekdays) {
        RC_ASSERT(series.recurrence.weekdays->contains(days_after_monday(date)));
      } else {
        RC_ASSERT(distance == n * 7 * interval);
      }
      break;
    }
    case RecurrenceRule::monthly:
    case RecurrenceRule::yearly:
      RC_ASSERT(months ==
                n * interval * (series.recurrence.rule == RecurrenceRule::yearly ? 12 : 1));
      RC_ASSERT(date.day() == std::min(from.day(), last_day));
      break;
  }
}

RC_GTEST_PROP(RecurrenceProperty, no_day_of_the_set_is_left_out, ()) {
  Series series = any_series_in_utc();
  series.recurrence = {RecurrenceRule::weekly, *rc::gen::inRange(1, 5),
                       WeekdaySet{static_cast<std::uint8_t>(*rc::gen::inRange(1, 128))},
                       RecurrenceFrom::due};
  const std::int64_t count = *rc::gen::inRange<std::int64_t>(1, 40);
  const local_days start = floor<days>(series.first.anchor.local);
  const local_days monday = start - days{days_after_monday(Date{start})};
  local_days day = start;
  for (std::int64_t n = 1; n <= count; ++n) {
    do {
      day += days{1};
    } while (!series.recurrence.weekdays->contains(days_after_monday(Date{day})) ||
             (day - monday).count() / 7 % series.recurrence.interval != 0);
    RC_ASSERT(floor<days>(TimeZone::utc().to_local(series.step(n)->at)) == day);
  }
}

RC_GTEST_PROP(RecurrenceProperty, skipping_lands_where_stepping_one_by_one_does, ()) {
  const Series series = any_series();
  const std::int64_t at_step = *rc::gen::inRange<std::int64_t>(0, 20);
  const auto current = series.step(at_step);
  if (!current) return;
  // Now is near a due date ahead, before, at or after it.
  const auto ahead = series.step(at_step + *rc::gen::inRange<std::int64_t>(0, 200));
  const Instant now = (ahead ? ahead->at : current->at) +
                      std::chrono::milliseconds{*rc::gen::inRange(-1, 2)} +
                      std::chrono::hours{*rc::gen::element(0, 0, -30, 30)};
  std::int64_t n = at_step + 1;
  auto expected = series.step(n);
  while (expected && expected->at <= now) expected = series.step(++n);
  RC_ASSERT(series.next(*current, MissedOccurrences::skip, now) == expected);
}

RC_GTEST_PROP(RecurrenceProperty, from_completion_the_next_date_comes_after_the_day_it_was_done,
              ()) {
  Series series = any_series();
  series.recurrence.from = RecurrenceFrom::completion;
  const Instant done = series.first.at + std::chrono::minutes{*rc::gen::inRange(-500'000, 500'000)};
  const auto next = series.next(series.first, MissedOccurrences::keep, done);
  RC_ASSERT(next.has_value());
  RC_ASSERT(floor<days>(next->anchor.local) > floor<days>(series.zone.to_local(done)));
  RC_ASSERT(next->at == series.zone.to_instant(next->anchor.local));
  RC_ASSERT(next->on.has_value() == series.first.on.has_value());
}

RC_GTEST_PROP(RecurrenceProperty, a_change_of_zone_moves_no_instant_and_no_all_day_date, ()) {
  const Series series = any_series();
  const auto due = series.step(*rc::gen::inRange<std::int64_t>(0, 50));
  if (!due) return;
  const TimeZone there = any_zone();
  const Due moved = in_zone(*due, series.recurrence, there);
  RC_ASSERT(moved.on == due->on);
  if (!due->on) RC_ASSERT(moved.at == due->at);
  RC_ASSERT(moved.anchor.zone == there.name());
  RC_ASSERT(in_zone(moved, series.recurrence, there) == moved);
  // The series it is then in has this occurrence.
  const auto again =
      due_of_step(series.recurrence, moved.anchor, due->on.has_value(), moved.anchor.step);
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->at == moved.at);
}

RC_GTEST_PROP(RecurrenceProperty, a_promised_task_comes_back_as_it_was_promised, ()) {
  const Series series = any_series();
  Task task;
  task.title = "Water the plants";
  task.recurrence = series.recurrence;
  task.due = series.step(*rc::gen::inRange<std::int64_t>(0, 100));
  task.occurrence = *rc::gen::inRange<std::int64_t>(1, 1'000'000);
  RC_ASSERT(parse_task_record(task_record(task)) == task);
}

RC_GTEST_PROP(TimeZoneProperty, an_instant_comes_back_from_its_wall_clock_time, ()) {
  const TimeZone zone = any_zone();
  const Instant instant = instant_from_ms(*rc::gen::inRange<std::int64_t>(0, 7'258'118'400'000));
  const LocalTime local = zone.to_local(instant);
  // It is the same, or the first of two.
  const Instant back = zone.to_instant(local);
  RC_ASSERT(back <= instant);
  RC_ASSERT(zone.to_local(back) == local);
}

}  // namespace
}  // namespace todo
