#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/server.h"
#include "net/websocket.h"
#include "realtime/presence.h"
#include "realtime/probe.h"

namespace todo::realtime {

class Session;

// Messages for one user.
struct Delivery {
  Uuid user_id;
  net::FramesPtr frames;
};

// The sockets of one I/O thread; on that thread only, but for what the thread is asked to do.
class Room {
 public:
  // `entered` is told of each socket that is open now.
  using Entered = std::function<void(const CredentialPtr&)>;
  Room(net::IoThreads& threads, int index, const Clock& clock, Presence& presence, Probe& probe,
       Entered entered);

  std::size_t index() const { return static_cast<std::size_t>(index_); }
  Executor& executor() const { return threads_.executor(index_); }
  // From any thread: runs on this one's, with the room.
  void post(std::move_only_function<void(Room&)> task);

  void enter(Session& session);
  void leave(Session& session, net::CloseCode code);
  void deliver(const std::vector<Delivery>& deliveries);
  // Closes the sockets that this credential let in.
  void expel(const CredentialPtr& credential);
  // Closes all, in so many steps: who comes back then does not come at once with all others.
  void close_all(int steps);

 private:
  friend class Session;
  void start_ticking();
  void tick();

  net::IoThreads& threads_;
  const int index_;
  const Clock& clock_;
  Presence& presence_;
  Probe& probe_;
  const Entered entered_;
  std::unordered_map<Uuid, std::vector<Session*>> users_;
  bool ticking_ = false;
};

// One socket, from its admission on.
class Session final : public net::WebSocketHandler {
 public:
  Session(Room& room, CredentialPtr credential) : room_(room), credential_(std::move(credential)) {}
  ~Session() override { room_.presence_.leave(credential_, room_.index()); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void opened(net::WebSocket& socket) override;
  void received(std::string_view text) override;
  void closed(net::CloseCode code) override;

  void send(const net::FramesPtr& frames);
  void close(net::CloseCode code, std::string_view reason);
  // Once a second.
  void tick(Instant now);

  const CredentialPtr& credential() const { return credential_; }
  bool closing() const { return closing_; }
  std::uint32_t sent() const { return sent_; }
  std::chrono::steady_clock::time_point opened_at() const { return opened_at_; }

 private:
  Room& room_;
  const CredentialPtr credential_;
  net::WebSocket* socket_ = nullptr;
  std::chrono::steady_clock::time_point opened_at_;
  std::uint32_t sent_ = 0;
  int said_ = 0;  // by the client, since the last tick
  bool closing_ = false;
};

}  // namespace todo::realtime
