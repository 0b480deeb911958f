#pragma once

#include <atomic>
#include <chrono>
#include <functional>

#include "base/clock.h"
#include "base/uuid.h"
#include "domain/audit_entry.h"
#include "observability/metrics.h"
#include "pipeline/worker.h"
#include "service/call.h"
#include "storage/store.h"

namespace todo::pipeline {

// Work that is cut into units and can wait: recomputations and deletions under way, retention, the
// archive of the audit trail and the daily publication of its heads. Every part goes on where it
// was after a crash.
// Of a kind of rows, or of accounts, how many went.
struct Purged {
  std::string_view kind;
  std::int64_t count = 0;
  bool is_least = false;  // there may be more
};

class Housekeeping {
 public:
  Housekeeping(storage::Store& store, const Clock& clock, IdGenerator& ids, const AuditKeys& keys,
               service::ReminderHint& hint, std::chrono::seconds audit_retention,
               metrics::Registry& metrics);
  void start();
  // There is work: it looks at once.
  void wake() {
    asked_ = true;
    worker_.wake();
  }
  void stop() { worker_.stop(); }

  // Archives what is older than the retention, all users'; how many entries. For the subcommand and
  // the daily round.
  std::int64_t archive_audit();
  // How many entries it would archive.
  std::int64_t count_archivable();

  // Deletes what has been kept long enough. For the subcommand, the hourly and every round.
  std::vector<Purged> purge();
  // What it would delete: of each kind up to one unit's rows, which are looked for and left.
  std::vector<Purged> purge_dry_run();

 private:
  std::chrono::milliseconds round();
  void work(Instant now);
  void recompute();
  std::int64_t purge_users();
  std::vector<Purged> purge_rows();
  std::vector<Uuid> deleted_users();
  void publish_heads();
  void read(storage::ReadUnit unit);
  bool write(storage::WriteUnit unit);
  std::vector<storage::AuditChain> chains_after(std::optional<Uuid> user);

  storage::Store& store_;
  const Clock& clock_;
  IdGenerator& ids_;
  const AuditKeys& keys_;
  service::ReminderHint& hint_;
  const std::chrono::seconds audit_retention_;
  metrics::Gauge& dead_letters_;
  std::map<std::string_view, metrics::Counter*> purged_;  // by kind
  std::atomic<bool> asked_ = false;
  std::atomic<bool> failed_ = false;  // something, since the round began
  Instant tick_at_{};
  Instant hourly_at_{};
  Instant daily_at_{};
  Worker worker_;
};

}  // namespace todo::pipeline
