#include "service/tasks.h"

#include <algorithm>

#include "base/limits.h"
#include "domain/recurrence.h"
#include "domain/task_json.h"
#include "domain/time_zone.h"
#include "service/mutation.h"
#include "service/reminders.h"

namespace todo::service {
namespace {

constexpr const char* no_such_task = "Task not found";

std::unexpected<Error> task_not_found() { return fail(ErrorCode::not_found, no_such_task); }

std::unexpected<Error> version_differs() {
  return fail(ErrorCode::precondition_failed,
              "The task has changed since the version that If-Match names");
}

TimeZone zone_of(const User& user) {
  return TimeZone::find(user.timezone).value_or(TimeZone::utc());
}

// What every change of a task begins with: its user and the task as it is in this transaction.
struct Loaded {
  User user;
  Task task;
};

Result<Loaded> load(storage::Tx& tx, const Call& call, const Uuid& task_id,
                    const IfMatch& if_match) {
  tx.expect_task(call.user_id, task_id);
  auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  auto task = find_or_make_task(tx, call, task_id);
  if (!task) return task_not_found();
  if (!if_match.allows(task->version)) return version_differs();
  return Loaded{std::move(*user), std::move(*task)};
}

Due resolve(const DueInput& input, const TimeZone& zone) {
  if (const auto* date = std::get_if<Date>(&input)) return due_on(*date, zone);
  // The anchor is the wall-clock time as it was given, even where a gap has no such time.
  if (const auto* local = std::get_if<LocalTime>(&input))
    return Due{zone.to_instant(*local), std::nullopt, {*local, zone.name(), 0}};
  return due_at(std::get<Instant>(input), zone);
}

bool same_due(const std::optional<Due>& current, const DueInput& input, const TimeZone& zone) {
  if (!current) return false;
  if (const auto* date = std::get_if<Date>(&input)) return current->on == *date;
  // The instant as it was answered: an all-day task that comes back whole stays an all-day task.
  if (const auto* instant = std::get_if<Instant>(&input)) return current->at == *instant;
  return !current->on && current->at == zone.to_instant(std::get<LocalTime>(input));
}

bool in_range(Instant instant) { return instant >= earliest_instant && instant <= latest_instant; }

// Every failing member, each once.
struct Refusals {
  std::vector<FieldError> list;

  bool name(std::string_view field) const {
    return std::ranges::find(list, field, &FieldError::field) != list.end();
  }
  void add(const char* field, const char* message) {
    if (!name(field)) list.push_back({field, message});
  }
};

std::unexpected<Error> validation_failed(std::vector<FieldError> fields) {
  return std::unexpected(Error{ErrorCode::invalid, "Validation failed", std::move(fields), 0});
}

struct Edited {
  bool due = false;
  bool rule = false;
};

void apply_texts(Task& task, const TaskInput& input) {
  if (input.title.present && input.title.value) task.title = *input.title.value;
  if (input.description.present) task.description = input.description.value;
  if (input.priority.present) task.priority = input.priority.value;
  if (input.category.present) task.category = input.category.value;
}

// The rule's members; what an absent one becomes when the rule changes under it.
void apply_recurrence(Recurrence& recurrence, const TaskInput& input) {
  if (input.recurrence_rule.present) {
    recurrence.rule = input.recurrence_rule.value.value_or(RecurrenceRule::none);
  }
  if (recurrence.rule == RecurrenceRule::none && input.recurrence_rule.present) {
    recurrence.interval = 1;
    recurrence.from = RecurrenceFrom::due;
  }
  if (recurrence.rule != RecurrenceRule::weekly && !input.recurrence_weekdays.present)
    recurrence.weekdays.reset();
  if (input.recurrence_interval.present)
    recurrence.interval = input.recurrence_interval.value.value_or(1);
  if (input.recurrence_weekdays.present) recurrence.weekdays = input.recurrence_weekdays.value;
  if (input.recurrence_from.present)
    recurrence.from = input.recurrence_from.value.value_or(RecurrenceFrom::due);
}

// Moves this occurrence only: the anchor, and with it the rest of the series, stays.
void move_only_this(Task& task, const Due& due, Refusals& errors) {
  if (task.due && task.due->on.has_value() != due.on.has_value()) {
    return errors.add("due_date", task.due->on
                                      ? "Only this occurrence: give a date without a time, "
                                        "as the series has"
                                      : "Only this occurrence: give a date with a time, as "
                                        "the series has");
  }
  Anchor anchor = task.due ? task.due->anchor : due.anchor;
  task.due = due;
  task.due->anchor = std::move(anchor);
}

Result<Edited> apply_input(Task& task, const TaskInput& input, const TimeZone& zone,
                           bool this_only) {
  const Task before = task;
  Edited edited;
  apply_texts(task, input);
  apply_recurrence(task.recurrence, input);
  edited.rule = task.recurrence != before.recurrence;

  Refusals errors{input.refused};
  if (task.recurrence.weekdays && task.recurrence.rule != RecurrenceRule::weekly &&
      !errors.name("recurrence_rule")) {
    errors.add("recurrence_weekdays", "Only a weekly task has weekdays");
  }
  if (input.due_date.present && !input.due_date.value) {
    edited.due = task.due.has_value();
    task.due.reset();
  } else if (input.due_date.present && !same_due(task.due, *input.due_date.value, zone)) {
    const Due due = resolve(*input.due_date.value, zone);
    if (!in_range(due.at)) {
      errors.add("due_date", "Must lie between 1970-01-01 and 9999-12-31");
    } else if (this_only && before.recurs()) {
      move_only_this(task, due, errors);
    } else {
      task.due = due;
    }
    edited.due = true;
  }
  if (task.recurs() && !task.due) errors.add("due_date", "A recurring task needs a due date");
  if (this_only && edited.rule)
    errors.add("scope", "Only this occurrence: its rule cannot change alone");
  if (!errors.list.empty()) return validation_failed(std::move(errors.list));
  return edited;
}

// The anchor is this due date's own wall time already, perhaps one that a gap has swallowed.
bool stands_for_itself(const Due& due, const TimeZone& zone) {
  return due.anchor.step == 0 && due.anchor.zone == zone.name() && !due.on &&
         zone.to_instant(due.anchor.local) == due.at;
}

// A changed rule counts from this occurrence's due date on; a pending task's first rule begins a
// series of its own. (A completed one keeps its series: its successor is found there.)
void anchor_again(Task& task, const Task& before, const Edited& edited, const TimeZone& zone,
                  IdGenerator& ids) {
  if (edited.rule && !edited.due && task.due && !stands_for_itself(*task.due, zone)) {
    task.due = task.due->on ? due_on(*task.due->on, zone) : due_at(task.due->at, zone);
  }
  const bool pending = !before.completed() || !task.completed();
  if (!before.recurs() && task.recurs() && pending) {
    task.series_id = ids.next();
    task.occurrence = 1;
  }
}

// Recomputations see living tasks only: an all-day date that was away meanwhile follows its user's
// zone when it comes back.
void follow_zone(Task& task, const User& user) {
  if (task.due && task.due->on) task.due = in_zone(*task.due, task.recurrence, zone_of(user));
}

Task successor_of(const Task& task, const Call& call, const Due& due) {
  Task next;
  next.id = call.ids->next();
  next.user_id = task.user_id;
  next.title = task.title;
  next.description = task.description;
  next.due = due;
  next.priority = task.priority;
  next.category = task.category;
  next.recurrence = task.recurrence;
  next.parent_task_id = task.id;
  next.series_id = task.series_id;
  next.occurrence = task.occurrence + 1;
  next.created_at = call.now;
  next.updated_at = call.now;
  return next;
}

// The living successor or the promise of a completed task.
std::optional<Task> known_successor(storage::Tx& tx, const Task& task) {
  if (const auto promise = tx.find_promise_of(task.user_id, task.id))
    return parse_task_record(promise->task);
  return tx.find_occurrence(task.user_id, task.series_id, task.occurrence + 1);
}

// Writes the promise of the next occurrence and the event that redeems it; none when the series
// ends here.
std::optional<Task> promise_next(storage::Tx& tx, const Call& call, const User& user,
                                 const Task& completed) {
  if (!completed.recurs() || !completed.due) return std::nullopt;
  const std::int64_t occurrence = completed.occurrence + 1;
  if (auto living = tx.find_occurrence(completed.user_id, completed.series_id, occurrence))
    return living;
  // Another task of the series may have promised it.
  if (const auto promise = tx.find_promise_at(completed.user_id, completed.series_id, occurrence))
    return keep_promise(tx, call, promise->id);
  const auto due = next_due(completed.recurrence, *completed.due, zone_of(user),
                            *completed.completed_at, user.preferences.missed_occurrences, call.now);
  if (!due) return std::nullopt;
  Task next = successor_of(completed, call, *due);
  tx.insert_promise(
      {next.id, next.user_id, completed.id, next.series_id, next.occurrence, task_record(next)});
  tx.insert_outbox(make_completed_event(call.ids->next(), call.now, completed, next, call.origin));
  return next;
}

// Writes a task that was just completed (and perhaps edited); its next occurrence, promised.
std::optional<Task> write_completed(storage::Tx& tx, const Call& call, const User& user,
                                    const Task& before, Task& after) {
  update_task_with_event(tx, call, user, before, after, AuditAction::complete,
                         ReminderPlan::recompute);
  return promise_next(tx, call, user, after);
}

// Takes back what completing `task` has led to: the promise, or the successor while that is
// untouched. Its id.
std::optional<Uuid> withdraw_successor(storage::Tx& tx, const Call& call, const User& user,
                                       const Task& task) {
  if (const auto promise = tx.find_promise_of(call.user_id, task.id)) {
    tx.delete_promise(call.user_id, promise->id);
    return promise->id;
  }
  const auto successor = tx.find_occurrence(call.user_id, task.series_id, task.occurrence + 1);
  const bool untouched = successor && successor->parent_task_id == task.id &&
                         successor->version == 1 && !successor->completed();
  if (!untouched) return std::nullopt;
  Task removed = *successor;
  removed.deleted_at = call.now;
  update_task_with_event(tx, call, user, *successor, removed, AuditAction::remove,
                         ReminderPlan::recompute, "reopen");
  return successor->id;
}

// Writes a task that was just reopened (and perhaps edited); the id of the occurrence taken back.
std::optional<Uuid> write_reopened(storage::Tx& tx, const Call& call, const User& user,
                                   const Task& before, Task& after) {
  const auto removed = withdraw_successor(tx, call, user, before);
  update_task_with_event(tx, call, user, before, after, AuditAction::update,
                         ReminderPlan::recompute, "reopen");
  return removed;
}

}  // namespace

bool IfMatch::allows(std::int64_t version) const {
  return !given || any || std::ranges::find(versions, version) != versions.end();
}

std::optional<Task> keep_promise(storage::Tx& tx, const Call& call, const Uuid& promised_id) {
  const auto promise = tx.take_promise(call.user_id, promised_id);
  if (!promise) return std::nullopt;
  const auto user = tx.find_user(promise->user_id);
  if (!user) return std::nullopt;
  Task task = parse_task_record(promise->task);
  follow_zone(task, *user);
  Call maker = call;
  maker.origin.actor = "system";
  insert_task_with_event(tx, maker, *user, task);
  return task;
}

std::optional<Task> find_or_make_task(storage::Tx& tx, const Call& call, const Uuid& task_id) {
  auto task = tx.find_task(call.user_id, task_id);
  if (!task && tx.find_promise(call.user_id, task_id)) task = keep_promise(tx, call, task_id);
  if (task && task->deleted_at) return std::nullopt;
  return task;
}

Result<Task> create_task(storage::Tx& tx, const Call& call, const TaskInput& input) {
  const auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  if (tx.counters(call.user_id).living_tasks >= limits::tasks_per_user_max) {
    return fail(ErrorCode::invalid,
                "There are 100,000 tasks already, which is the most an account can hold");
  }
  Task task;
  task.id = call.ids->next();
  task.series_id = call.ids->next();
  task.user_id = call.user_id;
  task.created_at = call.now;
  task.updated_at = call.now;
  if (auto edited = apply_input(task, input, zone_of(*user), false); !edited)
    return std::unexpected(edited.error());
  insert_task_with_event(tx, call, *user, task);
  return task;
}

Result<Task> update_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                         const TaskInput& input, const IfMatch& if_match, bool this_only) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded && !input.refused.empty()) return validation_failed(input.refused);
  if (!loaded) return std::unexpected(loaded.error());
  const Task before = loaded->task;
  Task after = before;
  const TimeZone zone = zone_of(loaded->user);
  const auto edited = apply_input(after, input, zone, this_only);
  if (!edited) return std::unexpected(edited.error());
  const bool toggles = input.completed.present && *input.completed.value != before.completed();
  if (toggles) after.completed_at = before.completed() ? std::nullopt : std::optional(call.now);
  anchor_again(after, before, *edited, zone, *call.ids);
  if (toggles && after.completed()) {
    write_completed(tx, call, loaded->user, before, after);
  } else if (toggles) {
    write_reopened(tx, call, loaded->user, before, after);
  } else if (before != after) {
    update_task_with_event(tx, call, loaded->user, before, after, AuditAction::update,
                           edited->due ? ReminderPlan::recompute : ReminderPlan::keep);
  }
  return after;
}

Result<Completion> complete_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                                 const IfMatch& if_match) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded) return std::unexpected(loaded.error());
  const Task& before = loaded->task;
  if (before.completed()) return Completion{before, known_successor(tx, before)};
  Task after = before;
  after.completed_at = call.now;
  auto next = write_completed(tx, call, loaded->user, before, after);
  return Completion{std::move(after), std::move(next)};
}

Result<Reopening> reopen_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                              const IfMatch& if_match) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded) return std::unexpected(loaded.error());
  const Task& before = loaded->task;
  if (!before.completed()) return Reopening{before, std::nullopt};

  Reopening result{before, std::nullopt};
  result.task.completed_at.reset();
  result.removed_occurrence_id = write_reopened(tx, call, loaded->user, before, result.task);
  return result;
}

Result<Task> toggle_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                         const IfMatch& if_match) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded) return std::unexpected(loaded.error());
  if (loaded->task.completed()) {
    auto reopening = reopen_task(tx, call, task_id, {});
    if (!reopening) return std::unexpected(reopening.error());
    return std::move(reopening->task);
  }
  auto completion = complete_task(tx, call, task_id, {});
  if (!completion) return std::unexpected(completion.error());
  return std::move(completion->completed_task);
}

Result<void> delete_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                         const IfMatch& if_match) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded) return std::unexpected(loaded.error());
  Task after = loaded->task;
  after.deleted_at = call.now;
  update_task_with_event(tx, call, loaded->user, loaded->task, after, AuditAction::remove,
                         ReminderPlan::recompute);
  return {};
}

Result<Task> restore_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                          const IfMatch& if_match) {
  tx.expect_task(call.user_id, task_id);
  const auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  const auto before = tx.find_task(call.user_id, task_id);
  if (!before) {
    auto promised = find_or_make_task(tx, call, task_id);
    if (!promised) return task_not_found();
    return std::move(*promised);
  }
  if (!if_match.allows(before->version)) return version_differs();
  if (!before->deleted_at) return *before;
  if (*before->deleted_at + limits::deleted_task_kept <= call.now) return task_not_found();
  const bool exists_again =
      tx.find_occurrence(call.user_id, before->series_id, before->occurrence) ||
      (before->parent_task_id && tx.find_promise_of(call.user_id, *before->parent_task_id));
  if (exists_again) return fail(ErrorCode::conflict, "This occurrence of the series exists again");
  if (tx.counters(call.user_id).living_tasks >= limits::tasks_per_user_max) {
    return fail(ErrorCode::conflict,
                "There are 100,000 tasks already, which is the most an account can hold");
  }
  Task after = *before;
  after.deleted_at.reset();
  follow_zone(after, *user);
  follow_date(tx, *before, after);
  update_task_with_event(tx, call, *user, *before, after, AuditAction::update,
                         ReminderPlan::recompute, "restore");
  return after;
}

}  // namespace todo::service
