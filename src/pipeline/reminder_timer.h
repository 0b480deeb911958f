#pragma once

#include <atomic>
#include <chrono>
#include <expected>
#include <string>

#include "base/clock.h"
#include "base/uuid.h"
#include "observability/metrics.h"
#include "pipeline/worker.h"
#include "service/call.h"
#include "storage/store.h"

namespace todo::pipeline {

// Runs the reminder check when the earliest reminder falls due, and every `interval` whatever
// happens: a reminder that was overlooked for any reason waits no longer than that.
class ReminderTimer final : public service::ReminderHint {
 public:
  ReminderTimer(storage::Store& store, const Clock& clock, IdGenerator& ids,
                std::chrono::milliseconds interval, metrics::Registry& metrics);
  void start();
  void stop() { worker_.stop(); }

  // A unit planned a reminder; it may commit a little later, or never.
  void planned(Instant remind_at) override;
  // Somebody planned one, it is not known for when: the database is asked at once.
  void look() {
    hinted_ = true;
    worker_.wake();
  }

  // A timer elsewhere ticked: a whole check, whatever is known of the next reminder.
  void tick() {
    ticked_ = true;
    worker_.wake();
  }

  // One whole check now, on the calling thread: how many reminders it took. Fails when the database
  // could not.
  std::expected<int, std::string> check();

 private:
  std::chrono::milliseconds round();
  storage::Store& store_;
  const Clock& clock_;
  IdGenerator& ids_;
  const std::chrono::milliseconds interval_;
  metrics::Counter& claimed_;
  metrics::Gauge& last_check_;
  // When to look again, in milliseconds since 1970; the earliest of what the database and the hints
  // said.
  std::atomic<std::int64_t> look_at_ms_{0};
  std::atomic<bool> hinted_ = false;
  std::atomic<bool> ticked_ = false;
  Instant looked_at_{};      // the clock then: one that was set back since makes every plan void
  bool look_again_ = false;  // what the last round was told of may have committed after it
  Instant tick_at_{};
  Worker worker_;
};

}  // namespace todo::pipeline
