#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "events/event.h"
#include "http/api.h"
#include "http/authenticator.h"
#include "http/query.h"
#include "http/rate_limiter.h"
#include "http/request_probe.h"
#include "http/router.h"
#include "net/message.h"
#include "service/call.h"

namespace todo::http {

// What handlers work with: the program's parts, wired once at the start.
struct App {
  Api::Dependencies with;
  ApiOptions options;
  Authenticator authenticator;
  RateLimiter per_user;
  RateLimiter login_per_account;
  RateLimiter login_per_address;
  RateLimiter registration_per_address;
  RequestProbe probe;
};

// One request on its way to its answer. Made on the I/O thread that read the request; storage
// threads only read it while the I/O side waits.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(App& app, const net::Request& request, Executor& executor, net::Reply reply);

  App& app() const { return app_; }
  const net::Request& request() const { return request_; }
  Executor& executor() const { return executor_; }
  Instant now() const { return now_; }
  const std::string& request_id() const { return origin_.request_id; }
  std::string_view client_address() const { return client_address_; }

  Query& query() { return query_; }
  void set_query(Query query) { query_ = std::move(query); }
  const Caller& caller() const { return *caller_; }
  void set_caller(Caller caller);
  const Router::Match& match() const { return match_; }
  void set_match(Router::Match match, std::string_view route) {
    match_ = std::move(match);
    route_ = route;
  }
  // The id in the path; not_found when it is none.
  Result<Uuid> path_id(std::size_t index, std::string_view what) const;

  // The call as services take it.
  service::Call call() const;

  // Exactly one of these, once, on the I/O thread.
  void respond(net::Response response);
  void refuse(const Error& error);
  void refuse_unavailable(storage::Outcome outcome);

 private:
  void trace(int status) const;

  App& app_;
  const net::Request& request_;
  Executor& executor_;
  net::Reply reply_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  Instant now_;
  Origin origin_;
  std::string parent_span_id_;
  bool is_traced_ = false;
  std::string client_address_;
  Query query_;
  std::optional<Caller> caller_;
  Router::Match match_;
  std::string_view route_;
};
using ExchangePtr = std::shared_ptr<Exchange>;

net::Response json_response(int status, std::string body);

// The request's own id where it is one, else a new one.
std::string request_id_of(const App& app, const net::Request& request);

// What is known of a request when it is answered.
struct Answered {
  std::string_view route = "none";  // outlives the program's parts
  double seconds = 0;
  std::optional<Uuid> user_id;
  std::string_view request_id;
  std::string_view trace_id;
};
// Gives an answer the headers that each has, counts it and writes the log's line.
void record(App& app, const net::Request& request, net::Response& response,
            const Answered& answered);

// Who may use a route.
enum class Access {
  open,     // nobody need be known
  read,     // any credentials
  write,    // not with a read token
  account,  // a session only: an API token must not outgrow its scope
};

struct Route {
  net::Method method;
  std::string_view pattern;
  Access access;
  std::function<void(const ExchangePtr&)> run;
};

}  // namespace todo::http
