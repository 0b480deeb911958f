#include "domain/task_json.h"

#include <algorithm>
#include <stdexcept>

#include <boost/json.hpp>

#include "base/json_reader.h"
#include "base/time_text.h"

namespace todo {
namespace {

void write_weekdays(JsonWriter& json, const std::optional<WeekdaySet>& weekdays) {
  if (!weekdays) {
    json.null();
    return;
  }
  json.begin_array();
  for (int day = 0; day < 7; ++day) {
    if (weekdays->contains(day)) json.value(weekday_name(day));
  }
  json.end_array();
}

void write_priority(JsonWriter& json, const std::optional<Priority>& priority) {
  priority ? json.value(to_string(*priority)) : json.null();
}

std::optional<Instant> due_date(const Task& task) {
  return task.due ? std::optional(task.due->at) : std::nullopt;
}
std::optional<Date> due_on_date(const Task& task) { return task.due ? task.due->on : std::nullopt; }

// `put_…` writes at most `bytes_max` and answers where it ended.
template <class Put>
void append(std::string& out, std::size_t bytes_max, Put put_all) {
  const std::size_t before = out.size();
  out.resize_and_overwrite(before + bytes_max, [&](char* text, std::size_t) {
    return static_cast<std::size_t>(put_all(text + before) - text);
  });
}

char* put(char* to, std::string_view text) { return std::ranges::copy(text, to).out; }

char* put_word(char* to, std::string_view word) { return put(put(put(to, "\""), word), "\""); }

template <class T>
char* put_optional(char* to, const std::optional<T>& value) {
  return value ? put_json(to, *value) : put(to, "null");
}

char* put_priority(char* to, const std::optional<Priority>& priority) {
  return priority ? put_word(to, to_string(*priority)) : put(to, "null");
}

char* put_weekdays(char* to, const std::optional<WeekdaySet>& weekdays) {
  if (!weekdays) return put(to, "null");
  char separator = '[';
  for (int day = 0; day < 7; ++day) {
    if (!weekdays->contains(day)) continue;
    *to++ = separator;
    to = put_word(to, weekday_name(day));
    separator = ',';
  }
  if (separator == '[') *to++ = '[';
  return put(to, "]");
}

void append_text(std::string& out, std::string_view key, const std::optional<std::string>& text) {
  out += key;
  text ? append_json_string(out, *text) : void(out += "null");
}

// The two halves of a change, written side by side.
class ChangeWriter {
 public:
  ChangeWriter() {
    before_.begin_object();
    after_.begin_object();
  }

  template <class T>
  void member(std::string_view name, const T& before, const T& after) {
    member(name, before, after, [](JsonWriter& json, const T& value) { json.value(value); });
  }

  template <class T, class Write>
  void member(std::string_view name, const T& before, const T& after, Write write) {
    if (before == after) return;
    change_.empty = false;
    write(before_.key(name), before);
    write(after_.key(name), after);
  }

  TaskChange finish() {
    before_.end_object();
    after_.end_object();
    return std::move(change_);
  }

 private:
  TaskChange change_;
  JsonWriter before_{change_.before};
  JsonWriter after_{change_.after};
};

[[noreturn]] void damaged(std::string_view name) {
  throw std::runtime_error("task record: " + std::string(name));
}

const boost::json::value& at(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr) damaged(name);
  return *value;
}

std::optional<std::string> text_at(const boost::json::object& object, std::string_view name) {
  const auto& value = at(object, name);
  if (value.is_null()) return std::nullopt;
  if (!value.is_string()) damaged(name);
  return std::string(std::string_view(value.get_string()));
}

// What `parse` makes of a text member; null stays none, anything else it does not take is damage.
template <class Parse>
auto parsed_at(const boost::json::object& object, std::string_view name, Parse parse)
    -> decltype(parse(std::string_view{})) {
  const auto text = text_at(object, name);
  if (!text) return std::nullopt;
  auto value = parse(*text);
  if (!value) damaged(name);
  return value;
}

template <class T>
T present(std::optional<T> value, std::string_view name) {
  if (!value) damaged(name);
  return std::move(*value);
}

std::int64_t integer_at(const boost::json::object& object, std::string_view name) {
  const auto& value = at(object, name);
  if (!value.is_int64()) damaged(name);
  return value.get_int64();
}

std::optional<WeekdaySet> weekdays_at(const boost::json::object& object) {
  const auto& value = at(object, "recurrence_weekdays");
  if (value.is_null()) return std::nullopt;
  if (!value.is_array()) damaged("recurrence_weekdays");
  WeekdaySet set;
  for (const auto& name : value.get_array()) {
    const auto day =
        name.is_string() ? parse_weekday(std::string_view(name.get_string())) : std::nullopt;
    if (!day) damaged("recurrence_weekdays");
    set.bits = static_cast<std::uint8_t>(set.bits | (1U << *day));
  }
  return set;
}

void read_due(Task& task, const boost::json::object& object, const boost::json::object& record) {
  const auto due = parsed_at(object, "due_date", parse_instant);
  if (!due) return;
  task.due.emplace();
  task.due->at = *due;
  task.due->on = parsed_at(object, "due_on", parse_date);
  task.due->anchor.local = present(parsed_at(record, "anchor_local", parse_local), "anchor_local");
  task.due->anchor.zone = present(text_at(record, "anchor_zone"), "anchor_zone");
  task.due->anchor.step = integer_at(record, "anchor_step");
}

}  // namespace

void write_recurrence(JsonWriter& json, const Recurrence& recurrence) {
  json.member("recurrence_rule", to_string(recurrence.rule));
  json.member("recurrence_interval", recurrence.interval).key("recurrence_weekdays");
  write_weekdays(json, recurrence.weekdays);
  json.member("recurrence_from", to_string(recurrence.from));
}

// A list is some thousand members: these are put one after the other where they will stay, their
// names with what stands around them.
void write_task(JsonWriter& json, const Task& task) {
  thread_local std::string out;
  out.clear();
  append(out, 110, [&](char* to) {
    to = put_json(put(to, R"({"id":)"), task.id);
    to = put_json(put(to, R"(,"user_id":)"), task.user_id);
    return put(to, R"(,"title":)");
  });
  append_json_string(out, task.title);
  append_text(out, R"(,"description":)", task.description);
  append(out, 240, [&](char* to) {
    to = put_json(put(to, R"(,"completed":)"), task.completed());
    to = put_optional(put(to, R"(,"completed_at":)"), task.completed_at);
    to = put_optional(put(to, R"(,"due_date":)"), due_date(task));
    to = put_optional(put(to, R"(,"due_on":)"), due_on_date(task));
    return put_priority(put(to, R"(,"priority":)"), task.priority);
  });
  append_text(out, R"(,"category":)", task.category);
  append(out, 600, [&](char* to) {
    to = put_word(put(to, R"(,"recurrence_rule":)"), to_string(task.recurrence.rule));
    to = put_json(put(to, R"(,"recurrence_interval":)"), task.recurrence.interval);
    to = put_weekdays(put(to, R"(,"recurrence_weekdays":)"), task.recurrence.weekdays);
    to = put_word(put(to, R"(,"recurrence_from":)"), to_string(task.recurrence.from));
    to = put_optional(put(to, R"(,"parent_task_id":)"), task.parent_task_id);
    to = put_json(put(to, R"(,"series_id":)"), task.series_id);
    to = put_json(put(to, R"(,"occurrence":)"), task.occurrence);
    to = put_json(put(to, R"(,"version":)"), task.version);
    to = put_json(put(to, R"(,"created_at":)"), task.created_at);
    to = put_json(put(to, R"(,"updated_at":)"), task.updated_at);
    return put(to, "}");
  });
  json.raw(out);
}

std::string task_json(const Task& task) {
  std::string out;
  out.reserve(700);
  JsonWriter json(out);
  write_task(json, task);
  return out;
}

TaskChange task_change(const Task& before, const Task& after) {
  ChangeWriter change;
  change.member("title", before.title, after.title);
  change.member("description", before.description, after.description);
  change.member("completed", before.completed(), after.completed());
  change.member("completed_at", before.completed_at, after.completed_at);
  change.member("due_date", due_date(before), due_date(after));
  change.member("due_on", due_on_date(before), due_on_date(after));
  change.member("priority", before.priority, after.priority, write_priority);
  change.member("category", before.category, after.category);
  const auto write_rule = [](JsonWriter& json, RecurrenceRule rule) {
    json.value(to_string(rule));
  };
  change.member("recurrence_rule", before.recurrence.rule, after.recurrence.rule, write_rule);
  change.member("recurrence_interval", before.recurrence.interval, after.recurrence.interval);
  change.member("recurrence_weekdays", before.recurrence.weekdays, after.recurrence.weekdays,
                write_weekdays);
  const auto write_from = [](JsonWriter& json, RecurrenceFrom from) {
    json.value(to_string(from));
  };
  change.member("recurrence_from", before.recurrence.from, after.recurrence.from, write_from);
  change.member("parent_task_id", before.parent_task_id, after.parent_task_id);
  change.member("series_id", before.series_id, after.series_id);
  change.member("occurrence", before.occurrence, after.occurrence);
  return change.finish();
}

std::string task_record(const Task& task) {
  std::string out;
  out.reserve(900);
  JsonWriter json(out);
  json.begin_object().key("task");
  write_task(json, task);
  if (task.due) {
    json.member("anchor_local", format_local(task.due->anchor.local))
        .member("anchor_zone", task.due->anchor.zone);
    json.member("anchor_step", task.due->anchor.step);
  }
  json.member("remind_at", task.remind_at).member("deleted_at", task.deleted_at).end_object();
  return out;
}

Task parse_task_record(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) damaged("not JSON");
  const boost::json::object& record = parsed->get_object();
  const auto& inner = at(record, "task");
  if (!inner.is_object()) damaged("task");
  const boost::json::object& object = inner.get_object();
  Task task;
  task.id = present(parsed_at(object, "id", Uuid::parse), "id");
  task.user_id = present(parsed_at(object, "user_id", Uuid::parse), "user_id");
  task.title = present(text_at(object, "title"), "title");
  task.description = text_at(object, "description");
  task.completed_at = parsed_at(object, "completed_at", parse_instant);
  task.priority = parsed_at(object, "priority", parse_priority);
  task.category = text_at(object, "category");
  task.recurrence.rule =
      present(parsed_at(object, "recurrence_rule", parse_recurrence_rule), "recurrence_rule");
  task.recurrence.interval = static_cast<int>(integer_at(object, "recurrence_interval"));
  task.recurrence.weekdays = weekdays_at(object);
  task.recurrence.from =
      present(parsed_at(object, "recurrence_from", parse_recurrence_from), "recurrence_from");
  task.parent_task_id = parsed_at(object, "parent_task_id", Uuid::parse);
  task.series_id = present(parsed_at(object, "series_id", Uuid::parse), "series_id");
  task.occurrence = integer_at(object, "occurrence");
  task.version = integer_at(object, "version");
  task.created_at = present(parsed_at(object, "created_at", parse_instant), "created_at");
  task.updated_at = present(parsed_at(object, "updated_at", parse_instant), "updated_at");
  read_due(task, object, record);
  task.remind_at = parsed_at(record, "remind_at", parse_instant);
  task.deleted_at = parsed_at(record, "deleted_at", parse_instant);
  return task;
}

}  // namespace todo
