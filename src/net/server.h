#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "base/executor.h"
#include "base/limits.h"
#include "net/message.h"

namespace todo::net {

// The I/O threads: one event loop each. A connection stays on its thread, so no lock guards it.
class IoThreads {
 public:
  explicit IoThreads(int threads);
  ~IoThreads();  // stops and joins
  int size() const;
  Executor& executor(int index);
  // Runs `task` on thread `index` after `delay` (wall clocks do not matter to it). Cancelled by
  // stop.
  void after(int index, std::chrono::milliseconds delay, Executor::Function task);
  void stop();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct ServerOptions {
  std::string host = "127.0.0.1";  // or a path after "unix:" for a local socket, made 0600
  std::uint16_t port = 0;          // 0: any free one
  std::size_t header_bytes_max = limits::header_bytes_max;
  std::size_t body_bytes_max = limits::body_bytes_max;
  std::chrono::milliseconds header_timeout{10'000};  // from the first byte of a request
  std::chrono::milliseconds body_timeout{30'000};
  std::chrono::milliseconds idle_timeout{75'000};  // between requests on a kept connection
  std::chrono::milliseconds write_timeout{30'000};
  // A WebSocket that says nothing for so long is asked whether it is there, and has so long for its
  // answers.
  std::chrono::milliseconds quiet_max{30'000};
  std::chrono::milliseconds pong_timeout{20'000};
  std::chrono::milliseconds close_timeout{5'000};
  std::size_t connections_max = 20'000;
};

// An HTTP/1.1 server (RFC 9112) on IoThreads. Thread-safe after start.
class Server {
 public:
  Server(IoThreads& threads, Handler& handler, ServerOptions options);
  ~Server();
  // Fails with a sentence for the operator (address in use …).
  std::expected<void, std::string> start();
  std::uint16_t port() const;
  std::size_t connections() const;
  // Stops accepting; kept connections get `Connection: close` with their next answer, idle ones are
  // closed.
  void drain();
  // True when no request is being answered any more; waits at most `limit`.
  bool wait_drained(std::chrono::milliseconds limit);
  // Closes everything.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace todo::net
