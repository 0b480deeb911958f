#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "events/event.h"
#include "service/consumers.h"
#include "service/event_probe.h"
#include "storage/store.h"

namespace todo::dapr {

// One event as the sidecar brings it.
struct Entry {
  std::string entry_id;  // JSON, as it came: it goes back so
  OutboxEvent event;     // the envelope as it came; without an id of ours, one that is made from it
  TraceContext trace;
  int attempts = 0;  // at which it came back to the outbox
};

struct Delivery {
  Topic topic = Topic::audit;
  std::vector<Entry> entries;
  bool is_bulk = true;  // else a single CloudEvent
};

// Takes a request's body apart: a bulk of Dapr's, or one CloudEvent. Entries that are no events are
// entries all the same: they are judged one by one. nullopt: no entries can be told apart.
std::optional<Delivery> parse_delivery(Topic topic, std::string_view body);

enum class Verdict : std::uint8_t {
  done,   // it had its effect, now or before
  later,  // not now
  aside,  // not now, and it has waited in the way of others for long enough: back in the outbox
  dead,   // never: among the dead letters, with the reason
};

struct Judged {
  Verdict verdict = Verdict::later;
  std::string reason;
  service::Effect effect;
};

// Applies a delivery's events in the transaction it is given, a savepoint each, and says what
// became of each. `may_wait[i]`: entry i may be answered with “later”; else it is put aside. What
// can never be processed is buried, and told to the topic's dead letters by way of the outbox.
std::vector<Judged> apply_delivery(storage::Tx& tx, const service::Consumers& consumers,
                                   IdGenerator& ids, Instant now, const Delivery& delivery,
                                   const std::vector<bool>& may_wait);

// Keeps what the sidecar itself gave up, which is how its dead letters get among ours.
std::vector<Judged> keep_dead_letters(storage::Tx& tx, Instant now, const Delivery& delivery);

// The answer's body.
std::string statuses_of(const Delivery& delivery, const std::vector<Judged>& judged);

}  // namespace todo::dapr
