#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/error.h"
#include "domain/task.h"
#include "service/call.h"
#include "storage/store.h"

// The use cases of tasks. Each takes the transaction it runs in; what decides a write is read
// inside it. Absent, deleted and other users' tasks are all `not_found`.
namespace todo::service {

// A member of a request: absent leaves what is there, null clears it.
template <class T>
struct Member {
  bool present = false;
  std::optional<T> value;
};

// A due date as it was asked for: an instant, a local time to be read in the user's zone, or a
// whole day.
using DueInput = std::variant<Instant, LocalTime, Date>;

struct TaskInput {
  Member<std::string> title;  // trimmed, 1–200 code points
  Member<std::string> description;
  Member<DueInput> due_date;
  Member<Priority> priority;
  Member<std::string> category;
  Member<RecurrenceRule> recurrence_rule;
  Member<int> recurrence_interval;
  Member<WeekdaySet> recurrence_weekdays;
  Member<RecurrenceFrom> recurrence_from;
  Member<bool> completed;  // of an update: complete or reopen
  // Members whose form is wrong already: nothing is done, but what else is wrong is named with
  // them.
  std::vector<FieldError> refused;
};

// What If-Match allows. Without the header everything; `*` any version of a task that exists.
struct IfMatch {
  bool given = false;
  bool any = false;
  std::vector<std::int64_t> versions;
  bool allows(std::int64_t version) const;
};

struct Completion {
  Task completed_task;
  std::optional<Task>
      next_occurrence;  // as the consumer is about to make it, or the living successor
};

struct Reopening {
  Task task;
  std::optional<Uuid> removed_occurrence_id;
};

// Makes a task. Fails: invalid (fields named), unauthorized (the user is gone).
Result<Task> create_task(storage::Tx& tx, const Call& call, const TaskInput& input);

// Changes what the input names; no change makes no version. `this_only`: a new due date moves this
// occurrence and leaves the series where it is. Fails: not_found, precondition_failed, invalid.
Result<Task> update_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                         const TaskInput& input, const IfMatch& if_match, bool this_only);

// Idempotent: a completed task answers its promise or successor again.
Result<Completion> complete_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                                 const IfMatch& if_match);
// Idempotent. Undoes the promise, or the successor while that is untouched.
Result<Reopening> reopen_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                              const IfMatch& if_match);
Result<Task> toggle_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                         const IfMatch& if_match);
Result<void> delete_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                         const IfMatch& if_match);
// A living task is answered as it is. Fails: not_found (also after 30 days), conflict when its
// occurrence exists again.
Result<Task> restore_task(storage::Tx& tx, const Call& call, const Uuid& task_id,
                          const IfMatch& if_match);

// The task, made from its promise first where it is only promised. nullopt: not there or deleted.
std::optional<Task> find_or_make_task(storage::Tx& tx, const Call& call, const Uuid& task_id);

// The consumer's function: makes the promised task and its audit event; nullopt when there is no
// such promise (a duplicate, withdrawn, the user gone).
std::optional<Task> keep_promise(storage::Tx& tx, const Call& call, const Uuid& promised_id);

// Plans the reminder of a task whose due date, completion, deletion, zone or preferences changed:
// when its reminder falls due, and whether that is now, so that the caller claims it once the
// task's row is written.
struct PlannedReminder {
  std::optional<Instant> remind_at;
  bool claim_now = false;
};
// `is_new`: the task has no row yet, so its ledger need not be looked at.
PlannedReminder plan_reminder(storage::ReadTx& tx, const Task& task, const User& user, Instant now,
                              bool is_new = false);

}  // namespace todo::service
