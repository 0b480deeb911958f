#include "service/quick_add.h"

#include <boost/json.hpp>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "domain/task_json.h"
#include "http/body.h"
#include "http/handlers/handlers.h"
#include "http/handlers/task_input.h"
#include "http/unit_route.h"

namespace todo::http {
namespace {

std::optional<Instant> take_now(Body& body) {
  const boost::json::value* value = body.take("now");
  if (value == nullptr || value->is_null()) return std::nullopt;
  const auto now =
      value->is_string() ? parse_instant(std::string_view(value->as_string())) : std::nullopt;
  if (!now || *now < earliest_instant || *now > latest_instant)
    body.refuse("now", "Must be an RFC 3339 date and time with an offset, from 1970 to 9999");
  return now;
}

Result<service::QuickAddInput> parse_quick_add(Exchange& exchange) {
  exchange.query().boolean("dry_run");
  auto body = Body::parse(exchange.request(), exchange.query().refusals());
  if (!body) return std::unexpected(body.error());
  service::QuickAddInput input;
  input.text = body->required_text("text", {0, limits::quick_add_text_max, false, false});
  input.now = take_now(*body);
  if (auto finished = body->finish(); !finished) return std::unexpected(finished.error());
  return input;
}

// --- the task ---

Result<Task> apply_quick_add(storage::Tx& tx, const Exchange& exchange,
                             const service::QuickAddInput& input) {
  return service::quick_add_task(tx, exchange.call(), input);
}

// --- the dry run ---

Result<service::QuickAddReading> apply_dry_run(storage::ReadTx& tx, const Exchange& exchange,
                                               const service::QuickAddInput& input) {
  return service::read_quick_add(tx, exchange.call(), input);
}

// A day where it is one, else an instant: exactly one of the two says when the task is due.
void write_due(JsonWriter& json, const service::QuickAddReading& reading) {
  std::optional<Date> date;
  std::optional<Instant> instant;
  if (const auto& due = reading.parsed.due) {
    if (const auto* day = std::get_if<Date>(&*due)) date = *day;
    if (const auto* at = std::get_if<Instant>(&*due)) instant = *at;
    if (const auto* local = std::get_if<LocalTime>(&*due))
      instant = reading.zone.to_instant(*local);
  }
  json.member("due_date", instant).member("due_on", date);
}

void write_draft(JsonWriter& json, const service::QuickAddReading& reading) {
  const quick_add::Parsed& parsed = reading.parsed;
  json.begin_object().member("title", parsed.title);
  write_due(json, reading);
  json.key("priority");
  parsed.priority ? json.value(to_string(*parsed.priority)) : json.null();
  json.member("category", parsed.category);
  write_recurrence(json, parsed.recurrence);
  json.end_object();
}

net::Response render_dry_run(const Exchange&, const service::QuickAddReading& reading) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("task");
  write_draft(json, reading);
  json.key("spans").begin_array();
  for (const quick_add::Span& span : reading.parsed.spans) {
    json.begin_object()
        .member("start", static_cast<std::int64_t>(span.start))
        .member("end", static_cast<std::int64_t>(span.end))
        .member("kind", to_string(span.kind))
        .end_object();
  }
  json.end_array().key("hints").begin_array();
  for (const quick_add::Hint hint : reading.parsed.hints) json.value(to_string(hint));
  json.end_array().end_object();
  return json_response(200, std::move(body));
}

}  // namespace

void add_quick_add_routes(std::vector<Route>& routes) {
  const auto add = write_route(parse_quick_add, apply_quick_add, render_created_task, true);
  const auto look = read_route(parse_quick_add, apply_dry_run, render_dry_run);
  routes.push_back({net::Method::post, "/api/v1/tasks/quick-add", Access::write,
                    [add, look](const ExchangePtr& exchange) {
                      const bool dry = exchange->query().boolean("dry_run").value_or(false);
                      dry ? look(exchange) : add(exchange);
                    }});
}

}  // namespace todo::http
