#include "service/accounts.h"

#include <algorithm>

#include "base/limits.h"
#include "base/text.h"
#include "domain/recurrence.h"
#include "domain/time_zone.h"
#include "service/mutation.h"
#include "service/reminders.h"
#include "service/tasks.h"

namespace todo::service {
namespace {

// A shifted task writes its row, indexes, a ledger row and two events: so many tasks stay within
// the rows of a unit.
constexpr int tasks_per_recompute_unit = limits::rows_per_unit_max / 4;

bool is_space_or_control(unsigned char c) { return c <= 0x20 || c == 0x7f; }

TimeZone zone_of(const User& user) {
  return TimeZone::find(user.timezone).value_or(TimeZone::utc());
}

// What is derived from the zone or preferences makes no version: the row is written as it is, with
// its new instants.
void write_derived(storage::Tx& tx, const Call& call, const User& user, const Task& before,
                   Task after) {
  follow_date(tx, before, after);
  // What waits for the check since before its due date passed is the check's to claim, or to call
  // too late: it is not planned away.
  const bool waits =
      before.remind_at && after.due && *before.remind_at <= call.now && after.due->at <= call.now;
  const PlannedReminder plan =
      waits ? PlannedReminder{before.remind_at, false} : plan_reminder(tx, after, user, call.now);
  after.remind_at = plan.claim_now ? std::nullopt : plan.remind_at;
  if (after.due != before.due) {
    tx.update_task(before, after);
  } else if (after.remind_at != before.remind_at) {
    tx.set_remind_at(after.user_id, after.id, after.remind_at);
  }
  if (plan.claim_now) claim_reminder(tx, call, after, *plan.remind_at);
  if (after.remind_at && call.reminders != nullptr) call.reminders->planned(*after.remind_at);
}

void recompute_task(storage::Tx& tx, const Call& call, const User& user, const Task& task) {
  if (!task.due) return;
  const RecomputeJob& job = *user.recompute;
  const TimeZone zone = zone_of(user);
  Task after = task;
  // An anchor may be in the new zone from an earlier stay there.
  const bool in_old_zone = task.due->anchor.zone != zone.name() || task.updated_at < job.started_at;
  if (job.zone_changed && task.due->on) {
    after.due = in_zone(*task.due, task.recurrence, zone);
  } else if (job.shift_due_dates && in_old_zone && !task.completed()) {
    const TimeZone from = TimeZone::find(job.from_zone).value_or(TimeZone::utc());
    after.due = shifted_to_zone(in_zone(*task.due, task.recurrence, from), task.recurrence, zone);
    if (after.due->at != task.due->at) {
      update_task_with_event(tx, call, user, task, after, AuditAction::update,
                             ReminderPlan::recompute, "shift_due_dates");
      return;
    }
  }
  write_derived(tx, call, user, task, std::move(after));
}

// New preferences: what is under way begins again with the first task, which harms nothing.
void restart_recompute(User& user) {
  if (!user.recompute) user.recompute = RecomputeJob{};
  user.recompute->after.reset();
}

}  // namespace

Result<std::string> check_email(std::string_view email) {
  const std::string_view text = trim(email);
  const auto at = text.find('@');
  const bool one_at =
      at != std::string_view::npos && text.find('@', at + 1) == std::string_view::npos;
  if (!one_at || at == 0 || at + 1 == text.size() ||
      std::ranges::any_of(text, is_space_or_control)) {
    return fail_field("email", "Must be an email address");
  }
  if (count_code_points(text) > limits::email_max)
    return fail_field("email", "At most 255 characters");
  return std::string(text);
}

Result<User> register_user(storage::Tx& tx, const AuditKeys& keys, IdGenerator& ids, Instant now,
                           const Registration& registration) {
  User user;
  user.id = ids.next();
  user.email = registration.email;
  user.display_name = registration.display_name;
  user.timezone = registration.timezone;
  user.created_at = now;
  if (!tx.insert_user(user, fold_case(user.email), registration.password_hash)) {
    return fail(ErrorCode::conflict, "Email already registered");
  }
  tx.set_audit_heads({{user.id, keys.seal(user.id, 0, {})}});
  return user;
}

storage::Session open_session(storage::Tx& tx, IdGenerator& ids, Instant now, const Uuid& user_id) {
  storage::Session session{ids.next(), user_id, now, now + limits::session_lifetime};
  tx.insert_session(session);
  return session;
}

Result<User> update_profile(storage::Tx& tx, const Call& call, const ProfileInput& input) {
  auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  if (input.display_name_present) user->display_name = input.display_name;
  const bool zone_changed = input.timezone && *input.timezone != user->timezone;
  if (zone_changed) {
    if (user->recompute && user->recompute->zone_changed) {
      return std::unexpected(
          Error{ErrorCode::unavailable, "The last change of time zone is still under way", {}, 1});
    }
    user->recompute =
        RecomputeJob{input.shift_due_dates, true, user->timezone, std::nullopt, call.now};
    user->timezone = *input.timezone;
  }
  tx.update_user(*user);
  if (zone_changed) {
    continue_recompute(tx, call);
    user = tx.find_user(call.user_id);
  }
  return std::move(*user);
}

Result<Preferences> update_preferences(storage::Tx& tx, const Call& call,
                                       const PreferencesInput& input) {
  auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  const Preferences before = user->preferences;
  Preferences& after = user->preferences;
  after.reminders_enabled = input.reminders_enabled.value_or(before.reminders_enabled);
  after.reminder_minutes_before =
      input.reminder_minutes_before.value_or(before.reminder_minutes_before);
  after.toast_notifications = input.toast_notifications.value_or(before.toast_notifications);
  after.missed_occurrences = input.missed_occurrences.value_or(before.missed_occurrences);
  if (after == before) return after;
  const bool reminders_move = after.reminder_minutes_before != before.reminder_minutes_before ||
                              (after.reminders_enabled && !before.reminders_enabled);
  if (reminders_move) restart_recompute(*user);
  tx.update_user(*user);
  if (reminders_move) continue_recompute(tx, call);
  return after;
}

bool continue_recompute(storage::Tx& tx, const Call& call) {
  auto user = tx.find_user(call.user_id);
  if (!user || !user->recompute) return true;
  const auto tasks = tx.tasks_after(call.user_id, user->recompute->after, tasks_per_recompute_unit);
  for (const Task& task : tasks) recompute_task(tx, call, *user, task);
  const bool ended = static_cast<int>(tasks.size()) < tasks_per_recompute_unit;
  if (ended) {
    user->recompute.reset();
  } else {
    user->recompute->after = tasks.back().id;
  }
  tx.update_user(*user);
  return ended;
}

void delete_account(storage::Tx& tx, const Uuid& user_id, Instant now) {
  tx.delete_sessions(user_id, std::nullopt);
  tx.mark_user_deleted(user_id, now);
}

}  // namespace todo::service
