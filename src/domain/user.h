#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/limits.h"
#include "base/uuid.h"

namespace todo {

enum class MissedOccurrences : std::uint8_t { keep = 0, skip };

struct Preferences {
  bool reminders_enabled = true;
  int reminder_minutes_before = limits::reminder_minutes_default;
  bool toast_notifications = true;
  MissedOccurrences missed_occurrences = MissedOccurrences::keep;
  bool operator==(const Preferences&) const = default;
};

// What a change of zone or preferences still has to recompute; on the user's row until it ends, so
// that any process goes on with it after a crash.
struct RecomputeJob {
  bool shift_due_dates =
      false;                  // keep wall times: moves due dates (makes versions and audit entries)
  bool zone_changed = false;  // all-day due dates follow the zone
  std::string from_zone;      // the zone whose wall times are kept
  std::optional<Uuid> after;  // tasks up to this id are done
  Instant started_at{};       // tasks that were changed later are in the new zone already
  bool operator==(const RecomputeJob&) const = default;
};

struct User {
  Uuid id;
  std::string email;
  std::optional<std::string> display_name;
  std::string timezone = "UTC";
  Preferences preferences;
  std::optional<RecomputeJob> recompute;
  bool disabled = false;
  Instant created_at{};
  bool operator==(const User&) const = default;
};

}  // namespace todo
