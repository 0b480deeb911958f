#include "storage/postgres/watch.h"

#include <cstdlib>

#include <fmt/format.h>

#include "observability/log.h"

namespace todo::storage::postgres {
namespace {

constexpr std::int64_t interval_ms = 30'000;
constexpr std::int64_t skew_warning_ms = 2'000;
constexpr std::int64_t skew_max_ms = 30'000;

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1'000; }

}  // namespace

bool Watch::is_due() {
  const std::int64_t now = steady_ms();
  std::int64_t due_at = due_at_ms_.load(std::memory_order_relaxed);
  return now >= due_at && due_at_ms_.compare_exchange_strong(due_at, now + interval_ms);
}

void Watch::take(Query& answer, Instant before) {
  if (!answer.step()) return;
  const Instant after = clock_.now();
  take_time(answer.instant(), before, after);
  SchemaState state;
  state.version = static_cast<int>(answer.integer());
  state.min_app = static_cast<int>(answer.integer());
  take_schema(state);
}

// The answer was made somewhere between: only what lies outside is known to be wrong.
void Watch::take_time(Instant theirs, Instant before, Instant after) {
  std::int64_t skew = 0;
  if (theirs < before) skew = (theirs - before).count();
  if (theirs > after) skew = (theirs - after).count();
  skew_ms_ = skew;
  probe_.clock_skew_seconds.set(seconds(skew));
  const bool is_wrong = std::abs(skew) > skew_warning_ms;
  if (warned_.exchange(is_wrong) == is_wrong) return;
  if (is_wrong) {
    log::warning("the database's clock and ours differ", {{"seconds", seconds(skew)}});
  } else {
    log::info("the database's clock and ours agree again");
  }
}

void Watch::take_schema(SchemaState state) {
  const std::lock_guard lock(mutex_);
  schema_ = state;
}

std::expected<void, std::string> Watch::schema() const {
  const std::lock_guard lock(mutex_);
  return check_schema(schema_);
}

std::expected<void, std::string> Watch::clock() const {
  const std::int64_t skew = skew_ms_.load();
  if (std::abs(skew) <= skew_max_ms) return {};
  return std::unexpected(fmt::format("the database's clock is {:.1f} s {} ours",
                                     seconds(std::abs(skew)), skew > 0 ? "ahead of" : "behind"));
}

}  // namespace todo::storage::postgres
