#include "pipeline/worker.h"

#include <algorithm>
#include <utility>

namespace todo::pipeline {
namespace {

// The wall clock is looked at this often at least: a steady clock does not notice that the machine
// slept.
constexpr std::chrono::milliseconds sleep_max{30'000};

}  // namespace

void Worker::start(Round round) {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable() || stopping_) return;
  thread_ = std::thread([this, round = std::move(round)] { run(round); });
}

void Worker::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Worker::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Worker::run(const Round& round) {
  while (!stopping()) {
    const auto sleep = std::clamp(round(), std::chrono::milliseconds{1}, sleep_max);
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, sleep, [this] { return woken_ || stopping_; });
    woken_ = false;
  }
}

}  // namespace todo::pipeline
