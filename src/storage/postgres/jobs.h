#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "storage/store.h"

namespace todo::storage::postgres {

struct WriteJob {
  WriteUnit unit;
  Executor* executor;
  Done done;
  std::chrono::steady_clock::time_point queued_at = std::chrono::steady_clock::now();
};

struct ReadJob {
  ReadUnit unit;
  Executor* executor;
  Done done;
  std::chrono::steady_clock::time_point queued_at = std::chrono::steady_clock::now();
};

// What waits for the threads of a pool: writes and reads, each in its order. Of what waits, the
// oldest is next; but neither writes nor reads ever have all threads, so that neither stops the
// other. Safe from any thread.
class Jobs {
 public:
  Jobs(int threads, std::chrono::milliseconds age_max);

  // false: that queue is full, or it is the end.
  bool push(WriteJob job, std::size_t queue_max);
  bool push(ReadJob job, std::size_t queue_max);

  struct Taken {
    std::vector<WriteJob> writes;  // one, unless expired
    std::vector<ReadJob> reads;    // for one snapshot: no more than make a fair share
    bool expired = false;          // they waited too long: nobody waits for them any more

    bool empty() const { return writes.empty() && reads.empty(); }
  };
  // Waits for work. Empty: it is the end, and nothing is left.
  Taken take();
  // What was taken is done; or it was not begun, and comes first again.
  void finish(const Taken& taken);
  void give_back(Taken taken);
  // Waits, at the longest until the end.
  void pause(std::chrono::milliseconds time);

  QueueDepths depths() const;
  // What is queued is still done; nothing more is taken in.
  void stop();

 private:
  struct Waiter {
    std::condition_variable woken;
    bool is_woken = false;
  };
  void wake_one();
  Taken pick();
  bool pick_expired(Taken& taken);

  const std::size_t threads_;
  const std::size_t share_max_;  // threads that writes, or reads, may have
  const std::chrono::milliseconds age_max_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  std::deque<WriteJob> writes_;
  std::deque<ReadJob> reads_;
  std::size_t writing_ = 0;  // threads
  std::size_t reading_ = 0;
  // Who waited last is woken first: what little there is to do keeps few connections busy.
  std::vector<Waiter*> idle_;
  bool stopping_ = false;
};

}  // namespace todo::storage::postgres
