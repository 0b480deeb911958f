#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/uuid.h"

namespace todo {

enum class Priority : std::uint8_t { urgent = 0, high = 1, normal = 2, low = 3 };
inline constexpr int priority_rank_unset = 4;

// urgent 0 … low 3, unset 4: the order of lists.
inline int priority_rank(std::optional<Priority> priority) {
  return priority ? static_cast<int>(*priority) : priority_rank_unset;
}

enum class RecurrenceRule : std::uint8_t { none = 0, daily, weekly, monthly, yearly };
enum class RecurrenceFrom : std::uint8_t { due = 0, completion };

// A set of weekdays; bit 0 is Monday, bit 6 Sunday. Never empty where it is present.
struct WeekdaySet {
  std::uint8_t bits = 0;
  bool contains(int days_after_monday) const { return ((bits >> days_after_monday) & 1) != 0; }
  bool operator==(const WeekdaySet&) const = default;
};

struct Recurrence {
  RecurrenceRule rule = RecurrenceRule::none;
  int interval = 1;                    // 1–400
  std::optional<WeekdaySet> weekdays;  // weekly only
  RecurrenceFrom from = RecurrenceFrom::due;
  bool operator==(const Recurrence&) const = default;
};

// Where a series counts from: step n is due at `local` + n·rule on the wall clock of `zone`.
struct Anchor {
  LocalTime local{};
  std::string zone;  // a tzdata name
  std::int64_t step = 0;
  bool operator==(const Anchor&) const = default;
};

// When a task is due. Of an all-day task the date `on` is the truth and `at` is 23:59:59 of that
// day in the user's zone. The anchor is there for every due task, so that a change of zone can keep
// wall times.
struct Due {
  Instant at{};
  std::optional<Date> on;
  Anchor anchor;
  bool operator==(const Due&) const = default;
};

struct Task {
  Uuid id;
  Uuid user_id;
  std::string title;
  std::optional<std::string> description;
  std::optional<Due> due;
  std::optional<Priority> priority;
  std::optional<std::string> category;
  Recurrence recurrence;
  std::optional<Instant> completed_at;  // completed ⇔ present
  std::optional<Uuid> parent_task_id;
  Uuid series_id;
  std::int64_t occurrence = 1;
  std::int64_t version = 1;
  Instant created_at{};
  Instant updated_at{};

  // Internal: not part of the task as it is answered.
  std::optional<Instant> remind_at;  // when the reminder check is to claim it; none: nothing to do
  std::optional<Instant> deleted_at;

  bool completed() const { return completed_at.has_value(); }
  bool recurs() const { return recurrence.rule != RecurrenceRule::none; }
  bool operator==(const Task&) const = default;
};

std::string_view to_string(Priority priority);
std::string_view to_string(RecurrenceRule rule);
std::string_view to_string(RecurrenceFrom from);
std::optional<Priority> parse_priority(std::string_view text);
std::optional<RecurrenceRule> parse_recurrence_rule(std::string_view text);
std::optional<RecurrenceFrom> parse_recurrence_from(std::string_view text);
// "mo" … "su" ↔ 0 … 6.
std::string_view weekday_name(int days_after_monday);
std::optional<int> parse_weekday(std::string_view text);

}  // namespace todo
