#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

#define TODO_AUDIT_COLUMNS                                                                \
  "user_id, seq, id, entity_type, entity_id, entity_version, action, timestamp, key_id, " \
  "prev_hash, hash, canonical "

std::string_view bytes_of(const AuditHash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

AuditHash read_hash(Query& q) {
  AuditHash hash{};
  const std::string_view bytes = q.blob().substr(0, hash.size());
  std::ranges::copy(bytes, reinterpret_cast<char*>(hash.data()));
  return hash;
}

AuditHead read_head(Query& q) {
  AuditHead head;
  head.seq = q.integer();
  head.hash = read_hash(q);
  head.seal = read_hash(q);
  head.key_id = static_cast<std::uint32_t>(q.integer());
  return head;
}

AuditEntry read_entry(Query& q) {
  AuditEntry entry;
  entry.user_id = q.id();
  entry.seq = q.integer();
  entry.id = q.id();
  entry.entity_type = q.text();
  entry.entity_id = q.id();
  entry.entity_version = q.integer();
  entry.action = static_cast<AuditAction>(q.integer());
  entry.timestamp = q.instant();
  entry.key_id = static_cast<std::uint32_t>(q.integer());
  entry.prev_hash = read_hash(q);
  entry.hash = read_hash(q);
  entry.canonical = q.text();
  return entry;
}

AuditSegment read_segment(Query& q) {
  AuditSegment segment;
  segment.user_id = q.id();
  segment.first_seq = q.integer();
  segment.last_seq = q.integer();
  segment.manifest = q.text();
  segment.data = q.blob();
  return segment;
}

// The index that leaves the fewest entries to look at.
std::string_view index_for(const AuditQuery& query) {
  if (query.entity_id) return "audit_by_entity";
  if (query.action) return "audit_by_action";
  return query.from || query.to ? "audit_by_time" : "audit_by_seq";
}

std::string conditions(const AuditQuery& query) {
  std::string where = "user_id = ?";
  if (query.entity_type) where += " AND entity_type = ?";
  if (query.entity_id) where += " AND entity_id = ?";
  if (query.action) where += " AND action = ?";
  if (query.from) where += " AND timestamp >= ?";
  if (query.to) where += " AND timestamp <= ?";
  return where;
}

void bind_conditions(Query& q, const AuditQuery& query) {
  q.bind(query.user_id);
  if (query.entity_type) q.bind(*query.entity_type);
  if (query.entity_id) q.bind(*query.entity_id);
  if (query.action) q.bind(static_cast<int>(*query.action));
  if (query.from) q.bind(*query.from);
  if (query.to) q.bind(*query.to);
}

bool selects_all(const AuditQuery& query) {
  return !query.entity_type && !query.entity_id && !query.action && !query.from && !query.to;
}

}  // namespace

AuditHead Transaction::audit_head(const Uuid& user_id) {
  Query q(c_,
          "SELECT audit_seq, audit_hash, audit_seal, audit_key_id FROM user_state "
          "WHERE user_id = ?");
  q.bind(user_id);
  return q.step() ? read_head(q) : AuditHead{};
}

bool Transaction::has_audit_entry(const Uuid& user_id, const Uuid& entity_id,
                                  std::int64_t entity_version) {
  Query q(c_,
          "SELECT 1 FROM audit_entries WHERE user_id = ? AND entity_id = ? AND entity_version = ?");
  q.bind(user_id).bind(entity_id).bind(entity_version);
  return q.step();
}

std::vector<AuditEntry> Transaction::list_audit(const AuditQuery& query) {
  // The page is chosen in the index alone; only its entries are read.
  Query q(c_,
          fmt::format("SELECT " TODO_AUDIT_COLUMNS
                      "FROM audit_entries INDEXED BY audit_by_seq WHERE user_id = ? AND seq IN "
                      "(SELECT seq FROM audit_entries INDEXED BY {} WHERE {}{} "
                      "ORDER BY seq DESC LIMIT ? OFFSET ?) ORDER BY seq DESC",
                      index_for(query), conditions(query), query.before_seq ? " AND seq < ?" : ""));
  q.bind(query.user_id);
  bind_conditions(q, query);
  if (query.before_seq) q.bind(*query.before_seq);
  q.bind(query.limit).bind(query.offset);
  std::vector<AuditEntry> entries;
  entries.reserve(static_cast<std::size_t>(query.limit));
  while (q.step()) entries.push_back(read_entry(q));
  return entries;
}

Count Transaction::count_audit(const AuditQuery& query) {
  std::int64_t found = 0;
  if (selects_all(query)) {
    // Entries in the table are contiguous: the oldest are archived first.
    Query first(c_, "SELECT min(seq) FROM audit_entries WHERE user_id = ?");
    first.bind(query.user_id).step();
    Query last(c_, "SELECT max(seq) FROM audit_entries WHERE user_id = ?");
    last.bind(query.user_id).step();
    const auto from = first.optional_integer();
    if (from) found = last.integer() - *from + 1;
  } else {
    Query q(c_, fmt::format("SELECT count(*) FROM (SELECT 1 FROM audit_entries INDEXED BY {} "
                            "WHERE {} LIMIT ?)",
                            index_for(query), conditions(query)));
    bind_conditions(q, query);
    q.bind(limits::exact_count_max + 1).step();
    found = q.integer();
  }
  return {std::min<std::int64_t>(found, limits::exact_count_max), found > limits::exact_count_max};
}

std::vector<AuditEntry> Transaction::audit_after(const Uuid& user_id, std::int64_t seq, int limit) {
  Query q(c_, "SELECT " TODO_AUDIT_COLUMNS
              "FROM audit_entries WHERE user_id = ? AND seq > ? ORDER BY seq LIMIT ?");
  q.bind(user_id).bind(seq).bind(limit);
  std::vector<AuditEntry> entries;
  while (q.step()) entries.push_back(read_entry(q));
  return entries;
}

std::vector<AuditChain> Transaction::audit_chains(std::optional<Uuid> after_user, int limit) {
  Query q(c_, R"sql(
SELECT s.user_id, s.audit_seq, s.audit_hash, s.audit_seal, s.audit_key_id FROM user_state s JOIN users u ON u.id = s.user_id
WHERE s.user_id > ? AND u.deleted_at IS NULL ORDER BY s.user_id LIMIT ?)sql");
  const Uuid from = after_user.value_or(Uuid{});
  q.bind(from).bind(limit);
  std::vector<AuditChain> chains;
  while (q.step()) {
    AuditChain& chain = chains.emplace_back();
    chain.user_id = q.id();
    chain.head = read_head(q);
  }
  return chains;
}

std::vector<AuditSegment> Transaction::audit_segments(const Uuid& user_id,
                                                      std::int64_t after_last_seq, int limit) {
  Query q(c_, R"sql(
SELECT user_id, first_seq, last_seq, manifest, data FROM audit_segments
WHERE user_id = ?1 AND last_seq > ?2
  AND first_seq >= coalesce((SELECT max(first_seq) FROM audit_segments WHERE user_id = ?1 AND first_seq <= ?2), 0)
ORDER BY first_seq LIMIT ?3)sql");
  q.bind(user_id).bind(after_last_seq).bind(limit);
  std::vector<AuditSegment> segments;
  while (q.step()) segments.push_back(read_segment(q));
  return segments;
}

std::optional<AuditSegment> Transaction::newest_audit_segment(const Uuid& user_id) {
  Query q(c_, R"sql(
SELECT user_id, first_seq, last_seq, manifest, data FROM audit_segments WHERE user_id = ?
ORDER BY first_seq DESC LIMIT 1)sql");
  q.bind(user_id);
  return q.step() ? std::optional(read_segment(q)) : std::nullopt;
}

std::vector<AuditChain> Transaction::lock_audit_heads(const std::vector<Uuid>& user_ids) {
  // One writer: what is read here stays so. Users who are marked deleted have no heads any more.
  std::vector<AuditChain> chains;
  chains.reserve(user_ids.size());
  for (const Uuid& user_id : user_ids) {
    Query q(c_, R"sql(
SELECT audit_seq, audit_hash, audit_seal, audit_key_id FROM user_state
WHERE user_id = ? AND EXISTS (SELECT 1 FROM users WHERE id = user_state.user_id AND deleted_at IS NULL))sql");
    q.bind(user_id);
    if (q.step()) chains.push_back({user_id, read_head(q)});
  }
  return chains;
}

bool Transaction::append_audit(const std::vector<AuditEntry>& entries) {
  const auto recorded = std::ranges::find_if_not(
      entries, [this](const AuditEntry& entry) { return insert_audit_entry(entry); });
  if (recorded == entries.end()) return true;
  for (auto entry = entries.begin(); entry != recorded; ++entry)
    delete_audit_entries(entry->user_id, entry->seq, entry->seq);
  return false;
}

// false: its version is recorded already.
bool Transaction::insert_audit_entry(const AuditEntry& entry) {
  Query q(c_, R"sql(
INSERT INTO audit_entries (user_id, seq, id, entity_type, entity_id, entity_version, action, timestamp, key_id, prev_hash, hash, canonical)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (user_id, entity_id, entity_version) DO NOTHING)sql");
  q.bind(entry.user_id)
      .bind(entry.seq)
      .bind(entry.id)
      .bind(entry.entity_type)
      .bind(entry.entity_id)
      .bind(entry.entity_version);
  q.bind(static_cast<int>(entry.action)).bind(entry.timestamp).bind(std::int64_t{entry.key_id});
  q.bind_blob(bytes_of(entry.prev_hash))
      .bind_blob(bytes_of(entry.hash))
      .bind(entry.canonical)
      .run();
  return c_.changes() > 0;
}

void Transaction::set_audit_heads(const std::vector<AuditChain>& chains) {
  for (const auto& [user_id, head] : chains) {
    Query q(c_,
            "UPDATE user_state SET audit_seq = ?, audit_hash = ?, audit_seal = ?, audit_key_id = ? "
            "WHERE user_id = ?");
    q.bind(head.seq).bind_blob(bytes_of(head.hash)).bind_blob(bytes_of(head.seal));
    q.bind(std::int64_t{head.key_id}).bind(user_id).run();
  }
}

void Transaction::insert_audit_segment(const AuditSegment& segment) {
  Query q(c_,
          "INSERT INTO audit_segments (user_id, first_seq, last_seq, manifest, data) VALUES "
          "(?,?,?,?,?)");
  q.bind(segment.user_id)
      .bind(segment.first_seq)
      .bind(segment.last_seq)
      .bind(segment.manifest)
      .bind_blob(segment.data)
      .run();
}

bool Transaction::delete_audit_segment(const Uuid& user_id, std::int64_t first_seq) {
  Query q(c_, "DELETE FROM audit_segments WHERE user_id = ? AND first_seq = ?");
  q.bind(user_id).bind(first_seq).run();
  return c_.changes() > 0;
}

int Transaction::delete_audit_entries(const Uuid& user_id, std::int64_t first_seq,
                                      std::int64_t last_seq) {
  Query q(c_, "DELETE FROM audit_entries WHERE user_id = ? AND seq BETWEEN ? AND ?");
  q.bind(user_id).bind(first_seq).bind(last_seq).run();
  return c_.changes();
}

}  // namespace todo::storage::sqlite
