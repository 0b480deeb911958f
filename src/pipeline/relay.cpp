#include "pipeline/relay.h"

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "observability/log.h"
#include "service/event_probe.h"

namespace todo::pipeline {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds delay_min{100};
constexpr milliseconds delay_max{3'000};
// Of an event that was refused while others were taken: it is the event, or its partition.
constexpr milliseconds refused_delay{2'000};

}  // namespace

milliseconds relay_delay(int failures, double random_0_to_1) {
  const int doublings = std::clamp(failures - 1, 0, 10);
  const auto whole = std::min(delay_min * (std::int64_t{1} << doublings), delay_max);
  return milliseconds{
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * (1.0 - random_0_to_1 / 2))};
}

Relay::Relay(service::Publisher& publisher, const Clock& clock, metrics::Registry& metrics)
    : publisher_(publisher),
      clock_(clock),
      refused_(metrics.counter("todo_events_refused_total",
                               "Events that the bus refused while it took others")),
      failures_total_(
          metrics.counter("todo_publish_failures_total", "Batches of which the bus took nothing")),
      seconds_(metrics.histogram("todo_publish_seconds", "Batches, from the request to the answer",
                                 metrics::latency_buckets())),
      waiting_(
          metrics.gauge("todo_outbox_events", "Events in the outbox when the bus last looked")),
      oldest_seconds_(metrics.gauge("todo_outbox_oldest_seconds",
                                    "Age of the oldest event in the outbox, then")) {
  for (std::size_t i = 0; i < published_.size(); ++i) {
    published_[i] =
        &metrics.counter("todo_events_published_total", "Events that the bus acknowledged",
                         {{"topic", std::string(to_string(static_cast<Topic>(i)))}});
  }
}

storage::Relayed Relay::step(const std::vector<storage::OutboxRow>& rows,
                             const std::optional<storage::OutboxDepth>& depth) {
  const auto began = std::chrono::steady_clock::now();
  const service::Published published = publisher_.publish(rows);
  seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  storage::Relayed relayed;
  std::vector<const storage::OutboxRow*> left;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!published.acknowledged[i]) {
      left.push_back(&rows[i]);
      continue;
    }
    relayed.acknowledged.push_back(rows[i].event.id);
    published_.at(static_cast<std::size_t>(rows[i].event.topic))->add();
  }
  count(rows, depth, left.size());
  if (relayed.acknowledged.empty()) {
    rest(relayed, rows.size(), published.error);
    return relayed;
  }
  if (failures_ > 0) log::info("events are published again", {{"failures", failures_}});
  failures_ = 0;
  if (left.empty()) return relayed;
  refused_.add(static_cast<double>(left.size()));
  log::warning("some events were refused; they are tried again",
               {{"events", left.size()},
                {"event_id", left.front()->event.id.to_string()},
                {"error", published.error}});
  for (const storage::OutboxRow* row : left) {
    const auto delay = refused_delay * (1.0 - random() / 2);
    relayed.put_off.push_back({row->event.id, row->attempts,
                               clock_.now() + std::chrono::duration_cast<milliseconds>(delay)});
  }
  return relayed;
}

void Relay::count(const std::vector<storage::OutboxRow>& rows,
                  const std::optional<storage::OutboxDepth>& depth, std::size_t left) {
  if (rows.size() < limits::events_per_publish_max) {
    depth_.reset();
    waiting_.set(static_cast<double>(left));
  } else if (depth) {
    depth_ = depth->rows;
  }
  if (depth_) waiting_.set(static_cast<double>(*depth_));
  const auto age = clock_.now() - service::made_at(rows.front().event.id);
  const bool is_behind = left > 0 || depth_;
  oldest_seconds_.set(is_behind ? std::max(0.0, std::chrono::duration<double>(age).count()) : 0);
}

// Said once, until something is published again.
void Relay::rest(storage::Relayed& relayed, std::size_t events, const std::string& error) {
  failures_total_.add();
  if (failures_++ == 0) {
    log::warning("events cannot be published; they wait in the outbox",
                 {{"events", events}, {"error", error}});
  }
  relayed.pause = relay_delay(failures_, random());
}

}  // namespace todo::pipeline
