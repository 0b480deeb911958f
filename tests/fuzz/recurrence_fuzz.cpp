// Due dates of any series, anywhere between 1970 and 9999.

#include <algorithm>
#include <array>
#include <cstdint>

#include <fuzzer/FuzzedDataProvider.h>

#include "base/limits.h"
#include "base/time_text.h"
#include "domain/recurrence.h"
#include "fuzz/require.h"

namespace {

using namespace todo;
using fuzz::require;
using std::chrono::days;
using std::chrono::local_days;

TimeZone any_zone(FuzzedDataProvider& input) {
  static constexpr std::array<const char*, 14> names{
      "UTC",          "America/New_York",          "Europe/Berlin",    "Australia/Lord_Howe",
      "Pacific/Apia", "Pacific/Kiritimati",        "Etc/GMT+12",       "America/Sao_Paulo",
      "Asia/Tehran",  "Pacific/Kwajalein",         "Antarctica/Troll", "Africa/Casablanca",
      "Asia/Gaza",    "America/Argentina/San_Luis"};
  return TimeZone::find(input.PickValueInArray(names)).value();
}

Recurrence any_rule(FuzzedDataProvider& input) {
  Recurrence recurrence;
  recurrence.rule = static_cast<RecurrenceRule>(input.ConsumeIntegralInRange(0, 4));
  recurrence.interval = input.ConsumeIntegralInRange(1, limits::recurrence_interval_max);
  const auto bits = input.ConsumeIntegralInRange<std::uint8_t>(0, 127);
  if (recurrence.rule == RecurrenceRule::weekly && bits != 0)
    recurrence.weekdays = WeekdaySet{bits};
  recurrence.from = static_cast<RecurrenceFrom>(input.ConsumeIntegralInRange(0, 1));
  return recurrence;
}

Instant any_instant(FuzzedDataProvider& input) {
  return instant_from_ms(input.ConsumeIntegralInRange<std::int64_t>(0, to_ms(latest_instant)));
}

void check_due(const Due& due, const TimeZone& zone) {
  require(due.at <= latest_instant, "no due date is later than 9999");
  require(due.anchor.zone == zone.name(), "the anchor names its zone");
  if (due.on) {
    const LocalTime end = LocalTime{local_days{*due.on}} + days{1} - std::chrono::seconds{1};
    require(due.at == std::min(zone.to_instant(end), latest_instant),
            "a day ends with its last second");
  }
}

void check_steps(const Recurrence& recurrence, const Due& due, const TimeZone& zone, Instant now) {
  const bool all_day = due.on.has_value();
  const auto step = due.anchor.step;
  const auto of = [&](std::int64_t n) { return due_of_step(recurrence, due.anchor, all_day, n); };
  const auto next = next_due(recurrence, due, zone, now, MissedOccurrences::keep, now);
  require(next == of(step + 1), "the next date is one step on");
  if (next) {
    check_due(*next, zone);
    require(next->at >= due.at, "dates never go back");
  }
  const auto skipped = next_due(recurrence, due, zone, now, MissedOccurrences::skip, now);
  if (!next) {
    require(!skipped, "what has ended goes on nowhere");
  } else if (next->at > now) {
    require(skipped == next, "nothing is skipped that was not missed");
  } else if (skipped) {
    require(skipped->at > now, "what is skipped to is not past");
    const auto before = of(skipped->anchor.step - 1);
    require(before && before->at <= now, "and is the first that is not");
  }
}

void check_completion(const Recurrence& recurrence, const Due& due, const TimeZone& zone,
                      Instant now) {
  const auto next = next_due(recurrence, due, zone, now, MissedOccurrences::keep, now);
  if (!next) return;
  check_due(*next, zone);
  require(next->anchor.step == 0, "it begins anew");
  const auto day = [](LocalTime local) { return std::chrono::floor<days>(local); };
  require(day(next->anchor.local) > day(zone.to_local(now)), "on a later day");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const TimeZone zone = any_zone(input);
  const Recurrence recurrence = any_rule(input);
  const bool all_day = input.ConsumeBool();
  const Instant first_at = any_instant(input);
  const Instant now = any_instant(input);
  const auto step = input.ConsumeIntegralInRange<std::int64_t>(0, 4'000'000);
  Due due = due_at(first_at, zone);
  if (all_day) due = due_on(Date{std::chrono::floor<days>(due.anchor.local)}, zone);
  if (due.at > latest_instant) return 0;  // refused where it is asked for
  check_due(due, zone);
  if (recurrence.rule == RecurrenceRule::none) {
    require(!next_due(recurrence, due, zone, now, MissedOccurrences::skip, now),
            "no rule, no next");
    return 0;
  }
  const auto later = due_of_step(recurrence, due.anchor, all_day, step);
  if (later) {
    check_due(*later, zone);
    // Step 0 of an ambiguous time is its first, though this task may be due at the second.
    require(step == 0 || later->at >= due.at, "dates never go back");
    due = *later;
  }
  if (recurrence.from == RecurrenceFrom::completion) {
    check_completion(recurrence, due, zone, now);
  } else {
    check_steps(recurrence, due, zone, now);
  }
  const TimeZone there = any_zone(input);
  const Due moved = in_zone(due, recurrence, there);
  require(moved.on == due.on, "a change of zone keeps an all-day date");
  require(all_day || moved.at == due.at, "a change of zone keeps the instant");
  require(upcoming(recurrence, moved, there, 3).size() <= 3, "a preview has the length asked for");
  (void)shifted_to_zone(due, recurrence, there);
  return 0;
}
