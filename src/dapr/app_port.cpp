#include "dapr/app_port.h"

#include <sodium.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "dapr/delivery.h"
#include "observability/log.h"
#include "service/event_probe.h"

namespace todo::dapr {
namespace {

// The sidecar brings one bulk at a time, whatever its topic and partition: what counts is how many
// events share a transaction. A shorter wait makes more bulks of fewer events, each of which the
// others wait for.
constexpr int bulk_wait_ms = 50;
// How often an event may be answered with “later” in a row: it holds up all that is behind it.
constexpr int refusals_max = 2;
constexpr std::size_t refused_events_max = 1'000;

constexpr std::string_view events_path = "/events/";

struct Subscription {
  Topic topic;
  std::string_view path;
};
constexpr std::array<Subscription, topic_count> subscriptions{{
    {Topic::audit, "/events/audit"},
    {Topic::reminders, "/events/reminders"},
    {Topic::task_completed, "/events/completed"},
}};
// Subscribed to by resources beside the sidecar, for their topics hold whatever was sent.
constexpr std::string_view dead_suffix = "/dead";

net::Response answer(int status, std::string body) {
  net::Response response;
  response.status = status;
  response.body = std::move(body);
  response.with("Content-Type", "application/json");
  return response;
}

net::Response complain(int status, std::string_view why) {
  std::string body;
  JsonWriter(body).begin_object().member("error", why).end_object();
  return answer(status, std::move(body));
}

std::string subscriptions_json(const std::string& pubsub) {
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  for (const Subscription& subscription : subscriptions) {
    json.begin_object().member("pubsubname", pubsub);
    json.member("topic", to_string(subscription.topic)).key("routes").begin_object();
    json.member("default", subscription.path).end_object();
    json.member("deadLetterTopic", to_string(dead_letters_of(subscription.topic)));
    json.key("bulkSubscribe").begin_object().member("enabled", true);
    json.member("maxMessagesCount", AppPort::bulk_events_max)
        .member("maxAwaitDurationMs", bulk_wait_ms);
    json.end_object().end_object();
  }
  json.end_array();
  return body;
}

// How often in a row events were answered with “later”: of the newest thousand. Safe from any
// thread.
class Refusals {
 public:
  bool may_wait(const Uuid& event_id) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(event_id);
    return found == counts_.end() || found->second < refusals_max;
  }
  void count(const Uuid& event_id) {
    const std::lock_guard lock(mutex_);
    if (++counts_[event_id] > 1) return;
    order_.push_back(event_id);
    if (order_.size() <= refused_events_max) return;
    counts_.erase(order_.front());
    order_.pop_front();
  }
  void forget(const Uuid& event_id) {
    const std::lock_guard lock(mutex_);
    if (counts_.erase(event_id) > 0) std::erase(order_, event_id);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<Uuid, int> counts_;
  std::deque<Uuid> order_;
};

}  // namespace

struct AppPort::Impl {
  Impl(const Parts& p, Options o)
      : parts(p),
        options(std::move(o)),
        probe(p.metrics),
        dead_letters(p.metrics.gauge("todo_dead_letters", "Events that wait for `events dead`")),
        delivery_seconds(p.metrics.histogram("todo_delivery_seconds",
                                             "Deliveries, from the request read to its answer",
                                             metrics::latency_buckets())),
        ticks(p.metrics.counter("todo_cron_ticks_total", "Ticks of the sidecar's cron")) {}

  bool knows(const net::Request& request) const;
  void deliver(const net::Request& request, Executor& executor, net::Reply reply,
               const std::shared_ptr<Impl>& self);
  void settle(const Delivery& delivery, const std::vector<Judged>& judged, bool are_dead_letters);
  void tell(const Entry& entry, const Judged& judged) const;
  void trace(const Entry& entry, const Judged& judged, tracing::Time begin) const;

  const Parts parts;
  const Options options;
  service::EventProbe probe;
  metrics::Gauge& dead_letters;
  metrics::Histogram& delivery_seconds;
  metrics::Counter& ticks;
  Refusals refusals;
};

bool AppPort::Impl::knows(const net::Request& request) const {
  if (options.token.empty()) return true;
  const auto given = request.field("dapr-api-token");
  return given && given->size() == options.token.size() &&
         sodium_memcmp(given->data(), options.token.data(), given->size()) == 0;
}

namespace {

// A delivery on its way through the database.
struct UnderWay {
  Delivery delivery;
  bool are_dead_letters = false;
  std::vector<bool> may_wait;
  std::vector<Judged> judged;
  net::Reply reply;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  tracing::Time began_at = tracing::now();
};

struct Destination {
  Topic topic;
  bool are_dead_letters;
};

std::optional<Destination> destination_of(std::string_view path) {
  const bool dead = path.ends_with(dead_suffix);
  if (dead) path.remove_suffix(dead_suffix.size());
  const auto found = std::ranges::find(subscriptions, path, &Subscription::path);
  if (found == subscriptions.end()) return std::nullopt;
  return Destination{found->topic, dead};
}

}  // namespace

void AppPort::Impl::deliver(const net::Request& request, Executor& executor, net::Reply reply,
                            const std::shared_ptr<Impl>& self) {
  const auto destination = destination_of(request.path);
  if (!destination) return reply(complain(503, "there is nothing here"));
  auto delivery = parse_delivery(destination->topic, request.body);
  if (!delivery) return reply(complain(503, "no delivery can be read"));
  if (delivery->entries.empty()) return reply(answer(200, R"({"statuses":[]})"));
  auto under_way = std::make_shared<UnderWay>();
  under_way->delivery = std::move(*delivery);
  under_way->are_dead_letters = destination->are_dead_letters;
  under_way->judged.resize(under_way->delivery.entries.size());
  under_way->reply = std::move(reply);
  for (const Entry& entry : under_way->delivery.entries)
    under_way->may_wait.push_back(refusals.may_wait(entry.event.id));
  const Instant now = parts.clock.now();
  const bool queued = parts.store.write(
      [self, under_way, now](storage::Tx& tx) {
        under_way->judged = under_way->are_dead_letters
                                ? keep_dead_letters(tx, now, under_way->delivery)
                                : apply_delivery(tx, self->parts.consumers, self->parts.ids, now,
                                                 under_way->delivery, under_way->may_wait);
        return storage::Verdict::commit;
      },
      executor,
      [self, under_way](storage::Outcome outcome) {
        // Nobody's fault: all of them come again.
        if (outcome != storage::Outcome::committed) {
          for (Judged& judged : under_way->judged) judged = {};
        } else {
          self->settle(under_way->delivery, under_way->judged, under_way->are_dead_letters);
        }
        const auto took = std::chrono::steady_clock::now() - under_way->began;
        self->delivery_seconds.observe(std::chrono::duration<double>(took).count());
        if (self->parts.tracer != nullptr) {
          for (std::size_t i = 0; i < under_way->judged.size(); ++i)
            self->trace(under_way->delivery.entries[i], under_way->judged[i], under_way->began_at);
        }
        under_way->reply(answer(200, statuses_of(under_way->delivery, under_way->judged)));
      });
  if (!queued) under_way->reply(complain(503, "too much is under way"));
}

void AppPort::Impl::settle(const Delivery& delivery, const std::vector<Judged>& judged,
                           bool are_dead_letters) {
  const Instant now = parts.clock.now();
  for (std::size_t i = 0; i < judged.size(); ++i) {
    const Entry& entry = delivery.entries[i];
    auto& counted = probe.of(delivery.topic);
    if (judged[i].verdict == Verdict::done) {
      if (are_dead_letters) continue;
      probe.count_applied(delivery.topic, entry.event.id, now);
      probe.count_effect(delivery.topic, judged[i].effect);
    } else {
      counted.failed->add();
      tell(entry, judged[i]);
    }
    if (judged[i].verdict == Verdict::dead) {
      counted.dead->add();
      dead_letters.add(1);  // counted again now and then
    }
    if (judged[i].verdict == Verdict::later) {
      refusals.count(entry.event.id);
    } else {
      refusals.forget(entry.event.id);
    }
  }
}

void AppPort::Impl::tell(const Entry& entry, const Judged& judged) const {
  const bool dead = judged.verdict == Verdict::dead;
  log::write(dead ? log::Level::error : log::Level::warning,
             dead ? "an event went to the dead letters" : "an event is tried again later",
             {{"topic", to_string(entry.event.topic)},
              {"event_id", entry.event.id.to_string()},
              {"attempts", entry.attempts + 1},
              {"reason", judged.reason},
              {"trace_id", entry.trace.trace_id}});
}

void AppPort::Impl::trace(const Entry& entry, const Judged& judged, tracing::Time begin) const {
  if (entry.trace.trace_id.empty()) return;
  const std::string topic(to_string(entry.event.topic));
  parts.tracer->record({.trace_id = entry.trace.trace_id,
                        .span_id = random_hex(8),
                        .parent_id = entry.trace.span_id,
                        .name = "process " + topic,
                        .kind = tracing::Kind::consumer,
                        .begin = begin,
                        .end = tracing::now(),
                        .failed = judged.verdict != Verdict::done,
                        .attributes = {{"messaging.system", "kafka"},
                                       {"messaging.destination.name", topic},
                                       {"messaging.message.id", entry.event.id.to_string()}}});
}

AppPort::AppPort(const Parts& parts, Options options)
    : impl_(std::make_shared<Impl>(parts, std::move(options))) {}

AppPort::~AppPort() = default;

void AppPort::handle(const net::Request& request, Executor& executor, net::Reply reply) {
  using enum net::Method;
  // The probe carries no token.
  if (request.path == "/healthz" && (request.method == get || request.method == head)) {
    const bool healthy = !stopping_ && impl_->parts.healthy();
    return reply(
        answer(healthy ? 200 : 503, healthy ? R"({"status":"ok"})" : R"({"status":"not_ready"})"));
  }
  if (!impl_->knows(request)) return reply(complain(401, "dapr-api-token is not APP_API_TOKEN"));
  if (request.path == "/dapr/subscribe" && request.method == get)
    return reply(answer(200, subscriptions_json(impl_->options.pubsub)));
  if (request.path == "/dapr/config" && request.method == get) return reply(answer(200, "{}"));
  if (request.path == "/reminder-cron" && request.method == options)
    return reply(answer(200, "{}"));
  if (stopping_) return reply(complain(503, "the server is stopping"));
  if (request.path == "/reminder-cron" && request.method == post) {
    impl_->ticks.add();
    impl_->parts.tick();
    return reply(answer(200, "{}"));
  }
  if (request.path.starts_with(events_path) && request.method == post)
    return impl_->deliver(request, executor, std::move(reply), impl_);
  reply(complain(503, "there is nothing here"));
}

net::Response AppPort::refuse(const net::Request&, int status, std::string_view why) {
  return complain(status == 404 ? 503 : status, why);
}

}  // namespace todo::dapr
