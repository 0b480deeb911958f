#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/server.h"
#include "net/websocket.h"
#include "observability/metrics.h"
#include "realtime/presence.h"
#include "realtime/probe.h"
#include "realtime/questions.h"
#include "realtime/room.h"
#include "service/credential.h"
#include "storage/store.h"

namespace todo::realtime {

// Tells those who have WebSockets open here what was committed: listens to the store, makes each
// message once, and hands it to the I/O threads that have sockets of the user's. What let a socket
// in is looked up again when it may have ended, and now and then. All functions are safe from any
// thread, but for what they say.
class Hub final : public storage::Audience {
 public:
  struct Dependencies {
    net::IoThreads& threads;
    storage::Store& store;
    const Clock& clock;
    metrics::Registry& metrics;
  };
  // Listens from now on.
  Hub(const Dependencies& dependencies, SocketLimits limits);
  // Its sockets must have ended.
  ~Hub() override;
  Hub(const Hub&) = delete;
  Hub& operator=(const Hub&) = delete;

  // A handler for one more socket, on the thread of this executor. Fails: rate_limited,
  // unavailable.
  Result<std::shared_ptr<net::WebSocketHandler>> admit(const service::Credential& credential,
                                                       Executor& executor);

  void announced(const std::vector<storage::Announcement>& announcements) override;
  void missed() override;

  // Closes all sockets with 1001, within some seconds where they are many; nobody is admitted any
  // more.
  void close_all();
  // True when all are closed; waits at most `limit`.
  bool wait_closed(std::chrono::milliseconds limit) { return presence_.wait_empty(limit); }
  // Nothing is told and nothing looked up from now on. Idempotent.
  void stop();

 private:
  class Messages;
  Room* room_on(const Executor& executor);
  void send(const Messages& messages);
  void ask();
  void take(const Questions& asked, const Answers& answers, storage::Outcome outcome);
  void check(std::vector<CredentialPtr> credentials);
  void look(std::chrono::milliseconds back);
  void start_checking();
  void check_all();

  storage::Store& store_;
  net::IoThreads& threads_;
  const Clock& clock_;
  Probe probe_;
  Presence presence_;
  std::vector<std::unique_ptr<Room>> rooms_;

  std::mutex mutex_;
  Questions questions_;    // guarded by mutex_
  bool asking_ = false;    // guarded by mutex_
  bool checking_ = false;  // guarded by mutex_
  bool stopped_ = false;   // guarded by mutex_
};

}  // namespace todo::realtime
