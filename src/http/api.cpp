#include "http/api.h"

#include <array>

#include "base/limits.h"
#include "http/exchange.h"
#include "http/handlers/handlers.h"
#include "http/origin_check.h"
#include "http/problem.h"
#include "http/site.h"
#include "observability/log.h"

namespace todo::http {
namespace {

// semantics.md, “Users and sessions”: tokens a second, and how many may come at once.
constexpr RateLimiter::Rate user_rate{50.0, 200.0};
constexpr RateLimiter::Rate login_account_rate{10.0 / 60, 10.0};
constexpr RateLimiter::Rate login_address_rate{30.0 / 60, 30.0};
constexpr RateLimiter::Rate registration_address_rate{20.0 / 3600, 20.0};

bool is_safe(net::Method method) {
  return method == net::Method::get || method == net::Method::head ||
         method == net::Method::options;
}

// What requests of the web interface are counted as.
constexpr std::string_view site_route = "web";

Error forbidden(const char* detail) { return Error{ErrorCode::forbidden, detail, {}, 0}; }

}  // namespace

struct Api::Impl {
  Impl(const Dependencies& dependencies, ApiOptions options)
      : app{dependencies,
            std::move(options),
            Authenticator(dependencies.store, dependencies.jwt),
            RateLimiter(user_rate),
            RateLimiter(login_account_rate),
            RateLimiter(login_address_rate),
            RateLimiter(registration_address_rate),
            RequestProbe(dependencies.metrics)} {
    add_meta_routes(routes);
    add_account_routes(routes);
    add_token_routes(routes);
    add_task_routes(routes);
    add_quick_add_routes(routes);
    add_notification_routes(routes);
    add_audit_routes(routes);
    add_export_routes(routes);
    add_socket_routes(routes);
    for (std::size_t i = 0; i < routes.size(); ++i)
      router.add(routes[i].method, routes[i].pattern, static_cast<int>(i));
  }

  void dispatch(const ExchangePtr& exchange) {
    const net::Request& request = exchange->request();
    auto match = router.find(request.method, request.path);
    if (match.route < 0) return answer_path(exchange, std::move(match));
    const Route& route = routes[static_cast<std::size_t>(match.route)];
    exchange->set_match(std::move(match), route.pattern);
    if (route.access == Access::open) return run(exchange, route);
    app.authenticator.authenticate(request, exchange->now(), exchange->executor(),
                                   [this, exchange, &route](Result<Caller> caller) {
                                     if (!caller) return exchange->refuse(caller.error());
                                     exchange->set_caller(std::move(*caller));
                                     admit(exchange, route);
                                   });
  }

  // What has no route may be of the web interface.
  void answer_path(const ExchangePtr& exchange, Router::Match match) {
    if (!match.path_known) {
      if (auto response = site.answer(exchange->request())) {
        exchange->set_match({}, site_route);
        return exchange->respond(std::move(*response));
      }
      match.path_known = site.has(exchange->request().path);
      match.allow = "GET, HEAD";
    }
    refuse_path(exchange, match);
  }

  static void refuse_path(const ExchangePtr& exchange, const Router::Match& match) {
    if (!match.path_known)
      return exchange->refuse(Error{ErrorCode::not_found, "There is nothing at this path", {}, 0});
    net::Response response = problem(405, "This path takes " + match.allow, exchange->request_id());
    response.with("Allow", match.allow);
    exchange->respond(std::move(response));
  }

  static void run(const ExchangePtr& exchange, const Route& route) {
    const std::string_view text = exchange->request().query;
    auto query = text.size() <= limits::query_bytes_max
                     ? Query::parse(text)
                     : Result<Query>(fail_field("query", "Is longer than 4 KiB"));
    if (!query) return exchange->refuse(query.error());
    exchange->set_query(std::move(*query));
    route.run(exchange);
  }

  // What a known caller may still be refused for.
  void admit(const ExchangePtr& exchange, const Route& route) {
    const Caller& caller = exchange->caller();
    if (caller.by_cookie && !is_safe(exchange->request().method) &&
        !origin_allowed(exchange->request(), app.options.public_url)) {
      return exchange->refuse(
          forbidden("Requests that change something come from this server's own pages only"));
    }
    if (route.access == Access::account && !caller.session_id) {
      return exchange->refuse(forbidden("This takes a session: an API token cannot do it"));
    }
    if (route.access == Access::write && caller.scope != storage::TokenScope::write) {
      return exchange->refuse(forbidden("This token may only read"));
    }
    if (app.options.rate_limits) {
      const std::string_view key(reinterpret_cast<const char*>(caller.user_id.bytes.data()),
                                 caller.user_id.bytes.size());
      if (const auto wait_s = app.per_user.take(key, exchange->now())) {
        return exchange->refuse(
            Error{ErrorCode::rate_limited, "Too many requests; slow down", {}, *wait_s});
      }
    }
    run(exchange, route);
  }

  App app;
  std::vector<Route> routes;
  Router router;
  Site site{built_site()};
};

Api::Api(const Dependencies& dependencies, ApiOptions options)
    : impl_(std::make_unique<Impl>(dependencies, std::move(options))) {}

Api::~Api() = default;

void Api::handle(const net::Request& request, Executor& executor, net::Reply reply) {
  const auto exchange = std::make_shared<Exchange>(impl_->app, request, executor, std::move(reply));
  try {
    impl_->dispatch(exchange);
  } catch (const std::exception& error) {
    log::error("request failed", {{"error", error.what()}, {"request_id", exchange->request_id()}});
    exchange->refuse(
        Error{ErrorCode::internal, "Something went wrong here; it has been logged", {}, 0});
  }
}

net::Response Api::refuse(const net::Request& request, int status, std::string_view why) {
  const std::string request_id = request_id_of(impl_->app, request);
  net::Response response = problem(status, why, request_id);
  Answered answered;
  answered.request_id = request_id;
  record(impl_->app, request, response, answered);
  return response;
}

void Api::forget_user(const Uuid& user_id) { impl_->app.authenticator.forget_user(user_id); }
void Api::forget_all() { impl_->app.authenticator.forget_all(); }

}  // namespace todo::http
