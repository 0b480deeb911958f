#include "events/event.h"

#include <array>
#include <charconv>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/json_reader.h"
#include "base/json_scanner.h"
#include "base/json_writer.h"
#include "base/time_text.h"

namespace todo {
namespace {

constexpr std::array<std::string_view, std::size_t{2} * topic_count> topics{
    "todo.audit",     "todo.reminders",     "todo.task.completed",
    "todo.audit.dlq", "todo.reminders.dlq", "todo.task.completed.dlq"};
constexpr std::string_view schema_version = "1.0";
constexpr std::string_view source = "todo-backend";
constexpr std::string_view attempts_member = "attempts";
constexpr std::size_t traceparent_bytes = 55;

std::string_view event_type(AuditAction action) {
  switch (action) {
    case AuditAction::create:
      return "task.created";
    case AuditAction::update:
      return "task.updated";
    case AuditAction::complete:
      return "task.completed";
    case AuditAction::remove:
      return "task.deleted";
  }
  return {};
}

struct Envelope {
  Uuid id;
  Topic topic;
  Uuid user_id;
  Uuid subject;
  std::string_view type;  // of data; the envelope's has “todo.” before it
  Instant time;
};

// CloudEvents 1.0, structured content mode. `write_data` writes the members of data behind the
// common ones.
template <class WriteData>
OutboxEvent make(const Envelope& envelope, const Origin& origin, WriteData write_data) {
  OutboxEvent event{envelope.id, envelope.topic, envelope.user_id, {}};
  event.event.reserve(1'400);
  JsonWriter json(event.event);
  json.begin_object()
      .member("specversion", "1.0")
      .member("id", envelope.id)
      .member("source", source);
  json.member("type", "todo." + std::string(envelope.type))
      .member("subject", envelope.subject)
      .member("time", envelope.time);
  json.member("datacontenttype", "application/json");
  if (!origin.trace.trace_id.empty()) json.member("traceparent", origin.trace.traceparent());
  json.member("partitionkey", envelope.user_id).key("data").begin_object();
  json.member("schema_version", schema_version)
      .member("event_type", envelope.type)
      .member("timestamp", envelope.time);
  json.member("user_id", envelope.user_id);
  write_data(json);
  json.end_object().end_object();
  return event;
}

// Why an event cannot be read.
struct Unreadable {
  std::string reason;
};

class Reader {
 public:
  explicit Reader(std::string_view event) {
    auto parsed = parse_json(event);
    if (!parsed) throw Unreadable{"not JSON: " + parsed.error().detail};
    if (!parsed->is_object()) throw Unreadable{"not a JSON object"};
    envelope_ = std::move(parsed->get_object());
    const auto* data = envelope_.if_contains("data");
    if (data == nullptr || !data->is_object()) throw Unreadable{"data is missing"};
    data_ = &data->get_object();
    const std::string_view version = text("schema_version");
    if (version != "1" && !version.starts_with("1."))
      throw Unreadable{fmt::format("schema_version {} is not one this program reads", version)};
  }

  // As long as the reader is there.
  std::string_view text(std::string_view name) const { return text_in(*data_, name); }

  std::optional<std::string> optional_text(std::string_view name) const {
    const auto* value = data_->if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string(std::string_view(value->get_string()));
  }

  Uuid id(std::string_view name) const { return id_of(text(name), name); }
  Uuid event_id() const { return id_of(text_in(envelope_, "id"), "id"); }

  Instant instant(std::string_view name) const {
    const auto instant = parse_instant(text(name));
    if (!instant) throw Unreadable{std::string(name) + " is not an instant"};
    return *instant;
  }

  std::int64_t positive(std::string_view name) const {
    const auto* value = data_->if_contains(name);
    if (value == nullptr || !value->is_int64() || value->get_int64() < 1)
      throw Unreadable{std::string(name) + " is not a positive integer"};
    return value->get_int64();
  }

  // An object or null, as JSON text.
  std::string object_or_null(std::string_view name) const {
    const auto* value = data_->if_contains(name);
    if (value == nullptr || value->is_null()) return "null";
    if (!value->is_object()) throw Unreadable{std::string(name) + " is not an object"};
    return boost::json::serialize(*value);
  }

  const boost::json::object* object(std::string_view name) const {
    const auto* value = data_->if_contains(name);
    return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
  }

  static Uuid id_in(const boost::json::object& object, std::string_view name) {
    return id_of(text_in(object, name), name);
  }

  Origin origin() const {
    Origin origin;
    origin.request_id = optional_text("request_id").value_or("");
    const auto* trace = envelope_.if_contains("traceparent");
    if (trace != nullptr && trace->is_string() && trace->get_string().size() == traceparent_bytes) {
      const std::string_view text = trace->get_string();
      origin.trace = {std::string(text.substr(3, 32)), std::string(text.substr(36, 16))};
    }
    return origin;
  }

 private:
  static std::string_view text_in(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_string())
      throw Unreadable{std::string(name) + " is missing or not a text"};
    return value->get_string();
  }
  static Uuid id_of(std::string_view text, std::string_view name) {
    const auto id = Uuid::parse(text);
    if (!id) throw Unreadable{std::string(name) + " is not a UUID"};
    return *id;
  }

  boost::json::object envelope_;
  const boost::json::object* data_ = nullptr;
};

template <class T, class Read>
std::expected<T, std::string> reading(std::string_view text, Read read) {
  try {
    return read(Reader(text));
  } catch (const Unreadable& unreadable) {
    return std::unexpected(unreadable.reason);
  }
}

AuditEvent read_audit(const Reader& reader) {
  AuditEvent event;
  event.id = reader.event_id();
  event.timestamp = reader.instant("timestamp");
  event.user_id = reader.id("user_id");
  event.entity_type = reader.text("entity_type");
  event.entity_id = reader.id("entity_id");
  event.entity_version = reader.positive("entity_version");
  const auto action = parse_audit_action(reader.text("action"));
  if (!action) throw Unreadable{"action is none that this program knows"};
  event.action = *action;
  event.before = reader.object_or_null("before");
  event.after = reader.object_or_null("after");
  event.metadata = reader.object_or_null("metadata");
  if (event.metadata == "null") event.metadata = "{}";
  return event;
}

ReminderEvent read_reminder(const Reader& reader) {
  ReminderEvent event;
  event.id = reader.event_id();
  event.timestamp = reader.instant("timestamp");
  event.user_id = reader.id("user_id");
  event.task_id = reader.id("task_id");
  event.claim_id = reader.id("claim_id");
  event.task_title = reader.text("task_title");
  event.due_date = reader.instant("due_date");
  event.origin = reader.origin();
  return event;
}

CompletedEvent read_completed(const Reader& reader) {
  CompletedEvent event;
  event.id = reader.event_id();
  event.timestamp = reader.instant("timestamp");
  event.user_id = reader.id("user_id");
  event.task_id = reader.id("task_id");
  if (const auto* next = reader.object("next_occurrence"))
    event.next_occurrence_id = Reader::id_in(*next, "id");
  event.origin = reader.origin();
  return event;
}

}  // namespace

std::string_view to_string(Topic topic) { return topics.at(static_cast<std::size_t>(topic)); }

std::optional<Topic> parse_topic(std::string_view text) {
  for (std::size_t i = 0; i < topic_count; ++i) {
    if (topics.at(i) == text) return static_cast<Topic>(i);
  }
  return std::nullopt;
}

bool is_dead_letters(Topic topic) { return static_cast<int>(topic) >= topic_count; }

Topic dead_letters_of(Topic topic) {
  return static_cast<Topic>(static_cast<int>(topic) + topic_count);
}

std::optional<EventHead> read_head(std::string_view event) {
  const auto members = scan_object(event);
  if (!members) return std::nullopt;
  const auto id_in = [&](std::string_view name) {
    return Uuid::parse(plain_string(find_raw(*members, name)).value_or(""));
  };
  const auto id = id_in("id");
  if (!id) return std::nullopt;
  EventHead head;
  head.id = *id;
  head.user_id = id_in("partitionkey").value_or(Uuid{});
  const auto trace = plain_string(find_raw(*members, "traceparent"));
  if (trace && trace->size() == traceparent_bytes)
    head.trace = {std::string(trace->substr(3, 32)), std::string(trace->substr(36, 16))};
  const std::string_view attempts = find_raw(*members, attempts_member);
  std::from_chars(attempts.data(), attempts.data() + attempts.size(), head.attempts);
  return head;
}

std::string published_form(const OutboxEvent& event, int attempts, const TraceContext& trace) {
  std::string text = event.event;
  if (!text.ends_with('}')) return text;
  text.pop_back();
  // It stands before `data`, where a text could only hold these quotes escaped.
  constexpr std::string_view member = "\"traceparent\":\"";
  const auto at = text.find(member);
  std::string traceparent = trace.traceparent();
  if (at == std::string::npos) {
    text += ",\"traceparent\":\"" + traceparent + "\"";
  } else {
    traceparent = text.substr(at + member.size(), traceparent_bytes);
  }
  text += ",\"traceid\":\"" + traceparent + "\"";
  if (attempts > 0) text += fmt::format(",\"{}\":{}", attempts_member, attempts);
  return text + '}';
}

std::string TraceContext::traceparent() const { return "00-" + trace_id + "-" + span_id + "-01"; }

OutboxEvent make_event(const AuditEvent& event, const Origin& origin) {
  return make({event.id, Topic::audit, event.user_id, event.entity_id, event_type(event.action),
               event.timestamp},
              origin, [&](JsonWriter& json) {
                json.member("entity_type", event.entity_type)
                    .member("entity_id", event.entity_id)
                    .member("entity_version", event.entity_version);
                json.member("action", to_string(event.action))
                    .key("before")
                    .raw(event.before)
                    .key("after")
                    .raw(event.after);
                json.key("metadata").raw(event.metadata);
              });
}

OutboxEvent make_event(const ReminderEvent& event, const Origin& origin) {
  return make(
      {event.id, Topic::reminders, event.user_id, event.task_id, "task.reminder", event.timestamp},
      origin, [&](JsonWriter& json) {
        json.member("task_id", event.task_id)
            .member("claim_id", event.claim_id)
            .member("task_title", event.task_title);
        json.member("due_date", event.due_date);
        if (!origin.request_id.empty()) json.member("request_id", origin.request_id);
      });
}

OutboxEvent make_event(const DeadLetterEvent& event) {
  return make({event.id, dead_letters_of(event.topic), event.user_id, event.event_id, "dead_letter",
               event.timestamp},
              {}, [&](JsonWriter& json) {
                json.member("event_id", event.event_id)
                    .member("topic", to_string(event.topic))
                    .member("reason", event.reason)
                    .member("attempts", event.attempts)
                    .member("event", event.event);
              });
}

OutboxEvent make_completed_event(const Uuid& id, Instant timestamp, const Task& task,
                                 const Task& next, const Origin& origin) {
  return make(
      {id, Topic::task_completed, task.user_id, task.id, "task.completed", timestamp}, origin,
      [&](JsonWriter& json) {
        json.member("task_id", task.id)
            .key("task")
            .begin_object()
            .member("id", task.id)
            .member("title", task.title);
        json.member("recurrence_rule", to_string(task.recurrence.rule));
        json.member("due_date", task.due ? std::optional(task.due->at) : std::nullopt).end_object();
        json.key("next_occurrence")
            .begin_object()
            .member("id", next.id)
            .member("series_id", next.series_id);
        json.member("occurrence", next.occurrence)
            .member("due_date", next.due ? std::optional(next.due->at) : std::nullopt)
            .end_object();
        if (!origin.request_id.empty()) json.member("request_id", origin.request_id);
      });
}

std::expected<AuditEvent, std::string> parse_audit_event(std::string_view event) {
  return reading<AuditEvent>(event, read_audit);
}
std::expected<ReminderEvent, std::string> parse_reminder_event(std::string_view event) {
  return reading<ReminderEvent>(event, read_reminder);
}
std::expected<CompletedEvent, std::string> parse_completed_event(std::string_view event) {
  return reading<CompletedEvent>(event, read_completed);
}

}  // namespace todo
