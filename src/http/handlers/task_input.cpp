#include "http/handlers/task_input.h"

#include <algorithm>
#include <charconv>

#include <boost/json.hpp>

#include "base/limits.h"
#include "base/text.h"
#include "base/time_text.h"
#include "domain/task_json.h"
#include "http/body.h"

namespace todo::http {
namespace {

constexpr const char* due_date_message =
    "Must be a date (2026-02-10) or an RFC 3339 date and time (2026-02-10T09:00:00Z)";

template <class Enum>
service::Member<Enum> as_enum(const service::Member<int>& word) {
  service::Member<Enum> member{word.present, std::nullopt};
  if (word.value) member.value = static_cast<Enum>(*word.value);
  return member;
}

service::Member<service::DueInput> take_due(Body& body) {
  const boost::json::value* value = body.take("due_date");
  if (value == nullptr) return {};
  if (value->is_null()) return {true, std::nullopt};
  const auto due =
      value->is_string() ? parse_due(std::string_view(value->as_string())) : std::nullopt;
  if (!due) body.refuse("due_date", due_date_message);
  // Local times and dates are instants only in their user's zone: the service looks at those.
  const auto* instant = due ? std::get_if<Instant>(&*due) : nullptr;
  if (instant != nullptr && (*instant < earliest_instant || *instant > latest_instant))
    body.refuse("due_date", "Must lie between 1970-01-01 and 9999-12-31");
  return {true, due};
}

service::Member<WeekdaySet> take_weekdays(Body& body) {
  const boost::json::value* value = body.take("recurrence_weekdays");
  if (value == nullptr) return {};
  if (value->is_null()) return {true, std::nullopt};
  WeekdaySet set;
  bool valid = value->is_array();
  if (valid) {
    for (const boost::json::value& day : value->as_array()) {
      const auto index =
          day.is_string() ? parse_weekday(std::string_view(day.as_string())) : std::nullopt;
      if (!index || set.contains(*index)) {
        valid = false;
        break;
      }
      set.bits = static_cast<std::uint8_t>(set.bits | (1U << *index));
    }
  }
  if (!valid || set.bits == 0) {
    body.refuse("recurrence_weekdays",
                "Must be null or a list of different days of mo, tu, we, th, fr, sa, su");
    return {true, std::nullopt};
  }
  return {true, set};
}

}  // namespace

std::optional<service::DueInput> parse_due(std::string_view text) {
  if (const auto date = parse_date(text)) return service::DueInput(*date);
  const auto time = parse_time(text);
  if (!time) return std::nullopt;
  if (!time->offset) return service::DueInput(time->local);
  return service::DueInput(Instant{time->local.time_since_epoch() - *time->offset});
}

Result<service::TaskInput> parse_task_input(const net::Request& request, TaskBody kind,
                                            std::vector<FieldError> refused) {
  auto body = Body::parse(request, std::move(refused));
  if (!body) return std::unexpected(body.error());
  service::TaskInput input;
  const Body::TextRule title{1, limits::title_max, true, false};
  if (kind == TaskBody::create) {
    input.title = {true, body->required_text("title", title)};
  } else {
    input.title = body->text("title", title);
    input.completed = body->boolean("completed");
  }
  input.description = body->text("description", {0, limits::description_max, false, true});
  input.due_date = take_due(*body);
  input.priority =
      as_enum<Priority>(body->word("priority", {"urgent", "high", "normal", "low"}, true));
  input.category = body->text("category", {1, limits::category_max, true, true});
  input.recurrence_rule = as_enum<RecurrenceRule>(
      body->word("recurrence_rule", {"none", "daily", "weekly", "monthly", "yearly"}, true));
  input.recurrence_interval =
      body->integer("recurrence_interval", 1, limits::recurrence_interval_max, true);
  input.recurrence_weekdays = take_weekdays(*body);
  input.recurrence_from =
      as_enum<RecurrenceFrom>(body->word("recurrence_from", {"due", "completion"}, true));
  if (kind == TaskBody::put) {
    body->ignore({"id", "user_id", "completed_at", "due_on", "parent_task_id", "series_id",
                  "occurrence", "version", "created_at", "updated_at"});
  }
  if (auto finished = body->finish(); !finished) input.refused = finished.error().fields;
  return input;
}

service::IfMatch parse_if_match(const net::Request& request) {
  service::IfMatch result;
  for (const net::Field& field : request.fields) {
    if (fold_case(field.name) != "if-match") continue;
    result.given = true;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      std::string_view tag = trim(rest.substr(0, comma));
      if (tag == "*") result.any = true;
      if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') {
        tag = tag.substr(1, tag.size() - 2);
        std::int64_t version = 0;
        const auto [end, error] = std::from_chars(tag.data(), tag.data() + tag.size(), version);
        // As it was answered: tags are compared as texts (RFC 9110, section 8.8.3.2).
        if (error == std::errc{} && tag == std::to_string(version))
          result.versions.push_back(version);
      }
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return result;
}

std::string task_etag(const Task& task) { return "\"" + std::to_string(task.version) + "\""; }

net::Response render_created_task(const Exchange&, const Task& task) {
  return json_response(201, task_json(task))
      .with("ETag", task_etag(task))
      .with("Location", "/api/v1/tasks/" + task.id.to_string());
}

}  // namespace todo::http
