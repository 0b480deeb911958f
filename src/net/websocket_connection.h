#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "net/loop.h"
#include "net/websocket.h"
#include "net/websocket_frames.h"

// For the sources of this folder: connections that have become WebSockets.
namespace todo::net {

class WebSocketRoom;

struct InRoom;
struct InWaits;
template <typename Tag>
using WebSocketHook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// One connection. A coroutine reads as long as it lives; another writes only while something is
// queued. It holds no buffer while nothing is under way. On its loop's thread only.
class WebSocketConnection final : public WebSocket,
                                  public std::enable_shared_from_this<WebSocketConnection>,
                                  public WebSocketHook<InRoom>,
                                  public WebSocketHook<InWaits> {
 public:
  // `owner` is held as long as the connection lives.
  WebSocketConnection(std::shared_ptr<void> owner, WebSocketRoom& room, Socket socket,
                      std::shared_ptr<WebSocketHandler> handler);
  ~WebSocketConnection() override;
  WebSocketConnection(const WebSocketConnection&) = delete;
  WebSocketConnection& operator=(const WebSocketConnection&) = delete;

  // `unread` came behind the request.
  void start(std::string unread);
  void send(const FramesPtr& frames) override;
  void close(CloseCode code, std::string_view reason) override;
  // What it waited for did not come.
  void expire();
  // The end, whatever is queued.
  void end();

  std::chrono::steady_clock::time_point deadline() const { return deadline_; }

 private:
  friend class WebSocketRoom;
  enum class State : std::uint8_t { open, closing, ended };
  // What it waits for: the client to say anything; a ping's answer; a Close's answer.
  enum class Wait : std::uint8_t { word, pong, close };
  static constexpr std::size_t wait_count = 3;

  static Task<void> read_all(std::shared_ptr<WebSocketConnection> self);
  static Task<void> write_queue(std::shared_ptr<WebSocketConnection> self);

  void wait_for(Wait wait);
  void receive();
  void take(std::span<char> bytes);
  std::size_t take_frames(std::span<char> bytes);
  void take_frame(const FrameHead& head, std::string_view payload);
  void take_data(const FrameHead& head, std::string_view payload);
  void take_close(std::string_view payload);
  void fail(CloseCode code, std::string_view reason);

  void send_control(Opcode opcode, std::string_view payload);
  void push(FramesPtr frames);
  void write_now();
  void drop_queue();
  void end_if_closed();

  const std::shared_ptr<void> owner_;
  WebSocketRoom& room_;
  Socket socket_;
  const std::shared_ptr<WebSocketHandler> handler_;
  std::chrono::steady_clock::time_point deadline_;
  std::string unread_;               // the beginning of a frame
  std::string message_;              // the beginning of a message in fragments
  std::vector<FramesPtr> queue_;     // the first may be sent in part
  std::size_t sent_bytes_ = 0;       // of the first
  std::size_t queued_bytes_ = 0;     // of all
  std::size_t queued_messages_ = 0;  // of all but the first
  CloseCode code_ = CloseCode::abnormal;
  State state_ = State::open;
  Wait wait_ = Wait::word;
  bool in_message_ = false;
  bool writing_ = false;
  bool client_closed_ = false;
  bool deaf_ = false;  // frames cannot be told apart any more
};

// The WebSockets of one server on one loop; on its thread only.
class WebSocketRoom {
 public:
  struct Times {
    std::chrono::milliseconds quiet_max;  // then the client is asked whether it is there
    std::chrono::milliseconds pong_max;
    std::chrono::milliseconds close_max;
  };
  explicit WebSocketRoom(Times times) : times_{times.quiet_max, times.pong_max, times.close_max} {}

  void adopt(const std::shared_ptr<WebSocketConnection>& connection, std::string unread);
  // Those whose time is over do something about it.
  void tick(std::chrono::steady_clock::time_point now);
  bool empty() const { return connections_.empty(); }
  void end_all();

 private:
  friend class WebSocketConnection;
  template <typename Tag>
  using List =
      boost::intrusive::list<WebSocketConnection, boost::intrusive::base_hook<WebSocketHook<Tag>>,
                             boost::intrusive::constant_time_size<false>>;

  std::array<std::chrono::milliseconds, WebSocketConnection::wait_count> times_;
  List<InRoom> connections_;
  // By what is waited for: each has one duration, so that each list is in order of expiry.
  std::array<List<InWaits>, WebSocketConnection::wait_count> waits_;
};

}  // namespace todo::net
