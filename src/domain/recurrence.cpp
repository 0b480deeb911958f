#include "domain/recurrence.h"

#include <algorithm>
#include <array>

#include "base/time_text.h"

namespace todo {
namespace {

using std::chrono::days;
using std::chrono::local_days;

// More steps than days between 1970 and 9999: no series is longer.
constexpr std::int64_t steps_max = 3'000'000;
constexpr std::chrono::milliseconds end_of_day = std::chrono::hours{24} - std::chrono::seconds{1};
constexpr int year_max = 9999;
constexpr int days_per_week = 7;

local_days day_of(LocalTime local) { return std::chrono::floor<days>(local); }
std::chrono::milliseconds time_of_day(LocalTime local) { return local - day_of(local); }

int days_after_monday(local_days day) {
  return static_cast<int>(std::chrono::weekday{day}.iso_encoding()) - 1;
}

// The day of the month, or the month's last where it is shorter.
std::optional<local_days> clamped(std::int64_t year, unsigned month, unsigned day) {
  if (year > year_max) return std::nullopt;
  const std::chrono::year_month ym{std::chrono::year{static_cast<int>(year)},
                                   std::chrono::month{month}};
  const std::chrono::year_month_day_last last = ym / std::chrono::last;
  return local_days{ym / std::min(std::chrono::day{day}, last.day())};
}

std::optional<local_days> add_months(local_days from, std::int64_t months) {
  const Date date{from};
  const std::int64_t index = static_cast<int>(date.year()) * std::int64_t{12} +
                             static_cast<unsigned>(date.month()) - 1 + months;
  return clamped(index / 12, static_cast<unsigned>(index % 12) + 1,
                 static_cast<unsigned>(date.day()));
}

std::optional<local_days> add_days(local_days from, std::int64_t count) {
  const local_days day = from + days{count};
  return day > local_days{std::chrono::year{year_max} / 12 / 31} ? std::nullopt
                                                                 : std::optional(day);
}

// Step n ≥ 0 among the days of the set in the weeks 0, interval, 2·interval … from the anchor's.
std::optional<local_days> step_of_week(local_days anchor, WeekdaySet set, int interval,
                                       std::int64_t step) {
  std::array<int, days_per_week> in_set{};
  int size = 0;
  for (int day = 0; day < days_per_week; ++day) {
    if (set.contains(day)) in_set.at(static_cast<std::size_t>(size++)) = day;
  }
  const int anchor_day = days_after_monday(anchor);
  if (step == 0 || size == 0) return anchor;
  const auto before = static_cast<std::int64_t>(std::ranges::count_if(
      in_set.begin(), in_set.begin() + size, [&](int d) { return d < anchor_day; }));
  // An anchor outside the set is step 0 as it stands: the first day of the set after it is step 1.
  const std::int64_t index = before + step - (set.contains(anchor_day) ? 0 : 1);
  const local_days monday = anchor - days{anchor_day};
  return add_days(monday, index / size * interval * days_per_week +
                              in_set.at(static_cast<std::size_t>(index % size)));
}

std::optional<local_days> day_of_step(const Recurrence& recurrence, local_days anchor,
                                      std::int64_t step) {
  if (step > steps_max) return std::nullopt;
  const std::int64_t distance = step * recurrence.interval;
  switch (recurrence.rule) {
    case RecurrenceRule::none:
      return std::nullopt;
    case RecurrenceRule::daily:
      return add_days(anchor, distance);
    case RecurrenceRule::weekly:
      if (recurrence.weekdays)
        return step_of_week(anchor, *recurrence.weekdays, recurrence.interval, step);
      return add_days(anchor, distance * days_per_week);
    case RecurrenceRule::monthly:
      return add_months(anchor, distance);
    case RecurrenceRule::yearly:
      return add_months(anchor, distance * 12);
  }
  return std::nullopt;
}

// 23:59:59 of a day; the last day ends everywhere with the last instant there is.
Instant end_of(Date date, const TimeZone& zone) {
  return std::min(zone.to_instant(LocalTime{local_days{date}} + end_of_day), latest_instant);
}

TimeZone zone_of(const Anchor& anchor, const TimeZone& known) {
  if (anchor.zone == known.name()) return known;
  return TimeZone::find(anchor.zone).value_or(TimeZone::utc());
}

// The due date on `day` at the anchor's time of day; none past the end of time.
std::optional<Due> due_on_day(local_days day, Anchor anchor, bool all_day, const TimeZone& zone) {
  Due due;
  if (all_day) {
    due.on = Date{day};
    due.at = end_of(*due.on, zone);
  } else {
    due.at = zone.to_instant(LocalTime{day} + time_of_day(anchor.local));
  }
  if (due.at > latest_instant) return std::nullopt;
  due.anchor = std::move(anchor);
  return due;
}

std::optional<Due> due_of_step_in(const Recurrence& recurrence, const Anchor& anchor, bool all_day,
                                  std::int64_t step, const TimeZone& zone) {
  const auto day = day_of_step(recurrence, day_of(anchor.local), step);
  if (!day) return std::nullopt;
  return due_on_day(*day, {anchor.local, anchor.zone, step}, all_day, zone);
}

std::optional<Due> after_completion(const Recurrence& recurrence, const Due& current,
                                    const TimeZone& zone, Instant completed_at) {
  const Due here = in_zone(current, recurrence, zone);
  const local_days done = day_of(zone.to_local(completed_at));
  std::optional<local_days> day;
  if (recurrence.rule == RecurrenceRule::weekly && recurrence.weekdays) {
    local_days candidate = done + days{1};
    while (!recurrence.weekdays->contains(days_after_monday(candidate))) candidate += days{1};
    day = candidate;
  } else {
    day = day_of_step(recurrence, done, 1);
  }
  if (!day) return std::nullopt;
  return due_on_day(*day, {LocalTime{*day} + time_of_day(here.anchor.local), zone.name(), 0},
                    current.on.has_value(), zone);
}

}  // namespace

int days_after_monday(Date date) { return days_after_monday(local_days{date}); }

Due due_at(Instant instant, const TimeZone& zone) {
  return {instant, std::nullopt, {zone.to_local(instant), zone.name(), 0}};
}

Due due_on(Date date, const TimeZone& zone) {
  const LocalTime local = LocalTime{local_days{date}} + end_of_day;
  return {end_of(date, zone), date, {local, zone.name(), 0}};
}

std::optional<Due> due_of_step(const Recurrence& recurrence, const Anchor& anchor, bool all_day,
                               std::int64_t step) {
  return due_of_step_in(recurrence, anchor, all_day, step, zone_of(anchor, TimeZone::utc()));
}

Due in_zone(const Due& due, const Recurrence& recurrence, const TimeZone& zone) {
  if (due.anchor.zone == zone.name()) return due;
  Due result = due;
  result.anchor.zone = zone.name();
  if (due.on) {
    // A day is a day everywhere: the series keeps its dates.
    result.at = end_of(*due.on, zone);
    return result;
  }
  const TimeZone from = zone_of(due.anchor, zone);
  if (recurrence.rule == RecurrenceRule::none) {
    result.anchor = {zone.to_local(due.at), zone.name(), 0};
    return result;
  }
  result.anchor.local = zone.to_local(from.to_instant(due.anchor.local));
  if (due.anchor.step == 0) return result;
  // Not the due date itself is compared but the series' date: this occurrence may have been moved
  // alone.
  const auto before = due_of_step_in(recurrence, due.anchor, false, due.anchor.step, from);
  const auto after = due_of_step_in(recurrence, result.anchor, false, due.anchor.step, zone);
  if (before && after && before->at == after->at) return result;
  const LocalTime here = zone.to_local(before ? before->at : due.at);
  if (before) {
    // Clocks differ between the anchor's day and this one: the anchor's day at this one's hour, so
    // that a month's last days are not lost.
    const Anchor moved{day_of(result.anchor.local) + time_of_day(here), zone.name(),
                       due.anchor.step};
    const auto again = due_of_step_in(recurrence, moved, false, moved.step, zone);
    if (again && again->at == before->at) {
      result.anchor = moved;
      return result;
    }
  }
  result.anchor = {here, zone.name(), 0};
  return result;
}

std::optional<Due> next_due(const Recurrence& recurrence, const Due& current, const TimeZone& zone,
                            Instant completed_at, MissedOccurrences missed, Instant now) {
  if (recurrence.rule == RecurrenceRule::none) return std::nullopt;
  if (recurrence.from == RecurrenceFrom::completion)
    return after_completion(recurrence, current, zone, completed_at);
  const Due here = in_zone(current, recurrence, zone);
  const bool all_day = here.on.has_value();
  const auto step_due = [&](std::int64_t step) {
    return due_of_step_in(recurrence, here.anchor, all_day, step, zone);
  };
  const std::int64_t first = here.anchor.step + 1;
  auto next = step_due(first);
  if (!next || missed == MissedOccurrences::keep || next->at > now) return next;
  // Due dates never go back as steps go on, so the first after now is found by halving: some twenty
  // looks, however long ago the task was due. Past the end of time counts as after now.
  std::int64_t past = first;
  std::int64_t future = steps_max + 1;
  while (future - past > 1) {
    const std::int64_t middle = past + (future - past) / 2;
    const auto due = step_due(middle);
    if (due && due->at <= now) {
      past = middle;
    } else {
      future = middle;
    }
  }
  return step_due(future);
}

std::vector<Instant> upcoming(const Recurrence& recurrence, const Due& current,
                              const TimeZone& zone, int count) {
  std::vector<Instant> instants;
  Due due = current;
  while (static_cast<int>(instants.size()) < count) {
    const auto next = next_due(recurrence, due, zone, due.at, MissedOccurrences::keep, due.at);
    if (!next) break;
    instants.push_back(next->at);
    due = *next;
  }
  return instants;
}

Due shifted_to_zone(const Due& due, const Recurrence& recurrence, const TimeZone& zone) {
  if (due.on) return in_zone(due, recurrence, zone);
  const TimeZone from = zone_of(due.anchor, zone);
  Due result = due;
  result.at = zone.to_instant(from.to_local(due.at));
  // At the very ends of time the instant stays.
  if (result.at < earliest_instant || result.at > latest_instant)
    return in_zone(due, recurrence, zone);
  result.anchor.zone = zone.name();
  return result;
}

}  // namespace todo
