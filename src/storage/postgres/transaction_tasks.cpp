#include <algorithm>

#include "base/text.h"
#include "storage/postgres/transaction.h"

namespace todo::storage::postgres {
namespace {

// The columns of a task, in the order in which read_task takes them.
#define TODO_TASK_COLUMNS                                                                      \
  "user_id, id, created_at, priority_rank, title, description, due_at, due_on, completed_at, " \
  "category, recurrence_rule, recurrence_interval, recurrence_weekdays, recurrence_from, "     \
  "anchor_local, anchor_zone, anchor_step, parent_task_id, series_id, occurrence, version, "   \
  "updated_at, remind_at, deleted_at "

constexpr const char* task_by_id =
    "SELECT " TODO_TASK_COLUMNS "FROM tasks WHERE user_id = $1 AND id = $2";

#define TODO_PROMISE_COLUMNS "id, user_id, task_id, series_id, occurrence, task "

// Of a task that was not due, nothing but nulls.
std::optional<Due> read_due(Query& q) {
  const auto at = q.optional_instant();
  const auto on = q.optional_date();
  if (!at) return std::nullopt;
  Due due;
  due.at = *at;
  due.on = on;
  return due;
}

Task read_task(Query& q) {
  Task task;
  task.user_id = q.id();
  task.id = q.id();
  task.created_at = q.instant();
  const auto rank = q.integer();
  if (rank != priority_rank_unset) task.priority = static_cast<Priority>(rank);
  task.title = q.text();
  task.description = q.optional_text();
  task.due = read_due(q);
  task.completed_at = q.optional_instant();
  task.category = q.optional_text();
  task.recurrence.rule = static_cast<RecurrenceRule>(q.integer());
  task.recurrence.interval = static_cast<int>(q.integer());
  if (const auto weekdays = q.optional_integer()) {
    task.recurrence.weekdays = WeekdaySet{static_cast<std::uint8_t>(*weekdays)};
  }
  task.recurrence.from = static_cast<RecurrenceFrom>(q.integer());
  const auto anchor_local = q.optional_local();
  auto anchor_zone = q.optional_text();
  const auto anchor_step = q.optional_integer();
  if (task.due && anchor_local && anchor_zone && anchor_step)
    task.due->anchor = {*anchor_local, std::move(*anchor_zone), *anchor_step};
  task.parent_task_id = q.optional_id();
  task.series_id = q.id();
  task.occurrence = q.integer();
  task.version = q.integer();
  task.updated_at = q.instant();
  task.remind_at = q.optional_instant();
  task.deleted_at = q.optional_instant();
  return task;
}

// All columns but `deleted`, which PostgreSQL derives; the order is TODO_TASK_COLUMNS' with the
// folded texts behind it.
void bind_task(Query& q, const Task& task) {
  const auto& [rule, interval, weekdays, from] = task.recurrence;
  q.bind(task.user_id).bind(task.id).bind(task.created_at).bind(priority_rank(task.priority));
  q.bind(task.title).bind(task.description);
  if (task.due) {
    q.bind(task.due->at).bind(task.due->on);
  } else {
    q.bind_null(Type::instant).bind_null(Type::date);
  }
  q.bind(task.completed_at).bind(task.category).bind(static_cast<int>(rule)).bind(interval);
  weekdays ? q.bind(static_cast<int>(weekdays->bits)) : q.bind_null(Type::integer);
  q.bind(static_cast<int>(from));
  if (task.due) {
    q.bind(task.due->anchor.local).bind(task.due->anchor.zone).bind(task.due->anchor.step);
  } else {
    q.bind_null(Type::local).bind_null(Type::text).bind_null(Type::integer);
  }
  q.bind(task.parent_task_id).bind(task.series_id).bind(task.occurrence).bind(task.version);
  q.bind(task.updated_at).bind(task.remind_at).bind(task.deleted_at).bind(fold_case(task.title));
  task.description ? q.bind(fold_case(*task.description)) : q.bind_null(Type::text);
}

std::vector<Task> read_tasks(Query& q) {
  std::vector<Task> tasks;
  while (q.step()) tasks.push_back(read_task(q));
  return tasks;
}

Promise read_promise(Query& q) {
  Promise promise;
  promise.id = q.id();
  promise.user_id = q.id();
  promise.task_id = q.id();
  promise.series_id = q.id();
  promise.occurrence = q.integer();
  promise.task = q.text();
  return promise;
}

}  // namespace

// A task that was read ahead; once, since it may change after that.
std::optional<Task> Transaction::take_known_task(const Uuid& user_id, const Uuid& task_id) {
  const auto known = std::ranges::find_if(known_tasks_, [&](const Task& task) {
    return task.id == task_id && task.user_id == user_id;
  });
  if (known == known_tasks_.end()) return std::nullopt;
  std::optional<Task> task(std::move(*known));
  known_tasks_.erase(known);
  return task;
}

void Transaction::forget_task(const Uuid& user_id, const Uuid& task_id) {
  std::erase_if(known_tasks_,
                [&](const Task& task) { return task.id == task_id && task.user_id == user_id; });
}

void Transaction::expect_task(const Uuid& user_id, const Uuid& task_id) {
  lock(user_id);
  Query q(c_, task_by_id);
  q.bind(user_id).bind(task_id).run();
  if (find_known_user(user_id) == nullptr) know_users({user_id});
  known_tasks_ = read_tasks(q);
}

std::optional<Task> Transaction::find_task(const Uuid& user_id, const Uuid& task_id) {
  if (auto known = take_known_task(user_id, task_id)) return known;
  lock(user_id);
  Query q(c_, task_by_id);
  q.bind(user_id).bind(task_id);
  return q.step() ? std::optional(read_task(q)) : std::nullopt;
}

std::optional<Task> Transaction::find_occurrence(const Uuid& user_id, const Uuid& series_id,
                                                 std::int64_t occurrence) {
  lock(user_id);
  // The first of a series is no one's successor: the index leaves out what most tasks are.
  Query q(c_, "SELECT " TODO_TASK_COLUMNS
              "FROM tasks WHERE user_id = $1 AND series_id = $2 AND occurrence = $3 AND "
              "occurrence > 1 AND NOT deleted");
  q.bind(user_id).bind(series_id).bind(occurrence);
  if (access_ == Access::read) return q.step() ? std::optional(read_task(q)) : std::nullopt;
  // Whoever is about to make it asks next whether it is promised.
  q.run();
  known_promise_.reset();
  auto promise = find_promise_at(user_id, series_id, occurrence);
  if (q.step()) return read_task(q);
  known_promise_ = {user_id, series_id, occurrence, std::move(promise)};
  return std::nullopt;
}

std::vector<Task> Transaction::tasks_after(const Uuid& user_id, std::optional<Uuid> after,
                                           int limit) {
  lock(user_id);
  Query q(c_, "SELECT " TODO_TASK_COLUMNS
              "FROM tasks WHERE user_id = $1 AND id > $2 AND NOT deleted ORDER BY id LIMIT $3");
  q.bind(user_id).bind(after.value_or(Uuid{})).bind(limit);
  return read_tasks(q);
}

std::vector<Task> Transaction::task_versions_after(const Uuid& user_id, std::optional<Uuid> after,
                                                   int limit) {
  lock(user_id);
  Query q(c_,
          "SELECT id, version, updated_at FROM tasks WHERE user_id = $1 AND id > $2 "
          "ORDER BY id LIMIT $3");
  q.bind(user_id).bind(after.value_or(Uuid{})).bind(limit);
  std::vector<Task> tasks;
  while (q.step()) {
    Task& task = tasks.emplace_back();
    task.id = q.id();
    task.version = q.integer();
    task.updated_at = q.instant();
  }
  return tasks;
}

void Transaction::insert_task(const Task& task) {
  lock(task.user_id);
  const int living = task.deleted_at ? 0 : 1;
  const int completed = living != 0 && task.completed() ? 1 : 0;
  Query q(c_, "WITH written AS (INSERT INTO tasks (" TODO_TASK_COLUMNS
              R"sql(, title_folded, description_folded)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
          $20, $21, $22, $23, $24, $25, $26))
UPDATE user_state SET changes = changes + 1, living_tasks = living_tasks + $27,
  completed_tasks = completed_tasks + $28
WHERE user_id = $1)sql");
  bind_task(q, task);
  q.bind(living).bind(completed).run();
  know_change(task.user_id, living, completed);
  if (task.remind_at) reminders_planned_ = true;
}

void Transaction::update_task(const Task& before, const Task& after) {
  lock(before.user_id);
  forget_task(before.user_id, before.id);
  const int living_before = before.deleted_at ? 0 : 1;
  const int living_after = after.deleted_at ? 0 : 1;
  const int completed_before = living_before != 0 && before.completed() ? 1 : 0;
  const int completed_after = living_after != 0 && after.completed() ? 1 : 0;
  // Where the row is not as it was read, changes becomes null: the server refuses that, and nobody
  // has to wait for the number of rows.
  Query q(c_, "WITH written AS (UPDATE tasks SET (" TODO_TASK_COLUMNS
              R"sql(, title_folded, description_folded) =
    ROW ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
         $21, $22, $23, $24, $25, $26)
  WHERE user_id = $1 AND id = $29 AND version = $30 RETURNING 1 AS one)
UPDATE user_state SET changes = changes + (SELECT one FROM written),
  living_tasks = living_tasks + $27, completed_tasks = completed_tasks + $28
WHERE user_id = $1)sql");
  bind_task(q, after);
  q.bind(living_after - living_before)
      .bind(completed_after - completed_before)
      .bind(before.id)
      .bind(before.version)
      .run();
  know_change(after.user_id, living_after - living_before, completed_after - completed_before);
  if (after.remind_at) reminders_planned_ = true;
}

void Transaction::set_remind_at(const Uuid& user_id, const Uuid& task_id,
                                std::optional<Instant> remind_at) {
  lock(user_id);
  forget_task(user_id, task_id);
  Query q(c_, "UPDATE tasks SET remind_at = $1 WHERE user_id = $2 AND id = $3");
  q.bind(remind_at).bind(user_id).bind(task_id).run();
  if (remind_at) reminders_planned_ = true;
}

int Transaction::purge_deleted_tasks(Instant deleted_before, int limit) {
  std::vector<Uuid> user_ids;
  std::vector<Uuid> task_ids;
  {
    // From each user to the deleted tasks, which stand together in the index.
    Query q(c_, R"sql(
SELECT t.user_id, t.id FROM users u CROSS JOIN LATERAL (
  SELECT user_id, id FROM tasks WHERE user_id = u.id AND deleted AND deleted_at < $1 LIMIT $2) t
LIMIT $2)sql");
    q.bind(deleted_before).bind(limit);
    while (q.step()) {
      user_ids.push_back(q.id());
      task_ids.push_back(q.id());
    }
  }
  if (task_ids.empty()) return 0;
  lock_all(user_ids);
  known_users_.clear();
  known_tasks_.clear();
  // Some may have been restored before their users were locked.
  Query q(c_, R"sql(
WITH gone AS (
  DELETE FROM tasks t USING unnest($1, $2) AS old (user_id, id)
  WHERE t.user_id = old.user_id AND t.id = old.id AND t.deleted_at < $3
  RETURNING t.user_id, t.id),
ledger AS (
  DELETE FROM reminders r USING gone WHERE r.user_id = gone.user_id AND r.task_id = gone.id),
counted AS (
  UPDATE user_state s SET changes = changes + purged.tasks
  FROM (SELECT user_id, count(*) AS tasks FROM gone GROUP BY user_id) AS purged
  WHERE s.user_id = purged.user_id)
SELECT count(*) FROM gone)sql");
  q.bind_array(user_ids).bind_array(task_ids).bind(deleted_before).step();
  return static_cast<int>(q.integer());
}

// --- promises ---

std::optional<Promise> Transaction::find_promise(const Uuid& user_id, const Uuid& promised_id) {
  lock(user_id);
  Query q(c_, "SELECT " TODO_PROMISE_COLUMNS
              "FROM promised_occurrences WHERE id = $1 AND user_id = $2");
  q.bind(promised_id).bind(user_id);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

std::optional<Promise> Transaction::find_promise_of(const Uuid& user_id,
                                                    const Uuid& completed_task_id) {
  lock(user_id);
  Query q(c_, "SELECT " TODO_PROMISE_COLUMNS
              "FROM promised_occurrences WHERE user_id = $1 AND task_id = $2");
  q.bind(user_id).bind(completed_task_id);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

std::optional<Promise> Transaction::find_promise_at(const Uuid& user_id, const Uuid& series_id,
                                                    std::int64_t occurrence) {
  if (known_promise_ && known_promise_->is_of(user_id, series_id, occurrence))
    return known_promise_->promise;
  lock(user_id);
  Query q(c_, "SELECT " TODO_PROMISE_COLUMNS
              "FROM promised_occurrences WHERE user_id = $1 AND series_id = $2 AND "
              "occurrence = $3");
  q.bind(user_id).bind(series_id).bind(occurrence);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

void Transaction::insert_promise(const Promise& promise) {
  lock(promise.user_id);
  known_promise_.reset();
  Query q(c_, "INSERT INTO promised_occurrences (" TODO_PROMISE_COLUMNS
              ") VALUES ($1, $2, $3, $4, $5, $6)");
  q.bind(promise.id)
      .bind(promise.user_id)
      .bind(promise.task_id)
      .bind(promise.series_id)
      .bind(promise.occurrence)
      .bind(promise.task);
  q.run();
}

std::optional<Promise> Transaction::take_promise(const Uuid& user_id, const Uuid& promised_id) {
  lock(user_id);
  known_promise_.reset();
  Query q(c_,
          "DELETE FROM promised_occurrences WHERE id = $1 AND user_id = $2 "
          "RETURNING " TODO_PROMISE_COLUMNS);
  q.bind(promised_id).bind(user_id);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

bool Transaction::delete_promise(const Uuid& user_id, const Uuid& promised_id) {
  lock(user_id);
  known_promise_.reset();
  Query q(c_, "DELETE FROM promised_occurrences WHERE id = $1 AND user_id = $2");
  return q.bind(promised_id).bind(user_id).changes() > 0;
}

// --- the reminder check: tasks that are due to be reminded of ---

std::vector<TaskKey> Transaction::due_reminders(Instant now, int limit) {
  std::vector<TaskKey> keys;
  {
    Query q(c_, "SELECT user_id, id FROM tasks WHERE remind_at <= $1 ORDER BY remind_at LIMIT $2");
    q.bind(now).bind(limit);
    while (q.step()) {
      TaskKey& key = keys.emplace_back();
      key.user_id = q.id();
      key.task_id = q.id();
    }
  }
  return access_ == Access::read || keys.empty() ? keys : still_due(keys, now);
}

// Locks the users, and reads with them what the check asks for next.
std::vector<TaskKey> Transaction::still_due(const std::vector<TaskKey>& keys, Instant now) {
  std::vector<Uuid> user_ids;
  std::vector<Uuid> task_ids;
  for (const TaskKey& key : keys) {
    user_ids.push_back(key.user_id);
    task_ids.push_back(key.task_id);
  }
  lock_all(user_ids);
  Query q(c_, "SELECT " TODO_TASK_COLUMNS R"sql(
FROM unnest($1, $2) AS key (user_key, task_key) JOIN tasks ON user_id = user_key AND id = task_key
WHERE remind_at <= $3 ORDER BY remind_at)sql");
  q.bind_array(user_ids).bind_array(task_ids).bind(now).run();
  know_users(user_ids);
  known_tasks_ = read_tasks(q);
  std::vector<TaskKey> due;
  due.reserve(known_tasks_.size());
  for (const Task& task : known_tasks_) due.push_back({task.user_id, task.id});
  return due;
}

std::optional<Instant> Transaction::next_reminder_at() {
  Query q(c_, "SELECT min(remind_at) FROM tasks");
  return q.step() ? q.optional_instant() : std::nullopt;
}

}  // namespace todo::storage::postgres
