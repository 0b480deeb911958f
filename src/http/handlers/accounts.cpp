#include "service/accounts.h"

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/time_zone.h"
#include "http/body.h"
#include "http/handlers/account_json.h"
#include "http/handlers/handlers.h"
#include "http/origin_check.h"
#include "http/unit_route.h"

namespace todo::http {

void write_user(JsonWriter& json, const User& user) {
  json.begin_object()
      .member("id", user.id)
      .member("email", user.email)
      .member("display_name", user.display_name);
  json.member("timezone", user.timezone).member("created_at", user.created_at).end_object();
}

void write_preferences(JsonWriter& json, const Preferences& preferences) {
  json.begin_object().member("reminders_enabled", preferences.reminders_enabled);
  json.member("reminder_minutes_before", preferences.reminder_minutes_before);
  json.member("toast_notifications", preferences.toast_notifications);
  json.member("missed_occurrences",
              preferences.missed_occurrences == MissedOccurrences::skip ? "skip" : "keep")
      .end_object();
}

namespace {

constexpr const char* wrong_login = "Invalid email or password";
constexpr const char* busy = "Too many sign-ins at once; try again in a moment";
constexpr Body::TextRule display_name_rule{1, limits::display_name_max, true, true};

Error unavailable(const char* detail) { return Error{ErrorCode::unavailable, detail, {}, 1}; }

bool known(storage::Outcome outcome) {
  return outcome == storage::Outcome::committed || outcome == storage::Outcome::rolled_back;
}

// True (and the exchange is answered) when the bucket is empty.
bool limited(const ExchangePtr& exchange, RateLimiter& limiter, std::string_view key) {
  if (!exchange->app().options.rate_limits) return false;
  const auto wait_s = limiter.take(key, exchange->now());
  if (!wait_s) return false;
  exchange->refuse(
      Error{ErrorCode::rate_limited, "Too many attempts; try again later", {}, *wait_s});
  return true;
}

std::string take_timezone(Body& body, std::string_view fallback) {
  const auto name = body.text("timezone", {1, 64, false, false});
  if (!name.value) return std::string(fallback);
  if (!TimeZone::find(*name.value))
    body.refuse("timezone", "Is not the name of a time zone, such as Europe/Berlin");
  return *name.value;
}

net::Response no_content() {
  net::Response response;
  response.status = 204;
  return response;
}

void set_session_cookie(const Exchange& exchange, net::Response& response, std::string_view token,
                        std::int64_t lifetime_s) {
  const bool secure = exchange.app().options.public_url.starts_with("https://");
  response.with("Set-Cookie",
                fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}",
                            session_cookie, token, lifetime_s, secure ? "; Secure" : ""));
}

// --- register ---

struct RegistrationRequest {
  service::Registration registration;
  std::string password;
};

Result<RegistrationRequest> parse_registration(Exchange& exchange) {
  auto body = Body::parse(exchange.request(), exchange.query().refusals());
  if (!body) return std::unexpected(body.error());
  RegistrationRequest request;
  const auto email = body->text("email", {1, limits::email_max, true, false});
  if (!email.present) body->refuse("email", "Is required");
  if (email.value) {
    auto checked = service::check_email(*email.value);
    if (checked) {
      request.registration.email = std::move(*checked);
    } else if (!email.value->empty() && count_code_points(*email.value) <= limits::email_max) {
      body->refuse("email", checked.error().fields.front().message);
    }
  }
  request.password = body->password("password", true);
  request.registration.display_name = body->text("display_name", display_name_rule).value;
  request.registration.timezone = take_timezone(*body, "UTC");
  if (auto finished = body->finish(); !finished) return std::unexpected(finished.error());
  return request;
}

void register_with_hash(const ExchangePtr& exchange, service::Registration registration) {
  struct State {
    service::Registration registration;
    std::optional<Result<User>> user;
  };
  auto state = std::make_shared<State>(State{std::move(registration), std::nullopt});
  const bool queued = exchange->app().with.store.write(
      [exchange, state](storage::Tx& tx) {
        state->user =
            service::register_user(tx, exchange->app().with.audit_keys, exchange->app().with.ids,
                                   exchange->now(), state->registration);
        return *state->user ? storage::Verdict::commit : storage::Verdict::roll_back;
      },
      exchange->executor(),
      [exchange, state](storage::Outcome outcome) {
        if (!known(outcome)) return exchange->refuse_unavailable(outcome);
        if (!*state->user) return exchange->refuse(state->user->error());
        std::string body;
        JsonWriter json(body);
        write_user(json, **state->user);
        exchange->respond(json_response(201, std::move(body)));
      });
  if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
}

void run_register(const ExchangePtr& exchange) {
  if (!exchange->app().options.registration) {
    return exchange->refuse(
        Error{ErrorCode::forbidden, "Registration is switched off on this server", {}, 0});
  }
  auto request = parse_registration(*exchange);
  if (!request) return exchange->refuse(request.error());
  if (limited(exchange, exchange->app().registration_per_address, exchange->client_address()))
    return;
  const bool queued = exchange->app().with.passwords.hash(
      std::move(request->password), exchange->executor(),
      [exchange, registration = std::move(request->registration)](std::string hash) mutable {
        if (hash.empty()) return exchange->refuse(unavailable(busy));
        registration.password_hash = std::move(hash);
        register_with_hash(exchange, std::move(registration));
      });
  if (!queued) exchange->refuse(unavailable(busy));
}

// --- login ---

struct Login {
  std::string email_folded;
  std::string password;
  bool cookie = false;
  std::optional<storage::Credentials> credentials;
  std::string new_hash;  // when the parameters have risen since
  std::optional<User> user;
  storage::Session session;
};
using LoginPtr = std::shared_ptr<Login>;

Result<LoginPtr> parse_login(Exchange& exchange) {
  auto body = Body::parse(exchange.request(), exchange.query().refusals());
  if (!body) return std::unexpected(body.error());
  auto login = std::make_shared<Login>();
  login->email_folded =
      fold_case(body->required_text("email", {0, limits::email_max, true, false}));
  login->password = body->password("password", false);
  login->cookie = body->word("session", {"token", "cookie"}, true).value.value_or(0) == 1;
  if (auto finished = body->finish(); !finished) return std::unexpected(finished.error());
  if (login->cookie && !origin_allowed(exchange.request(), exchange.app().options.public_url)) {
    return fail(ErrorCode::forbidden,
                "A cookie session is opened from this server's own pages only");
  }
  return login;
}

net::Response login_response(const Exchange& exchange, const Login& login) {
  const App& app = exchange.app();
  const std::string token = app.with.jwt.sign(
      {login.user->id, login.session.id, login.session.created_at, login.session.expires_at});
  const auto lifetime_s =
      std::chrono::duration_cast<std::chrono::seconds>(limits::session_lifetime).count();
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (!login.cookie) json.member("access_token", token);
  json.member("token_type", "bearer")
      .member("expires_in", static_cast<std::int64_t>(lifetime_s))
      .key("user");
  write_user(json, *login.user);
  json.end_object();
  net::Response response = json_response(200, std::move(body));
  if (login.cookie) set_session_cookie(exchange, response, token, lifetime_s);
  return response;
}

void open_login_session(const ExchangePtr& exchange, const LoginPtr& login) {
  const bool queued = exchange->app().with.store.write(
      [exchange, login](storage::Tx& tx) {
        // The password may have changed, or the account gone, while argon2id ran.
        const auto now_stored = tx.find_credentials(login->credentials->user_id);
        login->user = tx.find_user(login->credentials->user_id);
        if (!login->user || !now_stored || now_stored->disabled ||
            now_stored->password_hash != login->credentials->password_hash) {
          login->user.reset();
          return storage::Verdict::roll_back;
        }
        if (!login->new_hash.empty()) tx.set_password_hash(login->user->id, login->new_hash);
        login->session =
            service::open_session(tx, exchange->app().with.ids, exchange->now(), login->user->id);
        return storage::Verdict::commit;
      },
      exchange->executor(),
      [exchange, login](storage::Outcome outcome) {
        if (!known(outcome)) return exchange->refuse_unavailable(outcome);
        if (!login->user)
          return exchange->refuse(Error{ErrorCode::unauthorized, wrong_login, {}, 0});
        exchange->respond(login_response(*exchange, *login));
      });
  if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
}

void finish_login(const ExchangePtr& exchange, const LoginPtr& login,
                  service::PasswordHasher::Verdict verdict) {
  if (!verdict.matches || login->credentials->disabled) {
    return exchange->refuse(Error{ErrorCode::unauthorized, wrong_login, {}, 0});
  }
  if (!verdict.needs_rehash) return open_login_session(exchange, login);
  const bool queued = exchange->app().with.passwords.hash(login->password, exchange->executor(),
                                                          [exchange, login](std::string hash) {
                                                            login->new_hash = std::move(hash);
                                                            open_login_session(exchange, login);
                                                          });
  if (!queued) open_login_session(exchange, login);
}

void run_login(const ExchangePtr& exchange) {
  auto parsed = parse_login(*exchange);
  if (!parsed) return exchange->refuse(parsed.error());
  const LoginPtr& login = *parsed;
  App& app = exchange->app();
  if (limited(exchange, app.login_per_address, exchange->client_address())) return;
  if (limited(exchange, app.login_per_account, login->email_folded)) return;
  const bool queued = app.with.store.read(
      [login](storage::ReadTx& tx) {
        login->credentials = tx.find_credentials(login->email_folded);
      },
      exchange->executor(),
      [exchange, login](storage::Outcome outcome) {
        if (!known(outcome)) return exchange->refuse_unavailable(outcome);
        const std::string stored =
            login->credentials ? login->credentials->password_hash : std::string();
        const bool verifying = exchange->app().with.passwords.verify(
            login->password, stored, exchange->executor(),
            [exchange, login](auto verdict) { finish_login(exchange, login, verdict); });
        if (!verifying) exchange->refuse(unavailable(busy));
      });
  if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
}

// --- logout ---

Result<Nothing> parse_nothing(Exchange& exchange) {
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return Nothing{};
}

Result<Nothing> apply_logout(storage::Tx& tx, const Exchange& exchange, const Nothing&) {
  tx.delete_session(exchange.caller().user_id, *exchange.caller().session_id);
  return Nothing{};
}

net::Response render_logout(const Exchange& exchange, const Nothing&) {
  exchange.app().authenticator.forget_user(exchange.caller().user_id);
  net::Response response = json_response(200, R"({"message":"Successfully logged out"})");
  set_session_cookie(exchange, response, "", 0);
  return response;
}

// --- profile and preferences ---

Result<User> apply_me(storage::ReadTx& tx, const Exchange& exchange, const Nothing&) {
  auto user = tx.find_user(exchange.caller().user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  return std::move(*user);
}

net::Response render_user(const Exchange&, const User& user) {
  std::string body;
  JsonWriter json(body);
  write_user(json, user);
  return json_response(200, std::move(body));
}

Result<service::ProfileInput> parse_profile(Exchange& exchange) {
  auto body = Body::parse(exchange.request(), exchange.query().refusals());
  if (!body) return std::unexpected(body.error());
  service::ProfileInput input;
  auto display_name = body->text("display_name", display_name_rule);
  input.display_name_present = display_name.present;
  input.display_name = std::move(display_name.value);
  if (std::string zone = take_timezone(*body, ""); !zone.empty()) input.timezone = std::move(zone);
  input.shift_due_dates = body->boolean("shift_due_dates").value.value_or(false);
  if (auto finished = body->finish(); !finished) return std::unexpected(finished.error());
  return input;
}

Result<User> apply_profile(storage::Tx& tx, const Exchange& exchange,
                           const service::ProfileInput& input) {
  return service::update_profile(tx, exchange.call(), input);
}

net::Response render_profile(const Exchange& exchange, const User& user) {
  if (user.recompute) exchange.app().with.wake_housekeeping();
  return render_user(exchange, user);
}

Result<Preferences> apply_read_preferences(storage::ReadTx& tx, const Exchange& exchange,
                                           const Nothing&) {
  const auto user = tx.find_user(exchange.caller().user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  return user->preferences;
}

Result<service::PreferencesInput> parse_preferences(Exchange& exchange) {
  auto body = Body::parse(exchange.request(), exchange.query().refusals());
  if (!body) return std::unexpected(body.error());
  service::PreferencesInput input;
  input.reminders_enabled = body->boolean("reminders_enabled").value;
  input.reminder_minutes_before =
      body->integer("reminder_minutes_before", limits::reminder_minutes_min,
                    limits::reminder_minutes_max)
          .value;
  input.toast_notifications = body->boolean("toast_notifications").value;
  const auto missed = body->word("missed_occurrences", {"keep", "skip"}, false);
  if (missed.value) input.missed_occurrences = static_cast<MissedOccurrences>(*missed.value);
  if (auto finished = body->finish(); !finished) return std::unexpected(finished.error());
  return input;
}

Result<Preferences> apply_preferences(storage::Tx& tx, const Exchange& exchange,
                                      const service::PreferencesInput& input) {
  return service::update_preferences(tx, exchange.call(), input);
}

net::Response render_preferences(const Exchange& exchange, const Preferences& preferences) {
  exchange.app().with.wake_housekeeping();
  std::string body;
  JsonWriter json(body);
  write_preferences(json, preferences);
  return json_response(200, std::move(body));
}

net::Response render_read_preferences(const Exchange&, const Preferences& preferences) {
  std::string body;
  JsonWriter json(body);
  write_preferences(json, preferences);
  return json_response(200, std::move(body));
}

Result<storage::TaskStats> apply_stats(storage::ReadTx& tx, const Exchange& exchange,
                                       const Nothing&) {
  return tx.task_stats(exchange.caller().user_id, exchange.now());
}

net::Response render_stats(const Exchange&, const storage::TaskStats& stats) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("total_tasks", stats.total).member("completed_tasks", stats.completed);
  json.member("pending_tasks", stats.total - stats.completed)
      .member("overdue_tasks", stats.overdue)
      .end_object();
  return json_response(200, std::move(body));
}

// --- what asks for the password again: password change and deletion ---

Error wrong_password(const char* field) {
  return {ErrorCode::invalid, "Validation failed", {{field, "Is not the account's password"}}, 0};
}

// Reads the account's hash, verifies `password` and goes on with the hash that matched; answers
// `field` wrong otherwise.
void with_password(const ExchangePtr& exchange, std::string password, const char* field,
                   std::move_only_function<void(std::string stored)> then) {
  if (limited(exchange, exchange->app().login_per_account, exchange->caller().user_id.to_string()))
    return;
  struct State {
    std::string password;
    const char* field;
    std::string stored;
    std::move_only_function<void(std::string)> then;
  };
  auto state = std::make_shared<State>(State{std::move(password), field, {}, std::move(then)});
  const bool queued = exchange->app().with.store.read(
      [exchange, state](storage::ReadTx& tx) {
        const auto credentials = tx.find_credentials(exchange->caller().user_id);
        state->stored = credentials ? credentials->password_hash : std::string();
      },
      exchange->executor(),
      [exchange, state](storage::Outcome outcome) {
        if (!known(outcome)) return exchange->refuse_unavailable(outcome);
        const bool verifying = exchange->app().with.passwords.verify(
            std::move(state->password), state->stored, exchange->executor(),
            [exchange, state](auto verdict) {
              if (!verdict.matches) return exchange->refuse(wrong_password(state->field));
              state->then(std::move(state->stored));
            });
        if (!verifying) exchange->refuse(unavailable(busy));
      });
  if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
}

// A unit whose only answer is 204, for an account whose password is still `stored`.
void write_and_answer(const ExchangePtr& exchange, const std::string& stored, const char* field,
                      std::function<void(storage::Tx&)> work,
                      std::function<void(net::Response&)> after) {
  struct Found {
    bool gone = false;
    bool changed = false;
  };
  auto found = std::make_shared<Found>();
  const bool queued = exchange->app().with.store.write(
      [exchange, stored, found, work = std::move(work)](storage::Tx& tx) {
        const auto credentials = tx.find_credentials(exchange->caller().user_id);
        found->gone = !credentials;
        found->changed = credentials && credentials->password_hash != stored;
        if (found->gone || found->changed) return storage::Verdict::roll_back;
        work(tx);
        return storage::Verdict::commit;
      },
      exchange->executor(),
      [exchange, found, field, after = std::move(after)](storage::Outcome outcome) {
        if (!known(outcome)) return exchange->refuse_unavailable(outcome);
        if (found->gone)
          return exchange->refuse(Error{ErrorCode::unauthorized, "The account is gone", {}, 0});
        if (found->changed) return exchange->refuse(wrong_password(field));
        exchange->app().authenticator.forget_user(exchange->caller().user_id);
        net::Response response = no_content();
        after(response);
        exchange->respond(std::move(response));
      });
  if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
}

void run_change_password(const ExchangePtr& exchange) {
  auto body = Body::parse(exchange->request(), exchange->query().refusals());
  if (!body) return exchange->refuse(body.error());
  std::string current = body->password("current_password", false);
  std::string next = body->password("new_password", true);
  if (auto finished = body->finish(); !finished) return exchange->refuse(finished.error());
  with_password(exchange, std::move(current), "current_password",
                [exchange, next = std::move(next)](std::string stored) mutable {
                  const bool queued = exchange->app().with.passwords.hash(
                      std::move(next), exchange->executor(),
                      [exchange, stored = std::move(stored)](const std::string& hash) {
                        if (hash.empty()) return exchange->refuse(unavailable(busy));
                        write_and_answer(
                            exchange, stored, "current_password",
                            [exchange, hash](storage::Tx& tx) {
                              tx.set_password_hash(exchange->caller().user_id, hash);
                              tx.delete_sessions(exchange->caller().user_id,
                                                 exchange->caller().session_id);
                            },
                            [](net::Response&) {});
                      });
                  if (!queued) exchange->refuse(unavailable(busy));
                });
}

void run_delete_account(const ExchangePtr& exchange) {
  auto body = Body::parse(exchange->request(), exchange->query().refusals());
  if (!body) return exchange->refuse(body.error());
  std::string password = body->password("password", false);
  if (auto finished = body->finish(); !finished) return exchange->refuse(finished.error());
  with_password(exchange, std::move(password), "password", [exchange](const std::string& stored) {
    write_and_answer(
        exchange, stored, "password",
        [exchange](storage::Tx& tx) {
          service::delete_account(tx, exchange->caller().user_id, exchange->now());
        },
        [exchange](net::Response& response) {
          if (exchange->caller().by_cookie) set_session_cookie(*exchange, response, "", 0);
          exchange->app().with.wake_housekeeping();
        });
  });
}

}  // namespace

void add_account_routes(std::vector<Route>& routes) {
  using enum net::Method;
  routes.push_back({post, "/api/v1/auth/register", Access::open, run_register});
  routes.push_back({post, "/api/v1/auth/login", Access::open, run_login});
  routes.push_back({post, "/api/v1/auth/logout", Access::account,
                    write_route(parse_nothing, apply_logout, render_logout)});
  routes.push_back(
      {get, "/api/v1/auth/me", Access::read, read_route(parse_nothing, apply_me, render_user)});
  routes.push_back({patch, "/api/v1/auth/me", Access::write,
                    write_route(parse_profile, apply_profile, render_profile)});
  routes.push_back({del, "/api/v1/auth/me", Access::account, run_delete_account});
  routes.push_back({post, "/api/v1/auth/me/password", Access::account, run_change_password});
  routes.push_back({get, "/api/v1/auth/me/stats", Access::read,
                    read_route(parse_nothing, apply_stats, render_stats)});
  routes.push_back({get, "/api/v1/auth/me/preferences", Access::read,
                    read_route(parse_nothing, apply_read_preferences, render_read_preferences)});
  routes.push_back({patch, "/api/v1/auth/me/preferences", Access::write,
                    write_route(parse_preferences, apply_preferences, render_preferences)});
}

}  // namespace todo::http
