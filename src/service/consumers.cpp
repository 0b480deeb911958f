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

Effect Consumers::consume(storage::Tx& tx, const OutboxEvent& event) const {
  switch (event.topic) {
    case Topic::audit:
      return consume_audit(tx, {&event});
    case Topic::reminders: {
      const ReminderEvent reminder = readable(parse_reminder_event(event.event));
      const DeliveredReminder delivered =
          deliver_reminder(tx, system_call(reminder.user_id, reminder.origin), reminder);
      return {.duplicates = delivered.settled ? 0 : 1, .late = delivered.late};
    }
    case Topic::task_completed: {
      const CompletedEvent completed = readable(parse_completed_event(event.event));
      const Call call = system_call(completed.user_id, completed.origin);
      const bool kept =
          completed.next_occurrence_id && keep_promise(tx, call, *completed.next_occurrence_id);
      return {.duplicates = kept ? 0 : 1, .late = std::nullopt};
    }
    case Topic::audit_dead:
    case Topic::reminders_dead:
    case Topic::task_completed_dead:
      break;
  }
  return {};  // dead letters have no effect
}

Effect Consumers::consume_audit(storage::Tx& tx,
                                const std::vector<const OutboxEvent*>& events) const {
  std::vector<AuditEvent> batch;
  batch.reserve(events.size());
  for (const OutboxEvent* event : events)
    batch.push_back(readable(parse_audit_event(event->event)));
  const int recorded = record_audit(tx, audit_keys_, ids_, std::move(batch));
  return {.duplicates = static_cast<int>(events.size()) - recorded, .late = std::nullopt};
}

}  // namespace todo::service
