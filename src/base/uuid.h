#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace todo {

// A 128-bit identifier (RFC 9562). Ours are version 7: the first 48 bits are the milliseconds since
// 1970, so that ids made later sort later and rows made together lie together.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;

  // Takes the 36-character form with hyphens, upper or lower case; nullopt for anything else.
  static std::optional<Uuid> parse(std::string_view text);
  std::string to_string() const;
  // Writes 36 lower-case characters; the place after them.
  char* put(char* to) const;
};

// Makes ids. A unit of work takes its ids before it runs, so that running it again makes the same
// rows. Safe to call from any thread.
class IdGenerator {
 public:
  virtual ~IdGenerator() = default;
  virtual Uuid next() = 0;
};

// UUIDv7 (RFC 9562, section 5.7) with a monotonic 12-bit counter and 62 random bits: ids of one
// process strictly increase, also within a millisecond and when the clock steps back.
class Uuid7Generator final : public IdGenerator {
 public:
  explicit Uuid7Generator(const Clock& clock) : clock_(clock) {}
  Uuid next() override;

 private:
  const Clock& clock_;
  std::mutex mutex_;
  std::int64_t last_ms_ = 0;
  std::uint32_t counter_ = 0;
};

}  // namespace todo

template <>
struct std::hash<todo::Uuid> {
  std::size_t operator()(const todo::Uuid& id) const noexcept;
};
