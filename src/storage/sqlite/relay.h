#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "storage/relaying.h"
#include "storage/store.h"

namespace todo::storage::sqlite {

// The relay's thread: reads waiting events, has them published, and deletes them with a write of
// its own, so that the writer never waits for a network. All functions are safe from any thread.
class Relay {
 public:
  Relay(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  ~Relay() { stop(); }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  void start(RelayStep step);
  void wake();
  // Waits for the step under way.
  void stop();

 private:
  using Time = std::chrono::steady_clock::time_point;
  void run();
  // How long to wait for the next look, and whether a wake cuts that short.
  struct Rest {
    std::chrono::milliseconds time;
    bool until_woken;
  };
  Rest round();

  Store& store_;
  const Clock& clock_;
  RelayStep step_;
  DepthCounter counter_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace todo::storage::sqlite
