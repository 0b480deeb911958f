#include "service/tasks.h"

#include <boost/json.hpp>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/recurrence.h"
#include "domain/task_json.h"
#include "domain/time_zone.h"
#include "http/etag.h"
#include "http/handlers/handlers.h"
#include "http/handlers/task_input.h"
#include "http/handlers/task_list.h"
#include "http/unit_route.h"
#include "service/reminders.h"

namespace todo::http {
namespace {

struct OnTask {
  Uuid id;
  service::IfMatch if_match;
};

Result<void> no_parameters(Exchange& exchange) { return exchange.query().finish(); }

Result<OnTask> parse_on_task(Exchange& exchange) {
  if (auto checked = no_parameters(exchange); !checked) return std::unexpected(checked.error());
  const auto id = exchange.path_id(0, "Task");
  if (!id) return std::unexpected(id.error());
  return OnTask{*id, parse_if_match(exchange.request())};
}

net::Response render_task(const Exchange&, const Task& task) {
  return json_response(200, task_json(task)).with("ETag", task_etag(task));
}

net::Response render_read_task(const Exchange& exchange, const Task& task) {
  const auto known = exchange.request().field("If-None-Match");
  net::Response response;
  if (known && none_match_names(*known, task_etag(task))) {
    response.status = 304;
    response.with("ETag", task_etag(task));
  } else {
    response = render_task(exchange, task);
  }
  return response.with("Cache-Control", "private, no-cache").with("Vary", "Authorization, Cookie");
}

// --- create ---

Result<service::TaskInput> parse_create(Exchange& exchange) {
  return parse_task_input(exchange.request(), TaskBody::create, exchange.query().refusals());
}

Result<Task> apply_create(storage::Tx& tx, const Exchange& exchange,
                          const service::TaskInput& input) {
  return service::create_task(tx, exchange.call(), input);
}

// --- update ---

struct Update {
  OnTask on;
  service::TaskInput input;
  bool this_only = false;
};

Result<Update> parse_update(Exchange& exchange, TaskBody kind) {
  Update update;
  update.this_only = exchange.query().word("scope", {"series", "this"}).value_or(0) == 1;
  const auto id = exchange.path_id(0, "Task");
  if (!id) return std::unexpected(id.error());
  update.on = {*id, parse_if_match(exchange.request())};
  auto input = parse_task_input(exchange.request(), kind, exchange.query().refusals());
  if (!input) return std::unexpected(input.error());
  update.input = std::move(*input);
  return update;
}
Result<Update> parse_patch(Exchange& exchange) { return parse_update(exchange, TaskBody::patch); }
Result<Update> parse_put(Exchange& exchange) { return parse_update(exchange, TaskBody::put); }

Result<Task> apply_update(storage::Tx& tx, const Exchange& exchange, const Update& update) {
  return service::update_task(tx, exchange.call(), update.on.id, update.input, update.on.if_match,
                              update.this_only);
}

// --- get ---

Result<Task> apply_get(storage::ReadTx& tx, const Exchange& exchange, const OnTask& on) {
  auto task = tx.find_task(exchange.caller().user_id, on.id);
  if (!task || task->deleted_at) return fail(ErrorCode::not_found, "Task not found");
  if (!on.if_match.allows(task->version)) {
    return fail(ErrorCode::precondition_failed,
                "The task has changed since the version that If-Match names");
  }
  return std::move(*task);
}

// --- complete, reopen, toggle, delete, restore ---

Result<service::Completion> apply_complete(storage::Tx& tx, const Exchange& exchange,
                                           const OnTask& on) {
  return service::complete_task(tx, exchange.call(), on.id, on.if_match);
}

net::Response render_completion(const Exchange&, const service::Completion& completion) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("completed_task");
  write_task(json, completion.completed_task);
  json.key("next_occurrence");
  if (completion.next_occurrence) {
    write_task(json, *completion.next_occurrence);
  } else {
    json.null();
  }
  json.end_object();
  return json_response(200, std::move(body)).with("ETag", task_etag(completion.completed_task));
}

Result<service::Reopening> apply_reopen(storage::Tx& tx, const Exchange& exchange,
                                        const OnTask& on) {
  return service::reopen_task(tx, exchange.call(), on.id, on.if_match);
}

net::Response render_reopening(const Exchange&, const service::Reopening& reopening) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("task");
  write_task(json, reopening.task);
  json.member("removed_occurrence_id", reopening.removed_occurrence_id).end_object();
  return json_response(200, std::move(body)).with("ETag", task_etag(reopening.task));
}

Result<Task> apply_toggle(storage::Tx& tx, const Exchange& exchange, const OnTask& on) {
  return service::toggle_task(tx, exchange.call(), on.id, on.if_match);
}

Result<Nothing> apply_delete(storage::Tx& tx, const Exchange& exchange, const OnTask& on) {
  if (auto deleted = service::delete_task(tx, exchange.call(), on.id, on.if_match); !deleted) {
    return std::unexpected(deleted.error());
  }
  return Nothing{};
}

net::Response render_no_content(const Exchange&, const Nothing&) {
  net::Response response;
  response.status = 204;
  return response;
}

Result<Task> apply_restore(storage::Tx& tx, const Exchange& exchange, const OnTask& on) {
  return service::restore_task(tx, exchange.call(), on.id, on.if_match);
}

// --- occurrences, reminders, categories ---

struct Preview {
  Uuid id;
  int count = limits::occurrences_default;
};

Result<Preview> parse_preview(Exchange& exchange) {
  Preview preview;
  preview.count = static_cast<int>(exchange.query()
                                       .integer("count", 1, limits::occurrences_max)
                                       .value_or(limits::occurrences_default));
  auto on = parse_on_task(exchange);
  if (!on) return std::unexpected(on.error());
  preview.id = on->id;
  return preview;
}

Result<std::vector<Instant>> apply_preview(storage::ReadTx& tx, const Exchange& exchange,
                                           const Preview& preview) {
  const auto task = tx.find_task(exchange.caller().user_id, preview.id);
  const auto user = tx.find_user(exchange.caller().user_id);
  if (!task || task->deleted_at || !user) return fail(ErrorCode::not_found, "Task not found");
  if (!task->due || !task->recurs()) return std::vector<Instant>{};
  const TimeZone zone = TimeZone::find(user->timezone).value_or(TimeZone::utc());
  return upcoming(task->recurrence, *task->due, zone, preview.count);
}

net::Response render_preview(const Exchange&, const std::vector<Instant>& dates) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("occurrences").begin_array();
  for (const Instant date : dates) json.value(date);
  json.end_array().end_object();
  return json_response(200, std::move(body));
}

Result<std::vector<service::ReminderAnswer>> apply_reminders(storage::ReadTx& tx,
                                                             const Exchange& exchange,
                                                             const OnTask& on) {
  auto answers = service::explain_reminders(tx, exchange.caller().user_id, on.id);
  if (!answers) return fail(ErrorCode::not_found, "Task not found");
  return std::move(*answers);
}

net::Response render_reminders(const Exchange&,
                               const std::vector<service::ReminderAnswer>& answers) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("reminders").begin_array();
  for (const service::ReminderAnswer& answer : answers) {
    json.begin_object()
        .member("id", answer.id)
        .member("task_id", answer.task_id)
        .member("due_date", answer.due_date);
    json.member("state", answer.state).key("reason");
    answer.reason ? json.value(to_string(*answer.reason)) : json.null();
    json.member("remind_at", answer.remind_at).member("delivered_at", answer.delivered_at);
    json.member("notification_id", answer.notification_id).end_object();
  }
  json.end_array().end_object();
  return json_response(200, std::move(body));
}

Result<Nothing> parse_nothing(Exchange& exchange) {
  if (auto checked = no_parameters(exchange); !checked) return std::unexpected(checked.error());
  return Nothing{};
}

Result<std::vector<std::string>> apply_categories(storage::ReadTx& tx, const Exchange& exchange,
                                                  const Nothing&) {
  return tx.list_categories(exchange.caller().user_id);
}

net::Response render_categories(const Exchange&, const std::vector<std::string>& categories) {
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  for (const std::string& category : categories) json.value(category);
  json.end_array();
  return json_response(200, std::move(body));
}

}  // namespace

void add_task_routes(std::vector<Route>& routes) {
  using enum net::Method;
  const std::string_view one = "/api/v1/tasks/{id}";
  routes.push_back({get, "/api/v1/tasks", Access::read, list_tasks_route()});
  routes.push_back({post, "/api/v1/tasks", Access::write,
                    write_route(parse_create, apply_create, render_created_task, true)});
  routes.push_back({get, "/api/v1/tasks/categories", Access::read,
                    read_route(parse_nothing, apply_categories, render_categories)});
  routes.push_back(
      {get, one, Access::read, task_read_route(parse_on_task, apply_get, render_read_task)});
  routes.push_back(
      {patch, one, Access::write, write_route(parse_patch, apply_update, render_task, true)});
  routes.push_back(
      {put, one, Access::write, write_route(parse_put, apply_update, render_task, true)});
  routes.push_back(
      {del, one, Access::write, write_route(parse_on_task, apply_delete, render_no_content, true)});
  routes.push_back({patch, "/api/v1/tasks/{id}/toggle", Access::write,
                    write_route(parse_on_task, apply_toggle, render_task, true)});
  routes.push_back({post, "/api/v1/tasks/{id}/complete", Access::write,
                    write_route(parse_on_task, apply_complete, render_completion, true)});
  routes.push_back({post, "/api/v1/tasks/{id}/reopen", Access::write,
                    write_route(parse_on_task, apply_reopen, render_reopening, true)});
  routes.push_back({post, "/api/v1/tasks/{id}/restore", Access::write,
                    write_route(parse_on_task, apply_restore, render_task, true)});
  routes.push_back({get, "/api/v1/tasks/{id}/occurrences", Access::read,
                    task_read_route(parse_preview, apply_preview, render_preview)});
  routes.push_back({get, "/api/v1/tasks/{id}/reminders", Access::read,
                    task_read_route(parse_on_task, apply_reminders, render_reminders)});
}

}  // namespace todo::http
