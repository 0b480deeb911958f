#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "storage/postgres/transaction.h"

namespace todo::storage::postgres {
namespace {

constexpr int depth_counted_max = 100'000;

#define TODO_OUTBOX_SELECT "SELECT id, topic, user_id, event, attempts, not_before FROM outbox "

// Due at $1; or put off for longer than any retry is, beyond $2.
#define TODO_OUTBOX_DUE "(not_before IS NULL OR not_before <= $1 OR not_before > $2) "

struct ReadRow {
  OutboxRow row;
  std::optional<Instant> not_before;
};

ReadRow read_outbox_row(Query& q) {
  ReadRow read;
  read.row.event.id = q.id();
  read.row.event.topic = static_cast<Topic>(q.integer());
  read.row.event.user_id = q.id();
  read.row.event.event = q.text();
  read.row.attempts = static_cast<int>(q.integer());
  read.not_before = q.optional_instant();
  return read;
}

std::vector<OutboxRow> read_outbox_rows(Query& q) {
  std::vector<OutboxRow> rows;
  while (q.step()) rows.push_back(read_outbox_row(q).row);
  return rows;
}

DeadLetter read_dead(Query& q) {
  DeadLetter letter;
  letter.id = q.id();
  letter.topic = static_cast<Topic>(q.integer());
  letter.user_id = q.id();
  letter.event = q.text();
  letter.reason = q.text();
  letter.attempts = static_cast<int>(q.integer());
  letter.died_at = q.instant();
  return letter;
}

std::string take_statement(int limit) {
  return fmt::format(TODO_OUTBOX_SELECT "WHERE " TODO_OUTBOX_DUE
                                        "ORDER BY id LIMIT {} FOR UPDATE SKIP LOCKED",
                     limit);
}

constexpr const char* next_retry = "SELECT min(not_before) FROM outbox WHERE not_before > $1";

}  // namespace

std::vector<OutboxRow> Transaction::list_outbox(Instant now, int limit) {
  if (access_ == Access::write) return taken_ ? list_taken(now, limit) : take_outbox(now, limit);
  Query q(c_,
          fmt::format(TODO_OUTBOX_SELECT "WHERE " TODO_OUTBOX_DUE "ORDER BY id LIMIT {}", limit));
  q.bind(now).bind(now + limits::event_retry_delay_max);
  return read_outbox_rows(q);
}

std::vector<OutboxRow> Transaction::take_to_publish(Instant now, int limit) {
  Query q(c_, take_statement(limit));
  q.bind(now).bind(now + limits::event_retry_delay_max);
  return read_outbox_rows(q);
}

std::vector<OutboxRow> Transaction::take_outbox(Instant now, int limit) {
  Query q(c_, take_statement(limit));
  q.bind(now).bind(now + limits::event_retry_delay_max).run();
  // Whoever takes a batch asks for this at its end.
  Query next(c_, next_retry);
  next.bind(now);
  if (next.step()) next_retry_ = {now, next.optional_instant()};

  taken_.emplace();
  std::vector<OutboxRow> rows;
  std::vector<Uuid> users;  // of events that are applied to a user's own rows
  while (q.step()) {
    ReadRow read = read_outbox_row(q);
    // The clock was set back, and the next retry may be this one.
    if (read.not_before && *read.not_before > now) next_retry_.reset();
    if (read.row.event.topic != Topic::audit) users.push_back(read.row.event.user_id);
    taken_->push_back(read.row.event.id);
    rows.push_back(std::move(read.row));
  }
  expect_users(users);
  return rows;
}

std::vector<OutboxRow> Transaction::list_taken(Instant now, int limit) {
  std::vector<Uuid> left;
  std::ranges::copy_if(*taken_, std::back_inserter(left), [this](const Uuid& id) {
    return std::ranges::find(settled_, id) == settled_.end();
  });
  if (left.empty()) return {};
  Query q(c_, TODO_OUTBOX_SELECT "WHERE " TODO_OUTBOX_DUE "AND id = ANY($3) ORDER BY id LIMIT $4");
  q.bind(now).bind(now + limits::event_retry_delay_max).bind_array(left).bind(limit);
  return read_outbox_rows(q);
}

std::optional<Instant> Transaction::next_outbox_retry_at(Instant now) {
  if (next_retry_ && next_retry_->now == now) return next_retry_->at;
  Query q(c_, next_retry);
  q.bind(now);
  return q.step() ? q.optional_instant() : std::nullopt;
}

OutboxDepth Transaction::outbox_depth() {
  Query q(c_, R"sql(
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS counted),
  (SELECT id FROM outbox ORDER BY id LIMIT 1))sql");
  q.bind(depth_counted_max).step();
  OutboxDepth depth;
  depth.rows = q.integer();
  depth.oldest = q.optional_id();
  return depth;
}

std::vector<OutboxEvent> Transaction::list_outbox_of(const Uuid& user_id, Topic topic,
                                                     std::optional<Uuid> after, int limit) {
  Query q(c_,
          "SELECT id, event FROM outbox WHERE user_id = $1 AND topic = $2 AND id > $3 ORDER BY id "
          "LIMIT $4");
  q.bind(user_id).bind(static_cast<int>(topic)).bind(after.value_or(Uuid{})).bind(limit);
  std::vector<OutboxEvent> events;
  while (q.step()) {
    OutboxEvent& event = events.emplace_back();
    event.id = q.id();
    event.topic = topic;
    event.user_id = user_id;
    event.event = q.text();
  }
  return events;
}

std::vector<DeadLetter> Transaction::list_dead(std::optional<Uuid> after, int limit) {
  Query q(c_,
          "SELECT id, topic, user_id, event, reason, attempts, died_at FROM dead_letters "
          "WHERE id > $1 ORDER BY id LIMIT $2");
  q.bind(after.value_or(Uuid{})).bind(limit);
  std::vector<DeadLetter> letters;
  while (q.step()) letters.push_back(read_dead(q));
  return letters;
}

std::int64_t Transaction::count_dead() {
  Query q(c_, "SELECT count(*) FROM dead_letters");
  q.step();
  return q.integer();
}

void Transaction::insert_outbox(const OutboxEvent& event) {
  Query q(c_,
          "INSERT INTO outbox (id, topic, user_id, event, attempts) VALUES ($1, $2, $3, $4, 0)");
  q.bind(event.id).bind(static_cast<int>(event.topic)).bind(event.user_id).bind(event.event).run();
  ++events_inserted_;
}

void Transaction::delete_outbox(const std::vector<Uuid>& event_ids) {
  Query q(c_, "DELETE FROM outbox WHERE id = ANY($1)");
  q.bind_array(event_ids).run();
  settled_.insert(settled_.end(), event_ids.begin(), event_ids.end());
}

void Transaction::retry_outbox(const Uuid& event_id, int attempts, Instant not_before) {
  Query q(c_, "UPDATE outbox SET attempts = $1, not_before = $2 WHERE id = $3");
  q.bind(attempts).bind(not_before).bind(event_id).run();
  settled_.push_back(event_id);
  if (next_retry_ && not_before > next_retry_->now)
    next_retry_->at = std::min(next_retry_->at.value_or(not_before), not_before);
}

void Transaction::bury(const DeadLetter& letter) {
  Query q(c_, R"sql(
WITH gone AS (DELETE FROM outbox WHERE id = $1)
INSERT INTO dead_letters (id, topic, user_id, event, reason, attempts, died_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE
SET reason = excluded.reason, attempts = excluded.attempts, died_at = excluded.died_at)sql");
  q.bind(letter.id)
      .bind(static_cast<int>(letter.topic))
      .bind(letter.user_id)
      .bind(letter.event)
      .bind(letter.reason);
  q.bind(letter.attempts).bind(letter.died_at).run();
  settled_.push_back(letter.id);
}

bool Transaction::retry_dead(const Uuid& event_id) {
  Query q(c_, R"sql(
WITH risen AS (DELETE FROM dead_letters WHERE id = $1 RETURNING id, topic, user_id, event)
INSERT INTO outbox (id, topic, user_id, event, attempts)
SELECT id, topic, user_id, event, 0 FROM risen)sql");
  if (q.bind(event_id).changes() == 0) return false;
  ++events_inserted_;
  return true;
}

bool Transaction::drop_dead(const Uuid& event_id) {
  Query q(c_, "DELETE FROM dead_letters WHERE id = $1");
  return q.bind(event_id).changes() > 0;
}

// --- idempotency keys ---

std::optional<IdempotentResponse> Transaction::insert_idempotency_key(const Uuid& user_id,
                                                                      std::string_view key,
                                                                      std::string_view request_hash,
                                                                      Instant now) {
  lock(user_id);
  // A key of more than a day ago is used anew, and takes its place among the newest.
  Query q(c_, R"sql(
WITH used AS (
  INSERT INTO idempotency_keys (user_id, key, request_hash, status, headers, body, created_at)
  VALUES ($1, $2, $3, 0, '', '', $4)
  ON CONFLICT (user_id, key) DO UPDATE
  SET position = DEFAULT, request_hash = excluded.request_hash, status = 0, headers = '',
    body = '', created_at = excluded.created_at
  WHERE idempotency_keys.created_at <= $5
  RETURNING 1)
SELECT request_hash, status, headers, body FROM idempotency_keys
WHERE user_id = $1 AND key = $2 AND NOT EXISTS (SELECT FROM used))sql");
  q.bind(user_id).bind(key).bind_blob(request_hash).bind(now).bind(now - limits::idempotency_kept);
  q.run();
  know_users({user_id});  // whoever does what the key stands for asks for its user first
  if (!q.step()) return std::nullopt;
  IdempotentResponse response;
  response.request_hash = q.blob();
  response.status = static_cast<int>(q.integer());
  response.headers = q.text();
  response.body = q.blob();
  return response;
}

void Transaction::store_idempotent_response(const Uuid& user_id, std::string_view key,
                                            const IdempotentResponse& response) {
  lock(user_id);
  Query q(c_,
          "UPDATE idempotency_keys SET status = $1, headers = $2, body = $3 "
          "WHERE user_id = $4 AND key = $5");
  q.bind(response.status)
      .bind(response.headers)
      .bind_blob(response.body)
      .bind(user_id)
      .bind(key)
      .run();
}

int Transaction::purge_idempotency_keys(Instant created_before, int limit) {
  // Positions are in the order of use: those looked at are the oldest.
  Query q(c_, R"sql(
DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
  SELECT k.ctid FROM idempotency_keys k
    JOIN (SELECT position FROM idempotency_keys ORDER BY position LIMIT $1) oldest USING (position)
  WHERE k.created_at < $2 FOR UPDATE OF k SKIP LOCKED)))sql");
  return q.bind(limit).bind(created_before).changes();
}

}  // namespace todo::storage::postgres
