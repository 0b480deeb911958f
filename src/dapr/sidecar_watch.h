#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "dapr/sidecar.h"
#include "observability/metrics.h"

namespace todo::dapr {

// Knows whether the sidecar can be used: asks it every half second until it first says yes, every
// few seconds from then on. Safe from any thread; start and stop are idempotent.
class SidecarWatch {
 public:
  SidecarWatch(SidecarAddress sidecar, metrics::Registry& metrics);
  ~SidecarWatch() { stop(); }
  SidecarWatch(const SidecarWatch&) = delete;
  SidecarWatch& operator=(const SidecarWatch&) = delete;

  void start();
  void stop();

  bool is_reachable() const { return reachable_; }
  // It was reachable once: from then on events wait for it in the outbox.
  bool was_reachable() const { return was_reachable_; }

 private:
  void run();

  const SidecarAddress sidecar_;
  metrics::Gauge& up_;
  std::atomic<bool> reachable_ = false;
  std::atomic<bool> was_reachable_ = false;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace todo::dapr
