#include "net/websocket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "net/server.h"
#include "support/executors.h"

namespace todo::net {
namespace {

using std::chrono::milliseconds;

// Keeps what it is told; its socket is used on the I/O thread.
class KeepingHandler final : public WebSocketHandler {
 public:
  void opened(WebSocket& socket) override {
    change([&] { socket_ = &socket; });
  }
  void received(std::string_view text) override {
    change([&] { received_.emplace_back(text); });
  }
  void closed(CloseCode code) override {
    change([&] {
      socket_ = nullptr;
      code_ = code;
    });
  }

  WebSocket* socket() {
    const std::scoped_lock lock(mutex_);
    return socket_;
  }
  bool wait_open() {
    return wait([this] { return socket_ != nullptr; });
  }
  bool wait_received(const std::vector<std::string>& texts) {
    return wait([&] { return received_ == texts; });
  }
  std::optional<CloseCode> wait_closed() {
    wait([this] { return code_.has_value(); });
    return code_;
  }

 private:
  template <class Change>
  void change(Change how) {
    const std::scoped_lock lock(mutex_);
    how();
    changed_.notify_all();
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, test::deadline, condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  WebSocket* socket_ = nullptr;
  std::vector<std::string> received_;
  std::optional<CloseCode> code_;
};

class UpgradingHandler final : public Handler {
 public:
  explicit UpgradingHandler(std::shared_ptr<WebSocketHandler> upgrade)
      : upgrade_(std::move(upgrade)) {}
  void handle(const Request& request, Executor&, Reply reply) override {
    auto response = accept_websocket(request, upgrade_, "");
    reply(response ? std::move(*response) : refuse(request, 426, response.error()));
  }
  Response refuse(const Request&, int status, std::string_view) override {
    Response response;
    response.status = status;
    return response;
  }

 private:
  const std::shared_ptr<WebSocketHandler> upgrade_;
};

class Client {
 public:
  Client(std::uint16_t port, int receive_buffer)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0)
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
    send(
        "GET /ws HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { cut(); }

  void cut() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void send(std::string_view bytes) const {
    if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != std::ssize(bytes))
      throw std::runtime_error("the server does not take what the test sends");
  }
  // Payload of at most 125 bytes.
  void send_frame(unsigned first, std::string_view payload) const {
    std::string bytes{static_cast<char>(first), static_cast<char>(0x80 | payload.size())};
    bytes.append(4, '\0');  // a mask that changes nothing
    bytes += payload;
    send(bytes);
  }
  std::string until(std::string_view mark) {
    while (received_.find(mark) == std::string::npos) {
      if (!receive()) throw std::runtime_error("the connection ended after: " + received_);
    }
    const std::size_t end = received_.find(mark) + mark.size();
    std::string taken = received_.substr(0, end);
    received_.erase(0, end);
    return taken;
  }
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }

 private:
  bool receive() {
    std::array<char, 64 * 1024> buffer{};
    const ssize_t bytes = recv(fd_, buffer.data(), buffer.size(), 0);
    if (bytes > 0) received_.append(buffer.data(), static_cast<std::size_t>(bytes));
    return bytes > 0;
  }

  int fd_;
  std::string received_;
};

class WebSocketTest : public testing::Test {
 protected:
  void start(ServerOptions options = {}, int receive_buffer = 0) {
    server_.emplace(threads_, http_, std::move(options));
    ASSERT_TRUE(server_->start());
    client_.emplace(server_->port(), receive_buffer);
    const std::string head = client_->until("\r\n\r\n");
    EXPECT_NE(head.find("HTTP/1.1 101 Switching Protocols\r\n"), std::string::npos) << head;
    EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              std::string::npos);
    EXPECT_NE(head.find("Connection: Upgrade\r\n"), std::string::npos);
    EXPECT_EQ(head.find("Content-Length"), std::string::npos);
    ASSERT_TRUE(handler_->wait_open());
  }
  // On the socket's thread, done when it returns.
  void on_thread(const std::function<void(WebSocket&)>& work) {
    test::Signal done;
    std::vector<Executor::Function> functions;
    functions.emplace_back([&] {
      if (WebSocket* socket = handler_->socket()) work(*socket);
      done.give();
    });
    threads_.executor(0).post(std::move(functions));
    EXPECT_TRUE(done.wait());
  }
  static FramesPtr text(std::string_view message) {
    auto frames = std::make_shared<Frames>();
    frames->add_text(message);
    return frames;
  }

  const std::shared_ptr<KeepingHandler> handler_ = std::make_shared<KeepingHandler>();
  UpgradingHandler http_{handler_};
  IoThreads threads_{1};
  std::optional<Server> server_;
  std::optional<Client> client_;
};

TEST_F(WebSocketTest, carries_messages_both_ways) {
  start();
  client_->send_frame(0x81, "hello");
  EXPECT_TRUE(handler_->wait_received({"hello"}));
  on_thread([&](WebSocket& socket) { socket.send(text("good day")); });
  EXPECT_EQ(client_->until("good day"), "\x81\x08good day");
  client_->send_frame(0x88, "\x03\xe8");
  EXPECT_EQ(handler_->wait_closed(), CloseCode::normal);
  EXPECT_EQ(client_->rest(), "\x88\x02\x03\xe8");
  EXPECT_TRUE(test::eventually([&] { return server_->connections() == 0; }));
}

TEST_F(WebSocketTest, a_quiet_client_is_asked_and_lives_on_when_it_answers) {
  start({.quiet_max = milliseconds{20}});
  for (int i = 0; i < 3; ++i) {
    client_->until(std::string_view("\x89\x00", 2));
    client_->send_frame(0x8a, "");
  }
  EXPECT_NE(handler_->socket(), nullptr);
}

TEST_F(WebSocketTest, a_client_that_does_not_answer_is_cut_off) {
  start({.quiet_max = milliseconds{20}, .pong_timeout = milliseconds{20}});
  EXPECT_EQ(handler_->wait_closed(), CloseCode::abnormal);
  EXPECT_EQ(client_->rest(), std::string("\x89\x00", 2));
}

TEST_F(WebSocketTest, a_close_that_is_not_answered_ends_all_the_same) {
  start({.close_timeout = milliseconds{20}});
  on_thread([](WebSocket& socket) {
    socket.close(CloseCode::going_away, "bye");
    socket.close(CloseCode::normal, "the first counts");
  });
  EXPECT_EQ(handler_->wait_closed(), CloseCode::going_away);
  EXPECT_EQ(client_->rest(),
            "\x88\x05\x03\xe9"
            "bye");
}

TEST_F(WebSocketTest, nothing_is_sent_behind_a_close) {
  start({.close_timeout = milliseconds{20}});
  on_thread([&](WebSocket& socket) {
    socket.send(text("before"));
    socket.close(CloseCode::going_away, "");
    socket.send(text("after"));
  });
  EXPECT_EQ(client_->rest(),
            "\x81\x06"
            "before\x88\x02\x03\xe9");
}

TEST_F(WebSocketTest, a_slow_client_is_dropped_by_its_messages_and_told_so) {
  start({}, 4 * 1024);
  const FramesPtr message = text(std::string(1'000, 'x'));
  int sent = 0;
  // Far more than the system takes for a client that does not read.
  on_thread([&](WebSocket& socket) {
    for (; sent < 20'000 && handler_->socket() != nullptr; ++sent) socket.send(message);
  });
  const std::string all = client_->until("too slow");
  client_->send_frame(0x88, "\x03\xf5");
  EXPECT_EQ(handler_->wait_closed(), CloseCode::try_again_later);
  // What was sent before is whole, and then comes the reason.
  const std::size_t close = all.find('\x88');
  ASSERT_NE(close, std::string::npos);
  EXPECT_EQ(close % message->bytes().size(), 0U);
  EXPECT_EQ(all.substr(close + 2, 2), "\x03\xf5");
  EXPECT_LT(close / message->bytes().size(), 2'000U) << "and not buffered without bound";
}

TEST_F(WebSocketTest, what_waits_is_bounded_in_bytes_too) {
  start({}, 4 * 1024);
  const FramesPtr message = text(std::string(limits::socket_queue_bytes_max / 4, 'x'));
  on_thread([&](WebSocket& socket) {
    for (int i = 0; i < 40; ++i) socket.send(message);
  });
  const std::string all = client_->until("too slow");
  client_->send_frame(0x88, "\x03\xf5");
  EXPECT_EQ(handler_->wait_closed(), CloseCode::try_again_later);
  EXPECT_EQ(all.find('\x88') % message->bytes().size(), 0U);
}

TEST_F(WebSocketTest, what_is_queued_comes_in_its_order_when_the_client_reads) {
  start({}, 4 * 1024);
  std::string expected;
  on_thread([&](WebSocket& socket) {
    // Within the bounds, but more than the system takes at once.
    for (int i = 0; i < 20; ++i) {
      const FramesPtr message = text(std::to_string(i) + std::string(15'000, 'x'));
      expected += message->bytes();
      socket.send(message);
    }
    socket.send(text("the last"));
  });
  EXPECT_EQ(client_->until("the last"), expected + "\x81\x08the last");
  EXPECT_NE(handler_->socket(), nullptr);
}

TEST_F(WebSocketTest, a_stop_of_the_server_ends_it) {
  start();
  server_->stop();
  EXPECT_EQ(handler_->wait_closed(), CloseCode::abnormal);
  EXPECT_EQ(client_->rest(), "");
}

TEST_F(WebSocketTest, the_end_of_the_threads_ends_it) {
  start();
  threads_.stop();
  EXPECT_EQ(handler_->wait_closed(), CloseCode::abnormal);
}

TEST_F(WebSocketTest, does_not_keep_a_server_from_draining) {
  start();
  server_->drain();
  EXPECT_TRUE(server_->wait_drained(test::deadline));
  on_thread([&](WebSocket& socket) { socket.send(text("still here")); });
  client_->until("still here");
}

}  // namespace
}  // namespace todo::net
