#include "http/request_probe.h"

#include <mutex>
#include <string>

namespace todo::http {

RequestProbe::Metrics RequestProbe::look_up(const Key& key) {
  {
    const std::shared_lock lock(mutex_);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
  }
  const std::string route(key.route);
  const Metrics made{
      metrics_.counter("todo_http_requests_total", "Requests answered",
                       {{"method", std::string(net::to_string(key.method))},
                        {"route", route},
                        {"status", std::to_string(key.status)}}),
      metrics_.histogram("todo_http_request_seconds", "From the request read to the response made",
                         metrics::latency_buckets(), {{"route", route}})};
  const std::unique_lock lock(mutex_);
  return known_.emplace(key, made).first->second;
}

void RequestProbe::count(net::Method method, std::string_view route, int status, double seconds) {
  const Metrics metrics = look_up({route, method, status});
  metrics.answered.add();
  metrics.seconds.observe(seconds);
}

}  // namespace todo::http
