#include "storage/postgres/gate.h"

#include <algorithm>
#include <random>
#include <utility>

#include "observability/log.h"
#include "storage/postgres/url.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds delay_min{100};
constexpr milliseconds delay_max{1'000};
// A host that answers nothing must not keep us from noticing that it is back.
constexpr milliseconds connect_max{2'000};
// Whether it is still there is known within this time, and a network's usual one.
constexpr milliseconds confirm_max{1'000};
constexpr int usual_times = 3;
constexpr milliseconds confirm_interval{1'000};
// No provider puts a database to sleep that was used within this time.
constexpr milliseconds awake_min = std::chrono::seconds{60};

// Processes that lost it together do not come back together.
milliseconds with_jitter(milliseconds delay, std::minstd_rand& random) {
  return delay / 2 +
         milliseconds{std::uniform_int_distribution<std::int64_t>(0, delay.count() / 2)(random)};
}

}  // namespace

Gate::Gate(ConnectionOptions options, std::function<void(Connection&)> check)
    : options_(std::move(options)), check_(std::move(check)), thread_([this] { run(); }) {}

void Gate::close(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    why_ = why;
    if (stopping_ || !open_.exchange(false)) return;
  }
  log::error("the database cannot be reached",
             {{"database", without_password(options_.url)}, {"error", why}});
  changed_.notify_all();
}

std::string Gate::why() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

void Gate::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Gate::suspect() {
  if (!open_) return true;
  {
    const std::lock_guard lock(mutex_);
    if (suspected_ || std::chrono::steady_clock::now() < tried_at_ + confirm_interval) return false;
    suspected_ = true;
  }
  changed_.notify_all();
  return false;
}

bool Gate::suspect_connecting() {
  const bool may_sleep = answered_at_.load() + awake_min < std::chrono::steady_clock::now();
  return may_sleep ? !open_ : suspect();
}

void Gate::answered() { answered_at_ = std::chrono::steady_clock::now(); }

void Gate::took(milliseconds time) {
  // Forgets slowly: half of what was longer.
  took_ms_ = std::max(time.count(), (took_ms_.load() + time.count()) / 2);
}

void Gate::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !open_ || suspected_; });
    if (stopping_) return;
    if (open_) confirm(lock);
    if (!open_) try_again(lock);
  }
}

void Gate::confirm(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const std::string why =
      try_once(std::max(confirm_max, milliseconds{usual_times * took_ms_.load()}));
  if (!why.empty()) close(why);
  lock.lock();
  suspected_ = false;
  tried_at_ = std::chrono::steady_clock::now();
}

void Gate::try_again(std::unique_lock<std::mutex>& lock) {
  std::minstd_rand random{std::random_device{}()};
  milliseconds delay = delay_min;
  while (!stopping_) {
    if (changed_.wait_for(lock, with_jitter(delay, random), [this] { return stopping_; })) return;
    lock.unlock();
    const std::string why = try_once(connect_max);
    lock.lock();
    if (why.empty()) break;
    why_ = why;
    delay = std::min(delay * 2, delay_max);
  }
  if (stopping_) return;
  open_ = true;
  log::info("the database can be reached again");
}

std::string Gate::try_once(milliseconds connect_limit) {
  ConnectionOptions options = options_;
  options.connect_max = std::min(options.connect_max, connect_limit);
  try {
    const auto connection = connect(options);
    check_(*connection);
    return {};
  } catch (const TooManyConnections&) {
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace todo::storage::postgres
