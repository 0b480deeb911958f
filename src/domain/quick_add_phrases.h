#pragma once

#include <chrono>
#include <optional>
#include <span>

#include "base/clock.h"
#include "domain/quick_add_words.h"
#include "domain/task.h"
#include "domain/time_zone.h"

namespace todo::quick_add {

using Words = std::span<const Word>;

// The longest phrase there is: "every mon, tue and wed …", with a leading word.
inline constexpr std::size_t phrase_words_max = 17;

struct Moment {
  Instant now;
  const TimeZone& zone;
  Date today;  // in the zone
};

// A time of day as it was written.
struct ClockTime {
  std::chrono::minutes time{};
  bool open = false;     // neither am nor pm was said: a part of the day may decide
  bool guessed = false;  // "at 5" is taken for the afternoon's
};

enum class DayPart { morning, afternoon, evening, tonight };

std::chrono::hours hour_of(DayPart part);
// The clock's time in this part of the day; none where it cannot be: "9am" of an evening.
std::optional<std::chrono::minutes> within(DayPart part, const ClockTime& clock);

// The days that a rule itself names: the first occurrence is on one of them.
struct RuleDays {
  std::optional<WeekdaySet> weekdays;
  std::optional<unsigned> day;    // of the month
  std::optional<unsigned> month;  // with `day`
  bool contain(Date date) const;
};

// What a phrase says.
struct Phrase {
  std::optional<Date> date;
  std::optional<Instant> instant;  // says date and time
  std::optional<ClockTime> clock;
  std::optional<DayPart> part;
  std::optional<Recurrence> rule;
  std::optional<RuleDays> days;   // with `rule`
  bool unsupported = false;       // a rule, but none that tasks can have
  bool ambiguous = false;         // perhaps a date
  bool may_begin_a_text = false;  // read at the start of a text too

  bool says_date() const { return date || instant; }
  bool says_time() const { return clock || instant; }
};

// What all of the words say together, leading "on", "by", "due", "at" or "starting" included. none
// where they are no phrase. A comma behind the last word is the caller's to judge.
std::optional<Phrase> read_phrase(Words words, const Moment& moment);

}  // namespace todo::quick_add
