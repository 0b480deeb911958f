#include "domain/notification.h"

#include <array>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/recurrence.h"
#include "domain/task.h"
#include "domain/time_zone.h"
#include "domain/user.h"

namespace todo {
namespace {

constexpr std::array<std::string_view, 3> types{"reminder", "system", "action"};
constexpr std::array<std::string_view, 3> states{"pending", "sent", "skipped"};
constexpr std::array<std::string_view, 5> reasons{"completed", "deleted", "moved", "reminders_off",
                                                  "too_late"};
constexpr std::array<std::string_view, 12> months{"January",   "February", "March",    "April",
                                                  "May",       "June",     "July",     "August",
                                                  "September", "October",  "November", "December"};
// When an all-day task is told of, on its day.
constexpr std::chrono::hours all_day_reminder_at{9};

std::string long_date(Date date) {
  return fmt::format("{} {} {}", static_cast<unsigned>(date.day()),
                     months.at(static_cast<unsigned>(date.month()) - 1),
                     static_cast<int>(date.year()));
}

std::string due_text(const Due& due, const TimeZone& zone) {
  if (due.on) return long_date(*due.on);
  const LocalTime local = zone.to_local(due.at);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::minutes>(local - day)};
  return fmt::format("{} at {:02}:{:02}", long_date(Date{day}), time.hours().count(),
                     time.minutes().count());
}

}  // namespace

std::string_view to_string(NotificationType type) {
  return types.at(static_cast<std::size_t>(type));
}
std::string_view to_string(ReminderState state) {
  return states.at(static_cast<std::size_t>(state));
}
std::string_view to_string(SkipReason reason) {
  return reasons.at(static_cast<std::size_t>(reason));
}

std::optional<NotificationType> parse_notification_type(std::string_view text) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types.at(i) == text) return static_cast<NotificationType>(i);
  }
  return std::nullopt;
}

std::optional<SkipReason> parse_skip_reason(std::string_view text) {
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (reasons.at(i) == text) return static_cast<SkipReason>(i);
  }
  return std::nullopt;
}

std::optional<Instant> reminder_time(const Task& task, const Preferences& preferences,
                                     const TimeZone& zone) {
  if (!task.due) return std::nullopt;
  if (task.due->on)
    return zone.to_instant(LocalTime{std::chrono::local_days{*task.due->on}} + all_day_reminder_at);
  return task.due->at - std::chrono::minutes{preferences.reminder_minutes_before};
}

ReminderWords word_reminder(const Task& task, const TimeZone& zone, Instant now) {
  const bool overdue = task.due && task.due->at < now;
  ReminderWords words;
  words.title = shorten(fmt::format("{}: {}", overdue ? "Overdue" : "Reminder", task.title),
                        limits::notification_title_max);
  const std::string when = task.due ? due_text(*task.due, zone) : std::string();
  words.message =
      shorten(fmt::format("“{}” {} due on {}.", task.title, overdue ? "was" : "is", when),
              limits::notification_message_max);
  JsonWriter json(words.data);
  json.begin_object().member("kind", overdue ? "overdue" : "due").member("task_title", task.title);
  json.member("due_date", task.due ? std::optional(task.due->at) : std::nullopt);
  json.member("due_on", task.due ? task.due->on : std::nullopt).end_object();
  return words;
}

}  // namespace todo
