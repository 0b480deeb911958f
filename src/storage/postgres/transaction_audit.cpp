#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "base/limits.h"
#include "storage/postgres/transaction.h"
#include "storage/postgres/transaction_page.h"

namespace todo::storage::postgres {
namespace {

#define TODO_AUDIT_COLUMNS                                                                \
  "user_id, seq, id, entity_type, entity_id, entity_version, action, timestamp, key_id, " \
  "prev_hash, hash, canonical "

#define TODO_SEGMENT_COLUMNS "user_id, first_seq, last_seq, manifest, data "

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

std::vector<AuditChain> read_chains(Query& q) {
  std::vector<AuditChain> chains;
  while (q.step()) {
    AuditChain& chain = chains.emplace_back();
    chain.user_id = q.id();
    chain.head = read_head(q);
  }
  return chains;
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

std::vector<AuditEntry> read_entries(Query& q) {
  std::vector<AuditEntry> entries;
  while (q.step()) entries.push_back(read_entry(q));
  return entries;
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

bool selects_all(const AuditQuery& query) {
  return !query.entity_type && !query.entity_id && !query.action && !query.from && !query.to;
}

// With the parameters that bind_conditions binds; the last one's number.
std::string conditions(const AuditQuery& query, int& parameters) {
  parameters = 1;
  std::string where = "user_id = $1";
  const auto add = [&](std::string_view condition) {
    fmt::format_to(std::back_inserter(where), " AND {} ${}", condition, ++parameters);
  };
  if (query.entity_type) add("entity_type =");
  if (query.entity_id) add("entity_id =");
  if (query.action) add("action =");
  if (query.from) add("timestamp >=");
  if (query.to) add("timestamp <=");
  if (query.before_seq) add("seq <");
  return where;
}

void bind_conditions(Query& q, const AuditQuery& query) {
  q.bind(query.user_id);
  if (query.entity_type) q.bind(*query.entity_type);
  if (query.entity_id) q.bind(*query.entity_id);
  if (query.action) q.bind(static_cast<int>(*query.action));
  if (query.from) q.bind(*query.from);
  if (query.to) q.bind(*query.to);
  if (query.before_seq) q.bind(*query.before_seq);
}

}  // namespace

AuditHead Transaction::audit_head(const Uuid& user_id) {
  Query q(c_, "SELECT seq, hash, seal, key_id FROM audit_heads WHERE user_id = $1");
  q.bind(user_id);
  return q.step() ? read_head(q) : AuditHead{};
}

bool Transaction::has_audit_entry(const Uuid& user_id, const Uuid& entity_id,
                                  std::int64_t entity_version) {
  const auto known = std::ranges::find_if(known_entries_, [&](const KnownEntry& each) {
    return each.entity_id == entity_id && each.entity_version == entity_version &&
           each.user_id == user_id;
  });
  if (known != known_entries_.end()) return known->recorded;
  Query q(c_,
          "SELECT FROM audit_entries WHERE user_id = $1 AND entity_id = $2 AND "
          "entity_version = $3");
  return q.bind(user_id).bind(entity_id).bind(entity_version).step();
}

std::vector<AuditEntry> Transaction::list_audit(const AuditQuery& query) {
  // The page is chosen in the index alone; only its entries are read.
  int parameters = 0;
  const std::string where = conditions(query, parameters);
  Query q(c_, fmt::format("SELECT " TODO_AUDIT_COLUMNS
                          "FROM audit_entries WHERE user_id = $1 AND seq = ANY(ARRAY("
                          "SELECT seq FROM audit_entries WHERE {} "
                          "ORDER BY seq DESC LIMIT {} OFFSET ${})) ORDER BY seq DESC",
                          where, page_rows(query.limit), parameters + 1));
  bind_conditions(q, query);
  q.bind(query.offset);
  std::vector<AuditEntry> entries;
  for (int left = query.limit; left > 0 && q.step(); --left) entries.push_back(read_entry(q));
  return entries;
}

Count Transaction::count_audit(const AuditQuery& query) {
  std::int64_t found = 0;
  if (selects_all(query)) {
    // Entries in the table are contiguous: the oldest are archived first.
    Query q(c_, "SELECT min(seq), max(seq) FROM audit_entries WHERE user_id = $1");
    q.bind(query.user_id).step();
    const auto first = q.optional_integer();
    const auto last = q.optional_integer();
    if (first && last) found = *last - *first + 1;
  } else {
    AuditQuery all = query;
    all.before_seq.reset();
    int parameters = 0;
    static_assert(limits::exact_count_max == 10'000);
    Query q(c_, "SELECT count(*) FROM (SELECT FROM audit_entries WHERE " +
                    conditions(all, parameters) + " LIMIT 10001) AS found");
    bind_conditions(q, all);
    q.step();
    found = q.integer();
  }
  return {std::min<std::int64_t>(found, limits::exact_count_max), found > limits::exact_count_max};
}

std::vector<AuditEntry> Transaction::audit_after(const Uuid& user_id, std::int64_t seq, int limit) {
  Query q(c_, "SELECT " TODO_AUDIT_COLUMNS
              "FROM audit_entries WHERE user_id = $1 AND seq > $2 ORDER BY seq LIMIT $3");
  q.bind(user_id).bind(seq).bind(limit);
  return read_entries(q);
}

std::vector<AuditChain> Transaction::audit_chains(std::optional<Uuid> after_user, int limit) {
  Query q(c_, R"sql(
SELECT h.user_id, h.seq, h.hash, h.seal, h.key_id FROM audit_heads h JOIN users u ON u.id = h.user_id
WHERE h.user_id > $1 AND u.deleted_at IS NULL ORDER BY h.user_id LIMIT $2)sql");
  q.bind(after_user.value_or(Uuid{})).bind(limit);
  return read_chains(q);
}

std::vector<AuditSegment> Transaction::audit_segments(const Uuid& user_id,
                                                      std::int64_t after_last_seq, int limit) {
  // From the segment that the position lies in, or just behind.
  Query q(c_, "SELECT " TODO_SEGMENT_COLUMNS R"sql(FROM audit_segments
WHERE user_id = $1 AND last_seq > $2 AND first_seq >= coalesce((
  SELECT max(first_seq) FROM audit_segments WHERE user_id = $1 AND first_seq <= $2), 0)
ORDER BY first_seq LIMIT $3)sql");
  q.bind(user_id).bind(after_last_seq).bind(limit);
  std::vector<AuditSegment> segments;
  while (q.step()) segments.push_back(read_segment(q));
  return segments;
}

std::optional<AuditSegment> Transaction::newest_audit_segment(const Uuid& user_id) {
  Query q(c_, "SELECT " TODO_SEGMENT_COLUMNS
              "FROM audit_segments WHERE user_id = $1 ORDER BY first_seq DESC LIMIT 1");
  q.bind(user_id);
  return q.step() ? std::optional(read_segment(q)) : std::nullopt;
}

std::vector<AuditChain> Transaction::lock_audit_heads(const std::vector<Uuid>& user_ids) {
  // Sorted first, then locked one after the other: two who lock several wait in one order. Users
  // who are marked deleted have no heads any more.
  Query q(c_, R"sql(
SELECT h.user_id, h.seq, h.hash, h.seal, h.key_id FROM audit_heads h JOIN users u ON u.id = h.user_id
WHERE h.user_id = ANY($1) AND u.deleted_at IS NULL ORDER BY h.user_id FOR UPDATE OF h)sql");
  q.bind_array(user_ids);
  return read_chains(q);
}

bool Transaction::append_audit(const std::vector<AuditEntry>& entries) {
  using std::views::transform;
  Query q(c_, "INSERT INTO audit_entries (" TODO_AUDIT_COLUMNS R"sql()
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (user_id, entity_id, entity_version) DO NOTHING RETURNING user_id, seq)sql");
  q.bind_array(entries | transform(&AuditEntry::user_id))
      .bind_array(entries | transform(&AuditEntry::seq))
      .bind_array(entries | transform(&AuditEntry::id))
      .bind_array(entries | transform(&AuditEntry::entity_type))
      .bind_array(entries | transform(&AuditEntry::entity_id))
      .bind_array(entries | transform(&AuditEntry::entity_version));
  q.bind_array(entries |
               transform([](const AuditEntry& e) { return static_cast<std::int64_t>(e.action); }))
      .bind_array(entries | transform(&AuditEntry::timestamp))
      .bind_array(entries | transform([](const AuditEntry& e) { return std::int64_t{e.key_id}; }));
  q.bind_blob_array(entries | transform([](const AuditEntry& e) { return bytes_of(e.prev_hash); }))
      .bind_blob_array(entries | transform([](const AuditEntry& e) { return bytes_of(e.hash); }))
      .bind_array(entries | transform(&AuditEntry::canonical));
  known_entries_.clear();
  if (q.changes() == static_cast<int>(entries.size())) return true;
  undo_append(q, entries);
  return false;
}

// Takes back the entries that were written beside those that had been recorded before, and reads
// which those are: whoever appends them asks for each.
void Transaction::undo_append(Query& appended, const std::vector<AuditEntry>& entries) {
  using std::views::transform;
  std::vector<Uuid> user_ids;
  std::vector<std::int64_t> seqs;
  while (appended.step()) {
    user_ids.push_back(appended.id());
    seqs.push_back(appended.integer());
  }
  Query written(c_, R"sql(
DELETE FROM audit_entries a USING unnest($1, $2) AS written (user_id, seq)
WHERE a.user_id = written.user_id AND a.seq = written.seq)sql");
  written.bind_array(user_ids).bind_array(seqs).run();
  Query q(c_, R"sql(
SELECT asked.user_id, asked.entity_id, asked.entity_version, EXISTS (
  SELECT FROM audit_entries a WHERE a.user_id = asked.user_id AND
    a.entity_id = asked.entity_id AND a.entity_version = asked.entity_version)
FROM unnest($1, $2, $3) AS asked (user_id, entity_id, entity_version))sql");
  q.bind_array(entries | transform(&AuditEntry::user_id))
      .bind_array(entries | transform(&AuditEntry::entity_id))
      .bind_array(entries | transform(&AuditEntry::entity_version));
  while (q.step()) {
    KnownEntry& known = known_entries_.emplace_back();
    known.user_id = q.id();
    known.entity_id = q.id();
    known.entity_version = q.integer();
    known.recorded = q.boolean();
  }
}

void Transaction::set_audit_heads(const std::vector<AuditChain>& chains) {
  using std::views::transform;
  Query q(c_, R"sql(
UPDATE audit_heads h SET seq = chain.seq, hash = chain.hash, seal = chain.seal,
  key_id = chain.key_id
FROM unnest($1, $2, $3, $4, $5) AS chain (user_id, seq, hash, seal, key_id)
WHERE h.user_id = chain.user_id)sql");
  q.bind_array(chains | transform(&AuditChain::user_id))
      .bind_array(chains | transform([](const AuditChain& c) { return c.head.seq; }))
      .bind_blob_array(chains |
                       transform([](const AuditChain& c) { return bytes_of(c.head.hash); }))
      .bind_blob_array(chains |
                       transform([](const AuditChain& c) { return bytes_of(c.head.seal); }))
      .bind_array(chains |
                  transform([](const AuditChain& c) { return std::int64_t{c.head.key_id}; }));
  q.run();
}

void Transaction::insert_audit_segment(const AuditSegment& segment) {
  Query q(c_, "INSERT INTO audit_segments (" TODO_SEGMENT_COLUMNS ") VALUES ($1, $2, $3, $4, $5)");
  q.bind(segment.user_id)
      .bind(segment.first_seq)
      .bind(segment.last_seq)
      .bind(segment.manifest)
      .bind_blob(segment.data)
      .run();
}

bool Transaction::delete_audit_segment(const Uuid& user_id, std::int64_t first_seq) {
  Query q(c_, "DELETE FROM audit_segments WHERE user_id = $1 AND first_seq = $2");
  return q.bind(user_id).bind(first_seq).changes() > 0;
}

int Transaction::delete_audit_entries(const Uuid& user_id, std::int64_t first_seq,
                                      std::int64_t last_seq) {
  known_entries_.clear();
  Query q(c_, "DELETE FROM audit_entries WHERE user_id = $1 AND seq BETWEEN $2 AND $3");
  return q.bind(user_id).bind(first_seq).bind(last_seq).changes();
}

}  // namespace todo::storage::postgres
