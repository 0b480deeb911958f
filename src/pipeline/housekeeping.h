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

 private:
  std::chrono::milliseconds round();
  void work(Instant now);
  void recompute();
  void purge_users();
  void retain();
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
  std::atomic<bool> asked_ = false;
  std::atomic<bool> failed_ = false;  // something, since the round began
  Instant tick_at_{};
  Instant hourly_at_{};
  Instant daily_at_{};
  Worker worker_;
};

}  // namespace todo::pipeline
