#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "domain/notification.h"
#include "domain/user.h"
#include "service/call.h"
#include "storage/store.h"

namespace todo::service {

// Claims the reminder of a task: ledger row pending and the event for todo.reminders, in this
// transaction. `remind_at`: when it fell due, for the ledger.
void claim_reminder(storage::Tx& tx, const Call& call, const Task& task, Instant remind_at);

// After an all-day task's instant moved with the zone: its date was told, or not, all the same.
void follow_date(storage::Tx& tx, const Task& before, const Task& after);

// The reminder check: claims up to `limit` tasks with remind_at ≤ now. What is late by more than 24
// h, or whose user has reminders off, gets its skipped row instead of an event. Returns how many it
// took; fewer than `limit` means none is left.
int check_reminders(storage::Tx& tx, const Call& system, int limit);

// The consumer of todo.reminders: re-checks the task and tells its user, once.
struct DeliveredReminder {
  bool settled = false;                           // else somebody did before, or there is nobody
  std::optional<std::chrono::milliseconds> late;  // told: so long after its time
};
DeliveredReminder deliver_reminder(storage::Tx& tx, const Call& system, const ReminderEvent& event);

// "Why was I told, or not?": the ledger rows of a task with the scheduled one computed, by due
// date. nullopt: not the user's task.
struct ReminderAnswer {
  std::optional<Uuid> id;  // none while scheduled
  Uuid task_id;
  Instant due_date{};
  std::string_view state;  // scheduled pending sent skipped
  std::optional<SkipReason> reason;
  std::optional<Instant> remind_at;
  std::optional<Instant> delivered_at;
  std::optional<Uuid> notification_id;
};
std::optional<std::vector<ReminderAnswer>> explain_reminders(storage::ReadTx& tx,
                                                             const Uuid& user_id,
                                                             const Uuid& task_id);

}  // namespace todo::service
