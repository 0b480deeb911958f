#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/jwt.h"
#include "net/message.h"
#include "service/credential.h"
#include "storage/store.h"

namespace todo::http {

inline constexpr std::string_view session_cookie = "todo_session";
inline constexpr std::string_view api_token_prefix = "todo_";
// The subprotocol behind which a WebSocket's client offers its token: a page cannot set the fields
// of its request.
inline constexpr std::string_view bearer_protocol = "bearer";

// Who is asking.
struct Caller {
  Uuid user_id;
  std::optional<Uuid> session_id;  // none: by API token
  bool by_cookie = false;
  storage::TokenScope scope = storage::TokenScope::write;
  std::string actor;       // web, or token:<name>
  std::string token_hash;  // of an API token
  std::optional<Instant> expires_at;
};

// What let the caller in.
service::Credential credential_of(const Caller& caller);

// The hash under which an API token is stored.
std::string hash_api_token(std::string_view token);

// Turns a bearer token, an API token or the session cookie into a Caller. What the database said is
// believed for a second at most, so that a session ends within a second everywhere. Safe from any
// thread.
class Authenticator {
 public:
  Authenticator(storage::Store& store, const Jwt& jwt);
  ~Authenticator();
  using Done = std::move_only_function<void(Result<Caller>)>;
  // `done` runs at once or later on the executor.
  void authenticate(const net::Request& request, Instant now, Executor& executor, Done done);
  void forget_user(const Uuid& user_id);
  void forget_all();

 private:
  struct Cache;
  struct Lookup;
  void answer(Lookup& lookup, storage::Outcome outcome, Executor& executor);
  storage::Store& store_;
  const Jwt& jwt_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace todo::http
