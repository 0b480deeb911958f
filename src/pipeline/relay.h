#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <random>
#include <vector>

#include "base/clock.h"
#include "observability/metrics.h"
#include "service/publisher.h"
#include "storage/store.h"

namespace todo::pipeline {

// How long the relay rests after so many failures in a row: doubling from 100 ms to 3 s, less a
// random part of up to a half.
std::chrono::milliseconds relay_delay(int failures, double random_0_to_1);

// Brings what waits in the outbox to a bus outside: nothing is lost, some things come twice. While
// the bus is away everything waits; what it refuses while it takes others is put off, so that it
// holds up nobody. Used by the store's relay thread alone.
class Relay {
 public:
  Relay(service::Publisher& publisher, const Clock& clock, metrics::Registry& metrics);

  storage::Relayed step(const std::vector<storage::OutboxRow>& rows,
                        const std::optional<storage::OutboxDepth>& depth);

 private:
  void count(const std::vector<storage::OutboxRow>& rows,
             const std::optional<storage::OutboxDepth>& depth, std::size_t left);
  void rest(storage::Relayed& relayed, std::size_t events, const std::string& error);
  double random() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  service::Publisher& publisher_;
  const Clock& clock_;
  std::array<metrics::Counter*, std::size_t{2} * topic_count> published_{};
  metrics::Counter& refused_;
  metrics::Counter& failures_total_;
  metrics::Histogram& seconds_;
  metrics::Gauge& waiting_;
  metrics::Gauge& oldest_seconds_;
  std::optional<std::int64_t> depth_;  // as it was counted last, while there is more than a batch
  int failures_ = 0;                   // in a row
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace todo::pipeline
