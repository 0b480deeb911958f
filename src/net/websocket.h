#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/message.h"

// WebSockets (RFC 6455) as the program sees them: a request is answered with a handler instead of a
// body, and the connection is the handler's from then on.
namespace todo::net {

// Why a socket ends (section 7.4.1).
enum class CloseCode : std::uint16_t {
  normal = 1000,
  going_away = 1001,
  protocol_error = 1002,
  unsupported_data = 1003,
  no_status = 1005,  // never sent: the client's Close said nothing
  abnormal = 1006,   // never sent: the connection ended without a Close
  invalid_text = 1007,
  policy_violation = 1008,
  too_big = 1009,
  try_again_later = 1013,
};

// Messages in the form in which they are sent, made once for all sockets that get them.
class Frames {
 public:
  void add_text(std::string_view text);
  std::size_t messages() const { return messages_; }
  const std::string& bytes() const { return bytes_; }

 private:
  friend class WebSocketConnection;
  std::string bytes_;
  std::size_t messages_ = 0;
};
using FramesPtr = std::shared_ptr<const Frames>;

// One open socket, on its I/O thread only.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // Sends at once what the client takes, and queues the rest. A client that is slow, with
  // limits::socket_queue_messages_max or socket_queue_bytes_max waiting, is dropped: code 1013.
  virtual void send(const FramesPtr& frames) = 0;
  // Sends a Close behind what is queued, and nothing after it. The connection ends when the client
  // has answered it, or after some seconds.
  virtual void close(CloseCode code, std::string_view reason) = 0;
};

// What becomes of a socket; called on its I/O thread. One whose connection was lost before it was
// open is destroyed without a call.
class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  // `socket` lives until `closed` has returned.
  virtual void opened(WebSocket& socket) = 0;
  // A text message: valid UTF-8 of at most limits::socket_message_bytes_max.
  virtual void received(std::string_view text) = 0;
  // The last call. `code` is the first that one side named.
  virtual void closed(CloseCode code) = 0;
};

// The answer to a request that asks for a WebSocket (section 4.2); `protocol` is the subprotocol
// that was chosen, or empty. Fails, with a sentence, for a request that does not ask for one as it
// should: 426.
std::expected<Response, std::string_view> accept_websocket(
    const Request& request, std::shared_ptr<WebSocketHandler> handler, std::string_view protocol);

// The subprotocols that a request offers, in their order.
std::vector<std::string_view> offered_protocols(const Request& request);

}  // namespace todo::net
