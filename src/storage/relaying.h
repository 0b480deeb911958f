#pragma once

#include <chrono>
#include <optional>

#include "base/limits.h"
#include "storage/store.h"

// What the relays of all databases have in common.
namespace todo::storage {

// Counting costs as much as there is to count: where a batch holds everything there is, nothing is
// counted, and else now and then. Used by one thread.
class DepthCounter {
 public:
  std::optional<OutboxDepth> count(ReadTx& tx, std::size_t taken) {
    if (taken < limits::events_per_publish_max) return std::nullopt;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return std::nullopt;
    next_ = now + std::chrono::seconds{1};
    return tx.outbox_depth();
  }

 private:
  std::chrono::steady_clock::time_point next_{};
};

// Writes down what became of the events.
inline void settle(Tx& tx, const Relayed& relayed) {
  if (!relayed.acknowledged.empty()) tx.delete_outbox(relayed.acknowledged);
  for (const Relayed::PutOff& event : relayed.put_off)
    tx.retry_outbox(event.event_id, event.attempts, event.not_before);
}

}  // namespace todo::storage
