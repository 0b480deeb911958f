#include "storage/postgres/jobs.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

namespace todo::storage::postgres {
namespace {

// Reads that waited together share one snapshot, as long as the other threads have work too.
constexpr std::size_t reads_per_snapshot_max = 8;

template <class Job>
std::vector<Job> take_front(std::deque<Job>& queue, std::size_t count) {
  const auto end = queue.begin() + static_cast<std::ptrdiff_t>(std::min(count, queue.size()));
  std::vector<Job> taken{std::make_move_iterator(queue.begin()), std::make_move_iterator(end)};
  queue.erase(queue.begin(), end);
  return taken;
}

template <class Job>
std::size_t count_older(const std::deque<Job>& queue, std::chrono::steady_clock::time_point than) {
  const auto younger =
      std::ranges::find_if(queue, [&](const Job& job) { return job.queued_at >= than; });
  return static_cast<std::size_t>(younger - queue.begin());
}

}  // namespace

Jobs::Jobs(int threads, std::chrono::milliseconds age_max)
    : threads_(static_cast<std::size_t>(std::max(1, threads))),
      share_max_(std::max<std::size_t>(1, threads_ - std::max<std::size_t>(1, threads_ / 4))),
      age_max_(age_max) {}

bool Jobs::push(WriteJob job, std::size_t queue_max) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || writes_.size() >= queue_max) return false;
  writes_.push_back(std::move(job));
  if (writing_ < share_max_) wake_one();
  return true;
}

bool Jobs::push(ReadJob job, std::size_t queue_max) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || reads_.size() >= queue_max) return false;
  reads_.push_back(std::move(job));
  if (reading_ < share_max_) wake_one();
  return true;
}

void Jobs::wake_one() {
  if (idle_.empty()) return;
  idle_.back()->is_woken = true;
  idle_.back()->woken.notify_one();
  idle_.pop_back();
}

Jobs::Taken Jobs::take() {
  Waiter waiter;
  std::unique_lock lock(mutex_);
  for (;;) {
    Taken taken = pick();
    if (!taken.empty() || stopping_) return taken;
    waiter.is_woken = false;
    idle_.push_back(&waiter);
    waiter.woken.wait(lock, [&] { return waiter.is_woken; });
  }
}

Jobs::Taken Jobs::pick() {
  Taken taken;
  if (pick_expired(taken)) return taken;
  const bool can_write = !writes_.empty() && writing_ < share_max_;
  const bool can_read = !reads_.empty() && reading_ < share_max_;
  if (can_write && (!can_read || writes_.front().queued_at <= reads_.front().queued_at)) {
    taken.writes = take_front(writes_, 1);
    ++writing_;
  } else if (can_read) {
    const std::size_t share = (reads_.size() + threads_ - 1) / threads_;
    taken.reads = take_front(reads_, std::min(share, reads_per_snapshot_max));
    ++reading_;
  }
  return taken;
}

bool Jobs::pick_expired(Taken& taken) {
  const auto limit = std::chrono::steady_clock::now() - age_max_;
  taken.writes = take_front(writes_, count_older(writes_, limit));
  taken.reads = take_front(reads_, count_older(reads_, limit));
  taken.expired = !taken.empty();
  return taken.expired;
}

void Jobs::finish(const Taken& taken) {
  if (taken.expired) return;
  const std::lock_guard lock(mutex_);
  taken.reads.empty() ? --writing_ : --reading_;
}

void Jobs::give_back(Taken taken) {
  finish(taken);
  const std::lock_guard lock(mutex_);
  for (auto& job : taken.writes) writes_.push_front(std::move(job));
  for (auto& job : std::ranges::reverse_view(taken.reads)) reads_.push_front(std::move(job));
  wake_one();
}

void Jobs::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, time, [this] { return stopping_; });
}

QueueDepths Jobs::depths() const {
  const std::lock_guard lock(mutex_);
  return {.writer = writes_.size(), .readers = reads_.size()};
}

void Jobs::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  while (!idle_.empty()) wake_one();
  stopped_.notify_all();
}

}  // namespace todo::storage::postgres
