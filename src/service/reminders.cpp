#include "service/reminders.h"

#include <algorithm>

#include "base/limits.h"
#include "domain/time_zone.h"
#include "service/tasks.h"

namespace todo::service {
namespace {

const TimeZone& zone_of(const User& user) {
  thread_local std::optional<TimeZone> last;
  if (!last || last->name() != user.timezone) {
    last = TimeZone::find(user.timezone);
    if (!last) last = TimeZone::utc();  // tzdata dropped the name: the instants still hold
  }
  return *last;
}

ReminderRow pending_row(const Call& call, const Task& task, Instant remind_at) {
  ReminderRow row;
  row.id = call.ids->next();
  row.user_id = task.user_id;
  row.task_id = task.id;
  row.due_date = task.due->at;
  row.state = ReminderState::pending;
  row.claim_id = call.ids->next();
  row.remind_at = remind_at;
  return row;
}

void record_skipped(storage::Tx& tx, const Call& call, const Task& task, Instant remind_at,
                    SkipReason reason) {
  ReminderRow row = pending_row(call, task, remind_at);
  tx.claim_reminder(row);
  row.state = ReminderState::skipped;
  row.reason = reason;
  tx.settle_reminder(row);
}

bool too_late(Instant due_date, Instant now) {
  return now > due_date + limits::reminder_too_late_after;
}

// Why this task's user is not to be told of this due date now; none: tell.
std::optional<SkipReason> reason_to_skip(const std::optional<Task>& task, const User& user,
                                         Instant due_date, Instant now) {
  if (!task || task->deleted_at) return SkipReason::deleted;
  if (task->completed()) return SkipReason::completed;
  if (!task->due || task->due->at != due_date) return SkipReason::moved;
  if (!user.preferences.reminders_enabled) return SkipReason::reminders_off;
  if (too_late(due_date, now)) return SkipReason::too_late;
  return std::nullopt;
}

}  // namespace

PlannedReminder plan_reminder(storage::ReadTx& tx, const Task& task, const User& user, Instant now,
                              bool is_new) {
  if (!task.due || task.completed() || task.deleted_at) return {};
  if (task.due->at <= now) return {};  // past when it is set: raises nothing
  if (!is_new) {
    const auto row = tx.find_reminder(task.user_id, task.id, task.due->at);
    if (row && row->state != ReminderState::skipped) return {};  // told, or about to be
    if (row && row->reason == SkipReason::reminders_off && !user.preferences.reminders_enabled)
      return {};
  }
  PlannedReminder plan;
  plan.remind_at = reminder_time(task, user.preferences, zone_of(user));
  plan.claim_now = plan.remind_at && *plan.remind_at <= now;
  return plan;
}

void claim_reminder(storage::Tx& tx, const Call& call, const Task& task, Instant remind_at) {
  const ReminderRow row = pending_row(call, task, remind_at);
  tx.claim_reminder(row);
  ReminderEvent event;
  event.id = row.claim_id;
  event.claim_id = row.claim_id;
  event.timestamp = call.now;
  event.user_id = task.user_id;
  event.task_id = task.id;
  event.task_title = task.title;
  event.due_date = task.due->at;
  tx.insert_outbox(make_event(event, call.origin));
}

void follow_date(storage::Tx& tx, const Task& before, const Task& after) {
  if (before.due && after.due && before.due->on && before.due->on == after.due->on &&
      before.due->at != after.due->at) {
    tx.move_reminder(after.user_id, after.id, before.due->at, after.due->at);
  }
}

int check_reminders(storage::Tx& tx, const Call& system, int limit) {
  if (!tx.try_single(storage::SingleWork::reminder_check)) return 0;
  const auto keys = tx.due_reminders(system.now, limit);
  for (const storage::TaskKey& key : keys) {
    const auto task = tx.find_task(key.user_id, key.task_id);
    const auto user = tx.find_user(key.user_id);
    tx.set_remind_at(key.user_id, key.task_id, std::nullopt);
    if (!task || !task->due || !task->remind_at || !user) continue;
    const auto reason = reason_to_skip(task, *user, task->due->at, system.now);
    if (reason) {
      record_skipped(tx, system, *task, *task->remind_at, *reason);
    } else {
      claim_reminder(tx, system, *task, *task->remind_at);
    }
  }
  return static_cast<int>(keys.size());
}

DeliveredReminder deliver_reminder(storage::Tx& tx, const Call& system,
                                   const ReminderEvent& event) {
  const auto user = tx.find_user(event.user_id);
  if (!user) return {};  // gone, and the ledger with them
  const auto task = tx.find_task(event.user_id, event.task_id);
  ReminderRow row;
  row.user_id = event.user_id;
  row.task_id = event.task_id;
  row.due_date = event.due_date;
  row.claim_id = event.claim_id;
  if (const auto reason = reason_to_skip(task, *user, event.due_date, system.now)) {
    row.state = ReminderState::skipped;
    row.reason = reason;
    return {tx.settle_reminder(row), std::nullopt};
  }
  Notification notification;
  notification.id = system.ids->next();
  row.state = ReminderState::sent;
  row.delivered_at = system.now;
  row.notification_id = notification.id;
  if (!tx.settle_reminder(row)) return {};  // done already: a duplicate
  ReminderWords words = word_reminder(*task, zone_of(*user), system.now);
  notification.user_id = event.user_id;
  notification.type = NotificationType::reminder;
  notification.title = std::move(words.title);
  notification.message = std::move(words.message);
  notification.data = std::move(words.data);
  notification.task_id = event.task_id;
  notification.created_at = system.now;
  tx.insert_notification(notification);
  tx.announce({storage::Announcement::Kind::notification, event.user_id, notification.id, 0});
  const auto due = reminder_time(*task, user->preferences, zone_of(*user));
  return {true, due ? std::optional(system.now - *due) : std::nullopt};
}

std::optional<std::vector<ReminderAnswer>> explain_reminders(storage::ReadTx& tx,
                                                             const Uuid& user_id,
                                                             const Uuid& task_id) {
  const auto task = tx.find_task(user_id, task_id);
  if (!task || task->deleted_at) return std::nullopt;
  std::vector<ReminderAnswer> answers;
  const bool scheduled = task->remind_at && task->due;
  for (const ReminderRow& row : tx.list_reminders(user_id, task_id)) {
    if (scheduled && row.due_date == task->due->at)
      continue;  // the schedule supersedes a skipped row
    answers.push_back({row.id, row.task_id, row.due_date, to_string(row.state), row.reason,
                       row.remind_at, row.delivered_at, row.notification_id});
  }
  if (scheduled) {
    ReminderAnswer answer;
    answer.task_id = task_id;
    answer.due_date = task->due->at;
    answer.state = "scheduled";
    answer.remind_at = task->remind_at;
    answers.push_back(answer);
  }
  std::ranges::sort(answers, {}, &ReminderAnswer::due_date);  // one row a date
  return answers;
}

}  // namespace todo::service
