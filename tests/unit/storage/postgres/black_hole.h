#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace todo::test {

// A way to a database on which nothing comes through any more as soon as it is told so, though no
// connection ends: what a network does that swallows packets.
class BlackHole {
 public:
  // `url` has its host as digits and a port, as a test's database does.
  explicit BlackHole(const std::string& url) {
    const auto host_at = url.find('@') + 1;
    const auto colon = url.find(':', host_at);
    const auto slash = url.find('/', colon);
    target_ =
        address(static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1, slash - colon - 1))));
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in mine = address(0);
    socklen_t size = sizeof mine;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&mine), sizeof mine) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&mine), &size) != 0) {
      throw std::runtime_error("no port for the black hole");
    }
    url_ = url.substr(0, colon + 1) + std::to_string(ntohs(mine.sin_port)) + url.substr(slash);
    thread_ = std::thread([this] { run(); });
  }
  ~BlackHole() {
    stopping_ = true;
    wake();
    thread_.join();
    for (const Pair& pair : pairs_) {
      ::close(pair.client);
      ::close(pair.server);
    }
    ::close(listener_);
    ::close(wake_);
  }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  const std::string& url() const { return url_; }
  void swallow(bool on) {
    swallowing_ = on;
    wake();
  }

 private:
  struct Pair {
    int client;
    int server;
  };

  static sockaddr_in address(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
  }

  void wake() const {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof one));
  }

  void run() {
    while (!stopping_) {
      std::vector<pollfd> sockets{{.fd = wake_, .events = POLLIN, .revents = 0}};
      if (!swallowing_) {
        sockets.push_back({.fd = listener_, .events = POLLIN, .revents = 0});
        for (const Pair& pair : pairs_) {
          sockets.push_back({.fd = pair.client, .events = POLLIN, .revents = 0});
          sockets.push_back({.fd = pair.server, .events = POLLIN, .revents = 0});
        }
      }
      ::poll(sockets.data(), sockets.size(), -1);
      if (sockets[0].revents != 0) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(wake_, &count, sizeof count));
        continue;
      }
      pass_on(sockets);
      if (sockets[1].revents != 0) accept_one();
    }
  }

  // The sockets of the pairs follow the first two, in the pairs' order.
  void pass_on(const std::vector<pollfd>& sockets) {
    std::size_t at = 2;
    for (auto pair = pairs_.begin(); pair != pairs_.end(); at += 2) {
      const bool lives = (sockets[at].revents == 0 || pass(pair->client, pair->server)) &&
                         (sockets[at + 1].revents == 0 || pass(pair->server, pair->client));
      if (lives) {
        ++pair;
        continue;
      }
      ::close(pair->client);
      ::close(pair->server);
      pair = pairs_.erase(pair);
    }
  }

  static bool pass(int from, int to) {
    std::array<char, 65'536> bytes{};
    const auto count = ::recv(from, bytes.data(), bytes.size(), 0);
    if (count <= 0) return false;
    std::string_view left{bytes.data(), static_cast<std::size_t>(count)};
    while (!left.empty()) {
      const auto sent = ::send(to, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void accept_one() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&target_), sizeof target_) == 0) {
      pairs_.push_back({client, server});
    } else {
      ::close(client);
      ::close(server);
    }
  }

  sockaddr_in target_{};
  int listener_ = -1;
  const int wake_ = ::eventfd(0, EFD_CLOEXEC);
  std::string url_;
  std::atomic<bool> swallowing_ = false;
  std::atomic<bool> stopping_ = false;
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace todo::test
