#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "base/clock.h"
#include "events/event.h"
#include "observability/metrics.h"
#include "service/consumers.h"

namespace todo::service {

// When an event was made: its id is a UUIDv7, whose first 48 bits say it.
inline Instant made_at(const Uuid& event_id) {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms * 256 + event_id.bytes[i];
  return instant_from_ms(ms);
}

// What both buses count of the events that are consumed. Safe from any thread.
class EventProbe {
 public:
  struct OfTopic {
    metrics::Counter* applied = nullptr;
    metrics::Counter* duplicate = nullptr;
    metrics::Counter* failed = nullptr;
    metrics::Counter* dead = nullptr;
    metrics::Histogram* lag_seconds = nullptr;
  };

  explicit EventProbe(metrics::Registry& metrics)
      : lateness_seconds_(metrics.histogram("todo_reminder_lateness_seconds",
                                            "From a reminder being due to its notification",
                                            metrics::latency_buckets())) {
    for (const Topic topic : {Topic::audit, Topic::reminders, Topic::task_completed}) {
      const metrics::Labels labels{{"topic", std::string(to_string(topic))}};
      of(topic) = {
          &metrics.counter("todo_events_applied_total", "Events applied", labels),
          &metrics.counter("todo_events_duplicate_total",
                           "Events applied that found nothing to do: mostly seen before", labels),
          &metrics.counter("todo_events_failed_total", "Attempts to apply an event that failed",
                           labels),
          &metrics.counter("todo_events_dead_total", "Events put among the dead letters", labels),
          &metrics.histogram("todo_event_lag_seconds", "From an event being made to its effect",
                             metrics::latency_buckets(), labels)};
    }
  }

  // `topic` is one that is consumed.
  OfTopic& of(Topic topic) { return topics_.at(static_cast<std::size_t>(topic)); }

  void count_applied(Topic topic, const Uuid& event_id, Instant now) {
    OfTopic& probe = of(topic);
    probe.applied->add();
    probe.lag_seconds->observe(
        std::max(0.0, std::chrono::duration<double>(now - made_at(event_id)).count()));
  }
  void count_effect(Topic topic, const Effect& effect) {
    if (effect.duplicates > 0) of(topic).duplicate->add(effect.duplicates);
    if (effect.late) {
      lateness_seconds_.observe(std::max(0.0, std::chrono::duration<double>(*effect.late).count()));
    }
  }

 private:
  std::array<OfTopic, topic_count> topics_{};
  metrics::Histogram& lateness_seconds_;
};

}  // namespace todo::service
