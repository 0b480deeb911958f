#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "storage/postgres/connection.h"

namespace todo::storage::postgres {

// Whether the database can be reached. Closed by whoever cannot connect; from then on one thread
// tries, with back-off, and all others know at once that there is no use. Who waits unusually long
// for an answer makes that thread try too: a network that swallows everything looks just like a
// database that has much to do, but that one still takes connections. Safe from any thread.
class Gate {
 public:
  // `check` is given each new connection and throws where the database is not good.
  Gate(ConnectionOptions options, std::function<void(Connection&)> check);
  ~Gate() { stop(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  bool is_open() const { return open_.load(); }
  void close(const std::string& why);
  // For who waits for an answer unusually long: has the database tried; true: it is closed.
  bool suspect();
  // The same for who waits for a connection. A database that sleeps may take seconds to wake up:
  // only one that answered lately is suspected.
  bool suspect_connecting();
  void answered();
  // How long a connection took that was made: what tells a slow network from none.
  void took(std::chrono::milliseconds time);
  std::string why() const;
  void stop();

 private:
  void run();
  void try_again(std::unique_lock<std::mutex>& lock);
  void confirm(std::unique_lock<std::mutex>& lock);
  std::string try_once(std::chrono::milliseconds connect_limit);  // empty: it is there

  const ConnectionOptions options_;
  const std::function<void(Connection&)> check_;
  std::atomic<bool> open_ = true;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool suspected_ = false;
  std::chrono::steady_clock::time_point tried_at_{};
  std::atomic<std::int64_t> took_ms_ = 0;  // lately, at the longest
  std::atomic<std::chrono::steady_clock::time_point> answered_at_{};
  std::string why_;
  std::thread thread_;
};

}  // namespace todo::storage::postgres
