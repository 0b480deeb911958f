#include "base/json_writer.h"
#include "embedded/api_docs_css.h"
#include "embedded/api_docs_html.h"
#include "embedded/api_docs_js.h"
#include "embedded/openapi_json.h"
#include "http/handlers/handlers.h"

namespace todo::http {
namespace {

// The documentation page loads nothing but its own script, style and the API's description.
constexpr const char* docs_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' "
    "data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::function<void(const ExchangePtr&)> asset(std::string_view body, const char* type) {
  return [body, type](const ExchangePtr& exchange) {
    net::Response response;
    response.body = body;
    response.with("Content-Type", type)
        .with("Cache-Control", "no-cache")
        .with("Content-Security-Policy", docs_policy);
    response.with("Referrer-Policy", "no-referrer");
    exchange->respond(std::move(response));
  };
}

void run_alive(const ExchangePtr& exchange) {
  exchange->respond(json_response(200, R"({"status":"ok"})"));
}

void run_ready(const ExchangePtr& exchange) {
  const Readiness readiness = exchange->app().with.readiness();
  std::string body;
  JsonWriter json(body);
  json.begin_object()
      .member("status", !readiness.ready     ? "not_ready"
                        : readiness.degraded ? "degraded"
                                             : "ready")
      .key("checks")
      .begin_object();
  for (const auto& [name, state] : readiness.checks) json.member(name, state);
  json.end_object().end_object();
  net::Response response = json_response(readiness.ready ? 200 : 503, std::move(body));
  if (!readiness.ready) response.with("Retry-After", "1");
  exchange->respond(std::move(response));
}

}  // namespace

void add_meta_routes(std::vector<Route>& routes) {
  using enum net::Method;
  routes.push_back({get, "/healthz", Access::open, run_alive});
  routes.push_back({get, "/readyz", Access::open, run_ready});
  routes.push_back(
      {get, "/api/openapi.json", Access::open, asset(embedded::openapi_json, "application/json")});
  routes.push_back(
      {get, "/api/docs", Access::open, asset(embedded::api_docs_html, "text/html; charset=utf-8")});
  routes.push_back({get, "/api/docs.js", Access::open,
                    asset(embedded::api_docs_js, "text/javascript; charset=utf-8")});
  routes.push_back({get, "/api/docs.css", Access::open,
                    asset(embedded::api_docs_css, "text/css; charset=utf-8")});
}

}  // namespace todo::http
