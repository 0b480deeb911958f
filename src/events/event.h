#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/uuid.h"
#include "domain/audit_entry.h"
#include "domain/task.h"

namespace todo {

enum class Topic : std::uint8_t { audit = 0, reminders, task_completed };
inline constexpr int topic_count = 3;
std::string_view to_string(Topic topic);  // todo.audit todo.reminders todo.task.completed
std::optional<Topic> parse_topic(std::string_view text);

// W3C Trace Context: 32 and 16 lower-case hex digits.
struct TraceContext {
  std::string trace_id;
  std::string span_id;
  std::string traceparent() const;  // 00-<trace_id>-<span_id>-01
};

// Who did something, and in which request: `actor` is web, token:<name>, chat, mcp or system.
struct Origin {
  std::string actor = "system";
  std::string request_id;
  TraceContext trace;
};

// An event in its envelope: CloudEvents 1.0, structured JSON. `event` is the whole envelope, the
// very bytes that go over any bus.
struct OutboxEvent {
  Uuid id;
  Topic topic = Topic::audit;
  Uuid user_id;  // the partition key
  std::string event;
};

// What a consumer reads out of `data` of each topic.
struct AuditEvent {
  Uuid id;  // the envelope's
  Instant timestamp{};
  Uuid user_id;
  std::string entity_type;
  Uuid entity_id;
  std::int64_t entity_version = 0;
  AuditAction action = AuditAction::create;
  std::string before = "null";  // JSON
  std::string after = "null";   // JSON
  std::string metadata = "{}";  // JSON: actor, request_id, op?
};

struct ReminderEvent {
  Uuid id;
  Instant timestamp{};
  Uuid user_id;
  Uuid task_id;
  Uuid claim_id;
  std::string task_title;
  Instant due_date{};
  Origin origin;  // of the cause: trace from the envelope, request_id from data where it has one
};

struct CompletedEvent {
  Uuid id;
  Instant timestamp{};
  Uuid user_id;
  Uuid task_id;
  // The promised task, as far as the event tells of it; the promise row has the whole.
  std::optional<Uuid> next_occurrence_id;
  Origin origin;  // of the cause: trace from the envelope, request_id from data where it has one
};

// Envelope and data written as docs/api/events/*.schema.json say.
OutboxEvent make_event(const AuditEvent& event, const Origin& origin);
OutboxEvent make_event(const ReminderEvent& event, const Origin& origin);
// `task` is the completed task, `next` the promised one.
OutboxEvent make_completed_event(const Uuid& id, Instant timestamp, const Task& task,
                                 const Task& next, const Origin& origin);

// Reading. Unknown members are ignored. Fails with a reason fit for the dead letters: not JSON,
// another major schema_version, a missing or wrong member.
std::expected<AuditEvent, std::string> parse_audit_event(std::string_view event);
std::expected<ReminderEvent, std::string> parse_reminder_event(std::string_view event);
std::expected<CompletedEvent, std::string> parse_completed_event(std::string_view event);

}  // namespace todo
