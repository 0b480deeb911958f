#include "storage/sqlite/relay.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace todo::storage::sqlite {
namespace {

using std::chrono::milliseconds;

// No wait trusts the steady clock for longer: a machine that slept has other ideas of now.
constexpr milliseconds wait_max = std::chrono::seconds{30};
constexpr milliseconds failure_pause = std::chrono::seconds{1};

}  // namespace

void Relay::start(RelayStep step) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || thread_.joinable()) return;
  step_ = std::move(step);
  thread_ = std::thread([this] { run(); });
}

void Relay::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

void Relay::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Relay::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    const Rest rest = round();
    lock.lock();
    changed_.wait_for(lock, rest.time, [&] { return stopping_ || (rest.until_woken && woken_); });
  }
}

Relay::Rest Relay::round() {
  const Instant now = clock_.now();
  std::vector<OutboxRow> rows;
  std::optional<Instant> next;
  std::optional<OutboxDepth> depth;
  const auto read = store_.read_and_wait([&](ReadTx& tx) {
    rows = tx.list_outbox(now, limits::events_per_publish_max);
    depth = counter_.count(tx, rows.size());
    next = tx.next_outbox_retry_at(now);
  });
  if (read != Outcome::committed) return {failure_pause, false};
  if (rows.empty()) {
    const milliseconds until = next ? *next - now : wait_max;
    return {std::clamp(until, milliseconds{1}, wait_max), true};
  }
  const Relayed relayed = step_(rows, depth);
  const auto written = store_.write_and_wait([&](Tx& tx) {
    settle(tx, relayed);
    return Verdict::commit;
  });
  if (written != Outcome::committed) return {failure_pause, false};
  return {relayed.pause, false};
}

}  // namespace todo::storage::sqlite
