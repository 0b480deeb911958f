#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/uuid.h"

namespace todo {

enum class NotificationType : std::uint8_t { reminder = 0, system, action };
std::string_view to_string(NotificationType type);
std::optional<NotificationType> parse_notification_type(std::string_view text);

struct Notification {
  Uuid id;
  Uuid user_id;
  NotificationType type = NotificationType::reminder;
  std::string title;    // ≤ limits::notification_title_max
  std::string message;  // ≤ limits::notification_message_max
  std::string data;     // a JSON object: kind, task_title, due_date …
  std::optional<Uuid> task_id;
  std::optional<Instant> read_at;
  Instant created_at{};
  std::optional<Instant>
      archived_at;  // computed from created_at where it is answered; never stored
};

// The ledger: one row per (task, due date) says what became of its reminder.
enum class ReminderState : std::uint8_t { pending = 0, sent, skipped };
enum class SkipReason : std::uint8_t { completed = 0, deleted, moved, reminders_off, too_late };
std::string_view to_string(ReminderState state);
std::string_view to_string(SkipReason reason);
std::optional<SkipReason> parse_skip_reason(std::string_view text);

struct ReminderRow {
  Uuid id;
  Uuid user_id;
  Uuid task_id;
  Instant due_date{};
  ReminderState state = ReminderState::pending;
  std::optional<SkipReason> reason;
  Uuid claim_id;  // the id of the event that carries the claim
  std::optional<Instant> remind_at;
  std::optional<Instant> delivered_at;
  std::optional<Uuid> notification_id;
};

// When the reminder of a task falls due: `reminder_minutes_before` minutes before its due date, or
// 09:00 local on the day of an all-day task. None where the task has no due date.
struct Task;
struct Preferences;
class TimeZone;
std::optional<Instant> reminder_time(const Task& task, const Preferences& preferences,
                                     const TimeZone& zone);

// The words of a reminder: title, message and data, as overdue when `now` is past the due date.
// All-day tasks are worded by date, others by the local time in `zone`.
struct ReminderWords {
  std::string title;
  std::string message;
  std::string data;
};
ReminderWords word_reminder(const Task& task, const TimeZone& zone, Instant now);

}  // namespace todo
