#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "domain/audit_entry.h"
#include "domain/user.h"
#include "service/call.h"
#include "storage/store.h"

namespace todo::service {

struct Registration {
  std::string email;
  std::string password_hash;
  std::optional<std::string> display_name;
  std::string timezone = "UTC";
};
// Fails: conflict “Email already registered”. The user's audit chain begins with a sealed head.
Result<User> register_user(storage::Tx& tx, const AuditKeys& keys, IdGenerator& ids, Instant now,
                           const Registration& registration);

// Trimmed and checked: one “@” with something on both sides, no white space or control characters,
// ≤ 255.
Result<std::string> check_email(std::string_view email);

// A new session; the caller signs its id.
storage::Session open_session(storage::Tx& tx, IdGenerator& ids, Instant now, const Uuid& user_id);

struct ProfileInput {
  bool display_name_present = false;
  std::optional<std::string> display_name;
  std::optional<std::string> timezone;  // checked: known to tzdata
  bool shift_due_dates = false;
};
// Changes of zone start the recomputation of what follows from it: its first unit runs in this
// transaction, the rest in `continue_recompute`.
Result<User> update_profile(storage::Tx& tx, const Call& call, const ProfileInput& input);

struct PreferencesInput {
  std::optional<bool> reminders_enabled;
  std::optional<int> reminder_minutes_before;
  std::optional<bool> toast_notifications;
  std::optional<MissedOccurrences> missed_occurrences;
};
Result<Preferences> update_preferences(storage::Tx& tx, const Call& call,
                                       const PreferencesInput& input);

// One more unit of a user's recomputation; true when it has ended (or there is none).
bool continue_recompute(storage::Tx& tx, const Call& call);

// Deletion: marks and ends the sessions; the rows go by purge_user in units.
void delete_account(storage::Tx& tx, const Uuid& user_id, Instant now);

}  // namespace todo::service
