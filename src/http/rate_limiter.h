#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace todo::http {

// Token buckets by key, in this process. Bounded: at most `keys_max` are remembered, full buckets
// are forgotten first. Safe from any thread.
class RateLimiter {
 public:
  struct Rate {
    double per_second;
    double burst;
  };
  explicit RateLimiter(Rate rate, std::size_t keys_max = 100'000);
  ~RateLimiter();
  // Takes one token; nullopt when there was one, else the whole seconds (≥ 1) until there is. `now`
  // may step back.
  std::optional<int> take(std::string_view key, Instant now);

 private:
  struct Shards;
  std::unique_ptr<Shards> shards_;
};

}  // namespace todo::http
