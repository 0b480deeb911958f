#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "storage/announcement.h"
#include "storage/postgres/connection.h"
#include "storage/postgres/probe.h"

namespace todo::storage::postgres {

// Tells the other processes on the database that there may be work and what was changed, and hears
// it from them: LISTEN and NOTIFY on a session of its own, which no pooler may share. It is open
// while anything is done here, and some minutes longer: an idle database is left to sleep. All
// functions are safe from any thread.
class Listener {
 public:
  // Called on the listener's thread.
  struct Ears {
    std::function<void()> work;  // also when something may have been missed
    std::function<void(const std::vector<Announcement>&)> announced;
    std::function<void()> missed;  // announcements may have been
  };
  Listener(ConnectionOptions direct, const Probe& probe, Ears ears);
  ~Listener() { stop(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Something is done here.
  void keep_open();
  // The others are told, once in a while for all that happened meanwhile.
  void notify(bool is_work, const std::vector<Announcement>& announcements);
  // What was to be told still is, if that takes no more than a second.
  void stop();

 private:
  using Time = std::chrono::steady_clock::time_point;
  void run();
  void run_open(Time& next_notify);
  void open();
  void close_if_idle();
  void tell();
  std::string take_message();
  void hear(const std::vector<std::string>& payloads);
  void wake();
  void wait_closed(std::chrono::milliseconds time);
  void drain();
  Time active_until() const;
  bool is_over() const;

  const ConnectionOptions options_;
  const Probe& probe_;
  const Ears ears_;
  const int wake_fd_;
  std::unique_ptr<Connection> connection_;
  std::atomic<std::int64_t> active_at_ms_ = 0;  // on the steady clock
  std::atomic<bool> closed_ = true;
  std::atomic<bool> notify_ = false;
  std::mutex mutex_;
  bool tell_work_ = false;                             // guarded by mutex_
  std::vector<Announcement> untold_;                   // guarded by mutex_
  std::atomic<std::int64_t> last_words_until_ms_ = 0;  // on the steady clock
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace todo::storage::postgres
