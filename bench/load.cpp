// bench_load PORT SECONDS [PAUSE_MS] < PLAN: sends prepared HTTP/1.1 requests over keep-alive
// connections, one at a time on each, and prints what came back as one JSON object.
//
// It only copies bytes and looks for the length of each answer, so that the machine is left to the
// server. The plan: the number of connections; for each one the number of its requests, and for
// each of these its bytes' count and its bytes. A connection goes round its requests until the time
// is over, pausing after each answer when asked to. A response without Content-Length has no body.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

constexpr std::size_t read_bytes_max = 256 * 1024;
constexpr int events_max = 256;
// After the time is over, for the answers under way.
constexpr std::chrono::seconds last_answers_limit{20};

struct Totals {
  std::vector<float> latencies_ms;
  long long answers = 0;
  long long failed = 0;  // answers whose status is not 2xx
  long long bytes = 0;
};

class Connection {
 public:
  explicit Connection(std::vector<std::string> requests) : requests_(std::move(requests)) {}

  void open(std::uint16_t port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::system_error(errno, std::generic_category(), "connect");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  int fd() const { return fd_; }
  bool waiting() const { return waiting_; }
  Clock::time_point next_at() const { return next_at_; }

  // A prepared request is far smaller than a socket's buffer: it goes out in one piece.
  void send(Clock::time_point now) {
    const std::string& request = requests_[next_];
    next_ = (next_ + 1) % requests_.size();
    if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
      throw std::runtime_error("a request could not be sent in one piece");
    sent_at_ = now;
    waiting_ = true;
  }

  // Takes what has arrived; true when the answer is whole.
  bool receive(Totals& totals, std::string& buffer, std::chrono::milliseconds pause) {
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size <= 0) throw std::runtime_error("the server closed a connection");
    totals.bytes += size;
    if (body_left_ < 0) {
      head_.append(buffer.data(), static_cast<std::size_t>(size));
      const auto end = head_.find("\r\n\r\n");
      if (end == std::string::npos) return false;
      body_left_ = content_length(std::string_view(head_).substr(0, end + 2)) -
                   static_cast<long long>(head_.size() - end - 4);
      if (head_.size() < 12 || head_[9] != '2') ++totals.failed;
      head_.clear();
    } else {
      body_left_ -= size;
    }
    if (body_left_ > 0) return false;
    body_left_ = -1;
    waiting_ = false;
    ++totals.answers;
    const auto now = Clock::now();
    totals.latencies_ms.push_back(std::chrono::duration<float, std::milli>(now - sent_at_).count());
    next_at_ = now + pause;
    return true;
  }

 private:
  static long long content_length(std::string_view head) {
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      const auto at = head.find(name);
      if (at == std::string_view::npos) continue;
      const char* text = head.data() + at + name.size();
      long long length = 0;
      std::from_chars(text, head.data() + head.size(), length);
      return length;
    }
    return 0;
  }

  std::vector<std::string> requests_;
  std::size_t next_ = 0;
  int fd_ = -1;
  bool waiting_ = false;
  std::string head_;
  long long body_left_ = -1;  // -1: the head is not whole yet
  Clock::time_point sent_at_;
  Clock::time_point next_at_;
};

std::vector<Connection> read_plan(std::istream& in) {
  std::size_t connections = 0;
  in >> connections;
  std::vector<Connection> plan;
  for (std::size_t i = 0; i < connections; ++i) {
    std::size_t count = 0;
    in >> count;
    std::vector<std::string> requests(count);
    for (std::string& request : requests) {
      std::size_t size = 0;
      in >> size;
      in.ignore(1);
      request.resize(size);
      in.read(request.data(), static_cast<std::streamsize>(size));
    }
    if (!in || requests.empty()) throw std::runtime_error("the plan is cut off");
    plan.emplace_back(std::move(requests));
  }
  return plan;
}

// Goes on until the time is over and every answer is there. Returns how long that took.
double run(std::vector<Connection>& connections, std::chrono::milliseconds length,
           std::chrono::milliseconds pause, Totals& totals) {
  const int poller = ::epoll_create1(0);
  for (std::size_t i = 0; i < connections.size(); ++i) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].fd(), &event);
  }
  std::string buffer(read_bytes_max, '\0');
  std::array<epoll_event, events_max> events{};
  const auto began = Clock::now();
  const auto end = began + length;
  for (Connection& connection : connections) connection.send(Clock::now());
  std::size_t waiting = connections.size();
  for (;;) {
    const auto now = Clock::now();
    if (now >= end && waiting == 0) break;
    if (now >= end + last_answers_limit) throw std::runtime_error("answers do not come");
    int timeout_ms = 1'000;
    if (pause.count() > 0 && now < end) {
      for (Connection& connection : connections) {
        if (connection.waiting()) continue;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(connection.next_at() - now);
        if (left.count() > 0) {
          timeout_ms = std::min(timeout_ms, static_cast<int>(left.count()));
        } else {
          connection.send(Clock::now());
          ++waiting;
        }
      }
    }
    const int ready = ::epoll_wait(poller, events.data(), events_max, timeout_ms);
    for (int i = 0; i < ready; ++i) {
      Connection& connection = connections[events.at(static_cast<std::size_t>(i)).data.u64];
      if (!connection.receive(totals, buffer, pause)) continue;
      --waiting;
      if (pause.count() > 0 || Clock::now() >= end) continue;
      connection.send(Clock::now());
      ++waiting;
    }
  }
  ::close(poller);
  return std::chrono::duration<double>(Clock::now() - began).count();
}

double percentile(std::vector<float>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return static_cast<double>(sorted[index]);
}

int start(int argc, char** argv) {
  if (argc < 3) throw std::runtime_error("usage: bench_load PORT SECONDS [PAUSE_MS] < PLAN");
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const std::chrono::milliseconds length{static_cast<long long>(std::atof(argv[2]) * 1'000)};
  const std::chrono::milliseconds pause{argc > 3 ? std::atoi(argv[3]) : 0};
  std::vector<Connection> connections = read_plan(std::cin);
  for (Connection& connection : connections) connection.open(port);
  Totals totals;
  totals.latencies_ms.reserve(1'000'000);
  const double seconds = run(connections, length, pause, totals);
  auto& sorted = totals.latencies_ms;
  std::sort(sorted.begin(), sorted.end());
  std::printf(
      "{\"answers\": %lld, \"failed\": %lld, \"bytes\": %lld, \"seconds\": %.6f, \"p50_ms\": %.3f, "
      "\"p99_ms\": %.3f, \"max_ms\": %.3f}\n",
      totals.answers, totals.failed, totals.bytes, seconds, percentile(sorted, 0.5),
      percentile(sorted, 0.99), percentile(sorted, 1.0));
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return start(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_load: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
