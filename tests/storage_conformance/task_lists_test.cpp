// Lists against a model: the same tasks in memory, filtered and sorted by the rules in plain code.
#include <algorithm>
#include <random>

#include "base/text.h"
#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::hours;

constexpr std::array all_sorts{TaskSort::created_at, TaskSort::updated_at, TaskSort::due_date,
                               TaskSort::priority, TaskSort::title};

bool selects(const TaskFilter& filter, const Task& task) {
  const auto due = task.due ? std::optional(task.due->at) : std::nullopt;
  if (filter.deleted != task.deleted_at.has_value()) return false;
  if (filter.deleted_after && !(*task.deleted_at > *filter.deleted_after)) return false;
  if (filter.category && task.category != filter.category) return false;
  if (filter.priority && task.priority != filter.priority) return false;
  if (filter.completed && task.completed() != *filter.completed) return false;
  const bool overdue = due && *due < filter.now && !task.completed();
  if (filter.overdue && overdue != *filter.overdue) return false;
  if (filter.due_before && !(due && *due < *filter.due_before)) return false;
  if (filter.due_after && !(due && *due > *filter.due_after)) return false;
  if (!filter.text_folded) return true;
  return fold_case(task.title).contains(*filter.text_folded) ||
         (task.description && fold_case(*task.description).contains(*filter.text_folded));
}

// What a list by title is ordered by.
std::string sort_title(const Task& task) {
  return first_code_points(fold_case(task.title), sort_title_code_points);
}

// Below zero: a comes before b by the sort member alone.
int compare_by(TaskSort sort, bool descending, const Task& a, const Task& b) {
  const auto order = [&](const auto& left, const auto& right) {
    if (left == right) return 0;
    return (left < right) == !descending ? -1 : 1;
  };
  switch (sort) {
    case TaskSort::created_at:
      return order(a.created_at, b.created_at);
    case TaskSort::updated_at:
      return order(a.updated_at, b.updated_at);
    case TaskSort::due_date:
      if (!a.due || !b.due) return static_cast<int>(!a.due) - static_cast<int>(!b.due);
      return order(a.due->at, b.due->at);
    case TaskSort::priority:
      if (!a.priority || !b.priority)
        return static_cast<int>(!a.priority) - static_cast<int>(!b.priority);
      // Descending is urgent first, and urgent is rank 0.
      return order(priority_rank(b.priority), priority_rank(a.priority));
    case TaskSort::title:
      return order(sort_title(a), sort_title(b));
  }
  return 0;
}

bool comes_before(const TaskQuery& query, const Task& a, const Task& b) {
  if (const int by_member = compare_by(query.sort, query.descending, a, b); by_member != 0)
    return by_member < 0;
  if (a.priority != b.priority) return priority_rank(a.priority) < priority_rank(b.priority);
  if (a.created_at != b.created_at) return a.created_at > b.created_at;
  return a.id > b.id;
}

TaskPosition position_of(TaskSort sort, const Task& task) {
  TaskPosition position;
  if (sort == TaskSort::created_at) position.instant_ms = to_ms(task.created_at);
  if (sort == TaskSort::updated_at) position.instant_ms = to_ms(task.updated_at);
  if (sort == TaskSort::due_date && task.due) position.instant_ms = to_ms(task.due->at);
  if (sort == TaskSort::title) position.title_folded = sort_title(task);
  position.priority_rank = priority_rank(task.priority);
  position.created_at_ms = to_ms(task.created_at);
  position.id = task.id;
  return position;
}

class TaskLists : public StoreTest {
 protected:
  // Few values of each member, so that there are many ties; Bob has the same tasks as Ann.
  Task random_task(const Uuid& user_id) {
    static constexpr std::array<const char*, 8> titles{"",      "a",        "A",      "ärger",
                                                       "ÄRGER", "Straße z", "b_%\\'", "z\"\n"};
    Task task = new_task(user_id, titles.at(pick(titles.size())));
    // Alike as far as a list by title looks, and not beyond.
    if (pick(8) == 0) {
      task.title.clear();
      for (std::size_t i = 0; i < sort_title_code_points; ++i) task.title += "Ö";
      task.title += pick(2) == 0 ? "a" : "b";
    }
    task.created_at = clock_.now() + hours{static_cast<int>(pick(3))};
    task.updated_at = clock_.now() + hours{static_cast<int>(pick(4))};
    if (pick(5) > 0) task.priority = static_cast<Priority>(pick(4));
    if (pick(3) > 0) task.due = test::due_utc(clock_.now() + hours{static_cast<int>(pick(4)) - 2});
    if (pick(3) > 0) task.category = pick(2) == 0 ? "work" : "Work";
    if (pick(3) == 0) task.description = pick(2) == 0 ? "ΣΊΣΥΦΟΣ" : "plain work";
    if (pick(3) == 0) task.completed_at = clock_.now();
    if (pick(4) == 0) task.deleted_at = clock_.now() + hours{static_cast<int>(pick(3))};
    return task;
  }
  std::size_t pick(std::size_t below) { return random_() % below; }

  void fill(int count) {
    write([&](Tx& tx) {
      for (int i = 0; i < count; ++i) {
        tasks_.push_back(random_task(ann_));
        tx.insert_task(tasks_.back());
        Task bobs = tasks_.back();
        bobs.user_id = bob_;
        tx.insert_task(bobs);
      }
    });
  }

  std::vector<Task> expected(const TaskQuery& query) const {
    std::vector<Task> tasks;
    std::ranges::copy_if(tasks_, std::back_inserter(tasks),
                         [&](const Task& task) { return selects(query.filter, task); });
    std::ranges::sort(tasks,
                      [&](const Task& a, const Task& b) { return comes_before(query, a, b); });
    return tasks;
  }

  static std::vector<Task> all_pages(ReadTx& tx, TaskQuery query) {
    std::vector<Task> tasks;
    for (auto page = list_tasks(tx, query); !page.empty(); page = list_tasks(tx, query)) {
      EXPECT_LE(static_cast<int>(page.size()), query.limit);
      tasks.insert(tasks.end(), page.begin(), page.end());
      query.after = position_of(query.sort, tasks.back());
    }
    return tasks;
  }

  TaskFilter random_filter() {
    TaskFilter filter;
    filter.now = clock_.now();
    filter.deleted = pick(4) == 0;
    if (filter.deleted && pick(2) == 0)
      filter.deleted_after = clock_.now() + hours{static_cast<int>(pick(3))};
    if (pick(4) == 0) filter.category = pick(2) == 0 ? "work" : "Work";
    if (pick(4) == 0) filter.priority = static_cast<Priority>(pick(4));
    if (pick(4) == 0) filter.completed = pick(2) == 0;
    if (pick(3) == 0) filter.overdue = pick(2) == 0;
    if (pick(4) == 0) filter.due_before = clock_.now() + hours{static_cast<int>(pick(5)) - 2};
    if (pick(4) == 0) filter.due_after = clock_.now() + hours{static_cast<int>(pick(5)) - 3};
    static constexpr std::array<const char*, 5> texts{"a", "ärg", "work", "STRASSE", "_"};
    if (pick(4) == 0) filter.text_folded = fold_case(texts.at(pick(texts.size())));
    return filter;
  }

  std::minstd_rand random_{42};
  std::vector<Task> tasks_;
};

TEST_P(TaskLists, every_sort_of_every_filter_pages_without_gap_or_repeat) {
  fill(60);
  std::vector<TaskFilter> filters(2);
  filters.front().now = clock_.now();
  filters.back().deleted = true;
  while (filters.size() < 60) filters.push_back(random_filter());
  int selected = 0;
  read([&](ReadTx& tx) {
    for (const TaskFilter& filter : filters) {
      for (const TaskSort sort : all_sorts) {
        for (const bool descending : {false, true}) {
          TaskQuery query = tasks_of(ann_, filter);
          query.sort = sort;
          query.descending = descending;
          auto tasks = expected(query);
          std::ranges::transform(tasks, tasks.begin(), listed);
          selected += static_cast<int>(tasks.size());
          SCOPED_TRACE(testing::Message() << "sort " << static_cast<int>(sort) << " descending "
                                          << descending << " tasks " << tasks.size());
          ASSERT_TRUE(all_pages(tx, query) == tasks);
          query.limit = 1 + static_cast<int>(pick(7));
          ASSERT_TRUE(all_pages(tx, query) == tasks) << "pages of " << query.limit;
          const Count count = tx.count_tasks(ann_, filter);
          ASSERT_EQ(count.value, static_cast<std::int64_t>(tasks.size()));
          ASSERT_FALSE(count.capped);
        }
      }
    }
  });
  EXPECT_GT(selected, 1'000) << "the filters select too little to show anything";
}

TEST_P(TaskLists, a_page_goes_on_where_the_last_one_ended_though_its_task_is_gone) {
  fill(40);
  for (const TaskSort sort : all_sorts) {
    TaskQuery query{
        .user_id = ann_, .filter = {}, .sort = sort, .descending = true, .limit = 5, .after = {}};
    auto tasks = expected(query);
    query.after = position_of(sort, tasks.at(4));
    const auto again = std::ranges::find(tasks_, tasks[4].id, &Task::id);
    *again = change(tasks[4], [&](Task& t) { t.deleted_at = clock_.now(); });
    const auto page = read([&](ReadTx& tx) { return list_tasks(tx, query); });
    ASSERT_EQ(page.size(), 5U);
    EXPECT_TRUE(
        std::equal(page.begin(), page.end(), tasks.begin() + 5,
                   [](const Task& task, const Task& full) { return task == listed(full); }));
  }
}

TEST_P(TaskLists, search_finds_parts_of_any_letters_whatever_their_case) {
  const auto add = [&](const std::string& title, std::optional<std::string> description) {
    Task task = new_task(ann_, title);
    task.description = std::move(description);
    write([&](Tx& tx) { tx.insert_task(task); });
    return task.id;
  };
  const auto found = [&](const std::string& text) {
    TaskFilter filter;
    filter.text_folded = fold_case(text);
    return read([&](ReadTx& tx) {
      std::vector<Uuid> ids;
      for (const Task& task : list_tasks(tx, tasks_of(ann_, filter))) ids.push_back(task.id);
      EXPECT_EQ(tx.count_tasks(ann_, filter).value, static_cast<std::int64_t>(ids.size()));
      return ids;
    });
  };
  const Uuid street = add("Große Straße fegen", std::nullopt);
  const Uuid tea = add("お茶を買う", "GRÜNER Tee");
  const Uuid per_cent = add("100% _done_ \\o/", "it's");
  using Ids = std::vector<Uuid>;
  EXPECT_EQ(found("GROSSE STRASSE"), Ids{street});
  EXPECT_EQ(found("STRAßE"), Ids{street});
  EXPECT_EQ(found("茶を"), Ids{tea});
  EXPECT_EQ(found("grüner t"), Ids{tea});
  EXPECT_EQ(found("gru\u0308ner"), Ids{tea}) << "composed or not, it is the same letter";
  // What means something to a database means itself here.
  EXPECT_EQ(found("%"), Ids{per_cent});
  EXPECT_EQ(found("_"), Ids{per_cent});
  EXPECT_EQ(found("\\"), Ids{per_cent});
  EXPECT_EQ(found("'"), Ids{per_cent});
  EXPECT_EQ(found("strasse tee"), Ids{});
}

TEST_P(TaskLists, a_changed_text_is_found_by_its_new_words_alone) {
  const Task task = add_task(ann_, "Alt");
  change(task, [](Task& t) {
    t.title = "NEU";
    t.description = "Ünlü";
  });
  const auto count = [&](const std::string& folded) {
    TaskFilter filter;
    filter.text_folded = folded;
    return read([&](ReadTx& tx) { return tx.count_tasks(ann_, filter).value; });
  };
  EXPECT_EQ(count("alt"), 0);
  EXPECT_EQ(count("neu"), 1);
  EXPECT_EQ(count("ünlü"), 1);
}

TEST_P(TaskLists, counts_are_exact_to_ten_thousand_and_then_capped) {
  const int batch = 1'000;
  for (int done = 0; done < limits::exact_count_max; done += batch) {
    write([&](Tx& tx) {
      for (int i = 0; i < batch; ++i) tx.insert_task(new_task(ann_, "t"));
    });
  }
  const auto count = [&](const TaskFilter& filter) {
    return read([&](ReadTx& tx) { return tx.count_tasks(ann_, filter); });
  };
  TaskFilter pending;
  pending.completed = false;
  for (const TaskFilter& filter : {TaskFilter{}, pending}) {
    EXPECT_EQ(count(filter).value, limits::exact_count_max);
    EXPECT_FALSE(count(filter).capped);
  }
  add_task(ann_, "one more");
  for (const TaskFilter& filter : {TaskFilter{}, pending}) {
    EXPECT_EQ(count(filter).value, limits::exact_count_max);
    EXPECT_TRUE(count(filter).capped);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TaskLists, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
