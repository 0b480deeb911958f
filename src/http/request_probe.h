#pragma once

#include <functional>
#include <shared_mutex>
#include <string_view>
#include <unordered_map>

#include "net/message.h"
#include "observability/metrics.h"

namespace todo::http {

// Counts what is answered, and how long it took. Looking a metric up by its labels costs more than
// the rest of a small request: each is looked up once. Safe from any thread.
class RequestProbe {
 public:
  explicit RequestProbe(metrics::Registry& metrics) : metrics_(metrics) {}
  // `route` is a text that outlives the probe.
  void count(net::Method method, std::string_view route, int status, double seconds);

 private:
  struct Key {
    std::string_view route;
    net::Method method;
    int status;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return std::hash<std::string_view>{}(key.route) * 31 +
             static_cast<std::size_t>(key.method) * 1'000 + static_cast<std::size_t>(key.status);
    }
  };
  struct Metrics {
    metrics::Counter& answered;
    metrics::Histogram& seconds;
  };
  Metrics look_up(const Key& key);

  metrics::Registry& metrics_;
  std::shared_mutex mutex_;
  std::unordered_map<Key, Metrics, KeyHash> known_;
};

}  // namespace todo::http
