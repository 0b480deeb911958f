#include "http/exchange.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "http/client_address.h"
#include "http/problem.h"
#include "observability/log.h"

namespace todo::http {
namespace {

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= limits::request_id_bytes_max &&
         std::ranges::all_of(text,
                             [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
}

bool is_lower_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// Whose span a request's own is below; empty where nobody said.
struct TraceOrigin {
  TraceContext trace;
  std::string parent_id;
  bool sampled = true;
};

// W3C Trace Context, section 3.2: version, trace id, parent id, flags.
TraceOrigin trace_of(const net::Request& request) {
  TraceOrigin origin;
  TraceContext& trace = origin.trace;
  trace.span_id = random_hex(8);
  const auto header = request.field("traceparent");
  const std::string_view text = header.value_or(std::string_view{});
  const bool valid = text.size() >= 55 && text[2] == '-' && text[35] == '-' && text[52] == '-' &&
                     text.substr(0, 2) != "ff" && is_lower_hex(text.substr(0, 2)) &&
                     is_lower_hex(text.substr(3, 32)) && is_lower_hex(text.substr(36, 16)) &&
                     text.substr(3, 32).find_first_not_of('0') != std::string_view::npos;
  trace.trace_id = valid ? std::string(text.substr(3, 32)) : random_hex(16);
  if (!valid) return origin;
  origin.parent_id = text.substr(36, 16);
  // The flags' last bit.
  origin.sampled = std::string_view("13579bdf").contains(text[54]);
  return origin;
}

}  // namespace

Exchange::Exchange(App& app, const net::Request& request, Executor& executor, net::Reply reply)
    : app_(app),
      request_(request),
      executor_(executor),
      reply_(std::move(reply)),
      now_(app.with.clock.now()) {
  origin_.request_id = request_id_of(app, request);
  TraceOrigin origin = trace_of(request);
  origin_.trace = std::move(origin.trace);
  parent_span_id_ = std::move(origin.parent_id);
  is_traced_ = origin.sampled && app.with.tracer != nullptr;
  client_address_ = http::client_address(request, app.options.trusted_proxies);
}

void Exchange::set_caller(Caller caller) {
  origin_.actor = caller.actor;
  caller_ = std::move(caller);
}

Result<Uuid> Exchange::path_id(std::size_t index, std::string_view what) const {
  const auto id = Uuid::parse(match_.params.at(index));
  if (!id) return fail(ErrorCode::not_found, std::string(what) + " not found");
  return *id;
}

service::Call Exchange::call() const {
  service::Call call;
  if (caller_) call.user_id = caller_->user_id;
  call.origin = origin_;
  call.now = now_;
  call.ids = &app_.with.ids;
  call.reminders = &app_.with.reminders;
  return call;
}

void Exchange::respond(net::Response response) {
  if (!reply_) return;
  Answered answered;
  if (!route_.empty()) answered.route = route_;
  answered.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  if (caller_) answered.user_id = caller_->user_id;
  answered.request_id = origin_.request_id;
  answered.trace_id = origin_.trace.trace_id;
  record(app_, request_, response, answered);
  if (is_traced_) trace(response.status);
  auto reply = std::move(reply_);
  reply_ = nullptr;
  reply(std::move(response));
}

void Exchange::trace(int status) const {
  const tracing::Time end = tracing::now();
  const std::string method(net::to_string(request_.method));
  const std::string route(route_.empty() ? std::string_view("none") : route_);
  app_.with.tracer->record({.trace_id = origin_.trace.trace_id,
                            .span_id = origin_.trace.span_id,
                            .parent_id = parent_span_id_,
                            .name = method + " " + route,
                            .kind = tracing::Kind::server,
                            .begin = end - (std::chrono::steady_clock::now() - began_),
                            .end = end,
                            .failed = status >= 500,
                            .attributes = {{"http.request.method", method},
                                           {"http.route", route},
                                           {"http.response.status_code", std::int64_t{status}},
                                           {"todo.request_id", origin_.request_id}}});
}

std::string request_id_of(const App& app, const net::Request& request) {
  const auto given = request.field("X-Request-Id");
  return given && is_request_id(*given) ? std::string(*given) : app.with.ids.next().to_string();
}

void record(App& app, const net::Request& request, net::Response& response,
            const Answered& answered) {
  response.with("X-Request-Id", std::string(answered.request_id));
  response.with("X-Content-Type-Options", "nosniff");
  const bool has_cache_control = std::ranges::any_of(
      response.headers, [](const auto& h) { return h.first == "Cache-Control"; });
  if (!has_cache_control) response.with("Cache-Control", "no-store");
  app.probe.count(request.method, answered.route, response.status, answered.seconds);
  const auto level = response.status >= 500 ? log::Level::warning : log::Level::info;
  if (log::enabled(level)) {
    log::write(level, "request",
               {{"method", net::to_string(request.method)},
                {"route", answered.route},
                {"status", response.status},
                {"ms", answered.seconds * 1000},
                {"user_id", answered.user_id ? answered.user_id->to_string() : std::string()},
                {"request_id", answered.request_id},
                {"trace_id", answered.trace_id}});
  }
}

void Exchange::refuse(const Error& error) { respond(problem(error, request_id())); }

void Exchange::refuse_unavailable(storage::Outcome outcome) {
  const std::string detail = outcome == storage::Outcome::unknown
                                 ? "The database went away while writing: it may or may not have "
                                   "happened; ask again with the same Idempotency-Key"
                                 : "The database cannot do this right now; nothing was changed";
  refuse(Error{ErrorCode::unavailable, detail, {}, 1});
}

net::Response json_response(int status, std::string body) {
  net::Response response;
  response.status = status;
  response.body = std::move(body);
  response.with("Content-Type", "application/json");
  return response;
}

}  // namespace todo::http
