#include "service/consumers.h"

#include "service/audit.h"
#include "service/reminders.h"
#include "service/tasks.h"

namespace todo::service {
namespace {

template <class T>
T readable(std::expected<T, std::string> parsed) {
  if (!parsed) throw Undeliverable(parsed.error());
  return std::move(*parsed);
}

}  // namespace

Call Consumers::system_call(const Uuid& user_id, const Origin& cause) const {
  Call call;
  call.user_id = user_id;
  call.origin = cause;
  call.origin.actor = "system";
  call.now = clock_.now();
  call.ids = &ids_;
  call.reminders = hint_;
  return call;
}

void Consumers::consume(storage::Tx& tx, const OutboxEvent& event) const {
  switch (event.topic) {
    case Topic::audit:
      consume_audit(tx, {&event});
      return;
    case Topic::reminders: {
      const ReminderEvent reminder = readable(parse_reminder_event(event.event));
      deliver_reminder(tx, system_call(reminder.user_id, reminder.origin), reminder);
      return;
    }
    case Topic::task_completed: {
      const CompletedEvent completed = readable(parse_completed_event(event.event));
      const Call call = system_call(completed.user_id, completed.origin);
      if (completed.next_occurrence_id) keep_promise(tx, call, *completed.next_occurrence_id);
      return;
    }
  }
}

void Consumers::consume_audit(storage::Tx& tx,
                              const std::vector<const OutboxEvent*>& events) const {
  std::vector<AuditEvent> batch;
  batch.reserve(events.size());
  for (const OutboxEvent* event : events)
    batch.push_back(readable(parse_audit_event(event->event)));
  record_audit(tx, audit_keys_, ids_, std::move(batch));
}

}  // namespace todo::service
