#include "service/audit.h"

#include <zstd.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <tuple>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"

namespace todo::service {
namespace {

constexpr int verify_page_rows = 1'000;
constexpr int compression_level = 9;
constexpr std::size_t segment_bytes_max = std::size_t{64} * 1024 * 1024;

std::string_view bytes_of(const AuditHash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string hex(const AuditHash& hash) { return to_hex(bytes_of(hash)); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  throw std::runtime_error("damaged segment: not a hash");
}

AuditHash parse_hash(std::string_view text) {
  AuditHash hash{};
  if (text.size() != hash.size() * 2) throw std::runtime_error("damaged segment: not a hash");
  for (std::size_t i = 0; i < hash.size(); ++i) {
    hash[i] = static_cast<std::uint8_t>(hex_digit(text[2 * i]) * 16 + hex_digit(text[2 * i + 1]));
  }
  return hash;
}

AuditEntry make_entry(const AuditKeys& keys, IdGenerator& ids, const AuditEvent& event,
                      const AuditHead& head) {
  AuditEntry entry;
  entry.id = ids.next();
  entry.user_id = event.user_id;
  entry.seq = head.seq + 1;
  entry.entity_type = event.entity_type;
  entry.entity_id = event.entity_id;
  entry.entity_version = event.entity_version;
  entry.action = event.action;
  entry.timestamp = event.timestamp;
  entry.prev_hash = head.hash;
  entry.key_id = keys.signing_key_id();
  entry.canonical = canonical_entry(entry, event.before, event.after, event.metadata);
  entry.hash = keys.sign(entry.prev_hash, entry.canonical);
  return entry;
}

// One line of a segment: the canonical entry with its hashes and key behind it, still one JSON
// object.
constexpr std::string_view hash_member = ",\"hash\":\"";

void append_segment_line(std::string& out, const AuditEntry& entry) {
  out.append(entry.canonical, 0, entry.canonical.size() - 1);
  out += hash_member;
  out += hex(entry.hash);
  out += "\",\"prev_hash\":\"";
  out += hex(entry.prev_hash);
  out += "\",\"key_id\":";
  out += std::to_string(entry.key_id);
  out += "}\n";
}

Uuid uuid_member(const boost::json::object& object, std::string_view name) {
  const auto id = Uuid::parse(std::string_view(object.at(name).as_string()));
  if (!id) throw std::runtime_error("damaged segment: not an id");
  return *id;
}

AuditEntry parse_segment_line(std::string_view line) {
  const auto tail = line.rfind(hash_member);
  if (tail == std::string_view::npos)
    throw std::runtime_error("damaged segment: a line without its hash");
  const auto parsed = parse_json(line);
  if (!parsed) throw std::runtime_error("damaged segment: " + parsed.error().detail);
  const boost::json::object& object = parsed->as_object();
  AuditEntry entry;
  entry.canonical = std::string(line.substr(0, tail)) + "}";
  entry.id = uuid_member(object, "id");
  entry.user_id = uuid_member(object, "user_id");
  entry.seq = object.at("seq").to_number<std::int64_t>();
  entry.entity_type = std::string_view(object.at("entity_type").as_string());
  entry.entity_id = uuid_member(object, "entity_id");
  entry.entity_version = object.at("entity_version").to_number<std::int64_t>();
  const auto action = parse_audit_action(std::string_view(object.at("action").as_string()));
  const auto timestamp = parse_instant(std::string_view(object.at("timestamp").as_string()));
  if (!action || !timestamp) throw std::runtime_error("damaged segment: action or timestamp");
  entry.action = *action;
  entry.timestamp = *timestamp;
  entry.hash = parse_hash(std::string_view(object.at("hash").as_string()));
  entry.prev_hash = parse_hash(std::string_view(object.at("prev_hash").as_string()));
  entry.key_id = object.at("key_id").to_number<std::uint32_t>();
  return entry;
}

std::string compress(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size =
      ZSTD_compress(out.data(), out.size(), text.data(), text.size(), compression_level);
  if (ZSTD_isError(size) != 0) throw std::runtime_error("zstd could not compress");
  out.resize(size);
  return out;
}

std::string decompress(std::string_view data) {
  const unsigned long long size = ZSTD_getFrameContentSize(data.data(), data.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
      size > segment_bytes_max) {
    throw std::runtime_error("damaged segment: not zstd, or larger than a segment can be");
  }
  std::string out(size, '\0');
  if (ZSTD_decompress(out.data(), out.size(), data.data(), data.size()) != out.size()) {
    throw std::runtime_error("damaged segment: it does not decompress");
  }
  return out;
}

std::string segment_manifest(const std::vector<AuditEntry>& entries, std::size_t text_bytes,
                             std::size_t data_bytes) {
  std::string out;
  JsonWriter json(out);
  json.begin_object()
      .member("format", "ndjson+zstd")
      .member("entries", static_cast<std::int64_t>(entries.size()));
  json.member("first_seq", entries.front().seq).member("last_seq", entries.back().seq);
  json.member("first_timestamp", entries.front().timestamp)
      .member("last_timestamp", entries.back().timestamp);
  json.member("prev_hash", hex(entries.front().prev_hash))
      .member("last_hash", hex(entries.back().hash));
  json.member("bytes", static_cast<std::int64_t>(text_bytes));
  json.member("compressed_bytes", static_cast<std::int64_t>(data_bytes)).end_object();
  return out;
}

std::vector<AuditEntry> parse_lines(std::string_view text) {
  std::vector<AuditEntry> entries;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos)
      throw std::runtime_error("damaged segment: its last line is cut");
    entries.push_back(parse_segment_line(text.substr(0, end)));
    text.remove_prefix(end + 1);
  }
  return entries;
}

void add_waiting(storage::ReadTx& tx, const Uuid& user_id, ChainVerifier& verifier) {
  std::optional<Uuid> after;
  for (auto events = tx.list_outbox_of(user_id, Topic::audit, after, verify_page_rows);
       !events.empty();
       events = tx.list_outbox_of(user_id, Topic::audit, after, verify_page_rows)) {
    for (const OutboxEvent& event : events) {
      const auto parsed = parse_audit_event(event.event);
      if (parsed) verifier.add_waiting(parsed->entity_id, parsed->entity_version);
    }
    after = events.back().id;
  }
}

std::vector<Uuid> users_of(const std::vector<AuditEvent>& events) {
  std::vector<Uuid> users;
  for (const AuditEvent& event : events) {
    if (users.empty() || users.back() != event.user_id) users.push_back(event.user_id);
  }
  return users;
}

// Records the events of those users who are there; events and chains are sorted by user. false, and
// nothing is written, when one of them is recorded already.
bool try_record(storage::Tx& tx, const AuditKeys& keys, IdGenerator& ids,
                const std::vector<AuditEvent>& events, std::vector<storage::AuditChain> chains) {
  std::vector<AuditEntry> entries;
  entries.reserve(events.size());
  auto event = events.begin();
  for (auto& [user_id, head] : chains) {
    // A head that someone set without the key is not sealed anew: what is recorded after it must
    // not hide that.
    const bool sound = keys.is_sealed(user_id, head).value_or(false);
    while (event != events.end() && event->user_id < user_id) ++event;
    for (; event != events.end() && event->user_id == user_id; ++event) {
      const AuditEntry& entry = entries.emplace_back(make_entry(keys, ids, *event, head));
      head.seq = entry.seq;
      head.hash = entry.hash;
    }
    if (sound) head = keys.seal(user_id, head.seq, head.hash);
  }
  if (!entries.empty()) {
    if (!tx.append_audit(entries)) return false;
    tx.set_audit_heads(chains);
  }
  return true;
}

}  // namespace

int record_audit(storage::Tx& tx, const AuditKeys& keys, IdGenerator& ids,
                 std::vector<AuditEvent> events) {
  // Ids tell the order of making: a user's events are recorded in it, whatever the order of
  // arrival.
  std::ranges::sort(events, {}, [](const AuditEvent& e) { return std::pair(e.user_id, e.id); });
  const auto chains = tx.lock_audit_heads(users_of(events));
  if (try_record(tx, keys, ids, events, chains)) return static_cast<int>(events.size());
  // Some came before, or twice.
  std::set<std::tuple<Uuid, Uuid, std::int64_t>> seen;
  std::erase_if(events, [&](const AuditEvent& e) {
    return !seen.emplace(e.user_id, e.entity_id, e.entity_version).second ||
           tx.has_audit_entry(e.user_id, e.entity_id, e.entity_version);
  });
  if (!try_record(tx, keys, ids, events, chains))
    throw std::logic_error("an audit entry is recorded, and is not");
  return static_cast<int>(events.size());
}

void ChainVerifier::bad(std::int64_t seq, std::string problem) {
  if (!problem_.empty()) return;  // the first one tells where the chain broke
  if (seq > 0) first_bad_seq_ = seq;
  problem_ = std::move(problem);
}

void ChainVerifier::add(const AuditEntry& entry) {
  const std::int64_t expected_seq = last_seq_ + 1;
  if (entry.seq != expected_seq) {
    bad(expected_seq, fmt::format("entry {} is missing", expected_seq));
  } else if (entry.prev_hash != last_hash_) {
    bad(entry.seq, fmt::format("entry {} does not follow the one before it", entry.seq));
  } else {
    const auto hash = keys_.hash_with(entry.key_id, entry.prev_hash, entry.canonical);
    if (!hash) {
      bad(entry.seq,
          fmt::format("entry {} is signed with a key that AUDIT_KEY does not hold", entry.seq));
    } else if (*hash != entry.hash) {
      bad(entry.seq, fmt::format("entry {} was changed", entry.seq));
    } else if (entry.user_id != user_id_ || !prefix_matches(entry)) {
      bad(entry.seq, fmt::format("the columns of entry {} differ from what was signed", entry.seq));
    }
  }
  last_seq_ = entry.seq;
  last_hash_ = entry.hash;
  ++entries_;
  Versions& versions = versions_[entry.entity_id];
  if (versions.beyond.empty() && entry.entity_version == versions.contiguous + 1) {
    ++versions.contiguous;
    return;
  }
  versions.beyond.emplace(entry.entity_version, entry.timestamp);
  while (!versions.beyond.empty() && versions.beyond.begin()->first <= versions.contiguous + 1) {
    versions.contiguous = std::max(versions.contiguous, versions.beyond.begin()->first);
    versions.beyond.erase(versions.beyond.begin());
  }
}

void ChainVerifier::finish(const AuditHead& head) {
  const auto sealed = keys_.is_sealed(user_id_, head);
  if (head.seq != last_seq_) {
    bad(last_seq_ + 1,
        fmt::format("the chain ends at {} and should end at {}", last_seq_, head.seq));
  } else if (head.hash != last_hash_) {
    bad(last_seq_, "the last entry is not the one that was recorded last");
  } else if (!sealed) {
    bad(last_seq_, "the chain's end is sealed with a key that AUDIT_KEY does not hold");
  } else if (!*sealed) {
    bad(last_seq_, "the chain's end was set by someone without the key");
  }
}

void ChainVerifier::add_waiting(const Uuid& entity_id, std::int64_t version) {
  waiting_.emplace(entity_id, version);
}

void ChainVerifier::add_task(const Uuid& task_id, std::int64_t version, Instant updated_at) {
  Versions& versions = versions_[task_id];
  versions.current = version;
  versions.updated_at = updated_at;
}

bool ChainVerifier::waits(const Uuid& entity_id, std::int64_t version) const {
  return waiting_.contains({entity_id, version});
}

// The first version that has no entry and can have none on its way. A version is no younger than
// the one after it, so that one's time excuses all of a hole.
std::optional<std::int64_t> ChainVerifier::missing(const Uuid& entity_id,
                                                   const Versions& versions) const {
  std::int64_t reached = versions.contiguous;
  for (const auto& [version, timestamp] : versions.beyond) {
    for (++reached; reached < version && timestamp < in_flight_since_; ++reached) {
      if (!waits(entity_id, reached)) return reached;
    }
    reached = version;
  }
  if (versions.updated_at >= in_flight_since_) return std::nullopt;
  for (++reached; reached <= versions.current; ++reached) {
    if (!waits(entity_id, reached)) return reached;
  }
  return std::nullopt;
}

void ChainVerifier::check_versions() {
  for (const auto& [entity_id, versions] : versions_) {
    const auto version = missing(entity_id, versions);
    if (!version) continue;
    bad(0, fmt::format("task {} has no entry for its version {}", entity_id.to_string(), *version));
    return;
  }
}

VerifyReport verify_chain(storage::ReadTx& tx, const AuditKeys& keys, const Uuid& user_id,
                          Instant now) {
  VerifyReport report;
  report.checked_at = now;
  report.head = tx.audit_head(user_id);
  ChainVerifier verifier(keys, user_id, now - limits::audit_in_flight_max);
  std::int64_t seq = 0;
  try {
    for (auto segments = tx.audit_segments(user_id, 0, 1); !segments.empty();
         segments = tx.audit_segments(user_id, seq, 1)) {
      for (const AuditEntry& entry : read_segment(segments.front())) verifier.add(entry);
      seq = segments.front().last_seq;
    }
  } catch (const std::exception& error) {
    report.problem = error.what();
    report.first_bad_seq = seq + 1;
    return report;
  }
  for (auto page = tx.audit_after(user_id, seq, verify_page_rows); !page.empty();
       page = tx.audit_after(user_id, seq, verify_page_rows)) {
    for (const AuditEntry& entry : page) verifier.add(entry);
    seq = page.back().seq;
  }
  verifier.finish(report.head);

  add_waiting(tx, user_id, verifier);
  std::optional<Uuid> after;
  for (auto tasks = tx.task_versions_after(user_id, after, verify_page_rows); !tasks.empty();
       tasks = tx.task_versions_after(user_id, after, verify_page_rows)) {
    for (const Task& task : tasks) verifier.add_task(task.id, task.version, task.updated_at);
    after = tasks.back().id;
  }
  verifier.check_versions();

  report.verified = verifier.holds();
  report.entries = verifier.entries();
  report.first_bad_seq = verifier.first_bad_seq();
  report.problem = verifier.problem();
  return report;
}

std::vector<AuditEntry> read_segment(const storage::AuditSegment& segment) {
  auto entries = parse_lines(decompress(segment.data));
  if (entries.empty() || entries.front().seq != segment.first_seq ||
      entries.back().seq != segment.last_seq) {
    throw std::runtime_error(fmt::format("segment {}–{} does not hold what it says",
                                         segment.first_seq, segment.last_seq));
  }
  return entries;
}

int archive_segment(storage::Tx& tx, const AuditKeys& keys, const Uuid& user_id, Instant before,
                    int entries_max) {
  tx.lock_audit_heads({user_id});
  const auto entries = archivable(tx, user_id, before, 0, entries_max);
  if (entries.empty()) return 0;
  std::string text;
  for (const AuditEntry& entry : entries) append_segment_line(text, entry);
  storage::AuditSegment segment;
  segment.user_id = user_id;
  segment.first_seq = entries.front().seq;
  segment.last_seq = entries.back().seq;
  segment.data = compress(text);
  segment.manifest = segment_manifest(entries, text.size(), segment.data.size());

  // What is about to be deleted must be what the segment gives back, and what was signed.
  const auto restored = read_segment(segment);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const AuditEntry& entry = restored.at(i);
    if (entry.canonical != entries[i].canonical || entry.hash != entries[i].hash ||
        entry.prev_hash != entries[i].prev_hash ||
        keys.hash_with(entry.key_id, entry.prev_hash, entry.canonical) != entry.hash) {
      throw std::runtime_error(
          fmt::format("audit entry {} does not verify: it is not archived", entries[i].seq));
    }
  }
  tx.insert_audit_segment(segment);
  tx.delete_audit_entries(user_id, segment.first_seq, segment.last_seq);
  return static_cast<int>(entries.size());
}

int restore_segment(storage::Tx& tx, const Uuid& user_id) {
  tx.lock_audit_heads({user_id});
  const auto newest = tx.newest_audit_segment(user_id);
  if (!newest) return 0;
  const auto entries = read_segment(*newest);
  if (!tx.append_audit(entries))
    throw std::runtime_error("entries of the newest segment are in the table already");
  tx.delete_audit_segment(user_id, newest->first_seq);
  return static_cast<int>(entries.size());
}

std::vector<AuditEntry> archivable(storage::ReadTx& tx, const Uuid& user_id, Instant before,
                                   std::int64_t after_seq, int entries_max) {
  auto entries = tx.audit_after(user_id, after_seq, entries_max);
  const auto young = std::ranges::find_if(
      entries, [before](const AuditEntry& e) { return e.timestamp >= before; });
  entries.erase(young, entries.end());
  return entries;
}

}  // namespace todo::service
