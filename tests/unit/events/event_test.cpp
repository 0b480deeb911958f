#include "events/event.h"

#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "base/time_text.h"
#include "domain/recurrence.h"

namespace todo {
namespace {

namespace json = boost::json;

Instant at(std::string_view text) { return parse_instant(text).value(); }
Uuid id(int n) {
  Uuid uuid;
  uuid.bytes.back() = static_cast<std::uint8_t>(n);
  return uuid;
}
std::string text_of(int n) { return id(n).to_string(); }

Origin origin() {
  return {"web", "req-1", {"4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"}};
}

AuditEvent audit_event() {
  AuditEvent event;
  event.id = id(1);
  event.timestamp = at("2026-02-09T12:00:00Z");
  event.user_id = id(2);
  event.entity_type = "task";
  event.entity_id = id(3);
  event.entity_version = 2;
  event.action = AuditAction::update;
  event.before = R"({"title":"Old"})";
  event.after = R"({"title":"New \"x\" é"})";
  event.metadata = R"({"actor":"web","request_id":"req-1"})";
  return event;
}

ReminderEvent reminder_event() {
  ReminderEvent event;
  event.id = event.claim_id = id(1);
  event.timestamp = at("2026-02-09T12:00:00.250Z");
  event.user_id = id(2);
  event.task_id = id(3);
  event.task_title = "Say \"hi\"\nto 😀";
  event.due_date = at("2026-02-09T13:00:00Z");
  return event;
}

Task task(int n, std::string_view due) {
  Task task;
  task.id = id(n);
  task.user_id = id(2);
  task.series_id = id(9);
  task.title = "Water the plants";
  task.recurrence.rule = RecurrenceRule::weekly;
  task.due = due_at(at(due), TimeZone::utc());
  return task;
}

OutboxEvent completed_event() {
  Task next = task(4, "2026-02-16T12:00:00Z");
  next.occurrence = 2;
  return make_completed_event(id(1), at("2026-02-09T12:30:00Z"), task(3, "2026-02-09T12:00:00Z"),
                              next, origin());
}

// The event with one member of `data` (or "envelope/…") set to another JSON value; “-” removes it.
std::string with(const std::string& event, std::string_view member, std::string_view value) {
  json::value whole = json::parse(event);
  json::object* object = &whole.as_object();
  if (member.starts_with("envelope/")) {
    member.remove_prefix(9);
  } else {
    object = &object->at("data").as_object();
  }
  object->erase(member);
  if (value != "-") object->emplace(member, json::parse(value));
  return json::serialize(whole);
}

// --- written ---

TEST(EventTest, an_audit_event_is_written_as_documented) {
  const OutboxEvent event = make_event(audit_event(), origin());
  EXPECT_EQ(event.id, id(1));
  EXPECT_EQ(event.user_id, id(2));
  EXPECT_EQ(event.topic, Topic::audit);
  EXPECT_EQ(event.event,
            R"({"specversion":"1.0","id":")" + text_of(1) +
                R"(","source":"todo-backend","type":"todo.task.updated","subject":")" + text_of(3) +
                R"(","time":"2026-02-09T12:00:00Z","datacontenttype":"application/json",)" +
                R"("traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",)" +
                R"("partitionkey":")" + text_of(2) +
                R"(","data":{"schema_version":"1.0","event_type":"task.updated",)" +
                R"("timestamp":"2026-02-09T12:00:00Z","user_id":")" + text_of(2) +
                R"(","entity_type":"task","entity_id":")" + text_of(3) +
                R"(","entity_version":2,"action":"update","before":{"title":"Old"},)" +
                R"("after":{"title":"New \"x\" é"},)" +
                R"("metadata":{"actor":"web","request_id":"req-1"}}})");
}

TEST(EventTest, each_action_has_its_event_type) {
  AuditEvent event = audit_event();
  const std::pair<AuditAction, std::string> types[] = {{AuditAction::create, "created"},
                                                       {AuditAction::update, "updated"},
                                                       {AuditAction::complete, "completed"},
                                                       {AuditAction::remove, "deleted"}};
  for (const auto& [action, word] : types) {
    event.action = action;
    const json::value whole = json::parse(make_event(event, origin()).event);
    EXPECT_EQ(whole.at("type").as_string(), "todo.task." + word);
    EXPECT_EQ(whole.at("data").at("event_type").as_string(), "task." + word);
    EXPECT_EQ(whole.at("data").at("action").as_string(), std::string(to_string(action)));
  }
}

TEST(EventTest, a_reminder_is_written_as_documented) {
  const OutboxEvent event = make_event(reminder_event(), origin());
  EXPECT_EQ(event.topic, Topic::reminders);
  const json::value whole = json::parse(event.event);
  EXPECT_EQ(whole.at("type").as_string(), "todo.task.reminder");
  EXPECT_EQ(whole.at("subject").as_string(), text_of(3));
  EXPECT_EQ(whole.at("data"),
            json::parse(R"({"schema_version":"1.0","event_type":"task.reminder",
    "timestamp":"2026-02-09T12:00:00.250Z","user_id":")" +
                        text_of(2) + R"(","task_id":")" + text_of(3) + R"(","claim_id":")" +
                        text_of(1) + R"(","task_title":"Say \"hi\"\nto 😀",
    "due_date":"2026-02-09T13:00:00Z","request_id":"req-1"})"));
}

TEST(EventTest, a_completion_is_written_as_documented) {
  const OutboxEvent event = completed_event();
  EXPECT_EQ(event.topic, Topic::task_completed);
  const json::value whole = json::parse(event.event);
  EXPECT_EQ(whole.at("type").as_string(), "todo.task.completed");
  EXPECT_EQ(whole.at("data"),
            json::parse(R"({"schema_version":"1.0","event_type":"task.completed",
    "timestamp":"2026-02-09T12:30:00Z","user_id":")" +
                        text_of(2) + R"(","task_id":")" + text_of(3) + R"(","task":{"id":")" +
                        text_of(3) + R"(","title":"Water the plants",
    "recurrence_rule":"weekly","due_date":"2026-02-09T12:00:00Z"},"next_occurrence":{"id":")" +
                        text_of(4) + R"(","series_id":")" + text_of(9) + R"(","occurrence":2,
    "due_date":"2026-02-16T12:00:00Z"},"request_id":"req-1"})"));
}

TEST(EventTest, what_nobody_traced_has_no_trace) {
  const OutboxEvent event = make_event(audit_event(), Origin{});
  EXPECT_EQ(event.event.find("traceparent"), std::string::npos);
}

// --- read back ---

TEST(EventTest, an_audit_event_is_read_as_it_was_written) {
  const AuditEvent written = audit_event();
  const auto read = parse_audit_event(make_event(written, origin()).event);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->id, written.id);
  EXPECT_EQ(read->timestamp, written.timestamp);
  EXPECT_EQ(read->user_id, written.user_id);
  EXPECT_EQ(read->entity_type, "task");
  EXPECT_EQ(read->entity_id, written.entity_id);
  EXPECT_EQ(read->entity_version, 2);
  EXPECT_EQ(read->action, AuditAction::update);
  EXPECT_EQ(read->before, written.before);
  EXPECT_EQ(read->after, written.after);
  EXPECT_EQ(read->metadata, written.metadata);
}

TEST(EventTest, a_creation_has_no_before_and_a_deletion_no_after) {
  AuditEvent event = audit_event();
  event.before = "null";
  EXPECT_EQ(parse_audit_event(make_event(event, origin()).event)->before, "null");
  event.after = "null";
  EXPECT_EQ(parse_audit_event(make_event(event, origin()).event)->after, "null");
}

TEST(EventTest, a_reminder_is_read_as_it_was_written) {
  const ReminderEvent written = reminder_event();
  const auto read = parse_reminder_event(make_event(written, origin()).event);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->id, written.id);
  EXPECT_EQ(read->timestamp, written.timestamp);
  EXPECT_EQ(read->user_id, written.user_id);
  EXPECT_EQ(read->task_id, written.task_id);
  EXPECT_EQ(read->claim_id, written.claim_id);
  EXPECT_EQ(read->task_title, written.task_title);
  EXPECT_EQ(read->due_date, written.due_date);
  EXPECT_EQ(read->origin.request_id, "req-1");
  EXPECT_EQ(read->origin.trace.trace_id, origin().trace.trace_id);
  EXPECT_EQ(read->origin.trace.span_id, origin().trace.span_id);
}

TEST(EventTest, a_completion_is_read_as_it_was_written) {
  const auto read = parse_completed_event(completed_event().event);
  ASSERT_TRUE(read) << read.error();
  EXPECT_EQ(read->id, id(1));
  EXPECT_EQ(read->timestamp, at("2026-02-09T12:30:00Z"));
  EXPECT_EQ(read->user_id, id(2));
  EXPECT_EQ(read->task_id, id(3));
  EXPECT_EQ(read->next_occurrence_id, id(4));
  EXPECT_EQ(read->origin.request_id, "req-1");
}

// --- from other releases ---

TEST(EventTest, members_nobody_knows_yet_are_ignored) {
  const std::string audit = make_event(audit_event(), origin()).event;
  const std::string later = with(with(audit, "colour", R"({"red":[1,2]})"), "envelope/tenant", "7");
  EXPECT_TRUE(parse_audit_event(later));
  EXPECT_TRUE(
      parse_reminder_event(with(make_event(reminder_event(), origin()).event, "colour", "null")));
  EXPECT_TRUE(parse_completed_event(with(completed_event().event, "colour", "[]")));
}

TEST(EventTest, a_newer_minor_version_is_read_and_another_major_is_refused) {
  const std::string events[] = {make_event(audit_event(), origin()).event,
                                make_event(reminder_event(), origin()).event,
                                completed_event().event};
  const auto reads = [&](std::string_view version) {
    return std::array{
        parse_audit_event(with(events[0], "schema_version", version)).has_value(),
        parse_reminder_event(with(events[1], "schema_version", version)).has_value(),
        parse_completed_event(with(events[2], "schema_version", version)).has_value()};
  };
  for (const char* version : {R"("1.0")", R"("1.7")", R"("1.10")"}) {
    EXPECT_EQ(reads(version), (std::array{true, true, true})) << version;
  }
  for (const char* version : {R"("2.0")", R"("2")", R"("0.9")", R"("10.0")", R"("11")", R"("")",
                              R"("v1.0")", "1", "1.0", "null", "-"}) {
    EXPECT_EQ(reads(version), (std::array{false, false, false})) << version;
  }
  const auto refused = parse_audit_event(with(events[0], "schema_version", R"("2.0")"));
  EXPECT_NE(refused.error().find("2.0"), std::string::npos) << refused.error();
}

// --- for the dead letters ---

TEST(EventTest, what_is_no_event_is_refused_with_a_reason) {
  for (const char* text :
       {"", "null", "[]", "{}", "7", "\"x\"", "{\"data\":null}", "{\"data\":[]}", "{\"data\":{}}",
        "{\"data\":{\"schema_version\":\"1.0\"}}", "{", "{\"data\":{},\"data\":{}}"}) {
    const auto audit = parse_audit_event(text);
    ASSERT_FALSE(audit) << text;
    EXPECT_FALSE(audit.error().empty());
    EXPECT_FALSE(parse_reminder_event(text)) << text;
    EXPECT_FALSE(parse_completed_event(text)) << text;
  }
}

TEST(EventTest, a_missing_or_wrong_member_is_named) {
  const std::string audit = make_event(audit_event(), origin()).event;
  const std::string reminder = make_event(reminder_event(), origin()).event;
  const std::string completed = completed_event().event;
  const auto refusal = [](const auto& read) { return read ? std::string() : read.error(); };
  const auto names = [](const std::string& reason, std::string_view member) {
    return reason.find(member) != std::string::npos;
  };
  for (const char* member : {"timestamp", "user_id", "entity_type", "entity_id", "action"}) {
    for (const char* value : {"-", "null", "7", "{}"}) {
      EXPECT_TRUE(names(refusal(parse_audit_event(with(audit, member, value))), member)) << member;
    }
  }
  for (const char* value : {"-", "null", "0", "-1", "1.5", "\"2\"", "18446744073709551615"}) {
    const auto read = parse_audit_event(with(audit, "entity_version", value));
    EXPECT_TRUE(names(refusal(read), "entity_version")) << value;
  }
  EXPECT_TRUE(names(refusal(parse_audit_event(with(audit, "action", "\"erase\""))), "action"));
  EXPECT_TRUE(names(refusal(parse_audit_event(with(audit, "before", "\"x\""))), "before"));
  EXPECT_TRUE(names(refusal(parse_audit_event(with(audit, "user_id", "\"x\""))), "user_id"));
  EXPECT_TRUE(names(refusal(parse_audit_event(with(audit, "timestamp", "\"now\""))), "timestamp"));
  EXPECT_TRUE(names(refusal(parse_audit_event(with(audit, "envelope/id", "-"))), "id"));
  for (const char* member :
       {"timestamp", "user_id", "task_id", "claim_id", "task_title", "due_date"}) {
    EXPECT_TRUE(names(refusal(parse_reminder_event(with(reminder, member, "-"))), member))
        << member;
  }
  for (const char* member : {"timestamp", "user_id", "task_id"}) {
    EXPECT_TRUE(names(refusal(parse_completed_event(with(completed, member, "-"))), member))
        << member;
  }
}

TEST(EventTest, a_trace_that_is_none_does_no_harm) {
  const std::string reminder = make_event(reminder_event(), origin()).event;
  for (const char* trace : {"-", "null", "7", "\"\"", "\"00-x\""}) {
    const auto read = parse_reminder_event(with(reminder, "envelope/traceparent", trace));
    ASSERT_TRUE(read) << trace;
    EXPECT_TRUE(read->origin.trace.trace_id.empty()) << trace;
  }
}

TEST(EventTest, what_is_published_is_the_envelope_with_its_trace_twice) {
  const OutboxEvent event = make_event(reminder_event(), origin());
  const std::string text = published_form(event, 0, {});
  const std::string trace = "\"" + origin().trace.traceparent() + "\"";
  EXPECT_EQ(text.substr(0, event.event.size() - 1), event.event.substr(0, event.event.size() - 1));
  EXPECT_EQ(text.substr(event.event.size() - 1), ",\"traceid\":" + trace + "}");
  const auto head = read_head(text);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->id, event.id);
  EXPECT_EQ(head->user_id, event.user_id);
  EXPECT_EQ(head->trace.traceparent(), origin().trace.traceparent());
  EXPECT_EQ(head->attempts, 0);
}

TEST(EventTest, what_no_request_caused_is_published_with_a_trace_of_its_own) {
  const TraceContext trace{std::string(32, '1'), std::string(16, '2')};
  const std::string text = published_form(make_event(reminder_event(), {}), 4, trace);
  const auto head = read_head(text);
  ASSERT_TRUE(head) << text;
  EXPECT_EQ(head->trace.traceparent(), trace.traceparent());
  EXPECT_EQ(head->attempts, 4);
  const auto parsed = parse_reminder_event(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->origin.trace.trace_id, trace.trace_id);
}

TEST(EventTest, a_head_is_read_from_a_damaged_event_as_far_as_it_has_one) {
  const std::string id = "01a2153a-130f-72c9-8dc7-2c08729298bb";
  const auto head =
      read_head(R"({"id":")" + id + R"(","partitionkey":7,"traceparent":"x","attempts":"y"})");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->id.to_string(), id);
  EXPECT_EQ(head->user_id, Uuid{});
  EXPECT_TRUE(head->trace.trace_id.empty());
  EXPECT_EQ(head->attempts, 0);
  for (const char* text : {"", "17", "{}", R"({"id":"x"})", R"({"id":7})", R"({"id":)"})
    EXPECT_FALSE(read_head(text)) << text;
}

TEST(EventTest, a_dead_letter_tells_what_died_of_what) {
  DeadLetterEvent dead;
  dead.id = reminder_event().id;
  dead.event_id = audit_event().id;
  dead.topic = Topic::reminders;
  dead.reason = "not a \"UUID\"";
  dead.attempts = 3;
  dead.event = R"({"broken)";
  const OutboxEvent event = make_event(dead);
  EXPECT_EQ(to_string(event.topic), "todo.reminders.dlq");
  EXPECT_TRUE(is_dead_letters(event.topic));
  EXPECT_FALSE(is_dead_letters(Topic::reminders));
  const auto envelope = parse_json(event.event).value().as_object();
  EXPECT_EQ(envelope.at("type"), boost::json::string(dead_letter_type));
  EXPECT_EQ(envelope.at("subject"), dead.event_id.to_string().c_str());
  const auto& data = envelope.at("data").as_object();
  EXPECT_EQ(data.at("reason"), "not a \"UUID\"");
  EXPECT_EQ(data.at("event"), R"({"broken)");
  EXPECT_EQ(data.at("topic"), "todo.reminders");
  EXPECT_EQ(data.at("attempts"), 3);
}

TEST(TopicTest, topics_have_their_names) {
  for (const char* name : {"todo.audit", "todo.reminders", "todo.task.completed"}) {
    EXPECT_EQ(to_string(parse_topic(name).value()), name);
  }
  EXPECT_FALSE(parse_topic("todo.audit.dlq"));
  EXPECT_FALSE(parse_topic(""));
}

}  // namespace
}  // namespace todo
