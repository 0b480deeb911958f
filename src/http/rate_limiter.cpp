#include "http/rate_limiter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

namespace todo::http {
namespace {

constexpr std::size_t shard_count = 16;

struct Bucket {
  std::string key;
  double tokens = 0;
  Instant at{};
};

}  // namespace

// Keys are spread over shards so that threads seldom meet. Each shard keeps its buckets in the
// order of their last use: the front is the one longest unused, hence the fullest.
struct RateLimiter::Shards {
  struct Shard {
    std::mutex mutex;
    std::list<Bucket> by_use;
    std::unordered_map<std::string_view, std::list<Bucket>::iterator> by_key;
  };

  Rate rate;
  std::size_t keys_per_shard;
  std::array<Shard, shard_count> shards;

  Bucket& bucket(Shard& shard, std::string_view key, Instant now) const {
    if (const auto found = shard.by_key.find(key); found != shard.by_key.end()) {
      shard.by_use.splice(shard.by_use.end(), shard.by_use, found->second);
      return *found->second;
    }
    if (shard.by_key.size() >= keys_per_shard) {
      shard.by_key.erase(shard.by_use.front().key);
      shard.by_use.pop_front();
    }
    Bucket& made = shard.by_use.emplace_back(Bucket{std::string(key), rate.burst, now});
    shard.by_key.emplace(made.key, std::prev(shard.by_use.end()));
    return made;
  }
};

RateLimiter::RateLimiter(Rate rate, std::size_t keys_max) : shards_(std::make_unique<Shards>()) {
  shards_->rate = rate;
  shards_->keys_per_shard = std::max<std::size_t>(1, keys_max / shard_count);
}

RateLimiter::~RateLimiter() = default;

std::optional<int> RateLimiter::take(std::string_view key, Instant now) {
  Shards::Shard& shard = shards_->shards.at(std::hash<std::string_view>{}(key) % shard_count);
  const Rate& rate = shards_->rate;
  const std::lock_guard lock(shard.mutex);
  Bucket& bucket = shards_->bucket(shard, key, now);
  // A clock that was set back gives nothing, and starts to count from there.
  const double seconds = std::max(0.0, std::chrono::duration<double>(now - bucket.at).count());
  bucket.tokens = std::min(rate.burst, bucket.tokens + seconds * rate.per_second);
  bucket.at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  return std::max(1, static_cast<int>(std::ceil((1 - bucket.tokens) / rate.per_second)));
}

}  // namespace todo::http
