#include <algorithm>
#include <array>
#include <iterator>
#include <variant>

#include <fmt/format.h>

#include "base/limits.h"
#include "storage/postgres/transaction.h"
#include "storage/postgres/transaction_page.h"

namespace todo::storage::postgres {
namespace {

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
  const auto due_on = q.optional_date();
  if (due_at) {
    if (!task.due) task.due.emplace();
    task.due->at = *due_at;
    task.due->on = due_on;
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

using Value = std::variant<std::int64_t, Instant, std::string_view, Uuid>;

// A statement's parameters, as its text grows; the texts among them live in the request.
class Values {
 public:
  std::string add(Value value) {
    values_.push_back(value);
    return fmt::format("${}", values_.size());
  }
  void bind_to(Query& q) const {
    for (const Value& value : values_) std::visit([&q](const auto& v) { q.bind(v); }, value);
  }

 private:
  std::vector<Value> values_;
};

std::string select_tasks(Values& values, const Uuid& user_id, const TaskFilter& filter) {
  std::string where = "user_id = " + values.add(user_id);
  const auto add = [&](std::string_view condition) {
    where += " AND ";
    where += condition;
  };
  add(filter.deleted ? "deleted" : "NOT deleted");
  if (filter.deleted_after) add("deleted_at > " + values.add(*filter.deleted_after));
  if (filter.category) add("category = " + values.add(std::string_view{*filter.category}));
  if (filter.priority)
    add("priority_rank = " + values.add(std::int64_t{priority_rank(filter.priority)}));
  if (filter.completed)
    add(*filter.completed ? "completed_at IS NOT NULL" : "completed_at IS NULL");
  if (filter.overdue && *filter.overdue) {
    add("due_at < " + values.add(filter.now) + " AND completed_at IS NULL");
  } else if (filter.overdue) {
    add("(due_at IS NULL OR completed_at IS NOT NULL OR due_at >= " + values.add(filter.now) + ")");
  }
  if (filter.due_before) add("due_at < " + values.add(*filter.due_before));
  if (filter.due_after) add("due_at > " + values.add(*filter.due_after));
  if (filter.text_folded) {
    const std::string text = values.add(std::string_view{*filter.text_folded});
    add(fmt::format("(strpos(title_folded, {0}) > 0 OR strpos(description_folded, {0}) > 0)",
                    text));
  }
  return where;
}

// A list is one part, or several one behind the other, each in the order of an index: an order
// with exceptions (nulls last in both directions, unset priorities last) is in no index as a whole,
// and neither is a position in the midst of many rows that are alike.
struct Part {
  std::string condition;  // empty: none
  std::string order;
  // What of the order an index has, where the ties are not in it: the page is read in that order,
  // with all that is alike at its end, and sorted then. Asked to sort by all of the order, the
  // server would think nothing of sorting all tasks: for it, most users have few.
  std::string index_order;
};

// The last task of the page before, as parameters.
struct After {
  std::string key;  // of the sort
  std::string rank;
  std::string created_at;
  std::string id;
};

constexpr const char* sort_title = "left(title_folded, 128)";
constexpr const char* newest_first = "created_at DESC, id DESC";
constexpr const char* ties = "priority_rank, created_at DESC, id DESC";

// Rows of one rank behind the last one.
std::string behind_in_rank(const After& after) {
  return fmt::format("priority_rank = {} AND (created_at, id) < ({}, {})", after.rank,
                     after.created_at, after.id);
}

// By a member that few rows have alike. The range tells an index where to begin; the rest passes
// over those of them that were on the page before. `in_index`: the ties are there too.
Part part_by(std::string_view key, bool descending, std::string_view other_keys, bool in_index,
             const std::optional<After>& after) {
  Part part;
  const std::string key_order = fmt::format("{} {}", key, descending ? "DESC" : "ASC");
  part.order = fmt::format("{}, {}", key_order, other_keys);
  if (!in_index) part.index_order = key_order;
  if (!after) return part;
  const char* beyond = descending ? "<" : ">";
  const std::string alike_and_behind =
      other_keys == ties ? fmt::format("({})", behind_in_rank(*after))
                         : fmt::format("(priority_rank = {} AND id < {})", after->rank, after->id);
  part.condition = fmt::format("{0} {1}= {2} AND ({0} {1} {2} OR priority_rank > {3} OR {4})", key,
                               beyond, after->key, after->rank, alike_and_behind);
  return part;
}

// Urgent first, unset last.
std::vector<Part> parts_urgent_first(const std::optional<After>& after) {
  if (!after) return {{{}, ties, {}}};
  return {{behind_in_rank(*after), newest_first, {}}, {"priority_rank > " + after->rank, ties, {}}};
}

// Low first, and unset last all the same.
std::vector<Part> parts_urgent_last(const TaskQuery& query, const std::optional<After>& after) {
  static constexpr std::array ranks{3, 2, 1, 0, priority_rank_unset};
  std::vector<Part> parts;
  auto rank = ranks.begin();
  if (after) {
    rank = std::ranges::find(ranks, query.after->priority_rank);
    parts.push_back({behind_in_rank(*after), newest_first, {}});
    if (rank != ranks.end()) ++rank;
  }
  for (; rank != ranks.end(); ++rank)
    parts.push_back({fmt::format("priority_rank = {}", *rank), newest_first, {}});
  return parts;
}

std::vector<Part> parts_by_due_date(const TaskQuery& query, const std::optional<After>& after) {
  // Without a due date comes last in both directions. (To name it in their order tells the server
  // that the index has it.)
  const std::string none = "due_at IS NULL";
  std::vector<Part> parts;
  if (after && !query.after->instant_ms) {
    parts = parts_urgent_first(after);
    for (Part& part : parts)
      part = {none + " AND " + part.condition, "due_at, " + part.order, part.index_order};
    return parts;
  }
  Part due = part_by("due_at", query.descending, ties, !query.descending, after);
  if (!after) due.condition = "due_at IS NOT NULL";
  return {std::move(due), {none, fmt::format("due_at, {}", ties), {}}};
}

std::vector<Part> parts_of(const TaskQuery& query, Values& values) {
  std::optional<After> after;
  if (const auto& last = query.after) {
    after.emplace();
    if (last->instant_ms) after->key = values.add(instant_from_ms(*last->instant_ms));
    if (query.sort == TaskSort::title)
      after->key = values.add(std::string_view{last->title_folded});
    after->rank = values.add(std::int64_t{last->priority_rank});
    if (query.sort != TaskSort::created_at)
      after->created_at = values.add(instant_from_ms(last->created_at_ms));
    after->id = values.add(last->id);
  }
  switch (query.sort) {
    case TaskSort::created_at:
      return {part_by("created_at", query.descending, "priority_rank, id DESC", query.descending,
                      after)};
    case TaskSort::updated_at:
      return {part_by("updated_at", query.descending, ties, false, after)};
    case TaskSort::due_date:
      return parts_by_due_date(query, after);
    case TaskSort::priority:
      return query.descending ? parts_urgent_first(after) : parts_urgent_last(query, after);
    case TaskSort::title:
      static_assert(sort_title_code_points == 128);
      return {part_by(sort_title, query.descending, ties, false, after)};
  }
  return {};
}

// What a part's page is taken from.
void append_source(std::string& sql, const Part& part, const std::string& where, int rows) {
  const bool sorted_later = !part.index_order.empty();
  if (sorted_later) sql += "(SELECT " TODO_ANSWERED_COLUMNS ", title_folded FROM ";
  sql += "tasks WHERE " + where;
  if (!part.condition.empty()) sql += " AND " + part.condition;
  if (sorted_later) {
    fmt::format_to(std::back_inserter(sql), " ORDER BY {} FETCH FIRST {} ROWS WITH TIES) AS page",
                   part.index_order, rows);
  }
}

}  // namespace

void Transaction::list_tasks(const TaskQuery& query, const TakeTask& take) {
  lock(query.user_id);
  Values values;
  const std::string where = select_tasks(values, query.user_id, query.filter);
  const std::vector<Part> parts = parts_of(query, values);
  // Parts with limits of their own are taken one after the other, and none beyond the page's end.
  const int rows = page_rows(query.limit);
  const std::string limit = fmt::format(" LIMIT {}", rows);
  std::string sql;
  for (const Part& part : parts) {
    if (!sql.empty()) sql += " UNION ALL ";
    sql += "(SELECT " TODO_ANSWERED_COLUMNS "FROM ";
    append_source(sql, part, where, rows);
    sql += " ORDER BY " + part.order + limit + ")";
  }
  if (parts.size() > 1) sql += limit;
  Query q(c_, sql);
  values.bind_to(q);
  Task task;
  for (int left = query.limit; left > 0 && q.step(); --left) {
    read_answered(q, task);
    take(task);
  }
}

Count Transaction::count_tasks(const Uuid& user_id, const TaskFilter& filter) {
  lock(user_id);
  Values values;
  static_assert(limits::exact_count_max == 10'000);
  Query q(c_, "SELECT count(*) FROM (SELECT FROM tasks WHERE " +
                  select_tasks(values, user_id, filter) + " LIMIT 10001) AS found");
  values.bind_to(q);
  q.step();
  const std::int64_t found = q.integer();
  return {std::min<std::int64_t>(found, limits::exact_count_max), found > limits::exact_count_max};
}

TaskStats Transaction::task_stats(const Uuid& user_id, Instant now) {
  lock(user_id);
  Query q(c_, R"sql(
SELECT living_tasks, completed_tasks, (
  SELECT count(*) FROM tasks
  WHERE user_id = $1 AND NOT deleted AND due_at < $2 AND completed_at IS NULL)
FROM user_state WHERE user_id = $1)sql");
  q.bind(user_id).bind(now);
  TaskStats stats;
  if (q.step()) {
    stats.total = q.integer();
    stats.completed = q.integer();
    stats.overdue = q.integer();
  }
  return stats;
}

std::vector<std::string> Transaction::list_categories(const Uuid& user_id) {
  lock(user_id);
  // Jumps from one category to the next in the index: as fast with 100,000 tasks as with ten.
  Query q(c_, R"sql(
WITH RECURSIVE next(category) AS (
  (SELECT category FROM tasks WHERE user_id = $1 AND NOT deleted AND category IS NOT NULL
   ORDER BY category LIMIT 1)
  UNION ALL
  SELECT (SELECT t.category FROM tasks t
          WHERE t.user_id = $1 AND NOT t.deleted AND t.category > next.category
          ORDER BY t.category LIMIT 1)
  FROM next WHERE next.category IS NOT NULL)
SELECT category FROM next WHERE category IS NOT NULL)sql");
  q.bind(user_id);
  std::vector<std::string> categories;
  while (q.step()) categories.emplace_back(q.text());
  return categories;
}

}  // namespace todo::storage::postgres
