#include "storage/postgres/listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "observability/log.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds notify_interval{50};
constexpr milliseconds idle_max = std::chrono::minutes{4};
constexpr milliseconds delay_min{250};
constexpr milliseconds delay_max = std::chrono::seconds{30};

std::int64_t ms_of(steady_clock::time_point time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Listener::Listener(ConnectionOptions direct, const Probe& probe, std::function<void()> heard)
    : options_(std::move(direct)),
      probe_(probe),
      heard_(std::move(heard)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

void Listener::keep_open() {
  active_at_ms_ = ms_of(steady_clock::now());
  if (closed_.exchange(false)) wake();
}

void Listener::notify() {
  keep_open();
  if (!notify_.exchange(true)) wake();
}

void Listener::stop() {
  if (stopping_.exchange(true)) return;
  wake();
  thread_.join();
  ::close(wake_fd_);
}

void Listener::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_fd_, &one, sizeof one));
}

void Listener::drain() {
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_fd_, &count, sizeof count));
}

Listener::Time Listener::active_until() const {
  return Time{milliseconds{active_at_ms_.load()}} + idle_max;
}

void Listener::run() {
  milliseconds delay = delay_min;
  Time next_notify{};
  while (!stopping_) {
    try {
      close_if_idle();
      if (closed_) {
        wait_closed(milliseconds{-1});
        continue;
      }
      if (!connection_) open();
      delay = delay_min;
      run_open(next_notify);
    } catch (const std::exception& error) {
      connection_.reset();
      log::warning("what other processes do is heard of late: no LISTEN",
                   {{"error", error.what()}});
      const auto until = steady_clock::now() + delay;
      while (!stopping_ && steady_clock::now() < until) {
        wait_closed(std::chrono::ceil<milliseconds>(until - steady_clock::now()));
      }
      delay = std::min(delay * 2, delay_max);
    }
  }
  connection_.reset();
}

void Listener::open() {
  ConnectionOptions options = options_;
  options.is_hopeless = [this] { return stopping_.load(); };
  connection_ = std::make_unique<Connection>(std::move(options));
  connection_->execute("LISTEN todo_work");
  heard_();  // whatever happened while nobody listened
}

void Listener::close_if_idle() {
  if (closed_ || notify_ || steady_clock::now() < active_until()) return;
  connection_.reset();
  closed_ = true;
  // Who kept it open in this very moment has not seen that it is closed.
  if (notify_ || steady_clock::now() < active_until()) closed_ = false;
}

void Listener::tell() {
  notify_ = false;
  try {
    connection_->execute("NOTIFY todo_work");
  } catch (...) {
    notify_ = true;  // the next connection does
    throw;
  }
  probe_.notifications_sent.add();
}

// Once around: sends what is to be sent, and waits for what comes first.
void Listener::run_open(Time& next_notify) {
  if (notify_ && steady_clock::now() >= next_notify) {
    tell();
    next_notify = steady_clock::now() + notify_interval;
  }
  const Time until = notify_ ? next_notify : active_until();
  const auto wait = std::chrono::ceil<milliseconds>(until - steady_clock::now());
  if (connection_->wait_for_notification(wake_fd_, std::max(wait, milliseconds{0}))) {
    probe_.notifications_received.add();
    keep_open();
    heard_();
  }
  drain();
}

void Listener::wait_closed(milliseconds time) {
  pollfd wake{.fd = wake_fd_, .events = POLLIN, .revents = 0};
  ::poll(&wake, 1, static_cast<int>(time.count()));
  drain();
}

}  // namespace todo::storage::postgres
