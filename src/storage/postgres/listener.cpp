#include "storage/postgres/listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "observability/log.h"
#include "storage/postgres/announcement_frames.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds notify_interval{50};
constexpr milliseconds idle_max = std::chrono::minutes{4};
constexpr milliseconds last_words_max{1'000};
constexpr milliseconds delay_min{250};
constexpr milliseconds delay_max = std::chrono::seconds{30};
// While there is no connection; what comes then is heard of late, or by looking.
constexpr std::size_t untold_max = 50'000;

std::int64_t ms_of(steady_clock::time_point time) {
  return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Listener::Listener(ConnectionOptions direct, const Probe& probe, Ears ears)
    : options_(std::move(direct)),
      probe_(probe),
      ears_(std::move(ears)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

void Listener::keep_open() {
  active_at_ms_ = ms_of(steady_clock::now());
  if (closed_.exchange(false)) wake();
}

void Listener::notify(bool is_work, const std::vector<Announcement>& announcements) {
  {
    const std::scoped_lock lock(mutex_);
    tell_work_ = tell_work_ || is_work;
    const std::size_t room = untold_max - std::min(untold_max, untold_.size());
    const auto count = static_cast<std::ptrdiff_t>(std::min(room, announcements.size()));
    untold_.insert(untold_.end(), announcements.begin(), announcements.begin() + count);
  }
  keep_open();
  if (!notify_.exchange(true)) wake();
}

void Listener::stop() {
  last_words_until_ms_ = ms_of(steady_clock::now() + last_words_max);
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

bool Listener::is_over() const {
  return stopping_ && (!notify_ || ms_of(steady_clock::now()) >= last_words_until_ms_);
}

void Listener::run() {
  milliseconds delay = delay_min;
  Time next_notify{};
  while (!is_over()) {
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
      if (stopping_) break;
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
  options.is_hopeless = [this] { return is_over(); };
  connection_ = std::make_unique<Connection>(std::move(options));
  connection_->execute("LISTEN todo_work");
  // Whatever happened while nobody listened.
  ears_.work();
  ears_.missed();
}

void Listener::close_if_idle() {
  if (closed_ || notify_ || steady_clock::now() < active_until()) return;
  connection_.reset();
  closed_ = true;
  // Who kept it open in this very moment has not seen that it is closed.
  if (notify_ || steady_clock::now() < active_until()) closed_ = false;
}

// What is told next, as one message. What it takes is not told again when that fails.
std::string Listener::take_message() {
  std::vector<std::string> frames;
  bool is_work = false;
  {
    const std::scoped_lock lock(mutex_);
    is_work = std::exchange(tell_work_, false);
    frames = to_frames(untold_);
    untold_.clear();
  }
  std::string message = is_work ? "NOTIFY todo_work;" : "";
  for (const std::string& frame : frames) message += "NOTIFY todo_work, '" + frame + "';";
  return message;
}

void Listener::tell() {
  notify_ = false;
  const std::string message = take_message();
  try {
    connection_->execute(message);
  } catch (...) {
    // The next connection does: that there is work is what must not be lost.
    notify(true, {});
    throw;
  }
  probe_.notifications_sent.add();
}

void Listener::hear(const std::vector<std::string>& payloads) {
  probe_.notifications_received.add();
  keep_open();
  bool is_work = false;
  std::vector<Announcement> announcements;
  for (const std::string& payload : payloads) {
    const auto told = from_frame(payload);
    is_work = is_work || told.empty();
    announcements.insert(announcements.end(), told.begin(), told.end());
  }
  if (is_work) ears_.work();
  if (!announcements.empty()) ears_.announced(announcements);
}

// Once around: sends what is to be sent, and waits for what comes first.
void Listener::run_open(Time& next_notify) {
  if (notify_ && steady_clock::now() >= next_notify) {
    tell();
    next_notify = steady_clock::now() + notify_interval;
  }
  if (is_over()) return;
  const Time until = notify_ ? next_notify : active_until();
  const auto wait = std::chrono::ceil<milliseconds>(until - steady_clock::now());
  const auto payloads =
      connection_->wait_for_notifications(wake_fd_, std::max(wait, milliseconds{0}));
  if (!payloads.empty()) hear(payloads);
  drain();
}

void Listener::wait_closed(milliseconds time) {
  pollfd wake{.fd = wake_fd_, .events = POLLIN, .revents = 0};
  ::poll(&wake, 1, static_cast<int>(time.count()));
  drain();
}

}  // namespace todo::storage::postgres
