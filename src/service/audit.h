#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "domain/audit_entry.h"
#include "events/event.h"
#include "service/call.h"
#include "storage/store.h"

namespace todo::service {

// The consumer of todo.audit: appends entries to the users' chains. Heads are locked in user-id
// order and written once a batch. Entries that are there already, and those of users who are gone,
// are passed over. Answers how many there were that were not recorded before.
int record_audit(storage::Tx& tx, const AuditKeys& keys, IdGenerator& ids,
                 std::vector<AuditEvent> events);

// Walks one user's chain, segments first. Memory grows with the number of entities, not entries.
// Feed it pages in order, then the head, what is in flight and the tasks; it does no I/O.
class ChainVerifier {
 public:
  // `in_flight_since`: a version that is missing may still come when what is known of its time is
  // not before this.
  ChainVerifier(const AuditKeys& keys, const Uuid& user_id, Instant in_flight_since)
      : keys_(keys), user_id_(user_id), in_flight_since_(in_flight_since) {}
  void add(const AuditEntry& entry);
  // The chain must end where the head says, and the head must be sealed.
  void finish(const AuditHead& head);
  // An event that waits in the outbox: its version may be missing.
  void add_waiting(const Uuid& entity_id, std::int64_t version);
  // A task as it is now: its entries must reach its version.
  void add_task(const Uuid& task_id, std::int64_t version, Instant updated_at);
  // Every entity, those that no longer have a row too, has its versions from 1 on without a hole.
  void check_versions();

  std::int64_t entries() const { return entries_; }
  const AuditHash& last_hash() const { return last_hash_; }
  std::optional<std::int64_t> first_bad_seq() const { return first_bad_seq_; }
  const std::string& problem() const { return problem_; }
  bool holds() const { return problem_.empty(); }

 private:
  void bad(std::int64_t seq, std::string problem);
  struct Versions {
    std::int64_t contiguous = 0;             // 1 … this are there
    std::map<std::int64_t, Instant> beyond;  // those behind a hole, with their times
    std::int64_t current = 0;                // of the task's row
    Instant updated_at{};
  };
  std::optional<std::int64_t> missing(const Uuid& entity_id, const Versions& versions) const;
  bool waits(const Uuid& entity_id, std::int64_t version) const;
  const AuditKeys& keys_;
  Uuid user_id_;
  Instant in_flight_since_;
  std::int64_t entries_ = 0;
  std::int64_t last_seq_ = 0;
  AuditHash last_hash_{};
  std::unordered_map<Uuid, Versions> versions_;
  std::set<std::pair<Uuid, std::int64_t>> waiting_;
  std::optional<std::int64_t> first_bad_seq_;
  std::string problem_;
};

struct VerifyReport {
  bool verified = false;
  std::int64_t entries = 0;  // archived ones included
  AuditHead head;
  Instant checked_at{};
  std::optional<std::int64_t> first_bad_seq;
  std::string problem;
};
// One user's chain in one snapshot.
VerifyReport verify_chain(storage::ReadTx& tx, const AuditKeys& keys, const Uuid& user_id,
                          Instant now);

// Archives the oldest entries of one user: those before `before`, at most `entries_max` (one
// segment). Compresses, decompresses, compares, inserts the segment and deletes the entries.
// Returns how many; 0: nothing to do.
int archive_segment(storage::Tx& tx, const AuditKeys& keys, const Uuid& user_id, Instant before,
                    int entries_max);
// Brings the newest archived segment back (oldest entries stay archived). Returns how many entries;
// 0: none is archived.
int restore_segment(storage::Tx& tx, const Uuid& user_id);
// The oldest entries in the table after `after_seq`, up to the first one that is not from before
// then: chains archive in order.
std::vector<AuditEntry> archivable(storage::ReadTx& tx, const Uuid& user_id, Instant before,
                                   std::int64_t after_seq, int entries_max);
// The entries of a segment. Throws std::runtime_error when it is damaged.
std::vector<AuditEntry> read_segment(const storage::AuditSegment& segment);

}  // namespace todo::service
