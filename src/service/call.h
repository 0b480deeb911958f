#pragma once

#include <atomic>
#include <limits>

#include "base/clock.h"
#include "base/uuid.h"
#include "events/event.h"

namespace todo::service {

// Tells the reminder timer, without a lock, that a reminder was planned: the timer looks earlier
// than it meant to. Only a hint: the database decides. Safe from any thread.
class ReminderHint {
 public:
  virtual ~ReminderHint() = default;
  virtual void planned(Instant remind_at) = 0;
};

// Who asks for what, when, by which request: taken before a unit runs, so that running the unit
// again does the same.
struct Call {
  Uuid user_id;
  Origin origin;
  Instant now{};
  IdGenerator* ids = nullptr;
  ReminderHint* reminders = nullptr;  // none: nobody waits
};

}  // namespace todo::service
