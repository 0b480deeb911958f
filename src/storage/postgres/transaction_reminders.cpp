#include "storage/postgres/transaction.h"

namespace todo::storage::postgres {
namespace {

#define TODO_REMINDER_COLUMNS                                                        \
  "user_id, task_id, due_at, id, claim_id, state, reason, remind_at, delivered_at, " \
  "notification_id "

ReminderRow read_reminder(Query& q) {
  ReminderRow row;
  row.user_id = q.id();
  row.task_id = q.id();
  row.due_date = q.instant();
  row.id = q.id();
  row.claim_id = q.id();
  row.state = static_cast<ReminderState>(q.integer());
  if (const auto reason = q.optional_integer()) row.reason = static_cast<SkipReason>(*reason);
  row.remind_at = q.optional_instant();
  row.delivered_at = q.optional_instant();
  row.notification_id = q.optional_id();
  return row;
}

}  // namespace

std::optional<ReminderRow> Transaction::find_reminder(const Uuid& user_id, const Uuid& task_id,
                                                      Instant due_date) {
  lock(user_id);
  Query q(c_, "SELECT " TODO_REMINDER_COLUMNS
              "FROM reminders WHERE user_id = $1 AND task_id = $2 AND due_at = $3");
  q.bind(user_id).bind(task_id).bind(due_date);
  return q.step() ? std::optional(read_reminder(q)) : std::nullopt;
}

std::vector<ReminderRow> Transaction::list_reminders(const Uuid& user_id, const Uuid& task_id) {
  lock(user_id);
  Query q(c_, "SELECT " TODO_REMINDER_COLUMNS
              "FROM reminders WHERE user_id = $1 AND task_id = $2 ORDER BY due_at");
  q.bind(user_id).bind(task_id);
  std::vector<ReminderRow> rows;
  while (q.step()) rows.push_back(read_reminder(q));
  return rows;
}

void Transaction::claim_reminder(const ReminderRow& row) {
  lock(row.user_id);
  Query q(c_, R"sql(
INSERT INTO reminders (user_id, task_id, due_at, id, claim_id, state, remind_at)
VALUES ($1, $2, $3, $4, $5, 0, $6)
ON CONFLICT (user_id, task_id, due_at) DO UPDATE
SET claim_id = excluded.claim_id, state = 0, reason = NULL, remind_at = excluded.remind_at
WHERE reminders.state = 2)sql");
  q.bind(row.user_id)
      .bind(row.task_id)
      .bind(row.due_date)
      .bind(row.id)
      .bind(row.claim_id)
      .bind(row.remind_at)
      .run();
}

bool Transaction::settle_reminder(const ReminderRow& row) {
  lock(row.user_id);
  Query q(c_, R"sql(
UPDATE reminders SET state = $1, reason = $2, delivered_at = $3, notification_id = $4
WHERE user_id = $5 AND task_id = $6 AND due_at = $7 AND claim_id = $8 AND state = 0)sql");
  q.bind(static_cast<int>(row.state));
  row.reason ? q.bind(static_cast<int>(*row.reason)) : q.bind_null(Type::integer);
  q.bind(row.delivered_at).bind(row.notification_id);
  q.bind(row.user_id).bind(row.task_id).bind(row.due_date).bind(row.claim_id);
  return q.changes() > 0;
}

void Transaction::move_reminder(const Uuid& user_id, const Uuid& task_id, Instant from,
                                Instant to) {
  lock(user_id);
  Query q(c_, R"sql(
UPDATE reminders SET due_at = $1
WHERE user_id = $2 AND task_id = $3 AND due_at = $4 AND state <> 0 AND NOT EXISTS (
  SELECT FROM reminders WHERE user_id = $2 AND task_id = $3 AND due_at = $1))sql");
  q.bind(to).bind(user_id).bind(task_id).bind(from).run();
}

}  // namespace todo::storage::postgres
