#include "base/limits.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

constexpr int depth_counted_max = 100'000;

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

}  // namespace

std::vector<OutboxRow> Transaction::list_outbox(Instant now, int limit) {
  Query q(c_,
          "SELECT id, topic, user_id, event, attempts FROM outbox "
          "WHERE not_before <= ? OR not_before > ? ORDER BY position LIMIT ?");
  q.bind(now).bind(now + limits::event_retry_delay_max).bind(limit);
  std::vector<OutboxRow> rows;
  while (q.step()) {
    OutboxRow& row = rows.emplace_back();
    row.event.id = q.id();
    row.event.topic = static_cast<Topic>(q.integer());
    row.event.user_id = q.id();
    row.event.event = q.text();
    row.attempts = static_cast<int>(q.integer());
  }
  return rows;
}

std::optional<Instant> Transaction::next_outbox_retry_at(Instant now) {
  // The first condition is the index's.
  Query q(c_, "SELECT min(not_before) FROM outbox WHERE not_before > 0 AND not_before > ?");
  q.bind(now);
  return q.step() ? q.optional_instant() : std::nullopt;
}

OutboxDepth Transaction::outbox_depth() {
  OutboxDepth depth;
  Query count(c_, "SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?)");
  count.bind(depth_counted_max).step();
  depth.rows = count.integer();
  Query oldest(c_, "SELECT id FROM outbox ORDER BY id LIMIT 1");
  if (oldest.step()) depth.oldest = oldest.id();
  return depth;
}

std::vector<OutboxEvent> Transaction::list_outbox_of(const Uuid& user_id, Topic topic,
                                                     std::optional<Uuid> after, int limit) {
  Query q(c_,
          "SELECT id, event FROM outbox WHERE user_id = ? AND topic = ? AND id > ? ORDER BY id "
          "LIMIT ?");
  const Uuid from = after.value_or(Uuid{});
  q.bind(user_id).bind(static_cast<int>(topic)).bind(from).bind(limit);
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
          "SELECT id, topic, user_id, event, reason, attempts, died_at FROM dead_letters WHERE id "
          "> ? ORDER BY id LIMIT ?");
  const Uuid from = after.value_or(Uuid{});
  q.bind(from).bind(limit);
  std::vector<DeadLetter> letters;
  while (q.step()) letters.push_back(read_dead(q));
  return letters;
}

std::int64_t Transaction::count_dead() {
  Query q(c_, "SELECT count(*) FROM dead_letters");
  q.step();
  return q.integer();
}

std::expected<void, std::string> Transaction::nested(std::function<void()> work) {
  c_.execute("SAVEPOINT nested");
  const int events_before = events_inserted_;
  const std::size_t announced_before = announcements_.size();
  const auto undo = [&] {
    if (!c_.in_transaction()) throw TransactionLost("the transaction ended within a savepoint");
    c_.execute("ROLLBACK TO nested; RELEASE nested");
    events_inserted_ = events_before;
    announcements_.resize(announced_before);
  };
  try {
    work();
  } catch (const TransactionLost&) {
    throw;
  } catch (const std::exception& error) {
    undo();
    return std::unexpected(std::string(error.what()));
  }
  c_.execute("RELEASE nested");
  return {};
}

void Transaction::insert_outbox(const OutboxEvent& event) {
  Query q(
      c_,
      "INSERT INTO outbox (id, topic, user_id, event, attempts, not_before) VALUES (?,?,?,?,0,0)");
  q.bind(event.id).bind(static_cast<int>(event.topic)).bind(event.user_id).bind(event.event).run();
  ++events_inserted_;
}

void Transaction::delete_outbox(const std::vector<Uuid>& event_ids) {
  for (const Uuid& event_id : event_ids) {
    Query q(c_, "DELETE FROM outbox WHERE id = ?");
    q.bind(event_id).run();
  }
}

void Transaction::retry_outbox(const Uuid& event_id, int attempts, Instant not_before) {
  Query q(c_, "UPDATE outbox SET attempts = ?, not_before = ? WHERE id = ?");
  q.bind(attempts).bind(not_before).bind(event_id).run();
}

void Transaction::bury(const DeadLetter& letter) {
  Query q(c_, R"sql(
INSERT INTO dead_letters (id, topic, user_id, event, reason, attempts, died_at) VALUES (?,?,?,?,?,?,?)
ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, attempts = excluded.attempts, died_at = excluded.died_at)sql");
  q.bind(letter.id)
      .bind(static_cast<int>(letter.topic))
      .bind(letter.user_id)
      .bind(letter.event)
      .bind(letter.reason);
  q.bind(letter.attempts).bind(letter.died_at).run();
  delete_outbox({letter.id});
}

bool Transaction::retry_dead(const Uuid& event_id) {
  {
    Query q(c_, R"sql(
INSERT INTO outbox (id, topic, user_id, event, attempts, not_before)
SELECT id, topic, user_id, event, 0, 0 FROM dead_letters WHERE id = ?)sql");
    q.bind(event_id).run();
    if (c_.changes() == 0) return false;
  }
  ++events_inserted_;
  return drop_dead(event_id);
}

bool Transaction::drop_dead(const Uuid& event_id) {
  Query q(c_, "DELETE FROM dead_letters WHERE id = ?");
  q.bind(event_id).run();
  return c_.changes() > 0;
}

std::optional<IdempotentResponse> Transaction::insert_idempotency_key(const Uuid& user_id,
                                                                      std::string_view key,
                                                                      std::string_view request_hash,
                                                                      Instant now) {
  {
    Query q(c_, R"sql(
INSERT INTO idempotency_keys (user_id, key, request_hash, status, headers, body, created_at) VALUES (?,?,?,0,'',x'',?)
ON CONFLICT (user_id, key) DO UPDATE
SET request_hash = excluded.request_hash, status = 0, headers = '', body = x'', created_at = excluded.created_at,
    position = (SELECT max(position) + 1 FROM idempotency_keys)
WHERE created_at <= ?)sql");
    const Instant expired = now - limits::idempotency_kept;
    q.bind(user_id).bind(key).bind_blob(request_hash).bind(now).bind(expired).run();
    if (c_.changes() > 0) return std::nullopt;
  }
  Query q(c_,
          "SELECT request_hash, status, headers, body FROM idempotency_keys WHERE user_id = ? AND "
          "key = ?");
  q.bind(user_id).bind(key);
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
  Query q(c_,
          "UPDATE idempotency_keys SET status = ?, headers = ?, body = ? WHERE user_id = ? AND key "
          "= ?");
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
DELETE FROM idempotency_keys WHERE position IN
  (SELECT position FROM (SELECT position, created_at FROM idempotency_keys ORDER BY position LIMIT ?) WHERE created_at < ?))sql");
  q.bind(limit).bind(created_before).run();
  return c_.changes();
}

}  // namespace todo::storage::sqlite
