#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace todo::pipeline {

// A thread that does a round of work, waits, and does the next. `round` answers how long it may
// sleep; wake makes it look at once. start and stop are idempotent; stop waits for the round under
// way.
class Worker {
 public:
  using Round = std::function<std::chrono::milliseconds()>;
  ~Worker() { stop(); }
  void start(Round round);
  void wake();
  void stop();
  bool stopping() const;

 private:
  void run(const Round& round);
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace todo::pipeline
