#include "service/mutation.h"

#include "base/json_writer.h"
#include "domain/task_json.h"
#include "service/reminders.h"
#include "service/tasks.h"

namespace todo::service {
namespace {

std::string audit_metadata(const Origin& origin, std::string_view op) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("actor", origin.actor);
  if (!origin.request_id.empty()) json.member("request_id", origin.request_id);
  if (!op.empty()) json.member("op", op);
  json.end_object();
  return out;
}

AuditEvent audit_event(const Call& call, const Task& task, AuditAction action,
                       std::string_view op) {
  AuditEvent event;
  event.id = call.ids->next();
  event.timestamp = call.now;
  event.user_id = task.user_id;
  event.entity_type = "task";
  event.entity_id = task.id;
  event.entity_version = task.version;
  event.action = action;
  event.metadata = audit_metadata(call.origin, op);
  return event;
}

// Before and after of a deletion or restoration are no members of a task as it is answered:
// deleted_at tells them.
std::string deletion_json(std::optional<Instant> deleted_at) {
  std::string out;
  JsonWriter(out).begin_object().member("deleted_at", deleted_at).end_object();
  return out;
}

void hint(const Call& call, const Task& task) {
  if (task.remind_at && call.reminders != nullptr) call.reminders->planned(*task.remind_at);
}

storage::Announcement::Kind kind_of(AuditAction action) {
  using enum storage::Announcement::Kind;
  switch (action) {
    case AuditAction::create:
      return task_created;
    case AuditAction::update:
      return task_updated;
    case AuditAction::complete:
      return task_completed;
    case AuditAction::remove:
      return task_deleted;
  }
  return task_updated;
}

void announce(storage::Tx& tx, const Task& task, AuditAction action) {
  tx.announce({kind_of(action), task.user_id, task.id, task.version});
}

}  // namespace

void insert_task_with_event(storage::Tx& tx, const Call& call, const User& user, Task& task) {
  const PlannedReminder plan = plan_reminder(tx, task, user, call.now, true);
  task.remind_at = plan.claim_now ? std::nullopt : plan.remind_at;
  tx.insert_task(task);
  AuditEvent event = audit_event(call, task, AuditAction::create, {});
  event.after = task_json(task);
  tx.insert_outbox(make_event(event, call.origin));
  announce(tx, task, AuditAction::create);
  if (plan.claim_now) claim_reminder(tx, call, task, *plan.remind_at);
  hint(call, task);
}

void update_task_with_event(storage::Tx& tx, const Call& call, const User& user, const Task& before,
                            Task& after, AuditAction action, ReminderPlan plan,
                            std::string_view op) {
  after.version = before.version + 1;
  after.updated_at = call.now;
  PlannedReminder reminder;
  if (plan == ReminderPlan::recompute) {
    reminder = plan_reminder(tx, after, user, call.now);
    after.remind_at = reminder.claim_now ? std::nullopt : reminder.remind_at;
  }
  tx.update_task(before, after);

  AuditEvent event = audit_event(call, after, action, op);
  if (action == AuditAction::remove) {
    event.before = task_json(before);
  } else if (before.deleted_at != after.deleted_at) {
    event.before = deletion_json(before.deleted_at);
    event.after = deletion_json(after.deleted_at);
  } else {
    TaskChange change = task_change(before, after);
    event.before = std::move(change.before);
    event.after = std::move(change.after);
  }
  tx.insert_outbox(make_event(event, call.origin));
  announce(tx, after, action);
  if (reminder.claim_now) claim_reminder(tx, call, after, *reminder.remind_at);
  hint(call, after);
}

}  // namespace todo::service
