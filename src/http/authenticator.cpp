#include "http/authenticator.h"

#include <sodium.h>

#include <array>
#include <chrono>
#include <mutex>
#include <unordered_map>

#include "base/text.h"
#include "net/websocket.h"

namespace todo::http {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::seconds believed_for{1};
constexpr std::size_t cached_max = 20'000;
constexpr std::chrono::minutes touch_interval{1};
constexpr std::size_t credential_bytes_max = 2'048;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

struct Credential {
  std::string_view token;
  bool by_cookie = false;
};

bool starts_with_bearer(std::string_view value) {
  constexpr std::string_view scheme = "bearer ";
  if (value.size() < scheme.size()) return false;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char c = value[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != scheme[i]) return false;
  }
  return true;
}

std::optional<std::string_view> cookie_value(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const auto end = header.find(';');
    const std::string_view pair = trim(header.substr(0, end));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name)
      return pair.substr(equals + 1);
    if (end == std::string_view::npos) break;
    header.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::optional<Credential> credential_of(const net::Request& request) {
  if (const auto authorization = request.field("Authorization")) {
    if (request.count("Authorization") > 1) return std::nullopt;
    if (!starts_with_bearer(*authorization)) return std::nullopt;
    return Credential{trim(authorization->substr(7)), false};
  }
  if (const auto offered = net::offered_protocols(request);
      !offered.empty() && offered.front() == bearer_protocol) {
    if (offered.size() != 2) return std::nullopt;
    return Credential{offered.back(), false};
  }
  if (const auto cookies = request.field("Cookie")) {
    if (const auto token = cookie_value(*cookies, session_cookie)) return Credential{*token, true};
  }
  return std::nullopt;
}

std::unexpected<Error> refused() {
  return fail(ErrorCode::unauthorized, "Sign in, or send a valid token");
}

}  // namespace

struct Authenticator::Cache {
  struct Entry {
    Caller caller;
    Steady::time_point checked_at;
    std::optional<Instant> expires_at;
  };

  std::optional<Caller> find(std::string_view token, Instant now) {
    const std::scoped_lock lock(mutex);
    const auto found = entries.find(token);
    if (found == entries.end()) return std::nullopt;
    const Entry& entry = found->second;
    const bool expired = entry.expires_at && *entry.expires_at <= now;
    if (expired || Steady::now() - entry.checked_at > believed_for) {
      entries.erase(found);
      return std::nullopt;
    }
    return entry.caller;
  }

  void put(std::string token, Entry entry) {
    const std::scoped_lock lock(mutex);
    if (entries.size() >= cached_max) entries.clear();
    entries.insert_or_assign(std::move(token), std::move(entry));
  }

  std::mutex mutex;
  std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> entries;
};

service::Credential credential_of(const Caller& caller) {
  return {caller.user_id, caller.session_id, caller.token_hash, caller.expires_at};
}

std::string hash_api_token(std::string_view token) {
  std::array<unsigned char, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(token.data()),
                     token.size(), nullptr, 0);
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

Authenticator::Authenticator(storage::Store& store, const Jwt& jwt)
    : store_(store), jwt_(jwt), cache_(std::make_shared<Cache>()) {}
Authenticator::~Authenticator() = default;

void Authenticator::forget_user(const Uuid& user_id) {
  const std::scoped_lock lock(cache_->mutex);
  std::erase_if(cache_->entries,
                [&](const auto& entry) { return entry.second.caller.user_id == user_id; });
}

void Authenticator::forget_all() {
  const std::scoped_lock lock(cache_->mutex);
  cache_->entries.clear();
}

// One credential on its way through the database.
struct Authenticator::Lookup {
  std::string token;
  std::string token_hash;  // of an API token; empty: a session
  Uuid session_id;
  bool by_cookie = false;
  Instant now{};
  std::optional<Cache::Entry> found;
  std::optional<Uuid> touch;
  Done done;

  void find(storage::ReadTx& tx) {
    found.reset();
    touch.reset();
    token_hash.empty() ? find_session(tx) : find_api_token(tx);
  }

  void find_session(storage::ReadTx& tx) {
    const auto session = tx.find_session(session_id);
    if (!session || session->expires_at <= now) return;
    Caller caller;
    caller.user_id = session->user_id;
    caller.session_id = session->id;
    caller.actor = "web";
    caller.expires_at = session->expires_at;
    found = Cache::Entry{std::move(caller), Steady::now(), session->expires_at};
  }

  void find_api_token(storage::ReadTx& tx) {
    const auto known = tx.find_api_token(token_hash);
    if (!known || (known->expires_at && *known->expires_at <= now)) return;
    Caller caller;
    caller.user_id = known->user_id;
    caller.scope = known->scope;
    caller.actor = "token:" + known->name;
    caller.token_hash = token_hash;
    caller.expires_at = known->expires_at;
    if (!known->last_used_at || *known->last_used_at + touch_interval <= now) touch = known->id;
    found = Cache::Entry{std::move(caller), Steady::now(), known->expires_at};
  }
};

void Authenticator::authenticate(const net::Request& request, Instant now, Executor& executor,
                                 Done done) {
  const auto credential = credential_of(request);
  if (!credential || credential->token.empty() || credential->token.size() > credential_bytes_max) {
    return done(refused());
  }
  const bool is_api_token = credential->token.starts_with(api_token_prefix);
  if (is_api_token && credential->by_cookie) return done(refused());
  if (auto known = cache_->find(credential->token, now)) {
    known->by_cookie = credential->by_cookie;
    return done(std::move(*known));
  }
  auto lookup = std::make_shared<Lookup>();
  lookup->token = credential->token;
  lookup->by_cookie = credential->by_cookie;
  lookup->now = now;
  if (is_api_token) {
    lookup->token_hash = hash_api_token(credential->token);
  } else {
    const auto claims = jwt_.verify(credential->token, now);
    if (!claims) return done(refused());
    lookup->session_id = claims->session_id;
  }
  lookup->done = std::move(done);
  const bool queued = store_.read(
      [lookup](storage::ReadTx& tx) { lookup->find(tx); }, executor,
      [this, lookup, &executor](storage::Outcome outcome) { answer(*lookup, outcome, executor); });
  if (!queued) {
    lookup->done(std::unexpected(Error{ErrorCode::unavailable, "Too much to do right now", {}, 1}));
  }
}

void Authenticator::answer(Lookup& lookup, storage::Outcome outcome, Executor& executor) {
  if (outcome != storage::Outcome::committed) {
    return lookup.done(
        std::unexpected(Error{ErrorCode::unavailable, "The database is away", {}, 1}));
  }
  if (!lookup.found) return lookup.done(refused());
  if (lookup.touch) {
    store_.write(
        [id = *lookup.touch, now = lookup.now](storage::Tx& tx) {
          tx.touch_api_token(id, now);
          return storage::Verdict::commit;
        },
        executor, [](storage::Outcome) {});
  }
  Caller caller = lookup.found->caller;
  caller.by_cookie = lookup.by_cookie;
  cache_->put(std::move(lookup.token), std::move(*lookup.found));
  lookup.done(std::move(caller));
}

}  // namespace todo::http
