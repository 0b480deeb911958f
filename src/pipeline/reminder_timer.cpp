#include "pipeline/reminder_timer.h"

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "observability/log.h"
#include "service/reminders.h"

namespace todo::pipeline {
namespace {

// A claim writes the task, its ledger row and an event, and the bus rides along with as much again.
constexpr int claims_per_unit = limits::rows_per_unit_max / 4;
constexpr std::chrono::milliseconds retry_after_failure{5'000};
// What a hint told of has surely committed after this.
constexpr std::chrono::milliseconds look_again_after_hint{1'000};
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

}  // namespace

ReminderTimer::ReminderTimer(storage::Store& store, const Clock& clock, IdGenerator& ids,
                             std::chrono::milliseconds interval, metrics::Registry& metrics)
    : store_(store),
      clock_(clock),
      ids_(ids),
      interval_(interval),
      claimed_(metrics.counter("todo_reminders_claimed_total", "Reminders taken by the check")),
      last_check_(metrics.gauge("todo_reminder_check_timestamp_seconds",
                                "When the last reminder check ended well")) {}

void ReminderTimer::start() {
  worker_.start([this] { return round(); });
}

void ReminderTimer::planned(Instant remind_at) {
  hinted_ = true;
  std::int64_t current = look_at_ms_.load();
  const std::int64_t asked = to_ms(remind_at);
  while (asked < current && !look_at_ms_.compare_exchange_weak(current, asked)) {
  }
  // A time to look that is past already: the clock was set forward, and the worker's sleep, which
  // is a steady clock's, knows nothing of it.
  if (asked < current || current <= to_ms(clock_.now())) worker_.wake();
}

std::expected<int, std::string> ReminderTimer::check() {
  int total = 0;
  for (;;) {
    service::Call system;
    system.now = clock_.now();
    system.ids = &ids_;
    int taken = 0;
    const auto outcome = store_.write_and_wait([&](storage::Tx& tx) {
      taken = service::check_reminders(tx, system, claims_per_unit);
      return taken > 0 ? storage::Verdict::commit : storage::Verdict::roll_back;
    });
    if (outcome == storage::Outcome::failed || outcome == storage::Outcome::unknown) {
      return std::unexpected("the reminder check could not write; it is run again");
    }
    total += taken;
    claimed_.add(taken);
    if (taken < claims_per_unit) break;
  }
  last_check_.set(static_cast<double>(to_ms(clock_.now())) / 1000);
  return total;
}

std::chrono::milliseconds ReminderTimer::round() {
  const Instant now = clock_.now();
  // Hints that come from here on count for the next round.
  const bool hinted = hinted_.exchange(false);
  if (ticked_.exchange(false)) tick_at_ = now;
  const std::int64_t look_at = look_at_ms_.load();
  const bool early = look_at != never && now < instant_from_ms(look_at) && now >= looked_at_;
  const bool told = hinted || look_again_ || now >= tick_at_;
  looked_at_ = now;
  look_again_ = hinted;
  // Woken for its distrust of long waits alone: the database is left in peace.
  if (early && !told) return std::chrono::milliseconds{look_at - to_ms(now)};
  look_at_ms_ = never;
  std::optional<Instant> next;
  const auto outcome =
      store_.read_and_wait([&](storage::ReadTx& tx) { next = tx.next_reminder_at(); });
  if (outcome != storage::Outcome::committed) return retry_after_failure;
  const bool tick =
      now >= tick_at_ || tick_at_ > now + interval_;  // the second: the clock was set back
  if (tick || (next && *next <= now)) {
    const auto checked = check();
    if (!checked) {
      if (!worker_.stopping()) log::error("reminders wait", {{"error", checked.error()}});
      return retry_after_failure;
    }
    if (*checked > 0) log::info("reminders were claimed", {{"count", *checked}});
    tick_at_ = now + interval_;
    next.reset();
    if (store_.read_and_wait([&](storage::ReadTx& tx) { next = tx.next_reminder_at(); }) !=
        storage::Outcome::committed)
      return retry_after_failure;
  }
  std::chrono::milliseconds sleep = tick_at_ - clock_.now();
  if (next) sleep = std::min(sleep, std::chrono::milliseconds(*next - clock_.now()));
  if (hinted) sleep = std::min(sleep, look_again_after_hint);
  // A hint that came during this round may be earlier than what the database said.
  const std::int64_t hint = look_at_ms_.load();
  if (hint != never) sleep = std::min(sleep, std::chrono::milliseconds{hint - to_ms(clock_.now())});
  std::int64_t expected = never;
  look_at_ms_.compare_exchange_strong(expected, to_ms(clock_.now() + sleep));
  return sleep;
}

}  // namespace todo::pipeline
