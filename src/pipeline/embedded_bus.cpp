#include "pipeline/embedded_bus.h"

#include <algorithm>

#include "base/limits.h"
#include "observability/log.h"

namespace todo::pipeline {
namespace {

constexpr std::chrono::milliseconds retry_delay_min{1'000};
constexpr std::chrono::milliseconds retry_delay_max = limits::event_retry_delay_max;
constexpr std::chrono::seconds depth_counted_every{1};

}  // namespace

std::chrono::milliseconds retry_delay(int attempts, double random_0_to_1) {
  const int doublings = std::clamp(attempts - 1, 0, 20);
  const auto whole = std::min(retry_delay_min * (std::int64_t{1} << doublings), retry_delay_max);
  return std::chrono::milliseconds{
      static_cast<std::int64_t>(static_cast<double>(whole.count()) * (1.0 - random_0_to_1 / 2))};
}

EmbeddedBus::EmbeddedBus(const service::Consumers& consumers, const Clock& clock,
                         metrics::Registry& metrics)
    : consumers_(consumers),
      clock_(clock),
      probe_(metrics),
      waiting_(
          metrics.gauge("todo_outbox_events", "Events in the outbox when the bus last looked")),
      dead_letters_(metrics.gauge("todo_dead_letters", "Events that wait for `events dead`")) {}

storage::BusProgress EmbeddedBus::step(storage::Tx& tx, int events_max) {
  const Instant now = clock_.now();
  storage::BusProgress progress;
  while (progress.events < events_max) {
    const auto rows = tx.list_outbox(now, events_max - progress.events);
    if (rows.empty()) break;
    apply(tx, rows, now);
    progress.events += static_cast<int>(rows.size());
  }
  progress.next_retry_at = tx.next_outbox_retry_at(now);
  count_waiting(tx, progress.events >= events_max || progress.next_retry_at, now);
  return progress;
}

// Counting costs as much as there is to count: now and then will do.
void EmbeddedBus::count_waiting(storage::Tx& tx, bool some_left, Instant now) {
  if (!some_left) return waiting_.set(0);
  if (now >= counted_at_ && now < counted_at_ + depth_counted_every) return;
  counted_at_ = now;
  waiting_.set(static_cast<double>(tx.outbox_depth().rows));
}

void EmbeddedBus::apply(storage::Tx& tx, const std::vector<storage::OutboxRow>& rows, Instant now) {
  std::vector<const storage::OutboxRow*> audit;
  for (const storage::OutboxRow& row : rows) {
    if (row.event.topic == Topic::audit) {
      audit.push_back(&row);
    } else {
      apply_one(tx, row, now);
    }
  }
  if (audit.empty() || apply_audit_together(tx, audit, now)) return;
  // One of them stands in the way of the others: find out which.
  for (const storage::OutboxRow* row : audit) apply_one(tx, *row, now);
}

bool EmbeddedBus::apply_audit_together(storage::Tx& tx,
                                       const std::vector<const storage::OutboxRow*>& rows,
                                       Instant now) {
  std::vector<const OutboxEvent*> events;
  events.reserve(rows.size());
  for (const storage::OutboxRow* row : rows) {
    if (service::made_at(row->event.id) + limits::event_age_max < now) return false;
    events.push_back(&row->event);
  }
  service::Effect effect;
  const auto applied = tx.nested([&] { effect = consumers_.consume_audit(tx, events); });
  if (!applied) return false;
  probe_.count_effect(Topic::audit, effect);
  std::vector<Uuid> ids;
  ids.reserve(rows.size());
  for (const storage::OutboxRow* row : rows) {
    ids.push_back(row->event.id);
    probe_.count_applied(Topic::audit, row->event.id, now);
  }
  tx.delete_outbox(ids);
  return true;
}

void EmbeddedBus::apply_one(storage::Tx& tx, const storage::OutboxRow& row, Instant now) {
  if (row.event.topic == Topic::audit &&
      service::made_at(row.event.id) + limits::event_age_max < now) {
    put_off(tx, row, "older than 30 days", true, now);
    return;
  }
  if (is_dead_letters(row.event.topic)) {  // another bus's
    tx.delete_outbox({row.event.id});
    return;
  }
  bool hopeless = false;
  service::Effect effect;
  const auto applied = tx.nested([&] {
    try {
      effect = consumers_.consume(tx, row.event);
    } catch (const service::Undeliverable&) {
      hopeless = true;
      throw;
    }
  });
  if (applied) {
    tx.delete_outbox({row.event.id});
    probe_.count_applied(row.event.topic, row.event.id, now);
    probe_.count_effect(row.event.topic, effect);
  } else {
    put_off(tx, row, applied.error(), hopeless, now);
  }
}

void EmbeddedBus::put_off(storage::Tx& tx, const storage::OutboxRow& row, const std::string& why,
                          bool hopeless, Instant now) {
  const int attempts = row.attempts + 1;
  service::EventProbe::OfTopic& probe = probe_.of(row.event.topic);
  probe.failed->add();
  const auto level =
      hopeless || attempts >= limits::event_attempts_max ? log::Level::error : log::Level::warning;
  log::write(level,
             level == log::Level::error ? "an event went to the dead letters"
                                        : "an event is tried again later",
             {{"topic", to_string(row.event.topic)},
              {"event_id", row.event.id.to_string()},
              {"attempts", attempts},
              {"reason", why}});
  if (level == log::Level::error) {
    probe.dead->add();
    dead_letters_.add(1);  // counted again now and then
    tx.bury(
        {row.event.id, row.event.topic, row.event.user_id, row.event.event, why, attempts, now});
    return;
  }
  const double random = std::uniform_real_distribution<double>(0, 1)(random_);
  tx.retry_outbox(row.event.id, attempts, now + retry_delay(attempts, random));
}

}  // namespace todo::pipeline
