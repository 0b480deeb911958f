#include "service/tasks.h"

#include <algorithm>

#include "base/limits.h"
#include "domain/recurrence.h"
#include "domain/task_json.h"
#include "domain/time_zone.h"
#include "service/mutation.h"

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
  auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  auto task = find_or_make_task(tx, call, task_id);
  if (!task) return task_not_found();
  if (!if_match.allows(task->version)) return version_differs();
  return Loaded{std::move(*user), std::move(*task)};
}

Due resolve(const DueInput& input, const TimeZone& zone) {
  if (const auto* date = std::get_if<Date>(&input)) return due_on(*date, zone);
  if (const auto* local = std::get_if<LocalTime>(&input))
    return due_at(zone.to_instant(*local), zone);
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
Result<void> move_only_this(Task& task, const Due& due, const std::optional<Due>& before) {
  if (!before) {
    task.due = due;
    return {};
  }
  if (before->on.has_value() != due.on.has_value()) {
    return fail_field("due_date",
                      before->on
                          ? "Only this occurrence: give a date without a time, as the series has"
                          : "Only this occurrence: give a date with a time, as the series has");
  }
  task.due = due;
  task.due->anchor = before->anchor;
  return {};
}

Result<Edited> apply_input(Task& task, const TaskInput& input, const TimeZone& zone,
                           bool this_only) {
  const Task before = task;
  Edited edited;
  apply_texts(task, input);
  apply_recurrence(task.recurrence, input);
  edited.rule = task.recurrence != before.recurrence;

  std::vector<FieldError> errors;
  if (task.recurrence.weekdays && task.recurrence.rule != RecurrenceRule::weekly) {
    errors.push_back({"recurrence_weekdays", "Only a weekly task has weekdays"});
  }
  if (input.due_date.present && !input.due_date.value) {
    edited.due = task.due.has_value();
    task.due.reset();
  } else if (input.due_date.present && !same_due(task.due, *input.due_date.value, zone)) {
    const Due due = resolve(*input.due_date.value, zone);
    if (!in_range(due.at)) {
      errors.push_back({"due_date", "Must lie between 1970-01-01 and 9999-12-31"});
    } else if (this_only && before.recurs()) {
      if (auto moved = move_only_this(task, due, before.due); !moved)
        return std::unexpected(moved.error());
    } else {
      task.due = due;
    }
    edited.due = true;
  }
  if (task.recurs() && !task.due && errors.empty()) {
    errors.push_back({"due_date", "A recurring task needs a due date"});
  }
  if (this_only && edited.rule)
    errors.push_back({"scope", "Only this occurrence: its rule cannot change alone"});
  if (!errors.empty()) {
    return std::unexpected(Error{ErrorCode::invalid, "Validation failed", std::move(errors), 0});
  }
  return edited;
}

// A changed rule counts from this occurrence's due date on; a first rule begins a series of its
// own.
void anchor_again(Task& task, const Task& before, const Edited& edited, const TimeZone& zone,
                  IdGenerator& ids) {
  if (edited.rule && task.due && !task.completed()) {
    task.due = task.due->on ? due_on(*task.due->on, zone) : due_at(task.due->at, zone);
  }
  if (!before.recurs() && task.recurs()) {
    task.series_id = ids.next();
    task.occurrence = 1;
  }
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
  if (auto living =
          tx.find_occurrence(completed.user_id, completed.series_id, completed.occurrence + 1))
    return living;
  const auto due = next_due(completed.recurrence, *completed.due, zone_of(user),
                            *completed.completed_at, user.preferences.missed_occurrences, call.now);
  if (!due) return std::nullopt;
  Task next = successor_of(completed, call, *due);
  tx.insert_promise(
      {next.id, next.user_id, completed.id, next.series_id, next.occurrence, task_record(next)});
  tx.insert_outbox(make_completed_event(call.ids->next(), call.now, completed, next, call.origin));
  return next;
}

}  // namespace

bool IfMatch::allows(std::int64_t version) const {
  return !given || any || std::ranges::find(versions, version) != versions.end();
}

std::optional<Task> keep_promise(storage::Tx& tx, const Call& call, const Uuid& promised_id) {
  const auto promise = tx.take_promise(promised_id);
  if (!promise) return std::nullopt;
  const auto user = tx.find_user(promise->user_id);
  if (!user) return std::nullopt;
  Task task = parse_task_record(promise->task);
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
  if (!loaded) return std::unexpected(loaded.error());
  const Task before = loaded->task;
  Task after = before;
  const TimeZone zone = zone_of(loaded->user);
  const auto edited = apply_input(after, input, zone, this_only);
  if (!edited) return std::unexpected(edited.error());
  anchor_again(after, before, *edited, zone, *call.ids);
  if (before != after) {
    update_task_with_event(tx, call, loaded->user, before, after, AuditAction::update,
                           edited->due ? ReminderPlan::recompute : ReminderPlan::keep);
  }
  if (input.completed.present && *input.completed.value != after.completed()) {
    if (*input.completed.value) {
      auto completion = complete_task(tx, call, task_id, {});
      if (!completion) return std::unexpected(completion.error());
      return std::move(completion->completed_task);
    }
    auto reopening = reopen_task(tx, call, task_id, {});
    if (!reopening) return std::unexpected(reopening.error());
    return std::move(reopening->task);
  }
  return after;
}

Result<Completion> complete_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                                 const IfMatch& if_match) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded) return std::unexpected(loaded.error());
  const Task& before = loaded->task;
  if (before.completed())
    return Completion{before, before.recurs() ? known_successor(tx, before) : std::nullopt};
  Task after = before;
  after.completed_at = call.now;
  update_task_with_event(tx, call, loaded->user, before, after, AuditAction::complete,
                         ReminderPlan::recompute);
  auto next = promise_next(tx, call, loaded->user, after);
  return Completion{std::move(after), std::move(next)};
}

Result<Reopening> reopen_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                              const IfMatch& if_match) {
  auto loaded = load(tx, call, task_id, if_match);
  if (!loaded) return std::unexpected(loaded.error());
  const Task& before = loaded->task;
  if (!before.completed()) return Reopening{before, std::nullopt};

  Reopening result;
  if (const auto promise = tx.find_promise_of(call.user_id, task_id)) {
    tx.delete_promise(call.user_id, promise->id);
    result.removed_occurrence_id = promise->id;
  } else if (const auto successor =
                 tx.find_occurrence(call.user_id, before.series_id, before.occurrence + 1);
             successor && successor->parent_task_id == task_id && successor->version == 1 &&
             !successor->completed()) {
    Task removed = *successor;
    removed.deleted_at = call.now;
    update_task_with_event(tx, call, loaded->user, *successor, removed, AuditAction::remove,
                           ReminderPlan::recompute, "reopen");
    result.removed_occurrence_id = successor->id;
  }
  Task after = before;
  after.completed_at.reset();
  update_task_with_event(tx, call, loaded->user, before, after, AuditAction::update,
                         ReminderPlan::recompute, "reopen");
  result.task = std::move(after);
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
  update_task_with_event(tx, call, *user, *before, after, AuditAction::update,
                         ReminderPlan::recompute, "restore");
  return after;
}

}  // namespace todo::service
