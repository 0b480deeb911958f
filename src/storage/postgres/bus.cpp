#include "storage/postgres/bus.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "observability/log.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;

constexpr int events_per_batch_max = 256;
// Under load more are let gather for a moment before the next step, which costs a transaction, and
// each of several processes takes its steps. A handful comes from somebody who waits for it.
constexpr int events_handful = 4;
constexpr int events_worth_a_step = 128;
constexpr milliseconds gathering{20};
constexpr milliseconds poll_min{1'000};
constexpr milliseconds poll_max{32'000};
constexpr milliseconds tick = std::chrono::minutes{15};
// No wait trusts the steady clock for longer: a machine that slept has other ideas of now.
constexpr milliseconds wait_max = std::chrono::seconds{30};

// Who works here is told of it, so looking finds only what a process left that died: soon after the
// last work, then seldom enough that a database that suspends itself when idle may sleep.
milliseconds next_poll(milliseconds poll) { return poll < poll_max ? poll * 2 : tick; }

}  // namespace

void Bus::start(BusStep step) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || thread_.joinable()) return;
  step_ = std::move(step);
  thread_ = std::thread([this] { run(); });
}

void Bus::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Bus::look() {
  {
    const std::lock_guard lock(mutex_);
    if (!is_retry_due()) return;
  }
  changed_.notify_one();
}

void Bus::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

// Also when the clock was set back: no retry is as far ahead.
bool Bus::is_retry_due() const {
  if (!retry_at_) return false;
  const Instant now = shared_.clock.now();
  return *retry_at_ <= now || *retry_at_ > now + limits::event_retry_delay_max;
}

void Bus::run() {
  Runner runner(shared_);
  milliseconds poll = poll_min;
  auto look_at = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    const bool is_called = now >= pause_until_ && (woken_ || is_retry_due());
    const bool sleeps = helps_ && !woken_;
    if (!is_called && (sleeps || now < look_at)) {
      const auto until_look = std::chrono::ceil<milliseconds>(look_at - now);
      auto wait = sleeps ? wait_max : std::min(wait_max, until_look);
      if (retry_at_ && now >= pause_until_) wait = std::min(wait, *retry_at_ - shared_.clock.now());
      changed_.wait_for(lock, std::max(wait, milliseconds{1}));
      continue;
    }
    woken_ = false;
    retry_at_.reset();
    lock.unlock();
    const Found found = step_once(runner);
    if (helps_ && found != Found::something) runner.disconnect();
    lock.lock();
    if (found == Found::something) woken_ = true;  // there may be more
    poll = is_called || found == Found::something ? poll_min : next_poll(poll);
    if (found == Found::failure) poll = poll_min;
    look_at = std::chrono::steady_clock::now() + poll;
    if (pause_ > milliseconds{0}) look_at = pause_until_ = look_at - poll + pause_;
  }
}

Bus::Found Bus::step_once(Runner& runner) {
  pause_ = milliseconds{0};
  BusProgress progress;
  Effects effects;
  WriteUnit unit = [&](Tx& tx) {
    progress = step_(tx, events_per_batch_max);
    return Verdict::commit;
  };
  const auto outcome = runner.write(unit, effects);
  if (outcome != Outcome::committed) return Found::failure;
  committed_(effects);
  const std::lock_guard lock(mutex_);
  if (!helps_) retry_at_ = progress.next_retry_at;
  pause_ = progress.pause;
  if (progress.events == 0 && effects.events_inserted == 0) return Found::nothing;
  if (progress.events > events_handful && progress.events < events_worth_a_step) {
    pause_ = std::max(pause_, gathering);
  }
  return Found::something;
}

}  // namespace todo::storage::postgres
