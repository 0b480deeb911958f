#include "base/uuid.h"

#include <sodium.h>

#include <cstring>
#include <stdexcept>

namespace todo {
namespace {

// Each byte as its two digits.
constexpr auto hex_pairs = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t byte = 0; byte < pairs.size(); ++byte)
    pairs.at(byte) = {digits[byte / 16], digits[byte % 16]};
  return pairs;
}();

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool hyphen_at(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

constexpr std::uint32_t counter_max = 0xfff;

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid id;
  std::size_t byte = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (hyphen_at(i)) {
      if (text[i] != '-') return std::nullopt;
      ++i;
      continue;
    }
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[byte++] = static_cast<std::uint8_t>(high * 16 + low);
    i += 2;
  }
  return id;
}

char* Uuid::put(char* to) const {
  std::size_t next = 0;
  for (const int count : {4, 2, 2, 2, 6}) {
    if (next > 0) *to++ = '-';
    for (int i = 0; i < count; ++i) {
      const auto& pair = hex_pairs[bytes[next++]];
      *to++ = pair[0];
      *to++ = pair[1];
    }
  }
  return to;
}

std::string Uuid::to_string() const {
  std::string out(36, '-');
  put(out.data());
  return out;
}

Uuid Uuid7Generator::next() {
  std::array<std::uint8_t, 10> random{};
  {
    // libsodium's generator is asked for many bytes at once: a system call an id would show.
    thread_local std::array<std::uint8_t, 1'000> pool{};
    thread_local std::size_t used = pool.size();
    if (used + random.size() > pool.size()) {
      if (sodium_init() < 0) throw std::runtime_error("libsodium cannot start");
      randombytes_buf(pool.data(), pool.size());
      used = 0;
    }
    std::memcpy(random.data(), pool.data() + used, random.size());
    used += random.size();
  }
  std::int64_t ms = 0;
  std::uint32_t counter = 0;
  {
    const std::scoped_lock lock(mutex_);
    const std::int64_t now_ms = to_ms(clock_.now());
    if (now_ms > last_ms_) {
      last_ms_ = now_ms;
      // The upper half is left for what comes within the same millisecond.
      counter_ = static_cast<std::uint32_t>((random[8] << 8 | random[9]) & 0x7ff);
    } else if (++counter_ > counter_max) {
      ++last_ms_;  // ahead of the clock by a millisecond rather than out of order
      counter_ = 0;
    }
    ms = last_ms_;
    counter = counter_;
  }
  Uuid id;
  for (std::size_t i = 0; i < 6; ++i) id.bytes[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
  id.bytes[6] = static_cast<std::uint8_t>(0x70 | (counter >> 8));
  id.bytes[7] = static_cast<std::uint8_t>(counter);
  std::memcpy(&id.bytes[8], random.data(), 8);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3f) | 0x80);
  return id;
}

}  // namespace todo

std::size_t std::hash<todo::Uuid>::operator()(const todo::Uuid& id) const noexcept {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, id.bytes.data(), 8);
  std::memcpy(&low, id.bytes.data() + 8, 8);
  return static_cast<std::size_t>(high * 0x9e3779b97f4a7c15ULL ^ low);
}
