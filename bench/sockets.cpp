// bench_sockets PORT SOCKETS ROUNDS < TOKENS: opens WebSockets, an equal number for each token (one
// a line), says `open`, and waits for a line. Then, in each round, makes one change per token at
// once and measures how long it takes until every socket was told. Prints one JSON object.
//
// Between the rounds, and before the first, nothing is sent: the server's memory can be looked at.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds wait_max{30};
constexpr int events_max = 512;
constexpr std::size_t read_bytes_max = 16 * 1024;

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::system_error(errno, std::generic_category(), "connect");
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) throw std::system_error(errno, std::generic_category(), "send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void receive_until(int fd, std::string_view mark) {
  std::string received;
  std::array<char, 4096> buffer{};
  while (received.find(mark) == std::string::npos) {
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(wait_max).count())) != 1)
      throw std::runtime_error("the server does not answer");
    const ssize_t bytes = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (bytes <= 0) throw std::runtime_error("the server hung up after: " + received);
    received.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
}

int open_socket(std::uint16_t port, const std::string& token) {
  const int fd = connect_to(port);
  send_all(fd,
           "GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Protocol: bearer, " +
               token + "\r\n\r\n");
  receive_until(fd, "server_time");
  return fd;
}

std::string create_request(const std::string& token) {
  const std::string body = R"({"title":"Buy milk"})";
  return "POST /api/v1/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// Files for the sockets; says so where the system does not let it have them.
void raise_file_limit(std::size_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_max = std::max<rlim_t>(limit.rlim_max, wanted);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    throw std::runtime_error("RLIMIT_NOFILE is " + std::to_string(limit.rlim_cur) + ", and " +
                             std::to_string(wanted) + " files are needed: raise it (ulimit -n)");
  }
}

class Bench {
 public:
  Bench(std::uint16_t port, std::vector<std::string> tokens)
      : port_(port), tokens_(std::move(tokens)), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

  void open(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = open_socket(port_, tokens_.at(i % tokens_.size()));
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event.data.fd, &event);
    }
    sockets_ = count;
    for (std::size_t i = 0; i < tokens_.size(); ++i) requests_.push_back(connect_to(port_));
  }

  // One change per user at once; every socket is told of it.
  void round() {
    const auto began = Clock::now();
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      send_all(requests_[i], create_request(tokens_[i]));
    std::array<epoll_event, events_max> events{};
    std::array<char, read_bytes_max> buffer{};
    for (std::size_t told = 0; told < sockets_;) {
      if (Clock::now() - began > wait_max)
        throw std::runtime_error("only " + std::to_string(told) + " sockets were told");
      const int ready = ::epoll_wait(epoll_, events.data(), events_max, 1'000);
      for (int i = 0; i < ready; ++i) {
        const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
        const ssize_t bytes = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (bytes <= 0) throw std::runtime_error("a socket was closed");
        const std::chrono::duration<double, std::milli> time = Clock::now() - began;
        const std::string_view text(buffer.data(), static_cast<std::size_t>(bytes));
        if (text.find("created") == std::string_view::npos) continue;  // a ping
        latencies_ms_.push_back(time.count());
        ++told;
      }
    }
    for (const int request : requests_) receive_until(request, "\"updated_at\"");
  }

  void print() {
    std::ranges::sort(latencies_ms_);
    const auto at = [&](double share) {
      const auto last = static_cast<double>(latencies_ms_.size() - 1);
      return latencies_ms_.at(static_cast<std::size_t>(last * share));
    };
    std::printf(R"({"deliveries":%zu,"p50_ms":%.2f,"p99_ms":%.2f,"max_ms":%.2f})"
                "\n",
                latencies_ms_.size(), at(0.5), at(0.99), at(1));
  }

 private:
  const std::uint16_t port_;
  const std::vector<std::string> tokens_;
  const int epoll_;
  std::size_t sockets_ = 0;
  std::vector<int> requests_;
  std::vector<double> latencies_ms_;
};

std::size_t number(const char* text) {
  std::size_t value = 0;
  const std::string_view all(text);
  const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), value);
  if (error != std::errc{} || end != all.data() + all.size())
    throw std::runtime_error("not a number: " + std::string(all));
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw std::runtime_error("usage: bench_sockets PORT SOCKETS ROUNDS < TOKENS");
    const std::size_t sockets = number(argv[2]);
    raise_file_limit(sockets + 512);
    std::vector<std::string> tokens;
    std::string line;
    while (std::getline(std::cin, line) && !line.empty()) tokens.push_back(line);
    if (tokens.empty()) throw std::runtime_error("no tokens");
    Bench bench(static_cast<std::uint16_t>(number(argv[1])), tokens);
    bench.open(sockets);
    std::cout << "open\n" << std::flush;
    std::getline(std::cin, line);
    for (std::size_t i = 0; i < number(argv[3]); ++i) bench.round();
    bench.print();
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::cerr << "bench_sockets: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
