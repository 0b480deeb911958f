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

// Behind those that are consumed, in the same order, where their dead letters go.
enum class Topic : std::uint8_t {
  audit = 0,
  reminders,
  task_completed,
  audit_dead,
  reminders_dead,
  task_completed_dead
};
inline constexpr int topic_count = 3;     // that are consumed
std::string_view to_string(Topic topic);  // todo.audit todo.reminders … todo.audit.dlq …
std::optional<Topic> parse_topic(std::string_view text);  // of one that is consumed
bool is_dead_letters(Topic topic);
Topic dead_letters_of(Topic topic);  // of one that is consumed

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

// An event that can never be processed, as it goes to the dead letters of its topic.
inline constexpr std::string_view dead_letter_type = "todo.dead_letter";
struct DeadLetterEvent {
  Uuid id;  // of this one
  Instant timestamp{};
  Uuid event_id;  // of the event that is dead
  Topic topic = Topic::audit;
  Uuid user_id;
  std::string reason;
  int attempts = 0;
  std::string event;  // the dead one, as it came
};

// What a bus needs to know of an event before a consumer reads it.
struct EventHead {
  Uuid id;
  Uuid user_id;  // the partition key
  TraceContext trace;
  int attempts = 0;  // how often a consumer failed, where it came back to the outbox
};
// nullopt where it has no id of ours. Looks at the envelope alone, which need not be good JSON.
std::optional<EventHead> read_head(std::string_view event);

// The envelope as it is published: with `traceid` beside `traceparent`, without which Dapr would
// replace the trace, and the number of attempts where there were any. An event of no request
// gets `trace`.
std::string published_form(const OutboxEvent& event, int attempts, const TraceContext& trace);

// Envelope and data written as docs/api/events/*.schema.json say.
OutboxEvent make_event(const AuditEvent& event, const Origin& origin);
OutboxEvent make_event(const ReminderEvent& event, const Origin& origin);
OutboxEvent make_event(const DeadLetterEvent& event);
// `task` is the completed task, `next` the promised one.
OutboxEvent make_completed_event(const Uuid& id, Instant timestamp, const Task& task,
                                 const Task& next, const Origin& origin);

// Reading. Unknown members are ignored. Fails with a reason fit for the dead letters: not JSON,
// another major schema_version, a missing or wrong member.
std::expected<AuditEvent, std::string> parse_audit_event(std::string_view event);
std::expected<ReminderEvent, std::string> parse_reminder_event(std::string_view event);
std::expected<CompletedEvent, std::string> parse_completed_event(std::string_view event);

}  // namespace todo
