#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "domain/audit_entry.h"
#include "service/call.h"
#include "storage/store.h"

namespace todo::service {

// What a consumer says of an event it can never process.
class Undeliverable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What applying events came to.
struct Effect {
  int duplicates = 0;                             // events that found nothing to do
  std::optional<std::chrono::milliseconds> late;  // a reminder: from its time to being told
};

// The three consumers behind one door, for every bus: each effect with its own key, in the
// transaction it is given. Throws Undeliverable for what no retry will mend; other exceptions mean
// "again, later".
class Consumers {
 public:
  Consumers(const Clock& clock, IdGenerator& ids, const AuditKeys& audit_keys, ReminderHint* hint)
      : clock_(clock), ids_(ids), audit_keys_(audit_keys), hint_(hint) {}

  Effect consume(storage::Tx& tx, const OutboxEvent& event) const;
  // Audit events alone, as one batch.
  Effect consume_audit(storage::Tx& tx, const std::vector<const OutboxEvent*>& events) const;

 private:
  Call system_call(const Uuid& user_id, const Origin& cause) const;
  const Clock& clock_;
  IdGenerator& ids_;
  const AuditKeys& audit_keys_;
  ReminderHint* hint_;
};

}  // namespace todo::service
