#pragma once

#include <random>
#include <vector>

#include "base/clock.h"
#include "observability/metrics.h"
#include "service/consumers.h"
#include "service/event_probe.h"
#include "storage/store.h"

namespace todo::pipeline {

// How long an event waits before attempt number `attempts` + 1: doubling from one second to five
// minutes, less a random part of up to a half, so that what failed together does not come back
// together.
std::chrono::milliseconds retry_delay(int attempts, double random_0_to_1);

// The in-process event bus: takes waiting events out of the outbox and applies them in the
// transaction it is given, so that an event and its effect commit together. What fails is put off
// and in the end buried. Used by the store's writer thread alone.
class EmbeddedBus {
 public:
  EmbeddedBus(const service::Consumers& consumers, const Clock& clock, metrics::Registry& metrics);

  // Applies up to `events_max` events, those that earlier ones caused included.
  storage::BusProgress step(storage::Tx& tx, int events_max);

 private:
  void count_waiting(storage::Tx& tx, bool some_left, Instant now);
  void apply(storage::Tx& tx, const std::vector<storage::OutboxRow>& rows, Instant now);
  bool apply_audit_together(storage::Tx& tx, const std::vector<const storage::OutboxRow*>& rows,
                            Instant now);
  void apply_one(storage::Tx& tx, const storage::OutboxRow& row, Instant now);
  void put_off(storage::Tx& tx, const storage::OutboxRow& row, const std::string& why,
               bool hopeless, Instant now);

  const service::Consumers& consumers_;
  const Clock& clock_;
  service::EventProbe probe_;
  metrics::Gauge& waiting_;
  metrics::Gauge& dead_letters_;
  Instant counted_at_{};
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace todo::pipeline
