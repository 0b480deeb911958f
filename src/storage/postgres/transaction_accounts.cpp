#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/limits.h"
#include "storage/postgres/transaction.h"

namespace todo::storage::postgres {
namespace {

// A user's columns, in the order in which read_user takes them, with the counters behind them:
// whoever asks for the one asks for the other.
#define TODO_USER_SELECT                                                                    \
  "SELECT u.id, u.email, u.display_name, u.timezone, u.reminders_enabled, "                 \
  "u.reminder_minutes_before, u.toast_notifications, u.missed_occurrences, u.recompute, "   \
  "u.recompute_shift, u.recompute_zone_changed, u.recompute_from_zone, u.recompute_after, " \
  "u.recompute_started_at, u.disabled, u.created_at, s.changes, s.living_tasks, "           \
  "s.completed_tasks FROM users u LEFT JOIN user_state s ON s.user_id = u.id "

constexpr const char* user_by_id = TODO_USER_SELECT "WHERE u.id = $1 AND u.deleted_at IS NULL";
constexpr const char* users_by_ids =
    TODO_USER_SELECT "WHERE u.id = ANY($1) AND u.deleted_at IS NULL";
constexpr const char* user_by_email =
    TODO_USER_SELECT "WHERE u.email_folded = $1 AND u.deleted_at IS NULL";

User read_user(Query& q) {
  User user;
  user.id = q.id();
  user.email = q.text();
  user.display_name = q.optional_text();
  user.timezone = q.text();
  user.preferences.reminders_enabled = q.boolean();
  user.preferences.reminder_minutes_before = static_cast<int>(q.integer());
  user.preferences.toast_notifications = q.boolean();
  user.preferences.missed_occurrences = static_cast<MissedOccurrences>(q.integer());
  const bool recompute = q.boolean();
  RecomputeJob job;
  job.shift_due_dates = q.boolean();
  job.zone_changed = q.boolean();
  job.from_zone = q.text();
  job.after = q.optional_id();
  job.started_at = q.instant();
  if (recompute) user.recompute = std::move(job);
  user.disabled = q.boolean();
  user.created_at = q.instant();
  return user;
}

void bind_user(Query& q, const User& user, const RecomputeJob& job) {
  q.bind(user.display_name).bind(user.timezone).bind(user.preferences.reminders_enabled);
  q.bind(user.preferences.reminder_minutes_before).bind(user.preferences.toast_notifications);
  q.bind(static_cast<int>(user.preferences.missed_occurrences)).bind(user.recompute.has_value());
  q.bind(job.shift_due_dates)
      .bind(job.zone_changed)
      .bind(job.from_zone)
      .bind(job.after)
      .bind(job.started_at)
      .bind(user.disabled);
}

ApiToken read_token(Query& q) {
  ApiToken token;
  token.id = q.id();
  token.user_id = q.id();
  token.name = q.text();
  token.scope = static_cast<TokenScope>(q.integer());
  token.secret_hash = q.blob();
  token.expires_at = q.optional_instant();
  token.created_at = q.instant();
  token.last_used_at = q.optional_instant();
  return token;
}

Credentials read_credentials(Query& q) {
  Credentials credentials;
  credentials.user_id = q.id();
  credentials.password_hash = q.text();
  credentials.disabled = q.boolean();
  return credentials;
}

std::vector<Uuid> read_ids(Query& q) {
  std::vector<Uuid> ids;
  while (q.step()) ids.push_back(q.id());
  return ids;
}

// Every table that holds a user's rows, in the order in which an account is taken apart; the heads
// of its chain and its counters go last, with the user.
constexpr std::array user_tables{
    "tasks",          "reminders",    "notifications",    "promised_occurrences", "audit_entries",
    "audit_segments", "dead_letters", "idempotency_keys", "api_tokens",           "sessions"};

}  // namespace

Transaction::KnownUser Transaction::read_known_user(Query& q) {
  KnownUser known;
  known.user = read_user(q);
  known.counters.changes = q.optional_integer().value_or(0);
  known.counters.living_tasks = q.optional_integer().value_or(0);
  known.counters.completed_tasks = q.optional_integer().value_or(0);
  return known;
}

Transaction::KnownUser* Transaction::find_known_user(const Uuid& user_id) {
  const auto known = std::ranges::find_if(
      known_users_, [&](const KnownUser& each) { return each.user.id == user_id; });
  return known == known_users_.end() ? nullptr : &*known;
}

void Transaction::forget_user(const Uuid& user_id) {
  std::erase_if(known_users_, [&](const KnownUser& each) { return each.user.id == user_id; });
}

// Waits, and with that for whatever was queued before.
void Transaction::know_users(const std::vector<Uuid>& user_ids) {
  known_users_.clear();
  Query q(c_, users_by_ids);
  q.bind_array(user_ids);
  while (q.step()) known_users_.push_back(read_known_user(q));
}

std::optional<User> Transaction::find_user(const Uuid& user_id) {
  if (const KnownUser* known = find_known_user(user_id)) return known->user;
  lock(user_id);
  Query q(c_, user_by_id);
  q.bind(user_id);
  if (!q.step()) return std::nullopt;
  return known_users_.emplace_back(read_known_user(q)).user;
}

std::optional<User> Transaction::find_user_by_email(std::string_view email_folded) {
  Query q(c_, user_by_email);
  q.bind(email_folded);
  return q.step() ? std::optional(read_user(q)) : std::nullopt;
}

std::optional<Credentials> Transaction::find_credentials(std::string_view email_folded) {
  Query q(c_,
          "SELECT id, password_hash, disabled FROM users WHERE email_folded = $1 AND deleted_at IS "
          "NULL");
  q.bind(email_folded);
  return q.step() ? std::optional(read_credentials(q)) : std::nullopt;
}

std::optional<Credentials> Transaction::find_credentials(const Uuid& user_id) {
  lock(user_id);
  Query q(c_, "SELECT id, password_hash, disabled FROM users WHERE id = $1 AND deleted_at IS NULL");
  q.bind(user_id);
  return q.step() ? std::optional(read_credentials(q)) : std::nullopt;
}

// The epoch comes along: a list asks for both.
UserCounters Transaction::counters(const Uuid& user_id) {
  if (const KnownUser* known = find_known_user(user_id)) return known->counters;
  lock(user_id);
  Query q(c_, R"sql(
SELECT epoch, changes, living_tasks, completed_tasks
FROM schema_info LEFT JOIN user_state ON user_id = $1)sql");
  q.bind(user_id);
  UserCounters counters;
  if (q.step()) {
    epoch_ = q.text();
    counters.changes = q.optional_integer().value_or(0);
    counters.living_tasks = q.optional_integer().value_or(0);
    counters.completed_tasks = q.optional_integer().value_or(0);
  }
  return counters;
}

// What the statement that changes a user's tasks does to the counters (transaction_tasks.cpp).
void Transaction::know_change(const Uuid& user_id, int living, int completed) {
  KnownUser* known = find_known_user(user_id);
  if (known == nullptr) return;
  ++known->counters.changes;
  known->counters.living_tasks += living;
  known->counters.completed_tasks += completed;
}

std::optional<Session> Transaction::find_session(const Uuid& session_id) {
  Query q(c_, R"sql(
SELECT s.id, s.user_id, s.created_at, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = $1 AND NOT u.disabled AND u.deleted_at IS NULL)sql");
  q.bind(session_id);
  if (!q.step()) return std::nullopt;
  Session session;
  session.id = q.id();
  session.user_id = q.id();
  session.created_at = q.instant();
  session.expires_at = q.instant();
  return session;
}

std::vector<ApiToken> Transaction::list_api_tokens(const Uuid& user_id) {
  lock(user_id);
  Query q(c_, R"sql(
SELECT id, user_id, name, scope, secret_hash, expires_at, created_at, last_used_at FROM api_tokens
WHERE user_id = $1 ORDER BY id DESC)sql");
  q.bind(user_id);
  std::vector<ApiToken> tokens;
  while (q.step()) tokens.push_back(read_token(q));
  return tokens;
}

std::optional<ApiToken> Transaction::find_api_token(std::string_view secret_hash) {
  Query q(c_, R"sql(
SELECT t.id, t.user_id, t.name, t.scope, t.secret_hash, t.expires_at, t.created_at, t.last_used_at
FROM api_tokens t JOIN users u ON u.id = t.user_id
WHERE t.secret_hash = $1 AND NOT u.disabled AND u.deleted_at IS NULL)sql");
  q.bind_blob(secret_hash);
  return q.step() ? std::optional(read_token(q)) : std::nullopt;
}

std::vector<Uuid> Transaction::users_with_recompute_job(int limit) {
  Query q(c_, "SELECT id FROM users WHERE recompute AND deleted_at IS NULL LIMIT $1");
  q.bind(limit);
  return read_ids(q);
}

std::vector<Uuid> Transaction::users_to_purge(int limit) {
  Query q(c_, "SELECT id FROM users WHERE deleted_at IS NOT NULL LIMIT $1");
  q.bind(limit);
  return read_ids(q);
}

bool Transaction::insert_user(const User& user, std::string_view email_folded,
                              std::string_view password_hash) {
  lock(user.id);
  const RecomputeJob job = user.recompute.value_or(RecomputeJob{});
  const AuditHash no_hash{};
  Query q(c_, R"sql(
WITH made AS (
  INSERT INTO users (id, email, email_folded, password_hash, created_at, display_name, timezone,
    reminders_enabled, reminder_minutes_before, toast_notifications, missed_occurrences, recompute,
    recompute_shift, recompute_zone_changed, recompute_from_zone, recompute_after,
    recompute_started_at, disabled)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
  ON CONFLICT (email_folded) DO NOTHING RETURNING id),
counted AS (
  INSERT INTO user_state (user_id, changes, living_tasks, completed_tasks)
  SELECT id, 0, 0, 0 FROM made),
chained AS (
  INSERT INTO audit_heads (user_id, seq, hash, seal, key_id) SELECT id, 0, $19, $19, 0 FROM made)
SELECT FROM made)sql");
  q.bind(user.id).bind(user.email).bind(email_folded).bind(password_hash).bind(user.created_at);
  bind_user(q, user, job);
  q.bind_blob({reinterpret_cast<const char*>(no_hash.data()), no_hash.size()});
  return q.step();
}

void Transaction::update_user(const User& user) {
  lock(user.id);
  forget_user(user.id);
  const RecomputeJob job = user.recompute.value_or(RecomputeJob{});
  // A new zone moves all-day due dates: what was listed before is no longer good.
  Query q(c_, R"sql(
WITH written AS (
  UPDATE users SET display_name = $1, timezone = $2, reminders_enabled = $3,
    reminder_minutes_before = $4, toast_notifications = $5, missed_occurrences = $6,
    recompute = $7, recompute_shift = $8, recompute_zone_changed = $9, recompute_from_zone = $10,
    recompute_after = $11, recompute_started_at = $12, disabled = $13
  WHERE id = $14 AND deleted_at IS NULL)
UPDATE user_state SET changes = changes + 1 WHERE user_id = $14)sql");
  bind_user(q, user, job);
  q.bind(user.id).run();
}

void Transaction::set_password_hash(const Uuid& user_id, std::string_view password_hash) {
  lock(user_id);
  Query q(c_, "UPDATE users SET password_hash = $1 WHERE id = $2 AND deleted_at IS NULL");
  q.bind(password_hash).bind(user_id).run();
}

void Transaction::mark_user_deleted(const Uuid& user_id, Instant now) {
  lock(user_id);
  forget_user(user_id);
  // The chain and the tasks go later, in units; who it was goes now.
  Query q(c_, R"sql(
UPDATE users SET deleted_at = $1, email_folded = NULL, email = '', display_name = NULL,
  password_hash = '', recompute = false
WHERE id = $2 AND deleted_at IS NULL)sql");
  q.bind(now).bind(user_id).run();
}

bool Transaction::purge_user(const Uuid& user_id, int limit) {
  lock(user_id);
  {
    // Whoever is recording the user's events has ended then, and nobody else begins to.
    Query head(c_, "SELECT FROM audit_heads WHERE user_id = $1 FOR UPDATE");
    head.bind(user_id).run();
    Query user(c_, "SELECT FROM users WHERE id = $1 AND deleted_at IS NOT NULL");
    if (!user.bind(user_id).step()) return true;
  }
  forget_user(user_id);
  known_tasks_.clear();
  int left = limit;
  const auto purge = [&](const std::string& table, std::string_view lock_clause) {
    if (left <= 0) return;
    Query q(c_, fmt::format("DELETE FROM {0} WHERE ctid = ANY(ARRAY("
                            "SELECT ctid FROM {0} WHERE user_id = $1 LIMIT $2{1}))",
                            table, lock_clause));
    left -= q.bind(user_id).bind(left).changes();
  };
  for (const char* table : user_tables) purge(table, "");
  // What a bus has taken is the bus's: it may be waiting for this user's lock.
  purge("outbox", " FOR UPDATE SKIP LOCKED");
  if (left <= 0) return false;
  Query row(c_, R"sql(
WITH gone AS (
  DELETE FROM users WHERE id = $1 AND NOT EXISTS (SELECT FROM outbox WHERE user_id = $1)
  RETURNING id),
counted AS (DELETE FROM user_state WHERE user_id IN (SELECT id FROM gone)),
chained AS (DELETE FROM audit_heads WHERE user_id IN (SELECT id FROM gone))
SELECT FROM gone)sql");
  return row.bind(user_id).step();
}

void Transaction::insert_session(const Session& session) {
  lock(session.user_id);
  {
    Query q(c_, "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES ($1,$2,$3,$4)");
    q.bind(session.id).bind(session.user_id).bind(session.created_at).bind(session.expires_at);
    q.run();
  }
  Query oldest(c_, R"sql(
DELETE FROM sessions WHERE id = ANY(ARRAY(
  SELECT id FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id DESC OFFSET $2)))sql");
  oldest.bind(session.user_id).bind(limits::sessions_per_user_max).run();
  announce({Announcement::Kind::credentials, session.user_id, {}, 0});
}

void Transaction::delete_session(const Uuid& user_id, const Uuid& session_id) {
  lock(user_id);
  announce({Announcement::Kind::credentials, user_id, {}, 0});
  Query q(c_, "DELETE FROM sessions WHERE id = $1 AND user_id = $2");
  q.bind(session_id).bind(user_id).run();
}

void Transaction::delete_sessions(const Uuid& user_id, std::optional<Uuid> except) {
  lock(user_id);
  announce({Announcement::Kind::credentials, user_id, {}, 0});
  Query q(c_, "DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2");
  q.bind(user_id).bind(except).run();
}

bool Transaction::insert_api_token(const ApiToken& token) {
  lock(token.user_id);
  Query q(c_, R"sql(
INSERT INTO api_tokens (id, user_id, name, scope, secret_hash, expires_at, created_at)
SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM api_tokens WHERE user_id = $2) < $8)sql");
  q.bind(token.id)
      .bind(token.user_id)
      .bind(token.name)
      .bind(static_cast<int>(token.scope))
      .bind_blob(token.secret_hash);
  q.bind(token.expires_at).bind(token.created_at).bind(limits::api_tokens_per_user_max);
  return q.changes() > 0;
}

bool Transaction::delete_api_token(const Uuid& user_id, const Uuid& token_id) {
  lock(user_id);
  announce({Announcement::Kind::credentials, user_id, {}, 0});
  Query q(c_, "DELETE FROM api_tokens WHERE id = $1 AND user_id = $2");
  return q.bind(token_id).bind(user_id).changes() > 0;
}

void Transaction::touch_api_token(const Uuid& token_id, Instant now) {
  Query q(c_, "UPDATE api_tokens SET last_used_at = $1 WHERE id = $2");
  q.bind(now).bind(token_id).run();
}

int Transaction::purge_sessions(Instant expired_before, int limit) {
  Query q(c_, R"sql(
DELETE FROM sessions WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)))sql");
  return q.bind(expired_before).bind(limit).changes();
}

}  // namespace todo::storage::postgres
