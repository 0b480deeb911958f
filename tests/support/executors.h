#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/executor.h"

namespace todo::test {

// Long enough for the slowest sanitizer on a crowded machine; nobody waits for it in a good run.
inline constexpr std::chrono::seconds deadline{60};

// Runs what is posted at once, on the posting thread.
class ImmediateExecutor final : public Executor {
 public:
  void post(std::vector<Function> functions) override {
    for (Function& function : functions) function();
  }
};

// Keeps what is posted for the test's own thread, as an I/O thread's loop would.
class QueueExecutor final : public Executor {
 public:
  void post(std::vector<Function> functions) override {
    const std::scoped_lock lock(mutex_);
    ++posts_;
    for (Function& function : functions) queue_.push_back(std::move(function));
    changed_.notify_all();
  }

  // Runs `count` functions on the calling thread as they come; false when they do not in time.
  bool run(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Function function;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, deadline, [this] { return !queue_.empty(); })) return false;
        function = std::move(queue_.front());
        queue_.pop_front();
      }
      function();
    }
    return true;
  }

  std::size_t waiting() const {
    const std::scoped_lock lock(mutex_);
    return queue_.size();
  }
  int posts() const {
    const std::scoped_lock lock(mutex_);
    return posts_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Function> queue_;
  int posts_ = 0;
};

// A signal that one thread gives and others wait for.
class Signal {
 public:
  void give() {
    const std::scoped_lock lock(mutex_);
    given_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, deadline, [this] { return given_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_ = false;
};

// True as soon as the condition is; false when it is not in time.
template <class Condition>
bool eventually(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

}  // namespace todo::test
