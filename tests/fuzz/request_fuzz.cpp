// Whatever bytes are sent to the server: the connection's end comes in time, every answer is well
// formed, and a handler sees only requests that are whole. There is no way into the reading of a
// request without a connection, so each input is one to a server on a local socket.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/text.h"
#include "fuzz/require.h"
#include "http/body.h"
#include "http/client_address.h"
#include "http/handlers/task_input.h"
#include "http/origin_check.h"
#include "http/query.h"
#include "http/router.h"
#include "net/server.h"
#include "observability/log.h"

namespace {

using namespace todo;
using fuzz::require;

constexpr int deadline_ms = 8'000;
constexpr std::size_t body_bytes_max = 2'000;

bool is_printable(char c) { return c > ' ' && c < '\x7f'; }
bool ends_a_field(char c) { return c == '\r' || c == '\n' || c == '\0'; }

// What every request goes through before its handler.
void use(const net::Request& request) {
  static const std::vector<std::string> trusted{"10.0.0.0/8", "::1", "127.0.0.1"};
  (void)http::client_address(request, trusted);
  (void)http::origin_allowed(request, "https://todo.example/app");
  (void)http::origin_allowed(request, "");
  (void)http::parse_if_match(request);
  (void)http::parse_task_input(request, http::TaskBody::put);
  static const auto router = [] {
    http::Router routes;
    routes.add(net::Method::get, "/api/v1/tasks", 0);
    routes.add(net::Method::post, "/api/v1/tasks/{id}/complete", 1);
    return routes;
  }();
  const auto match = router.find(request.method, request.path);
  require(match.route < 0 || match.path_known, "a route has a path");
  auto query = http::Query::parse(request.query);
  if (!query) return;
  const std::string again = query->encoded_without("");
  const auto reread = http::Query::parse(again);
  require(reread && reread->encoded_without("") == again,
          "a query says the same when written again");
}

class Handler final : public net::Handler {
 public:
  void handle(const net::Request& request, Executor&, net::Reply reply) override {
    require(request.target.starts_with('/'), "a target is a path");
    require(std::ranges::all_of(request.target, is_printable), "a target is printable");
    require(request.target.starts_with(request.path), "the path is its beginning");
    require(request.path.find('?') == std::string_view::npos, "without the query");
    require(request.count("Host") <= 1, "there is one Host");
    require(request.count("Content-Length") <= 1, "there is one length");
    require(request.body.size() <= body_bytes_max, "a body has its bound");
    for (const net::Field& field : request.fields) {
      require(!field.name.empty() && std::ranges::all_of(field.name, is_printable),
              "names of fields are tokens");
      require(std::ranges::none_of(field.value, ends_a_field), "a field is one line");
    }
    use(request);
    net::Response response;
    response.body = "fine";
    response.with("X-Method", std::string(net::to_string(request.method)));
    reply(std::move(response));
  }

  net::Response refuse(const net::Request&, int status, std::string_view why) override {
    require(status >= 400 && status < 600, "a refusal is an error");
    net::Response response;
    response.status = status;
    response.body = why;
    return response;
  }
};

class TestServer {
 public:
  TestServer() {
    log::set_level(log::Level::error);
    std::string folder = std::filesystem::temp_directory_path() / "fuzz-XXXXXX";
    require(mkdtemp(folder.data()) != nullptr, "there is a temporary folder");
    folder_ = folder;
    net::ServerOptions options;
    options.host = "unix:" + path();
    options.body_bytes_max = body_bytes_max;
    server_ = std::make_unique<net::Server>(threads_, handler_, options);
    require(server_->start().has_value(), "the server starts");
  }
  ~TestServer() {
    server_->stop();
    threads_.stop();
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::string path() const { return folder_ + "/socket"; }

 private:
  std::string folder_;
  Handler handler_;
  net::IoThreads threads_{1};
  std::unique_ptr<net::Server> server_;
};

// All that is answered to the bytes, until the server ends the connection.
std::string exchange(std::string_view bytes) {
  static const TestServer server;
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  server.path().copy(address.sun_path, sizeof address.sun_path - 1);
  require(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "it connects");
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;  // it has ended the connection already
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  shutdown(fd, SHUT_WR);
  std::string answer;
  std::array<char, 4'096> buffer{};
  for (;;) {
    pollfd ready{fd, POLLIN, 0};
    const int count = poll(&ready, 1, deadline_ms);
    if (count < 0 && errno == EINTR) continue;  // libFuzzer's own timer
    require(count == 1, "the connection ends in time");
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(fd);
  return answer;
}

std::string_view field(std::string_view head, std::string_view name) {
  const auto found = head.find(std::string("\r\n") + std::string(name) + ": ");
  if (found == std::string_view::npos) return {};
  const auto begin = found + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

// One answer taken off the front.
void take_answer(std::string_view& rest) {
  require(rest.starts_with("HTTP/1.1 "), "an answer begins with its version");
  const auto end = rest.find("\r\n\r\n");
  require(end != std::string_view::npos, "its head has an end");
  const std::string_view head = rest.substr(0, end + 2);
  rest.remove_prefix(end + 4);
  int status = 0;
  std::from_chars(head.data() + 9, head.data() + 12, status);
  require(status == 100 || status == 200 || (status >= 400 && status < 600), "it has a status");
  if (status == 100) return;
  std::size_t length = 0;
  const std::string_view digits = field(head, "Content-Length");
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  require(!digits.empty() && read.ptr == digits.data() + digits.size(), "it tells its length");
  // A HEAD has no body; one that was refused may be a HEAD, and is the last of its connection.
  if (field(head, "X-Method") == "HEAD" || (status != 200 && rest.empty())) return;
  require(rest.size() >= length, "the body is whole");
  rest.remove_prefix(length);
  require(status == 200 || rest.empty(), "nothing follows a refusal");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string answer = exchange({reinterpret_cast<const char*>(data), size});
  for (std::string_view rest = answer; !rest.empty();) take_answer(rest);
  return 0;
}
