#include "net/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "net/client.h"

namespace todo::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds deadline{10};

struct Answer {
  int status = 0;
  std::string head;
  std::map<std::string, std::string> fields;  // names in lower case
  std::string body;
};

// A client that sends exactly the bytes it is told to.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect_to(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  explicit RawClient(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connect_to(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the server does not take what the test sends");
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // Sends until the server ends the connection. True when it did.
  bool send_until_refused(std::string_view text, seconds limit = deadline) const {
    const auto end = steady_clock::now() + limit;
    while (steady_clock::now() < end) {
      if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) < 0) return errno != EAGAIN;
    }
    return false;
  }

  // Until all that can be on its way is: the server does not read.
  bool wait_full() const {
    const auto end = steady_clock::now() + deadline;
    pollfd ready{fd_, POLLOUT, 0};
    while (poll(&ready, 1, 0) != 0) {
      if (steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::string until(std::string_view mark) {
    for (;;) {
      const std::size_t at = received_.find(mark);
      if (at != std::string::npos) return take(at + mark.size());
      if (!receive()) throw std::runtime_error("the connection ended after: " + received_);
    }
  }

  std::string exactly(std::size_t bytes) {
    while (received_.size() < bytes) {
      if (!receive()) throw std::runtime_error("the connection ended after: " + received_);
    }
    return take(bytes);
  }

  // Everything up to the end of the connection.
  std::string rest() {
    while (receive()) {
    }
    return take(received_.size());
  }

  Answer answer(bool bodyless = false) {
    Answer answer;
    answer.head = until("\r\n\r\n");
    answer.status = std::stoi(answer.head.substr(9, 3));
    for (std::size_t at = answer.head.find("\r\n") + 2; at + 2 < answer.head.size();) {
      const std::size_t end = answer.head.find("\r\n", at);
      const std::string line = answer.head.substr(at, end - at);
      const std::size_t colon = line.find(": ");
      std::string name = line.substr(0, colon);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      EXPECT_FALSE(answer.fields.contains(name)) << "twice: " << name;
      answer.fields[name] = line.substr(colon + 2);
      at = end + 2;
    }
    if (bodyless || answer.status < 200) return answer;
    if (answer.fields.contains("content-length")) {
      answer.body = exactly(std::stoul(answer.fields["content-length"]));
    } else if (answer.fields.contains("transfer-encoding")) {
      answer.body = chunks();
    }
    return answer;
  }

 private:
  void connect_to(const sockaddr* address, socklen_t size) const {
    // A server that stops reading must fail the test, not hold it up.
    const timeval limit{deadline.count(), 0};
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd_ < 0 || connect(fd_, address, size) != 0) {
      throw std::runtime_error(std::string("cannot connect: ") + std::strerror(errno));
    }
  }

  bool receive() {
    pollfd ready{fd_, POLLIN, 0};
    const auto limit = std::chrono::duration_cast<milliseconds>(deadline).count();
    if (poll(&ready, 1, static_cast<int>(limit)) != 1) {
      throw std::runtime_error("nothing came within the deadline after: " + received_);
    }
    std::array<char, 64 * 1024> buffer;
    const ssize_t bytes = recv(fd_, buffer.data(), buffer.size(), 0);
    if (bytes <= 0) return false;
    received_.append(buffer.data(), static_cast<std::size_t>(bytes));
    return true;
  }

  std::string take(std::size_t bytes) {
    std::string text = received_.substr(0, bytes);
    received_.erase(0, bytes);
    return text;
  }

  std::string chunks() {
    std::string body;
    for (;;) {
      const std::size_t size = std::stoul(until("\r\n"), nullptr, 16);
      body += exactly(size);
      EXPECT_EQ(exactly(2), "\r\n");
      if (size == 0) return body;
    }
  }

  int fd_;
  std::string received_;
};

// Answers "piece 0", "piece 1" …, or gives up after `broken_after` of them.
class Pieces final : public BodySource {
 public:
  Pieces(int count, int broken_after, std::size_t padding)
      : count_(count), broken_after_(broken_after), padding_(padding) {}

  void next(std::move_only_function<void(std::optional<std::string>)> reply) override {
    if (made_ == broken_after_) return;
    if (made_ == count_) return reply(std::nullopt);
    reply("piece " + std::to_string(made_++) + std::string(padding_, '.') + "\n");
  }

 private:
  int count_;
  int broken_after_;
  std::size_t padding_;
  int made_ = 0;
};

class TestHandler final : public Handler {
 public:
  void handle(const Request& request, Executor& executor, Reply reply) override {
    if (request.path == "/throw") throw std::runtime_error("the test wants it");
    if (request.path == "/drop") return;
    if (request.path == "/late") return keep(executor, std::move(reply));
    if (request.path == "/hold") hold();
    if (request.path == "/stream") return reply(streamed(3, -1, 0));
    if (request.path == "/endless") return reply(streamed(-1, -1, 64 * 1024));
    if (request.path == "/broken") return reply(streamed(3, 2, 0));
    if (request.path == "/empty") return reply(Response{204, {}, "", nullptr, false, nullptr});
    if (request.path == "/split") return reply(Response{}.with("X-Text", "a\r\nX-Other: b"));
    const int number = ++handled_;
    std::string body(to_string(request.method));
    body += " " + std::string(request.target) + " " + std::string(request.body);
    Response response;
    response.body = std::move(body);
    response.with("X-Peer", std::string(request.peer))
        .with("X-Fields", std::to_string(request.fields.size()))
        .with("X-Number", std::to_string(number));
    reply(std::move(response));
  }

  Response refuse(const Request& request, int status, std::string_view why) override {
    Response response{status, {}, std::string(why), nullptr, true, nullptr};
    response.with("X-Refused", "yes")
        .with("X-Understood", std::string(to_string(request.method)) + " " +
                                  std::string(request.path) + " " +
                                  std::string(request.field("X-Request-Id").value_or("")));
    return response;
  }

  // Answers the request that waits at /late, once it has come; false when none comes.
  bool answer_late(const std::string& body) {
    auto late = take_late();
    if (!late) return false;
    std::vector<Executor::Function> functions;
    functions.emplace_back([reply = std::move(late->second), body]() mutable {
      reply(Response{200, {}, body, nullptr, false, nullptr});
    });
    late->first->post(std::move(functions));
    return true;
  }

  std::optional<std::pair<Executor*, Reply>> take_late() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, deadline, [this] { return late_.has_value(); })) return std::nullopt;
    return std::exchange(late_, std::nullopt);
  }

  // Until a request at /hold keeps its I/O thread; false when none comes.
  bool wait_held() {
    std::unique_lock lock(mutex_);
    return came_.wait_for(lock, deadline, [this] { return held_; });
  }
  void release() {
    const std::scoped_lock lock(mutex_);
    held_ = false;
    came_.notify_all();
  }

 private:
  void hold() {
    std::unique_lock lock(mutex_);
    held_ = true;
    came_.notify_all();
    came_.wait_for(lock, deadline, [this] { return !held_; });
  }

  static Response streamed(int count, int broken_after, std::size_t padding) {
    Response response;
    response.stream = std::make_shared<Pieces>(count, broken_after, padding);
    return response;
  }

  void keep(Executor& executor, Reply reply) {
    const std::scoped_lock lock(mutex_);
    late_.emplace(&executor, std::move(reply));
    came_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable came_;
  bool held_ = false;
  std::atomic<int> handled_ = 0;
  std::optional<std::pair<Executor*, Reply>> late_;
};

class ServerTest : public ::testing::Test {
 protected:
  explicit ServerTest(int threads = 2) : threads_(threads) {}

  void start(ServerOptions options = {}) {
    server_ = std::make_unique<Server>(threads_, handler_, options);
    const auto started = server_->start();
    ASSERT_TRUE(started) << started.error();
  }

  RawClient client() { return RawClient(server_->port()); }

  // Sends one request that HTTP refuses, and expects the end of the connection after the answer.
  void expect_refused(const std::string& request, int status) {
    RawClient raw = client();
    raw.send(request);
    const Answer answer = raw.answer();
    EXPECT_EQ(answer.status, status) << request.substr(0, 200) << "\n" << answer.body;
    EXPECT_EQ(answer.fields.at("connection"), "close");
    EXPECT_EQ(answer.fields.at("x-refused"), "yes");
    EXPECT_EQ(raw.rest(), "");
  }

  bool wait_for_connections(std::size_t count) {
    const auto end = steady_clock::now() + deadline;
    while (server_->connections() != count) {
      if (steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TestHandler handler_;
  IoThreads threads_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, keeps_the_connection_between_requests) {
  start();
  RawClient raw = client();
  for (const std::string path : {"/a", "/b?c=d", "/e"}) {
    raw.send("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n");
    const Answer answer = raw.answer();
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.head.starts_with("HTTP/1.1 200 OK\r\n")) << answer.head;
    EXPECT_EQ(answer.body, "GET " + path + " ");
    EXPECT_EQ(answer.fields.at("x-peer"), "127.0.0.1");
    EXPECT_TRUE(answer.fields.at("date").ends_with(" GMT"));
    EXPECT_FALSE(answer.fields.contains("connection"));
  }
  EXPECT_EQ(server_->connections(), 1U);
  raw.close();
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, answers_pipelined_requests_in_their_order) {
  start();
  RawClient raw = client();
  raw.send(
      "GET /late HTTP/1.1\r\nHost: test\r\n\r\n"
      "POST /b HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody"
      "\r\n"
      "DELETE /c HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
      "GET /never HTTP/1.1\r\nHost: test\r\n\r\n");
  ASSERT_TRUE(handler_.answer_late("late"));
  EXPECT_EQ(raw.answer().body, "late");
  EXPECT_EQ(raw.answer().body, "POST /b body");
  const Answer last = raw.answer();
  EXPECT_EQ(last.body, "DELETE /c ");
  EXPECT_EQ(last.fields.at("connection"), "close");
  EXPECT_EQ(raw.rest(), "");
}

TEST_F(ServerTest, takes_a_request_byte_by_byte) {
  start();
  RawClient raw = client();
  const std::string request =
      "\r\nPOST /slow HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nHost: other\r\n\r\n";
  for (const char c : request + request) raw.send(std::string(1, c));
  for (int i = 0; i < 2; ++i) {
    const Answer answer = raw.answer();
    EXPECT_EQ(answer.body, "POST /slow abcd");
    EXPECT_EQ(answer.fields.at("x-fields"), "2") << "a trailer became a field";
  }
}

TEST_F(ServerTest, takes_a_body_of_the_largest_size) {
  start();
  RawClient raw = client();
  const std::string body(limits::body_bytes_max, 'x');
  raw.send("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body);
  EXPECT_EQ(raw.answer().body, "PUT / " + body);
}

TEST_F(ServerTest, refuses_a_body_over_the_limit_before_it_comes) {
  ServerOptions options;
  options.body_bytes_max = 10;
  start(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: test\r\n";
  expect_refused(head + "Content-Length: 11\r\n\r\n", 413);
  expect_refused(head + "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", 413);
  expect_refused(head + "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n5\r\nabcde\r\n0\r\n\r\n",
                 413);
}

TEST_F(ServerTest, lets_a_client_that_still_sends_see_the_refusal) {
  start();
  RawClient raw = client();
  raw.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\n\r\n" +
           std::string(32 * 1024, 'x'));
  EXPECT_EQ(raw.answer().status, 413);
  EXPECT_TRUE(raw.send_until_refused(std::string(8 * 1024, 'x')));
}

TEST_F(ServerTest, lets_a_client_that_reads_only_at_the_end_see_the_refusal) {
  start();
  constexpr std::size_t bytes = 5 * 1024 * 1024;
  RawClient raw = client();
  raw.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(bytes) +
           "\r\n\r\n" + std::string(bytes, 'x'));
  EXPECT_EQ(raw.answer().status, 413);
}

TEST_F(ServerTest, a_refusal_knows_what_was_understood_of_the_request) {
  ServerOptions options;
  options.body_bytes_max = 10;
  start(options);
  const std::string fields = "Host: test\r\nX-Request-Id: mine\r\n";
  for (const auto& [request, understood] : std::map<std::string, std::string>{
           {"POST /a HTTP/1.1\r\n" + fields + "Content-Length: 11\r\n\r\n", "POST /a mine"},
           {"POST /a HTTP/1.1\r\n" + fields +
                "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
            "POST /a mine"},
           {"GET /b HTTP/1.1\r\n" + fields + "Transfer-Encoding: gzip\r\n\r\n", "GET /b mine"},
           {"GET /" + std::string(9'000, 'x'), "OTHER  "},
       }) {
    RawClient raw = client();
    raw.send(request);
    EXPECT_EQ(raw.answer().fields.at("x-understood"), understood) << request.substr(0, 200);
  }
}

TEST_F(ServerTest, refuses_a_header_that_is_too_large) {
  start();
  const std::string line = "GET / HTTP/1.1\r\nHost: test\r\n";
  expect_refused(line + "X: " + std::string(limits::header_bytes_max, 'x') + "\r\n\r\n", 431);
  expect_refused(line + "X: " + std::string(limits::header_bytes_max, 'x'), 431);
  expect_refused("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\nHost: test\r\n\r\n", 414);
  expect_refused("GET /" + std::string(9'000, 'x'), 414);
}

TEST_F(ServerTest, refuses_bodies_whose_end_is_ambiguous) {
  start();
  const std::string head = "POST / HTTP/1.1\r\nHost: test\r\n";
  for (const std::string fields : {
           "Content-Length: 1\r\nContent-Length: 1\r\n",
           "Content-Length: 1\r\nContent-Length: 2\r\n",
           "Content-Length: 1, 1\r\n",
           "Content-Length: +1\r\n",
           "Content-Length: -1\r\n",
           "Content-Length: 0x1\r\n",
           "Content-Length:\r\n",
           "Content-Length: 99999999999999999999999999\r\n",
           "Content-Length : 1\r\n",
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
       }) {
    expect_refused(head + fields + "\r\nx", 400);
  }
  expect_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400);
  for (const std::string coding : {"gzip, chunked", "chunked, gzip", "gzip", "identity"}) {
    expect_refused(head + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n", 501);
  }
  for (const std::string chunks : {"x\r\n", "-1\r\nx\r\n", "1\nx\r\n0\r\n\r\n", "1\r\nxy\r\n",
                                   "1;\"\n\"\r\nx\r\n0\r\n\r\n", "fffffffffffffffff\r\n"}) {
    expect_refused(head + "Transfer-Encoding: chunked\r\n\r\n" + chunks + "     ", 400);
  }
}

TEST_F(ServerTest, refuses_malformed_requests) {
  start();
  const std::string host = "Host: test\r\n\r\n";
  for (const std::string& request : std::vector<std::string>{
           "GET / HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
           "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
           "GET / HTTP/1.1\nHost: test\n\n",
           "GET / HTTP/1.1\r\nX: a\r\n b\r\n" + host,
           "GET / HTTP/1.1\r\nX: a\rb\r\n" + host,
           "GET / HTTP/1.1\r\nX: a" + std::string(1, '\0') + "b\r\n" + host,
           "GET / HTTP/1.1\r\nX : a\r\n" + host,
           "GET / HTTP/1.1\r\n: a\r\n" + host,
           "GET / HTTP/1.1\r\nX\r\n" + host,
           "GET  / HTTP/1.1\r\n" + host,
           "GET /\r\n" + host,
           "GET / FTP/1.1\r\n" + host,
           "GET /\x01 HTTP/1.1\r\n" + host,
           "GET /\xc3\xa4 HTTP/1.1\r\n" + host,
           "GET ftp://test/ HTTP/1.1\r\n" + host,
           "GET test HTTP/1.1\r\n" + host,
           "OPTIONS * HTTP/1.1\r\n" + host,
           "CONNECT test:80 HTTP/1.1\r\n" + host,
           "CONNECT /a HTTP/1.1\r\n" + host,
           "\x16\x03\x01\x02",
       }) {
    expect_refused(request, 400);
  }
  expect_refused("GET / HTTP/2.0\r\n" + host, 505);
  expect_refused("GET / HTTP/1.2\r\n" + host, 505);
  expect_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

TEST_F(ServerTest, takes_a_target_that_names_the_site) {
  start();
  RawClient raw = client();
  for (const auto& [target, taken] : std::map<std::string, std::string>{
           {"http://test/a?b=/c", "/a?b=/c"},
           {"HTTPS://elsewhere:1/a", "/a"},
           {"http://test", "/"},
       }) {
    raw.send("GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_EQ(raw.answer().body, "GET " + taken + " ");
  }
}

TEST_F(ServerTest, accepts_the_hosts_there_are) {
  start();
  for (const std::string host : {"", "a.example", "a:80", "a:", "[::1]", "[::1]:80", "%41_~!"}) {
    RawClient raw = client();
    raw.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    EXPECT_EQ(raw.answer().status, 200) << host;
  }
}

TEST_F(ServerTest, hands_unknown_methods_to_the_handler) {
  start();
  RawClient raw = client();
  raw.send("BREW /pot HTTP/1.1\r\nHost: test\r\n\r\nOPTIONS /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer().body, "OTHER /pot ");
  EXPECT_EQ(raw.answer().body, "OPTIONS /a ");
}

TEST_F(ServerTest, http_1_0_closes_unless_asked_not_to) {
  start();
  RawClient raw = client();
  raw.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(raw.answer().fields.at("connection"), "keep-alive");
  raw.send("GET /b HTTP/1.0\r\n\r\n");
  const Answer answer = raw.answer();
  EXPECT_EQ(answer.body, "GET /b ");
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_EQ(raw.rest(), "");
}

TEST_F(ServerTest, streams_in_chunks) {
  start();
  RawClient raw = client();
  for (int i = 0; i < 2; ++i) {
    raw.send("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n");
    const Answer answer = raw.answer();
    EXPECT_EQ(answer.fields.at("transfer-encoding"), "chunked");
    EXPECT_FALSE(answer.fields.contains("content-length"));
    EXPECT_EQ(answer.body, "piece 0\npiece 1\npiece 2\n");
  }
}

TEST_F(ServerTest, streams_to_http_1_0_until_the_end_of_the_connection) {
  start();
  RawClient raw = client();
  raw.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const Answer answer = raw.answer();
  EXPECT_EQ(answer.fields.at("connection"), "close");
  EXPECT_FALSE(answer.fields.contains("transfer-encoding"));
  EXPECT_EQ(raw.rest(), "piece 0\npiece 1\npiece 2\n");
}

TEST_F(ServerTest, a_broken_stream_has_no_last_chunk) {
  start();
  RawClient raw = client();
  raw.send("GET /broken HTTP/1.1\r\nHost: test\r\n\r\n");
  const std::string text = raw.rest();
  EXPECT_TRUE(text.ends_with("\r\n8\r\npiece 1\n\r\n")) << text;
}

TEST_F(ServerTest, head_has_the_length_but_no_body) {
  start();
  RawClient raw = client();
  raw.send("HEAD /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer(true).fields.at("content-length"), "8");
  raw.send("HEAD /stream HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer(true).fields.at("transfer-encoding"), "chunked");
  raw.send("GET /b HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer().body, "GET /b ");
}

TEST_F(ServerTest, no_content_has_no_length) {
  start();
  RawClient raw = client();
  raw.send("GET /empty HTTP/1.1\r\nHost: test\r\n\r\nGET /b HTTP/1.1\r\nHost: test\r\n\r\n");
  const Answer answer = raw.answer();
  EXPECT_EQ(answer.status, 204);
  EXPECT_FALSE(answer.fields.contains("content-length"));
  EXPECT_EQ(raw.answer().body, "GET /b ");
}

TEST_F(ServerTest, a_value_cannot_begin_another_field) {
  start();
  RawClient raw = client();
  raw.send("GET /split HTTP/1.1\r\nHost: test\r\n\r\n");
  const Answer answer = raw.answer();
  EXPECT_EQ(answer.fields.at("x-text"), "a  X-Other: b");
}

TEST_F(ServerTest, tells_a_waiting_client_to_go_on) {
  start();
  RawClient raw = client();
  raw.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(raw.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("body");
  EXPECT_EQ(raw.answer().body, "POST /a body");
  expect_refused("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: more\r\n\r\n",
                 417);
}

TEST_F(ServerTest, tells_a_slow_client_and_closes) {
  ServerOptions options;
  options.header_timeout = milliseconds(50);
  options.body_timeout = milliseconds(50);
  start(options);
  expect_refused("GET / HTTP/1.1\r\nHos", 408);
  expect_refused("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbod", 408);
}

TEST_F(ServerTest, closes_an_idle_connection_silently) {
  ServerOptions options;
  options.idle_timeout = milliseconds(300);
  start(options);
  RawClient silent = client();
  EXPECT_EQ(silent.rest(), "");
  RawClient raw = client();
  raw.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer().status, 200);
  EXPECT_EQ(raw.rest(), "");
}

TEST_F(ServerTest, closes_on_a_client_that_does_not_read) {
  ServerOptions options;
  options.write_timeout = milliseconds(50);
  start(options);
  RawClient raw = client();
  raw.send("GET /endless HTTP/1.1\r\nHost: test\r\n\r\n");
  raw.until("\r\n\r\n");
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, waits_for_a_late_reply) {
  start();
  RawClient raw = client();
  for (const std::string body : {"first", "second"}) {
    raw.send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(handler_.answer_late(body));
    EXPECT_EQ(raw.answer().body, body);
  }
}

TEST_F(ServerTest, drops_the_reply_to_a_client_that_has_gone) {
  start();
  RawClient raw = client();
  raw.send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
  auto late = handler_.take_late();
  ASSERT_TRUE(late);
  raw.close();
  std::vector<Executor::Function> functions;
  functions.emplace_back([reply = std::move(late->second)]() mutable { reply(Response{}); });
  late->first->post(std::move(functions));
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, a_dropped_reply_is_an_internal_error) {
  start();
  expect_refused("GET /drop HTTP/1.1\r\nHost: test\r\n\r\n", 500);
  expect_refused("GET /throw HTTP/1.1\r\nHost: test\r\n\r\n", 500);

  RawClient raw = client();
  raw.send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
  auto late = handler_.take_late();
  ASSERT_TRUE(late);
  late.reset();  // on this thread, which is not the connection's
  EXPECT_EQ(raw.answer().status, 500);
}

TEST_F(ServerTest, refuses_a_client_that_sends_nothing_but_empty_lines) {
  start();
  RawClient raw = client();
  raw.send("\r\n\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer().body, "GET /a ");
  expect_refused("\r\n\r\n\r\n\r\n\r\n", 400);
  RawClient flooding = client();
  std::string lines(64 * 1024, '\n');
  for (std::size_t i = 0; i < lines.size(); i += 2) lines[i] = '\r';
  EXPECT_TRUE(flooding.send_until_refused(lines));
}

// All connections on one I/O thread, which is held up until what the test sends has arrived.
class FloodedServerTest : public ServerTest {
 protected:
  FloodedServerTest() : ServerTest(1) {}

  void hold_up(RawClient& raw) {
    raw.send("GET /hold HTTP/1.1\r\nHost: test\r\n\r\n");
    ASSERT_TRUE(handler_.wait_held());
  }

  static int number(RawClient& raw) { return std::stoi(raw.answer().fields.at("x-number")); }

  // One byte of the body, wrapped in much.
  static inline const std::string chunk = "1;" + std::string(8'000, 'x') + "\r\na\r\n";
  static constexpr std::string_view chunked =
      "POST /flood HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
};

TEST_F(FloodedServerTest, a_client_with_many_requests_does_not_keep_others_waiting) {
  start();
  RawClient first = client();
  ASSERT_NO_FATAL_FAILURE(hold_up(first));
  constexpr int requests = 1'000;
  std::string flood;
  for (int i = 0; i < requests; ++i) flood += "GET /f HTTP/1.1\r\nHost: test\r\n\r\n";
  RawClient flooding = client();
  flooding.send(flood);
  RawClient other = client();
  other.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  handler_.release();
  EXPECT_LT(number(other), requests / 10);
  for (int i = 0; i < requests; ++i) ASSERT_EQ(flooding.answer().body, "GET /f ");
}

TEST_F(FloodedServerTest, a_client_with_an_endless_body_does_not_keep_others_waiting) {
  start();
  RawClient first = client();
  ASSERT_NO_FATAL_FAILURE(hold_up(first));
  constexpr int chunks = 2'000;
  RawClient flooding = client();
  flooding.send(chunked);
  auto sent = std::async(std::launch::async, [&] {
    for (int i = 0; i < chunks; ++i) flooding.send(chunk);
    flooding.send("0\r\n\r\n");
  });
  EXPECT_TRUE(flooding.wait_full());
  RawClient other = client();
  other.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  handler_.release();
  EXPECT_LT(number(other), number(flooding));
  sent.get();
}

TEST_F(FloodedServerTest, a_client_with_an_endless_body_has_no_longer_than_others) {
  ServerOptions options;
  options.body_timeout = milliseconds(100);
  start(options);
  RawClient first = client();
  ASSERT_NO_FATAL_FAILURE(hold_up(first));
  RawClient flooding = client();
  flooding.send(chunked);
  auto refused = std::async(std::launch::async,
                            [&] { return flooding.send_until_refused(chunk, seconds(5)); });
  EXPECT_TRUE(flooding.wait_full());
  handler_.release();
  EXPECT_EQ(flooding.answer().status, 408);
  EXPECT_TRUE(refused.get());
}

TEST_F(ServerTest, draining_lets_the_request_in_flight_finish) {
  start();
  RawClient idle = client();
  idle.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(idle.answer().status, 200);
  RawClient busy = client();
  busy.send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
  auto late = handler_.take_late();
  ASSERT_TRUE(late);

  server_->drain();
  EXPECT_EQ(idle.rest(), "");
  EXPECT_FALSE(server_->wait_drained(milliseconds(1)));
  auto drained = std::async(std::launch::async, [this] { return server_->wait_drained(deadline); });
  std::vector<Executor::Function> functions;
  functions.emplace_back([reply = std::move(late->second)]() mutable { reply(Response{}); });
  late->first->post(std::move(functions));
  EXPECT_EQ(busy.answer().fields.at("connection"), "close");
  EXPECT_TRUE(drained.get());
  EXPECT_THROW(client(), std::runtime_error);
  EXPECT_EQ(busy.rest(), "");
  busy.close();
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(ServerTest, stopping_closes_everything_and_late_replies_are_harmless) {
  start();
  RawClient idle = client();
  RawClient streaming = client();
  streaming.send("GET /endless HTTP/1.1\r\nHost: test\r\n\r\n");
  RawClient busy = client();
  busy.send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
  auto late = handler_.take_late();
  ASSERT_TRUE(late);
  ASSERT_TRUE(wait_for_connections(3));
  server_->stop();
  server_->stop();
  EXPECT_EQ(idle.rest(), "");
  EXPECT_EQ(busy.rest(), "");
  EXPECT_TRUE(wait_for_connections(0));
  server_.reset();
  threads_.stop();
  late->second(Response{});
}

TEST_F(ServerTest, the_threads_may_stop_before_the_server) {
  start();
  RawClient busy = client();
  busy.send("GET /late HTTP/1.1\r\nHost: test\r\n\r\n");
  auto late = handler_.take_late();
  ASSERT_TRUE(late);
  threads_.stop();
  EXPECT_EQ(busy.rest(), "");
  EXPECT_EQ(server_->connections(), 0U);
  server_.reset();
}

TEST_F(ServerTest, closes_connections_above_the_maximum) {
  ServerOptions options;
  options.connections_max = 1;
  start(options);
  RawClient first = client();
  ASSERT_TRUE(wait_for_connections(1));
  RawClient second = client();
  EXPECT_EQ(second.rest(), "");
  first.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(first.answer().status, 200);
}

TEST_F(ServerTest, listens_on_a_local_socket_of_its_owner) {
  std::string folder = (std::filesystem::temp_directory_path() / "net_XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/socket";
  ServerOptions options;
  options.host = "unix:" + path;
  start(options);
  struct stat file{};
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
  RawClient raw(path);
  raw.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(raw.answer().fields.at("x-peer"), "local");
  const auto answer = fetch(options.host, 0, Method::get, "/b", "", {}, deadline);
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->body, "GET /b ");

  Server second(threads_, handler_, options);
  EXPECT_FALSE(second.start()) << "a socket in use was taken away";
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  std::filesystem::remove_all(folder);
}

TEST_F(ServerTest, listens_on_ipv6) {
  ServerOptions options;
  options.host = "::1";
  server_ = std::make_unique<Server>(threads_, handler_, options);
  if (!server_->start()) GTEST_SKIP() << "this machine has no IPv6";
  const auto answer = fetch("[::1]", server_->port(), Method::get, "/a", "", {}, deadline);
  ASSERT_TRUE(answer) << answer.error();
  const std::pair<std::string, std::string> peer("X-Peer", "::1");
  EXPECT_EQ(std::ranges::count(answer->headers, peer), 1);
}

TEST_F(ServerTest, says_when_the_address_is_in_use) {
  start();
  ServerOptions options;
  options.port = server_->port();
  Server second(threads_, handler_, options);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().find("in use"), std::string::npos) << started.error();
}

TEST_F(ServerTest, the_client_fetches) {
  start();
  const auto answer = fetch("127.0.0.1", server_->port(), Method::post, "/a?b", "body",
                            {{"Content-Type", "text/plain"}}, deadline);
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "POST /a?b body");
  const auto streamed =
      fetch("localhost", server_->port(), Method::get, "/stream", "", {}, deadline);
  ASSERT_TRUE(streamed) << streamed.error();
  EXPECT_EQ(streamed->body, "piece 0\npiece 1\npiece 2\n");
  const auto head = fetch("127.0.0.1", server_->port(), Method::head, "/a", "", {}, deadline);
  ASSERT_TRUE(head) << head.error();
  EXPECT_EQ(head->body, "");
}

TEST_F(ServerTest, the_client_gives_up) {
  start();
  const auto late =
      fetch("127.0.0.1", server_->port(), Method::get, "/late", "", {}, milliseconds(50));
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().find("50 ms"), std::string::npos) << late.error();
  const auto nobody = fetch("unix:/nonexistent", 0, Method::get, "/", "", {}, deadline);
  ASSERT_FALSE(nobody);
}

TEST_F(ServerTest, the_client_keeps_its_connections) {
  start();
  Client client("127.0.0.1", server_->port());
  const ClientRequest request{Method::post, "/a", {{"Content-Type", "text/plain"}}, "body"};
  for (int i = 0; i < 3; ++i) {
    const auto answers = client.send_all({request, request}, deadline);
    ASSERT_EQ(answers.size(), 2U);
    for (const auto& answer : answers) {
      ASSERT_TRUE(answer) << answer.error();
      EXPECT_EQ(answer->body, "POST /a body");
    }
  }
  EXPECT_EQ(server_->connections(), 2U);
}

TEST_F(ServerTest, the_client_connects_again_when_the_server_has_closed) {
  start();
  const std::uint16_t port = server_->port();
  Client client("127.0.0.1", port);
  ASSERT_TRUE(client.send({Method::get, "/a", {}, ""}, deadline));
  server_.reset();
  ServerOptions options;
  options.port = port;
  server_ = std::make_unique<Server>(threads_, handler_, options);
  ASSERT_TRUE(server_->start());
  const auto answer = client.send({Method::get, "/a", {}, ""}, deadline);
  EXPECT_TRUE(answer) << answer.error();
}

TEST_F(ServerTest, the_client_goes_on_after_an_answer_that_was_too_late) {
  start();
  Client client("127.0.0.1", server_->port());
  const auto answers = client.send_all(
      {{Method::get, "/late", {}, ""}, {Method::get, "/a", {}, ""}}, milliseconds(200));
  ASSERT_FALSE(answers[0]);
  EXPECT_NE(answers[0].error().find("200 ms"), std::string::npos) << answers[0].error();
  EXPECT_TRUE(answers[1]);
  EXPECT_TRUE(client.send({Method::get, "/a", {}, ""}, deadline));
  Client nobody("127.0.0.1", 1);
  EXPECT_FALSE(nobody.send({Method::get, "/", {}, ""}, deadline));
}

TEST(IoThreadsTest, runs_delayed_functions_on_their_thread) {
  IoThreads threads(2);
  std::promise<std::thread::id> delayed;
  std::promise<std::thread::id> posted;
  threads.after(1, milliseconds(1), [&] { delayed.set_value(std::this_thread::get_id()); });
  std::vector<Executor::Function> functions;
  functions.emplace_back([] { throw std::runtime_error("the next one runs all the same"); });
  functions.emplace_back([&] { posted.set_value(std::this_thread::get_id()); });
  threads.executor(1).post(std::move(functions));
  auto later = delayed.get_future();
  ASSERT_EQ(later.wait_for(deadline), std::future_status::ready);
  EXPECT_EQ(later.get(), posted.get_future().get());
}

TEST(IoThreadsTest, stopping_drops_what_was_delayed) {
  IoThreads threads(1);
  const auto token = std::make_shared<int>();
  bool ran = false;
  threads.after(0, std::chrono::hours(1), [&ran, token] { ran = true; });
  threads.stop();
  threads.stop();
  std::vector<Executor::Function> functions;
  functions.emplace_back([&ran, token] { ran = true; });
  threads.executor(0).post(std::move(functions));
  threads.after(0, milliseconds(0), [&ran, token] { ran = true; });
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace todo::net
