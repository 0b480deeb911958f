#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "base/clock.h"
#include "base/uuid.h"

namespace todo::test {

// A Monday noon, far from any change of offset.
inline constexpr Instant noon =
    std::chrono::sys_days{std::chrono::year{2031} / 1 / 6} + std::chrono::hours{12};

// A clock that stands until it is moved. Safe from any thread.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Instant start = noon) : ms_(to_ms(start)) {}
  Instant now() const override { return instant_from_ms(ms_.load()); }
  void set(Instant instant) { ms_ = to_ms(instant); }
  void advance(std::chrono::milliseconds by) { ms_ += by.count(); }

 private:
  std::atomic<std::int64_t> ms_;
};

// The id number `number` that was made at `made_at`: its first bits say when, as in version 7.
inline Uuid id_made_at(Instant made_at, std::uint64_t number) {
  Uuid id;
  const auto ms = static_cast<std::uint64_t>(to_ms(made_at));
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  id.bytes[6] = 0x70;
  id.bytes[8] = 0x80;
  for (std::size_t i = 0; i < 7; ++i)
    id.bytes[9 + i] = static_cast<std::uint8_t>(number >> (48 - 8 * i));
  return id;
}

// Ids that count up and carry the clock's time; like ours they never go back.
class SequentialIds final : public IdGenerator {
 public:
  explicit SequentialIds(const Clock& clock) : clock_(clock) {}
  Uuid next() override {
    const std::scoped_lock lock(mutex_);
    last_ = std::max(last_, clock_.now());
    return id_made_at(last_, ++count_);
  }

 private:
  const Clock& clock_;
  std::mutex mutex_;
  Instant last_{};
  std::uint64_t count_ = 0;
};

}  // namespace todo::test
