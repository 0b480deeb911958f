#include "base/limits.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

constexpr const char* user_by_id = R"sql(
SELECT id, email, display_name, timezone, reminders_enabled, reminder_minutes_before, toast_notifications, missed_occurrences,
       recompute, recompute_shift, recompute_zone_changed, recompute_from_zone, recompute_after, recompute_started_at, disabled, created_at
FROM users WHERE id = ? AND deleted_at IS NULL)sql";

constexpr const char* user_by_email = R"sql(
SELECT id, email, display_name, timezone, reminders_enabled, reminder_minutes_before, toast_notifications, missed_occurrences,
       recompute, recompute_shift, recompute_zone_changed, recompute_from_zone, recompute_after, recompute_started_at, disabled, created_at
FROM users WHERE email_folded = ? AND deleted_at IS NULL)sql";

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

}  // namespace

std::optional<User> Transaction::find_user(const Uuid& user_id) {
  Query q(c_, user_by_id);
  q.bind(user_id);
  return q.step() ? std::optional(read_user(q)) : std::nullopt;
}

std::optional<User> Transaction::find_user_by_email(std::string_view email_folded) {
  Query q(c_, user_by_email);
  q.bind(email_folded);
  return q.step() ? std::optional(read_user(q)) : std::nullopt;
}

std::optional<Credentials> Transaction::find_credentials(std::string_view email_folded) {
  Query q(c_,
          "SELECT id, password_hash, disabled FROM users WHERE email_folded = ? AND deleted_at IS "
          "NULL");
  q.bind(email_folded);
  return q.step() ? std::optional(read_credentials(q)) : std::nullopt;
}

std::optional<Credentials> Transaction::find_credentials(const Uuid& user_id) {
  Query q(c_, "SELECT id, password_hash, disabled FROM users WHERE id = ? AND deleted_at IS NULL");
  q.bind(user_id);
  return q.step() ? std::optional(read_credentials(q)) : std::nullopt;
}

UserCounters Transaction::counters(const Uuid& user_id) {
  Query q(c_, "SELECT changes, living_tasks, completed_tasks FROM user_state WHERE user_id = ?");
  q.bind(user_id);
  UserCounters counters;
  if (q.step()) {
    counters.changes = q.integer();
    counters.living_tasks = q.integer();
    counters.completed_tasks = q.integer();
  }
  return counters;
}

std::optional<Session> Transaction::find_session(const Uuid& session_id) {
  Query q(c_, R"sql(
SELECT s.id, s.user_id, s.created_at, s.expires_at FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = ? AND u.disabled = 0 AND u.deleted_at IS NULL)sql");
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
  Query q(c_, R"sql(
SELECT id, user_id, name, scope, secret_hash, expires_at, created_at, last_used_at FROM api_tokens
WHERE user_id = ? ORDER BY id DESC)sql");
  q.bind(user_id);
  std::vector<ApiToken> tokens;
  while (q.step()) tokens.push_back(read_token(q));
  return tokens;
}

std::optional<ApiToken> Transaction::find_api_token(std::string_view secret_hash) {
  Query q(c_, R"sql(
SELECT t.id, t.user_id, t.name, t.scope, t.secret_hash, t.expires_at, t.created_at, t.last_used_at
FROM api_tokens t JOIN users u ON u.id = t.user_id WHERE t.secret_hash = ? AND u.disabled = 0 AND u.deleted_at IS NULL)sql");
  q.bind_blob(secret_hash);
  return q.step() ? std::optional(read_token(q)) : std::nullopt;
}

std::vector<Uuid> Transaction::users_with_recompute_job(int limit) {
  Query q(c_, "SELECT id FROM users WHERE recompute = 1 AND deleted_at IS NULL LIMIT ?");
  q.bind(limit);
  return read_ids(q);
}

std::vector<Uuid> Transaction::users_to_purge(int limit) {
  Query q(c_, "SELECT id FROM users WHERE deleted_at IS NOT NULL LIMIT ?");
  q.bind(limit);
  return read_ids(q);
}

std::string Transaction::epoch() {
  Query q(c_, "SELECT epoch FROM schema_info");
  return q.step() ? std::string(q.text()) : std::string();
}

bool Transaction::insert_user(const User& user, std::string_view email_folded,
                              std::string_view password_hash) {
  {
    const RecomputeJob job = user.recompute.value_or(RecomputeJob{});
    Query q(c_, R"sql(
INSERT INTO users (id, email, email_folded, password_hash, created_at, display_name, timezone, reminders_enabled,
                   reminder_minutes_before, toast_notifications, missed_occurrences, recompute, recompute_shift,
                   recompute_zone_changed, recompute_from_zone, recompute_after, recompute_started_at, disabled)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (email_folded) DO NOTHING)sql");
    q.bind(user.id).bind(user.email).bind(email_folded).bind(password_hash).bind(user.created_at);
    bind_user(q, user, job);
    q.run();
    if (c_.changes() == 0) return false;
  }
  Query q(c_, R"sql(
INSERT INTO user_state (user_id, changes, living_tasks, completed_tasks, audit_seq, audit_hash, audit_seal, audit_key_id)
VALUES (?, 0, 0, 0, 0, zeroblob(32), zeroblob(32), 0))sql");
  q.bind(user.id).run();
  return true;
}

void Transaction::update_user(const User& user) {
  const RecomputeJob job = user.recompute.value_or(RecomputeJob{});
  Query q(c_, R"sql(
UPDATE users SET display_name = ?, timezone = ?, reminders_enabled = ?, reminder_minutes_before = ?, toast_notifications = ?,
                 missed_occurrences = ?, recompute = ?, recompute_shift = ?, recompute_zone_changed = ?,
                 recompute_from_zone = ?, recompute_after = ?, recompute_started_at = ?, disabled = ?
WHERE id = ? AND deleted_at IS NULL)sql");
  bind_user(q, user, job);
  q.bind(user.id).run();
  // A new zone moves all-day due dates: what was listed before is no longer good.
  count_change(user.id, 0, 0);
}

void Transaction::set_password_hash(const Uuid& user_id, std::string_view password_hash) {
  Query q(c_, "UPDATE users SET password_hash = ? WHERE id = ? AND deleted_at IS NULL");
  q.bind(password_hash).bind(user_id).run();
}

void Transaction::mark_user_deleted(const Uuid& user_id, Instant now) {
  // The chain and the tasks go later, in units; who it was goes now.
  Query q(c_, R"sql(
UPDATE users SET deleted_at = ?, email_folded = NULL, email = '', display_name = NULL, password_hash = '', recompute = 0
WHERE id = ? AND deleted_at IS NULL)sql");
  q.bind(now).bind(user_id).run();
}

bool Transaction::purge_user(const Uuid& user_id, int limit) {
  {
    Query q(c_, "SELECT 1 FROM users WHERE id = ? AND deleted_at IS NOT NULL");
    q.bind(user_id);
    if (!q.step()) return true;
  }
  int left = limit;
  const auto purge = [&](Query& q) {
    if (left <= 0) return;
    q.bind(user_id).bind(left).run();
    left -= c_.changes();
  };
  Query tasks(c_, R"sql(
DELETE FROM tasks WHERE (user_id, deleted, created_at, priority_rank, id) IN
  (SELECT user_id, deleted, created_at, priority_rank, id FROM tasks WHERE user_id = ? LIMIT ?))sql");
  purge(tasks);
  Query reminders(c_, R"sql(
DELETE FROM reminders WHERE (user_id, task_id, due_at) IN
  (SELECT user_id, task_id, due_at FROM reminders WHERE user_id = ? LIMIT ?))sql");
  purge(reminders);
  Query notifications(c_, R"sql(
DELETE FROM notifications WHERE (user_id, created_at, id) IN
  (SELECT user_id, created_at, id FROM notifications WHERE user_id = ? LIMIT ?))sql");
  purge(notifications);
  Query promises(c_,
                 "DELETE FROM promised_occurrences WHERE id IN (SELECT id FROM "
                 "promised_occurrences WHERE user_id = ? LIMIT ?)");
  purge(promises);
  Query entries(c_,
                "DELETE FROM audit_entries WHERE position IN (SELECT position FROM audit_entries "
                "WHERE user_id = ? LIMIT ?)");
  purge(entries);
  Query segments(c_,
                 "DELETE FROM audit_segments WHERE rowid IN (SELECT rowid FROM audit_segments "
                 "WHERE user_id = ? LIMIT ?)");
  purge(segments);
  Query outbox(c_,
               "DELETE FROM outbox WHERE position IN (SELECT position FROM outbox WHERE user_id = "
               "? LIMIT ?)");
  purge(outbox);
  Query dead(c_,
             "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE user_id = ? "
             "LIMIT ?)");
  purge(dead);
  Query keys(c_,
             "DELETE FROM idempotency_keys WHERE position IN (SELECT position FROM "
             "idempotency_keys WHERE user_id = ? LIMIT ?)");
  purge(keys);
  Query tokens(
      c_,
      "DELETE FROM api_tokens WHERE id IN (SELECT id FROM api_tokens WHERE user_id = ? LIMIT ?)");
  purge(tokens);
  Query sessions(
      c_, "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ? LIMIT ?)");
  purge(sessions);
  if (left <= 0) return false;
  Query state(c_, "DELETE FROM user_state WHERE user_id = ?");
  state.bind(user_id).run();
  Query row(c_, "DELETE FROM users WHERE id = ?");
  row.bind(user_id).run();
  return true;
}

void Transaction::insert_session(const Session& session) {
  {
    Query q(c_, "INSERT INTO sessions (id, user_id, created_at, expires_at) VALUES (?,?,?,?)");
    q.bind(session.id).bind(session.user_id).bind(session.created_at).bind(session.expires_at);
    q.run();
  }
  Query oldest(c_, R"sql(
DELETE FROM sessions WHERE id IN
  (SELECT id FROM sessions WHERE user_id = ? ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?))sql");
  oldest.bind(session.user_id).bind(limits::sessions_per_user_max).run();
  announce({Announcement::Kind::credentials, session.user_id, {}, 0});
}

void Transaction::delete_session(const Uuid& user_id, const Uuid& session_id) {
  announce({Announcement::Kind::credentials, user_id, {}, 0});
  Query q(c_, "DELETE FROM sessions WHERE id = ? AND user_id = ?");
  q.bind(session_id).bind(user_id).run();
}

void Transaction::delete_sessions(const Uuid& user_id, std::optional<Uuid> except) {
  announce({Announcement::Kind::credentials, user_id, {}, 0});
  Query q(c_, "DELETE FROM sessions WHERE user_id = ? AND id IS NOT ?");
  q.bind(user_id).bind(except).run();
}

bool Transaction::insert_api_token(const ApiToken& token) {
  Query q(c_, R"sql(
INSERT INTO api_tokens (id, user_id, name, scope, secret_hash, expires_at, created_at, last_used_at)
SELECT ?,?,?,?,?,?,?,NULL WHERE (SELECT count(*) FROM api_tokens WHERE user_id = ?) < ?)sql");
  q.bind(token.id)
      .bind(token.user_id)
      .bind(token.name)
      .bind(static_cast<int>(token.scope))
      .bind_blob(token.secret_hash);
  q.bind(token.expires_at)
      .bind(token.created_at)
      .bind(token.user_id)
      .bind(limits::api_tokens_per_user_max)
      .run();
  return c_.changes() > 0;
}

bool Transaction::delete_api_token(const Uuid& user_id, const Uuid& token_id) {
  announce({Announcement::Kind::credentials, user_id, {}, 0});
  Query q(c_, "DELETE FROM api_tokens WHERE id = ? AND user_id = ?");
  q.bind(token_id).bind(user_id).run();
  return c_.changes() > 0;
}

void Transaction::touch_api_token(const Uuid& token_id, Instant now) {
  Query q(c_, "UPDATE api_tokens SET last_used_at = ? WHERE id = ?");
  q.bind(now).bind(token_id).run();
}

int Transaction::purge_sessions(Instant expired_before, int limit) {
  Query q(
      c_,
      "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ? LIMIT ?)");
  q.bind(expired_before).bind(limit).run();
  return c_.changes();
}

}  // namespace todo::storage::sqlite
