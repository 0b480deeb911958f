#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "storage/postgres/connection.h"
#include "storage/postgres/probe.h"
#include "storage/postgres/schema.h"

namespace todo::storage::postgres {

// What is asked of the database now and then, along with a transaction that is made anyway: what
// time it has, and whether its schema is still one that this program may use. Safe from any thread.
class Watch {
 public:
  Watch(const Clock& clock, const Probe& probe) : clock_(clock), probe_(probe) {}

  // True for one caller in a while: its transaction is to carry the question.
  bool is_due();
  static constexpr const char* question =
      "SELECT clock_timestamp(), version, min_app FROM schema_info";
  // Takes the answer to a question that went out after `before`, on our clock.
  void take(Query& answer, Instant before);
  // Also at the start and on a connection made after an outage.
  void take_schema(SchemaState state);

  // Both good, or a sentence.
  std::expected<void, std::string> schema() const;
  std::expected<void, std::string> clock() const;

 private:
  void take_time(Instant theirs, Instant before, Instant after);

  const Clock& clock_;
  const Probe& probe_;
  std::atomic<std::int64_t> due_at_ms_ = 0;  // on the steady clock
  std::atomic<std::int64_t> skew_ms_ = 0;
  std::atomic<bool> warned_ = false;
  mutable std::mutex mutex_;
  SchemaState schema_{.version = schema_version, .min_app = 0};
};

}  // namespace todo::storage::postgres
