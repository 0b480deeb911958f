#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/postgres/runner.h"

namespace todo::storage::postgres {

// The embedded bus's thread: takes waiting events in batches of a transaction each. Woken by
// commits that inserted events, here or in other processes, and by the time of the next retry;
// besides it looks by itself, more and more seldom while it finds nothing. All functions are safe
// from any thread. One that `helps` does nothing but while it is woken and finds something.
class Bus {
 public:
  // `committed` is told what its own transactions left for others to do.
  Bus(Shared& shared, std::function<void(const Effects&)> committed, bool helps = false)
      : shared_(shared), committed_(std::move(committed)), helps_(helps), woken_(!helps) {}
  ~Bus() { stop(); }
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  void start(BusStep step);
  void wake();
  // Wakes it if the next retry is due: for after each commit, since an application's clock may have
  // been set.
  void look();
  void stop();

 private:
  enum class Found { something, nothing, failure };
  void run();
  Found step_once(Runner& runner);
  bool is_retry_due() const;

  Shared& shared_;
  const std::function<void(const Effects&)> committed_;
  const bool helps_;
  std::mutex mutex_;
  std::condition_variable changed_;
  BusStep step_;
  bool woken_;
  bool stopping_ = false;
  std::optional<Instant> retry_at_;
  std::chrono::milliseconds pause_{0};                 // that the last step asked for: the thread's
  std::chrono::steady_clock::time_point pause_until_;  // the thread's
  std::thread thread_;
};

}  // namespace todo::storage::postgres
