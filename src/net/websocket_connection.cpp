#include "net/websocket_connection.h"

#include <algorithm>
#include <exception>
#include <tuple>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include "base/limits.h"
#include "base/text.h"
#include "observability/log.h"

namespace todo::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::steady_clock;

// What is received lands here first: a socket that says nothing needs no buffer.
constexpr std::size_t receive_bytes_max = 4 * 1024;
constexpr int receives_per_turn = 8;
// What the system holds for a client that does not read, beside our own queue.
constexpr int send_buffer_bytes = 128 * 1024;

bool is_for_later(const error_code& error) {
  return error == asio::error::would_block || error == asio::error::interrupted;
}

}  // namespace

WebSocketConnection::WebSocketConnection(std::shared_ptr<void> owner, WebSocketRoom& room,
                                         Socket socket, std::shared_ptr<WebSocketHandler> handler)
    : owner_(std::move(owner)),
      room_(room),
      socket_(std::move(socket)),
      handler_(std::move(handler)) {
  error_code ignored;
  std::ignore = socket_.set_option(asio::socket_base::send_buffer_size(send_buffer_bytes), ignored);
}

WebSocketConnection::~WebSocketConnection() {
  // Now, not with the base classes: the lists may end together with `owner_`.
  WebSocketHook<InRoom>::unlink();
  WebSocketHook<InWaits>::unlink();
}

void WebSocketConnection::start(std::string unread) {
  wait_for(Wait::word);
  unread_ = std::move(unread);
  handler_->opened(*this);
  asio::co_spawn(socket_.get_executor(), read_all(shared_from_this()), asio::detached);
}

void WebSocketConnection::wait_for(Wait wait) {
  const auto index = static_cast<std::size_t>(wait);
  WebSocketHook<InWaits>::unlink();
  wait_ = wait;
  deadline_ = steady_clock::now() + room_.times_.at(index);
  room_.waits_.at(index).push_back(*this);
}

void WebSocketConnection::expire() {
  if (wait_ != Wait::word) return end();
  wait_for(Wait::pong);
  send_control(Opcode::ping, {});
}

void WebSocketConnection::end() {
  if (std::exchange(state_, State::ended) == State::ended) return;
  WebSocketHook<InWaits>::unlink();
  error_code ignored;
  std::ignore = socket_.close(ignored);
}

// --- reading ---

Task<void> WebSocketConnection::read_all(std::shared_ptr<WebSocketConnection> self) {
  WebSocketConnection& c = *self;
  try {
    c.take({});
    while (c.state_ != State::ended) {
      error_code error;
      co_await c.socket_.async_wait(Socket::wait_read, asio::redirect_error(use_task, error));
      c.receive();
    }
  } catch (const std::exception& error) {
    log::error("a WebSocket failed", {{"error", error.what()}});
    c.end();
  }
  c.handler_->closed(c.code_);
}

void WebSocketConnection::receive() {
  thread_local std::array<char, receive_bytes_max> buffer;
  for (int i = 0; i < receives_per_turn && state_ != State::ended; ++i) {
    error_code error;
    const std::size_t bytes = socket_.read_some(asio::buffer(buffer), error);
    if (is_for_later(error)) return;
    if (error) return end();
    if (state_ == State::open) wait_for(Wait::word);
    take(std::span(buffer).first(bytes));
  }
}

void WebSocketConnection::take(std::span<char> bytes) {
  if (unread_.empty()) {
    const std::size_t taken = take_frames(bytes);
    unread_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(taken), bytes.end());
    return;
  }
  unread_.append(bytes.data(), bytes.size());
  unread_.erase(0, take_frames(unread_));
  if (unread_.empty()) std::string().swap(unread_);
}

// How many bytes were whole frames.
std::size_t WebSocketConnection::take_frames(std::span<char> bytes) {
  std::size_t taken = 0;
  while (!deaf_ && state_ != State::ended) {
    const auto rest = bytes.subspan(taken);
    const auto head =
        parse_frame_head({rest.data(), rest.size()}, limits::socket_message_bytes_max);
    if (!head) {
      deaf_ = true;
      fail(head.error(), head.error() == CloseCode::too_big ? "the message is too long"
                                                            : "the frame is malformed");
      break;
    }
    if (!*head || rest.size() < (*head)->head_bytes + (*head)->payload_bytes) return taken;
    char* const payload = rest.data() + (*head)->head_bytes;
    unmask(payload, (*head)->payload_bytes, (*head)->mask);
    taken += (*head)->head_bytes + (*head)->payload_bytes;
    take_frame(**head, {payload, (*head)->payload_bytes});
  }
  return bytes.size();
}

void WebSocketConnection::take_frame(const FrameHead& head, std::string_view payload) {
  switch (head.opcode) {
    case Opcode::ping:
      if (state_ == State::open) send_control(Opcode::pong, payload);
      return;
    case Opcode::pong:
      return;
    case Opcode::close:
      return take_close(payload);
    case Opcode::continuation:
    case Opcode::text:
    case Opcode::binary:
      if (state_ == State::open) take_data(head, payload);
      return;
  }
}

void WebSocketConnection::take_data(const FrameHead& head, std::string_view payload) {
  if (in_message_ != (head.opcode == Opcode::continuation))
    return fail(CloseCode::protocol_error, "the fragments are mixed up");
  if (head.opcode == Opcode::binary)
    return fail(CloseCode::unsupported_data, "only text is understood here");
  if (message_.size() + payload.size() > limits::socket_message_bytes_max)
    return fail(CloseCode::too_big, "the message is too long");
  in_message_ = !head.final;
  if (in_message_) {
    message_ += payload;
    return;
  }
  const std::string whole = message_.empty() ? std::string() : message_.append(payload);
  std::string().swap(message_);
  const std::string_view text = whole.empty() ? payload : whole;
  if (!is_valid_utf8(text)) return fail(CloseCode::invalid_text, "the text is not UTF-8");
  handler_->received(text);
}

void WebSocketConnection::take_close(std::string_view payload) {
  client_closed_ = true;
  if (state_ == State::open) {
    const auto code = parse_close(payload);
    if (code == CloseCode::no_status) {
      code_ = *code;
      state_ = State::closing;
      wait_for(Wait::close);
      send_control(Opcode::close, {});
    } else {
      close(code ? *code : code.error(), {});
    }
  }
  end_if_closed();
}

// What follows is of no interest any more.
void WebSocketConnection::fail(CloseCode code, std::string_view reason) {
  if (state_ == State::closing && deaf_) return end();
  close(code, reason);
}

// --- writing ---

void WebSocketConnection::send(const FramesPtr& frames) {
  if (state_ != State::open) return;
  const bool is_slow = !queue_.empty() &&
                       (queued_messages_ + frames->messages() > limits::socket_queue_messages_max ||
                        queued_bytes_ + frames->bytes().size() > limits::socket_queue_bytes_max);
  if (is_slow) {
    drop_queue();
    return close(CloseCode::try_again_later, "too slow");
  }
  push(frames);
}

void WebSocketConnection::close(CloseCode code, std::string_view reason) {
  if (state_ != State::open) return;
  code_ = code;
  state_ = State::closing;
  wait_for(Wait::close);
  send_control(Opcode::close, close_payload(code, reason));
  end_if_closed();
}

void WebSocketConnection::send_control(Opcode opcode, std::string_view payload) {
  // A client that asks and does not listen to the answers.
  if (opcode == Opcode::pong && queued_messages_ >= limits::socket_queue_messages_max) {
    drop_queue();
    return close(CloseCode::try_again_later, "too slow");
  }
  auto frames = std::make_shared<Frames>();
  append_frame(frames->bytes_, opcode, payload);
  frames->messages_ = 1;
  push(std::move(frames));
}

void WebSocketConnection::push(FramesPtr frames) {
  queued_bytes_ += frames->bytes().size();
  if (!queue_.empty()) queued_messages_ += frames->messages();
  queue_.push_back(std::move(frames));
  if (writing_) return;
  write_now();
  if (queue_.empty() || state_ == State::ended) return;
  writing_ = true;
  asio::co_spawn(socket_.get_executor(), write_queue(shared_from_this()), asio::detached);
}

Task<void> WebSocketConnection::write_queue(std::shared_ptr<WebSocketConnection> self) {
  WebSocketConnection& c = *self;
  while (c.state_ != State::ended && !c.queue_.empty()) {
    error_code error;
    co_await c.socket_.async_wait(Socket::wait_write, asio::redirect_error(use_task, error));
    if (c.state_ != State::ended) c.write_now();
  }
  c.writing_ = false;
  c.end_if_closed();
}

// As much of the queue as the client takes.
void WebSocketConnection::write_now() {
  while (!queue_.empty()) {
    const std::string& bytes = queue_.front()->bytes();
    error_code error;
    sent_bytes_ += socket_.write_some(asio::buffer(bytes) + sent_bytes_, error);
    if (is_for_later(error)) return;
    if (error) return end();
    if (sent_bytes_ < bytes.size()) continue;
    sent_bytes_ = 0;
    queued_bytes_ -= bytes.size();
    queue_.erase(queue_.begin());
    if (!queue_.empty()) queued_messages_ -= queue_.front()->messages();
  }
  std::vector<FramesPtr>().swap(queue_);
}

// But a frame that is on its way.
void WebSocketConnection::drop_queue() {
  if (sent_bytes_ == 0) {
    queue_.clear();
  } else {
    queue_.resize(1);
  }
  queued_bytes_ = queue_.empty() ? 0 : queue_.front()->bytes().size();
  queued_messages_ = 0;
}

// Once each side has said that it closes, or the client could not be understood if it did.
void WebSocketConnection::end_if_closed() {
  if (state_ != State::closing || !queue_.empty()) return;
  if (client_closed_) return end();
  if (!deaf_) return;
  error_code ignored;
  std::ignore = socket_.shutdown(Socket::shutdown_send, ignored);
}

// --- the sockets of a loop ---

void WebSocketRoom::adopt(const std::shared_ptr<WebSocketConnection>& connection,
                          std::string unread) {
  connections_.push_back(*connection);
  connection->start(std::move(unread));
}

void WebSocketRoom::tick(steady_clock::time_point now) {
  for (auto& list : waits_) {
    while (!list.empty() && list.front().deadline() <= now) list.front().expire();
  }
}

void WebSocketRoom::end_all() {
  for (WebSocketConnection& connection : connections_) connection.end();
}

}  // namespace todo::net
