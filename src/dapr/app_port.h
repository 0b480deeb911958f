#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/uuid.h"
#include "net/message.h"
#include "observability/metrics.h"
#include "observability/tracing.h"
#include "service/consumers.h"
#include "storage/store.h"

namespace todo::dapr {

// The port that the sidecar calls, and nobody else: what we subscribe to, the events it brings, the
// ticks of its cron. It never answers 404, which Dapr takes for “done”: an unknown path is a 503.
class AppPort final : public net::Handler {
 public:
  struct Parts {
    storage::Store& store;
    const Clock& clock;
    IdGenerator& ids;
    const service::Consumers& consumers;
    metrics::Registry& metrics;
    std::function<void()> tick;     // a reminder check, at once
    std::function<bool()> healthy;  // events can be taken
    tracing::Tracer* tracer = nullptr;
  };
  struct Options {
    std::string pubsub;
    std::string token;  // APP_API_TOKEN; empty: none is asked for
  };
  AppPort(const Parts& parts, Options options);
  ~AppPort() override;

  void handle(const net::Request& request, Executor& executor, net::Reply reply) override;
  net::Response refuse(const net::Request& request, int status, std::string_view why) override;

  // From now on deliveries are refused: another replica gets them.
  void stop() { stopping_ = true; }

  static constexpr int bulk_events_max = 500;
  // Holds a bulk of the largest events there are.
  static constexpr std::size_t body_bytes_max = 32 * 1024 * 1024;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace todo::dapr
