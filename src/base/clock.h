#pragma once

#include <chrono>

namespace todo {

// An instant in UTC, to the millisecond: the resolution of everything that is stored or answered.
using Instant = std::chrono::sys_time<std::chrono::milliseconds>;
// A wall-clock date and time without a zone, to the millisecond.
using LocalTime = std::chrono::local_time<std::chrono::milliseconds>;
// A calendar date without a zone.
using Date = std::chrono::year_month_day;

inline constexpr Instant instant_from_ms(std::int64_t ms) {
  return Instant{std::chrono::milliseconds{ms}};
}
inline constexpr std::int64_t to_ms(Instant instant) { return instant.time_since_epoch().count(); }

// The one source of "now". Safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
};

}  // namespace todo
