#include <algorithm>
#include <variant>

#include <fmt/format.h>

#include "base/limits.h"
#include "base/text.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

// The columns of a task, in the order in which read_task takes them.
#define TODO_TASK_COLUMNS                                                                      \
  "user_id, created_at, priority_rank, id, title, description, due_at, due_on, completed_at, " \
  "category, "                                                                                 \
  "recurrence_rule, recurrence_interval, recurrence_weekdays, recurrence_from, anchor_local, " \
  "anchor_zone, "                                                                              \
  "anchor_step, parent_task_id, series_id, occurrence, version, updated_at, remind_at, "       \
  "deleted_at "

Date date_of(std::int64_t days) { return Date{std::chrono::sys_days{std::chrono::days{days}}}; }
std::int64_t days_of(Date date) { return std::chrono::sys_days{date}.time_since_epoch().count(); }

Due read_due(Query& q, Instant at, std::optional<std::int64_t> on) {
  Due due;
  due.at = at;
  if (on) due.on = date_of(*on);
  due.anchor.local = LocalTime{std::chrono::milliseconds{q.integer()}};
  due.anchor.zone = q.text();
  due.anchor.step = q.integer();
  return due;
}

Task read_task(Query& q) {
  Task task;
  task.user_id = q.id();
  task.created_at = q.instant();
  const auto rank = q.integer();
  if (rank != priority_rank_unset) task.priority = static_cast<Priority>(rank);
  task.id = q.id();
  task.title = q.text();
  task.description = q.optional_text();
  const auto due_at = q.optional_instant();
  const auto due_on = q.optional_integer();
  task.completed_at = q.optional_instant();
  task.category = q.optional_text();
  task.recurrence.rule = static_cast<RecurrenceRule>(q.integer());
  task.recurrence.interval = static_cast<int>(q.integer());
  if (const auto weekdays = q.optional_integer()) {
    task.recurrence.weekdays = WeekdaySet{static_cast<std::uint8_t>(*weekdays)};
  }
  task.recurrence.from = static_cast<RecurrenceFrom>(q.integer());
  if (due_at) {
    task.due = read_due(q, *due_at, due_on);
  } else {
    for (int column = 0; column < 3; ++column) q.integer();
  }
  task.parent_task_id = q.optional_id();
  task.series_id = q.id();
  task.occurrence = q.integer();
  task.version = q.integer();
  task.updated_at = q.instant();
  task.remind_at = q.optional_instant();
  task.deleted_at = q.optional_instant();
  return task;
}

// What the API answers of a task, in the order in which read_answered takes it.
#define TODO_ANSWERED_COLUMNS                                                                  \
  "user_id, created_at, priority_rank, id, title, description, due_at, due_on, completed_at, " \
  "category, recurrence_rule, recurrence_interval, recurrence_weekdays, recurrence_from, "     \
  "parent_task_id, series_id, occurrence, version, updated_at "

void read_text(Query& q, std::optional<std::string>& text) {
  if (q.null()) {
    text.reset();
  } else {
    (text ? *text : text.emplace()) = q.text();
  }
}

// Over the last one, whose texts lend their memory.
void read_answered(Query& q, Task& task) {
  task.user_id = q.id();
  task.created_at = q.instant();
  const auto rank = q.integer();
  task.priority = rank == priority_rank_unset ? std::optional<Priority>()
                                              : std::optional(static_cast<Priority>(rank));
  task.id = q.id();
  task.title = q.text();
  read_text(q, task.description);
  const auto due_at = q.optional_instant();
  const auto due_on = q.optional_integer();
  if (due_at) {
    if (!task.due) task.due.emplace();
    task.due->at = *due_at;
    task.due->on = due_on ? std::optional(date_of(*due_on)) : std::nullopt;
  } else {
    task.due.reset();
  }
  task.completed_at = q.optional_instant();
  read_text(q, task.category);
  task.recurrence.rule = static_cast<RecurrenceRule>(q.integer());
  task.recurrence.interval = static_cast<int>(q.integer());
  const auto weekdays = q.optional_integer();
  task.recurrence.weekdays =
      weekdays ? std::optional(WeekdaySet{static_cast<std::uint8_t>(*weekdays)}) : std::nullopt;
  task.recurrence.from = static_cast<RecurrenceFrom>(q.integer());
  task.parent_task_id = q.optional_id();
  task.series_id = q.id();
  task.occurrence = q.integer();
  task.version = q.integer();
  task.updated_at = q.instant();
}

struct Folded {
  std::string title;
  std::optional<std::string> description;
  explicit Folded(const Task& task) : title(fold_case(task.title)) {
    if (task.description) description = fold_case(*task.description);
  }
};

// All columns in the table's order.
void bind_task(Query& q, const Task& task, const Folded& folded) {
  q.bind(task.user_id)
      .bind(task.deleted_at.has_value())
      .bind(task.created_at)
      .bind(priority_rank(task.priority))
      .bind(task.id);
  q.bind(task.title).bind(task.description);
  if (task.due) {
    q.bind(task.due->at);
    task.due->on ? q.bind(days_of(*task.due->on)) : q.bind_null();
  } else {
    q.bind_null().bind_null();
  }
  q.bind(task.completed_at)
      .bind(task.category)
      .bind(static_cast<int>(task.recurrence.rule))
      .bind(task.recurrence.interval);
  task.recurrence.weekdays ? q.bind(static_cast<int>(task.recurrence.weekdays->bits))
                           : q.bind_null();
  q.bind(static_cast<int>(task.recurrence.from));
  if (task.due) {
    q.bind(static_cast<std::int64_t>(task.due->anchor.local.time_since_epoch().count()))
        .bind(task.due->anchor.zone)
        .bind(task.due->anchor.step);
  } else {
    q.bind_null().bind_null().bind_null();
  }
  q.bind(task.parent_task_id)
      .bind(task.series_id)
      .bind(task.occurrence)
      .bind(task.version)
      .bind(task.updated_at);
  q.bind(task.remind_at).bind(task.deleted_at).bind(folded.title).bind(folded.description);
}

using Value = std::variant<std::int64_t, std::string_view, Uuid>;

void bind_values(Query& q, const std::vector<Value>& values) {
  for (const Value& value : values) {
    std::visit([&q](const auto& v) { q.bind(v); }, value);
  }
}

// A SELECT that grows with what is asked; the texts of its values live in the request.
struct Selection {
  std::string where;
  std::vector<Value> values;

  void add(std::string_view condition) {
    where += " AND ";
    where += condition;
  }
  void add(std::string_view condition, Value value) {
    add(condition);
    values.push_back(value);
  }
};

Selection select_tasks(const Uuid& user_id, const TaskFilter& filter) {
  Selection s;
  s.where = filter.deleted ? "user_id = ? AND deleted = 1" : "user_id = ? AND deleted = 0";
  s.values.emplace_back(user_id);
  if (filter.deleted_after) s.add("deleted_at > ?", to_ms(*filter.deleted_after));
  if (filter.category) s.add("category = ?", std::string_view{*filter.category});
  if (filter.priority) s.add("priority_rank = ?", std::int64_t{priority_rank(filter.priority)});
  if (filter.completed)
    s.add(*filter.completed ? "completed_at IS NOT NULL" : "completed_at IS NULL");
  if (filter.overdue && *filter.overdue) {
    s.add("due_at < ?", to_ms(filter.now));
    s.add("completed_at IS NULL");
  } else if (filter.overdue) {
    s.add("(due_at IS NULL OR completed_at IS NOT NULL OR due_at >= ?)", to_ms(filter.now));
  }
  if (filter.due_before) s.add("due_at < ?", to_ms(*filter.due_before));
  if (filter.due_after) s.add("due_at > ?", to_ms(*filter.due_after));
  if (filter.text_folded) {
    s.add("(instr(title_folded, ?) > 0", std::string_view{*filter.text_folded});
    s.where += " OR instr(description_folded, ?) > 0)";
    s.values.emplace_back(std::string_view{*filter.text_folded});
  }
  return s;
}

// One member of an order, with the value of the last row of the page before.
struct OrderKey {
  std::string_view column;
  bool descending = false;
  Value last = std::int64_t{0};
};

std::string order_by(const std::vector<OrderKey>& keys) {
  std::string out = " ORDER BY ";
  for (const OrderKey& key : keys) {
    if (&key != &keys.front()) out += ", ";
    out += key.column;
    out += key.descending ? " DESC" : " ASC";
  }
  return out;
}

// Rows behind the last one: k1 beyond, or equal and (k2 beyond, or equal and …). The leading range
// lets an index start there.
void add_position(Selection& s, const std::vector<OrderKey>& keys) {
  const auto compare = [](const OrderKey& key, bool or_equal) {
    return fmt::format("{} {}{} ?", key.column, key.descending ? "<" : ">", or_equal ? "=" : "");
  };
  s.add(compare(keys.front(), true), keys.front().last);
  std::string open;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool is_last = i + 1 == keys.size();
    open += (i == 0 ? "(" : "") + compare(keys[i], false);
    s.values.push_back(keys[i].last);
    if (!is_last) {
      open += fmt::format(" OR ({} = ? AND (", keys[i].column);
      s.values.push_back(keys[i].last);
    }
  }
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) open += "))";
  open += ")";
  s.add(open);
}

std::vector<OrderKey> tie_keys(const TaskPosition& p) {
  return {{"priority_rank", false, std::int64_t{p.priority_rank}},
          {"created_at", true, p.created_at_ms},
          {"id", true, p.id}};
}

// `null_due`: the part of a list by due date that has none.
std::vector<OrderKey> order_keys(const TaskQuery& query, const TaskPosition& p, bool null_due) {
  std::vector<OrderKey> keys;
  const std::int64_t instant = p.instant_ms.value_or(0);
  switch (query.sort) {
    case TaskSort::created_at:
      return {{"created_at", query.descending, instant},
              {"priority_rank", false, std::int64_t{p.priority_rank}},
              {"id", true, p.id}};
    case TaskSort::updated_at:
      keys.push_back({"updated_at", query.descending, instant});
      break;
    case TaskSort::due_date:
      if (!null_due) keys.push_back({"due_at", query.descending, instant});
      break;
    case TaskSort::priority:
      if (!query.descending) {
        keys.push_back({"(priority_rank = 4)", false,
                        std::int64_t{p.priority_rank == priority_rank_unset ? 1 : 0}});
        return {keys.front(),
                {"priority_rank", true, std::int64_t{p.priority_rank}},
                {"created_at", true, p.created_at_ms},
                {"id", true, p.id}};
      }
      break;
    case TaskSort::title:
      static_assert(sort_title_code_points == 128);
      keys.push_back(
          {"substr(title_folded, 1, 128)", query.descending, std::string_view{p.title_folded}});
      break;
  }
  const auto ties = tie_keys(p);
  keys.insert(keys.end(), ties.begin(), ties.end());
  return keys;
}

// How many there were, `room` at most.
int take_page(Connection& connection, const TaskQuery& query, bool null_due, bool from_position,
              int room, const ReadTx::TakeTask& take) {
  if (room <= 0) return 0;
  const TaskPosition position = query.after.value_or(TaskPosition{});
  const auto keys = order_keys(query, position, null_due);
  Selection s = select_tasks(query.user_id, query.filter);
  if (query.sort == TaskSort::due_date) s.add(null_due ? "due_at IS NULL" : "due_at IS NOT NULL");
  if (from_position) add_position(s, keys);
  Query q(connection, "SELECT " TODO_ANSWERED_COLUMNS "FROM tasks WHERE " + s.where +
                          order_by(keys) + " LIMIT ?");
  bind_values(q, s.values);
  q.bind(room);
  Task task;
  int taken = 0;
  for (; q.step(); ++taken) {
    read_answered(q, task);
    take(task);
  }
  return taken;
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

ReminderRow read_reminder(Query& q) {
  ReminderRow row;
  row.user_id = q.id();
  row.task_id = q.id();
  row.due_date = q.instant();
  row.id = q.id();
  row.claim_id = q.id();
  row.state = static_cast<ReminderState>(q.integer());
  if (const auto reason = q.optional_integer()) row.reason = static_cast<SkipReason>(*reason);
  row.remind_at = q.optional_instant();
  row.delivered_at = q.optional_instant();
  row.notification_id = q.optional_id();
  return row;
}

}  // namespace

std::optional<Task> Transaction::find_task(const Uuid& user_id, const Uuid& task_id) {
  Query q(c_, "SELECT " TODO_TASK_COLUMNS "FROM tasks WHERE user_id = ? AND id = ?");
  q.bind(user_id).bind(task_id);
  return q.step() ? std::optional(read_task(q)) : std::nullopt;
}

void Transaction::list_tasks(const TaskQuery& query, const TakeTask& take) {
  if (query.sort != TaskSort::due_date) {
    take_page(c_, query, false, query.after.has_value(), query.limit, take);
    return;
  }
  // Without a due date comes last in both directions: two parts, each in the index's order.
  const bool in_null_part = query.after && !query.after->instant_ms;
  int room = query.limit;
  if (!in_null_part) room -= take_page(c_, query, false, query.after.has_value(), room, take);
  take_page(c_, query, true, in_null_part, room, take);
}

Count Transaction::count_tasks(const Uuid& user_id, const TaskFilter& filter) {
  const Selection s = select_tasks(user_id, filter);
  Query q(c_, "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE " + s.where + " LIMIT ?)");
  bind_values(q, s.values);
  q.bind(limits::exact_count_max + 1).step();
  const std::int64_t found = q.integer();
  return {std::min<std::int64_t>(found, limits::exact_count_max), found > limits::exact_count_max};
}

TaskStats Transaction::task_stats(const Uuid& user_id, Instant now) {
  const UserCounters counted = counters(user_id);
  Query q(c_, R"sql(
SELECT count(*) FROM tasks INDEXED BY tasks_by_due
WHERE user_id = ? AND deleted = 0 AND due_at < ? AND completed_at IS NULL)sql");
  q.bind(user_id).bind(now).step();
  return {counted.living_tasks, counted.completed_tasks, q.integer()};
}

std::vector<std::string> Transaction::list_categories(const Uuid& user_id) {
  // Jumps from one category to the next in the index: as fast with 100,000 tasks as with ten.
  Query q(c_, R"sql(
WITH RECURSIVE next(category) AS (
  SELECT min(category) FROM tasks WHERE user_id = ?1 AND deleted = 0 AND category IS NOT NULL
  UNION ALL
  SELECT (SELECT min(t.category) FROM tasks t WHERE t.user_id = ?1 AND t.deleted = 0 AND t.category > next.category)
  FROM next WHERE next.category IS NOT NULL)
SELECT category FROM next WHERE category IS NOT NULL)sql");
  q.bind(user_id);
  std::vector<std::string> categories;
  while (q.step()) categories.emplace_back(q.text());
  return categories;
}

std::optional<Task> Transaction::find_occurrence(const Uuid& user_id, const Uuid& series_id,
                                                 std::int64_t occurrence) {
  // The first of a series is no one's successor: the index leaves out what most tasks are.
  Query q(c_, "SELECT " TODO_TASK_COLUMNS
              "FROM tasks WHERE user_id = ? AND series_id = ? AND occurrence = ? AND "
              "occurrence > 1 AND deleted = 0");
  q.bind(user_id).bind(series_id).bind(occurrence);
  return q.step() ? std::optional(read_task(q)) : std::nullopt;
}

std::vector<Task> Transaction::tasks_after(const Uuid& user_id, std::optional<Uuid> after,
                                           int limit) {
  Query q(c_, "SELECT " TODO_TASK_COLUMNS
              "FROM tasks INDEXED BY tasks_by_id WHERE user_id = ? AND id > ? AND deleted = 0 "
              "ORDER BY id LIMIT ?");
  const Uuid from = after.value_or(Uuid{});
  q.bind(user_id).bind(from).bind(limit);
  std::vector<Task> tasks;
  while (q.step()) tasks.push_back(read_task(q));
  return tasks;
}

std::vector<Task> Transaction::task_versions_after(const Uuid& user_id, std::optional<Uuid> after,
                                                   int limit) {
  Query q(c_,
          "SELECT id, version, updated_at FROM tasks INDEXED BY tasks_by_id WHERE user_id = ? AND "
          "id > ? ORDER BY id LIMIT ?");
  const Uuid from = after.value_or(Uuid{});
  q.bind(user_id).bind(from).bind(limit);
  std::vector<Task> tasks;
  while (q.step()) {
    Task& task = tasks.emplace_back();
    task.id = q.id();
    task.version = q.integer();
    task.updated_at = q.instant();
  }
  return tasks;
}

std::optional<Promise> Transaction::find_promise(const Uuid& user_id, const Uuid& promised_id) {
  Query q(c_,
          "SELECT id, user_id, task_id, series_id, occurrence, task FROM promised_occurrences "
          "WHERE id = ? AND user_id = ?");
  q.bind(promised_id).bind(user_id);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

std::optional<Promise> Transaction::find_promise_of(const Uuid& user_id,
                                                    const Uuid& completed_task_id) {
  Query q(c_,
          "SELECT id, user_id, task_id, series_id, occurrence, task FROM promised_occurrences "
          "WHERE user_id = ? AND task_id = ?");
  q.bind(user_id).bind(completed_task_id);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

std::optional<Promise> Transaction::find_promise_at(const Uuid& user_id, const Uuid& series_id,
                                                    std::int64_t occurrence) {
  Query q(c_,
          "SELECT id, user_id, task_id, series_id, occurrence, task FROM promised_occurrences "
          "WHERE user_id = ? AND series_id = ? AND occurrence = ?");
  q.bind(user_id).bind(series_id).bind(occurrence);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

std::vector<TaskKey> Transaction::due_reminders(Instant now, int limit) {
  Query q(c_, "SELECT user_id, id FROM tasks WHERE remind_at <= ? ORDER BY remind_at LIMIT ?");
  q.bind(now).bind(limit);
  std::vector<TaskKey> keys;
  while (q.step()) {
    TaskKey& key = keys.emplace_back();
    key.user_id = q.id();
    key.task_id = q.id();
  }
  return keys;
}

std::optional<Instant> Transaction::next_reminder_at() {
  Query q(c_, "SELECT min(remind_at) FROM tasks WHERE remind_at IS NOT NULL");
  return q.step() ? q.optional_instant() : std::nullopt;
}

std::optional<ReminderRow> Transaction::find_reminder(const Uuid& user_id, const Uuid& task_id,
                                                      Instant due_date) {
  Query q(c_, R"sql(
SELECT user_id, task_id, due_at, id, claim_id, state, reason, remind_at, delivered_at, notification_id FROM reminders
WHERE user_id = ? AND task_id = ? AND due_at = ?)sql");
  q.bind(user_id).bind(task_id).bind(due_date);
  return q.step() ? std::optional(read_reminder(q)) : std::nullopt;
}

std::vector<ReminderRow> Transaction::list_reminders(const Uuid& user_id, const Uuid& task_id) {
  Query q(c_, R"sql(
SELECT user_id, task_id, due_at, id, claim_id, state, reason, remind_at, delivered_at, notification_id FROM reminders
WHERE user_id = ? AND task_id = ? ORDER BY due_at)sql");
  q.bind(user_id).bind(task_id);
  std::vector<ReminderRow> rows;
  while (q.step()) rows.push_back(read_reminder(q));
  return rows;
}

void Transaction::count_change(const Uuid& user_id, int living, int completed) {
  Query q(c_, R"sql(
UPDATE user_state SET changes = changes + 1, living_tasks = living_tasks + ?, completed_tasks = completed_tasks + ?
WHERE user_id = ?)sql");
  q.bind(living).bind(completed).bind(user_id).run();
}

void Transaction::insert_task(const Task& task) {
  const Folded folded(task);
  {
    Query q(c_, R"sql(
INSERT INTO tasks (user_id, deleted, created_at, priority_rank, id, title, description, due_at, due_on, completed_at, category,
  recurrence_rule, recurrence_interval, recurrence_weekdays, recurrence_from, anchor_local, anchor_zone, anchor_step,
  parent_task_id, series_id, occurrence, version, updated_at, remind_at, deleted_at, title_folded, description_folded)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?))sql");
    bind_task(q, task, folded);
    q.run();
  }
  const bool living = !task.deleted_at;
  count_change(task.user_id, living ? 1 : 0, living && task.completed() ? 1 : 0);
}

void Transaction::update_task(const Task& before, const Task& after) {
  const Folded folded(after);
  {
    Query q(c_, R"sql(
UPDATE tasks SET (user_id, deleted, created_at, priority_rank, id, title, description, due_at, due_on, completed_at, category,
  recurrence_rule, recurrence_interval, recurrence_weekdays, recurrence_from, anchor_local, anchor_zone, anchor_step,
  parent_task_id, series_id, occurrence, version, updated_at, remind_at, deleted_at, title_folded, description_folded)
  = (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
WHERE user_id = ? AND deleted = ? AND created_at = ? AND priority_rank = ? AND id = ?)sql");
    bind_task(q, after, folded);
    q.bind(before.user_id)
        .bind(before.deleted_at.has_value())
        .bind(before.created_at)
        .bind(priority_rank(before.priority))
        .bind(before.id);
    q.run();
    if (c_.changes() != 1) throw StatementRefused("update_task: the row is not as it was read");
  }
  const int living_before = before.deleted_at ? 0 : 1;
  const int living_after = after.deleted_at ? 0 : 1;
  const int completed_before = living_before != 0 && before.completed() ? 1 : 0;
  const int completed_after = living_after != 0 && after.completed() ? 1 : 0;
  count_change(after.user_id, living_after - living_before, completed_after - completed_before);
}

void Transaction::set_remind_at(const Uuid& user_id, const Uuid& task_id,
                                std::optional<Instant> remind_at) {
  Query q(c_, "UPDATE tasks SET remind_at = ? WHERE user_id = ? AND id = ?");
  q.bind(remind_at).bind(user_id).bind(task_id).run();
}

void Transaction::insert_promise(const Promise& promise) {
  Query q(c_,
          "INSERT INTO promised_occurrences (id, user_id, task_id, series_id, occurrence, task) "
          "VALUES (?,?,?,?,?,?)");
  q.bind(promise.id)
      .bind(promise.user_id)
      .bind(promise.task_id)
      .bind(promise.series_id)
      .bind(promise.occurrence)
      .bind(promise.task);
  q.run();
}

std::optional<Promise> Transaction::take_promise(const Uuid& user_id, const Uuid& promised_id) {
  Query q(c_,
          "DELETE FROM promised_occurrences WHERE id = ? AND user_id = ? RETURNING id, user_id, "
          "task_id, series_id, occurrence, task");
  q.bind(promised_id).bind(user_id);
  return q.step() ? std::optional(read_promise(q)) : std::nullopt;
}

bool Transaction::delete_promise(const Uuid& user_id, const Uuid& promised_id) {
  Query q(c_, "DELETE FROM promised_occurrences WHERE id = ? AND user_id = ?");
  q.bind(promised_id).bind(user_id).run();
  return c_.changes() > 0;
}

void Transaction::claim_reminder(const ReminderRow& row) {
  Query q(c_, R"sql(
INSERT INTO reminders (user_id, task_id, due_at, id, claim_id, state, reason, remind_at, delivered_at, notification_id)
VALUES (?,?,?,?,?,0,NULL,?,NULL,NULL)
ON CONFLICT (user_id, task_id, due_at) DO UPDATE
SET claim_id = excluded.claim_id, state = 0, reason = NULL, remind_at = excluded.remind_at WHERE state = 2)sql");
  q.bind(row.user_id)
      .bind(row.task_id)
      .bind(row.due_date)
      .bind(row.id)
      .bind(row.claim_id)
      .bind(row.remind_at)
      .run();
}

bool Transaction::settle_reminder(const ReminderRow& row) {
  Query q(c_, R"sql(
UPDATE reminders SET state = ?, reason = ?, delivered_at = ?, notification_id = ?
WHERE user_id = ? AND task_id = ? AND due_at = ? AND claim_id = ? AND state = 0)sql");
  q.bind(static_cast<int>(row.state));
  row.reason ? q.bind(static_cast<int>(*row.reason)) : q.bind_null();
  q.bind(row.delivered_at).bind(row.notification_id);
  q.bind(row.user_id).bind(row.task_id).bind(row.due_date).bind(row.claim_id).run();
  return c_.changes() > 0;
}

void Transaction::move_reminder(const Uuid& user_id, const Uuid& task_id, Instant from,
                                Instant to) {
  Query q(c_, R"sql(
UPDATE OR IGNORE reminders SET due_at = ? WHERE user_id = ? AND task_id = ? AND due_at = ? AND state <> 0)sql");
  q.bind(to).bind(user_id).bind(task_id).bind(from).run();
}

int Transaction::purge_deleted_tasks(Instant deleted_before, int limit) {
  std::vector<TaskKey> keys;
  {
    // CROSS JOIN keeps the order: from each user to the deleted tasks, which stand together.
    Query q(c_, R"sql(
SELECT t.user_id, t.id FROM users u CROSS JOIN tasks t ON t.user_id = u.id AND t.deleted = 1
WHERE t.deleted_at < ? LIMIT ?)sql");
    q.bind(deleted_before).bind(limit);
    while (q.step()) {
      TaskKey& key = keys.emplace_back();
      key.user_id = q.id();
      key.task_id = q.id();
    }
  }
  for (const TaskKey& key : keys) {
    Query rows(c_, "DELETE FROM reminders WHERE user_id = ? AND task_id = ?");
    rows.bind(key.user_id).bind(key.task_id).run();
    Query task(c_, "DELETE FROM tasks WHERE user_id = ? AND id = ? AND deleted = 1");
    task.bind(key.user_id).bind(key.task_id).run();
    count_change(key.user_id, 0, 0);
  }
  return static_cast<int>(keys.size());
}

}  // namespace todo::storage::sqlite
