#include <algorithm>

#include "base/text.h"
#include "base/time_text.h"
#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Tasks : public StoreTest {
 protected:
  Task full_task(const Uuid& user_id) {
    Task task = new_task(user_id, "Wäsche 🧺 \"' % _ \\");
    task.description = "line\nline";
    task.due = Due{clock_.now() + hours{30},
                   std::chrono::year{2031} / 1 / 7,
                   {LocalTime{std::chrono::milliseconds{1'925'000'000'123}}, "Europe/Berlin", 17}};
    task.priority = Priority::urgent;
    task.category = "home";
    task.recurrence = {RecurrenceRule::weekly, 400, WeekdaySet{0b1010101},
                       RecurrenceFrom::completion};
    task.completed_at = clock_.now() + minutes{1};
    task.parent_task_id = ids_.next();
    task.occurrence = 123'456'789'012;
    task.version = 77;
    task.updated_at = clock_.now() + minutes{2};
    task.remind_at = clock_.now() + hours{29};
    return task;
  }
  bool is_refused(const std::function<void(Tx&)>& work) {
    const Outcome outcome = store_->write_and_wait([&](Tx& tx) {
      work(tx);
      return Verdict::commit;
    });
    EXPECT_NE(outcome, Outcome::rolled_back);
    return outcome == Outcome::failed;
  }
};

TEST_P(Tasks, a_task_comes_back_as_it_was_written) {
  const Task full = full_task(ann_);
  const Task bare = new_task(ann_, "bare");
  Task extreme = new_task(ann_, "extreme");
  extreme.due = test::due_utc(latest_instant);
  extreme.description = "";
  extreme.category = "";
  extreme.created_at = earliest_instant;
  write([&](Tx& tx) {
    for (const Task& task : {full, bare, extreme}) tx.insert_task(task);
    EXPECT_EQ(tx.find_task(ann_, full.id), full) << "read in the transaction that wrote it";
  });
  EXPECT_EQ(stored(full), full);
  EXPECT_EQ(stored(bare), bare);
  EXPECT_EQ(stored(extreme), extreme);
}

TEST_P(Tasks, every_member_can_change_and_be_cleared) {
  const Task bare = new_task(ann_, "bare");
  write([&](Tx& tx) { tx.insert_task(bare); });
  Task full = full_task(ann_);
  full.id = bare.id;
  full.series_id = ids_.next();
  full.deleted_at = clock_.now();
  write([&](Tx& tx) { tx.update_task(bare, full); });
  EXPECT_EQ(stored(bare), full) << "a deleted task is found too";
  Task cleared = new_task(ann_, "cleared");
  cleared.id = bare.id;
  write([&](Tx& tx) { tx.update_task(full, cleared); });
  EXPECT_EQ(stored(bare), cleared);
}

TEST_P(Tasks, an_update_touches_its_own_row_only) {
  const Task task = add_task(ann_, "one");
  const Task neighbour = add_task(ann_, "two");
  Task bobs = new_task(bob_, "bobs");
  bobs.id = task.id;  // ids are each user's own
  write([&](Tx& tx) { tx.insert_task(bobs); });
  change(task, [](Task& t) { t.title = "changed"; });
  EXPECT_EQ(stored(neighbour), neighbour);
  EXPECT_EQ(stored(bobs), bobs);
  EXPECT_EQ(stored(task)->title, "changed");
}

TEST_P(Tasks, what_was_not_read_so_cannot_be_updated) {
  const Task task = add_task(ann_, "one");
  Task stale = task;
  stale.priority = Priority::high;
  EXPECT_TRUE(is_refused([&](Tx& tx) { tx.update_task(new_task(ann_, "never there"), task); }));
  EXPECT_EQ(stored(task), task);
}

TEST_P(Tasks, an_id_exists_once) {
  const Task task = add_task(ann_, "one");
  Task twin = new_task(ann_, "twin");
  twin.id = task.id;
  EXPECT_TRUE(is_refused([&](Tx& tx) { tx.insert_task(twin); }));
  EXPECT_EQ(stored(task), task);
}

TEST_P(Tasks, an_occurrence_exists_once_among_the_living) {
  Task first = new_task(ann_, "first");
  first.occurrence = 2;
  Task twin = new_task(ann_, "twin");
  twin.series_id = first.series_id;
  twin.occurrence = 2;
  write([&](Tx& tx) { tx.insert_task(first); });
  EXPECT_TRUE(is_refused([&](Tx& tx) { tx.insert_task(twin); }));

  // Deleted ones do not count, and come back only while their place is free.
  const Task deleted = change(first, [&](Task& t) { t.deleted_at = clock_.now(); });
  EXPECT_FALSE(is_refused([&](Tx& tx) { tx.insert_task(twin); }));
  Task restored = deleted;
  restored.deleted_at.reset();
  EXPECT_TRUE(is_refused([&](Tx& tx) { tx.update_task(deleted, restored); }));
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.find_occurrence(ann_, first.series_id, 2), twin);
    EXPECT_FALSE(tx.find_occurrence(ann_, first.series_id, 3));
    EXPECT_FALSE(tx.find_occurrence(bob_, first.series_id, 2));
  });
  // Two deleted ones of one occurrence may lie side by side, and another user may have the same.
  change(twin, [&](Task& t) { t.deleted_at = clock_.now(); });
  EXPECT_FALSE(read([&](ReadTx& tx) { return tx.find_occurrence(ann_, first.series_id, 2); }));
  twin.user_id = bob_;
  EXPECT_FALSE(is_refused([&](Tx& tx) { tx.insert_task(twin); }));
}

TEST_P(Tasks, only_the_reminder_moves_with_set_remind_at) {
  const Task task = add_task(ann_, "one");
  Task expected = task;
  expected.remind_at = clock_.now();
  write([&](Tx& tx) {
    tx.set_remind_at(bob_, task.id, clock_.now() + hours{1});
    tx.set_remind_at(ann_, task.id, clock_.now());
  });
  EXPECT_EQ(stored(task), expected);
  write([&](Tx& tx) { tx.set_remind_at(ann_, task.id, std::nullopt); });
  EXPECT_EQ(stored(task), task);
}

TEST_P(Tasks, categories_are_the_living_tasks_own_and_sorted) {
  const auto add = [&](const Uuid& user, const std::string& category) {
    Task task = new_task(user, "t");
    if (!category.empty()) task.category = category;
    write([&](Tx& tx) { tx.insert_task(task); });
    return task;
  };
  const auto categories = [&] {
    return read([&](ReadTx& tx) { return tx.list_categories(ann_); });
  };
  EXPECT_TRUE(categories().empty());
  add(ann_, "work");
  add(ann_, "");
  add(ann_, "work");
  add(ann_, "Work");
  add(ann_, "éclairs");
  add(bob_, "bobs");
  const Task only = add(ann_, "alone");
  EXPECT_EQ(categories(), (std::vector<std::string>{"Work", "alone", "work", "éclairs"}));
  change(only, [&](Task& t) { t.deleted_at = clock_.now(); });
  EXPECT_EQ(categories(), (std::vector<std::string>{"Work", "work", "éclairs"}));
}

TEST_P(Tasks, statistics_count_the_living) {
  const auto stats = [&] {
    return read([&](ReadTx& tx) { return tx.task_stats(ann_, clock_.now()); });
  };
  const auto add = [&](const Uuid& user, std::optional<Instant> due) {
    Task task = new_task(user, "t");
    if (due) task.due = test::due_utc(*due);
    write([&](Tx& tx) { tx.insert_task(task); });
    return task;
  };
  add(ann_, std::nullopt);
  add(ann_, clock_.now());  // due now is not overdue yet
  add(bob_, clock_.now() - hours{1});
  const Task late = add(ann_, clock_.now() - minutes{1});
  const Task done = add(ann_, clock_.now() - minutes{1});
  change(done, [&](Task& t) { t.completed_at = clock_.now(); });
  EXPECT_EQ(stats().total, 4);
  EXPECT_EQ(stats().completed, 1);
  EXPECT_EQ(stats().overdue, 1);
  change(late, [&](Task& t) { t.deleted_at = clock_.now(); });
  EXPECT_EQ(stats().total, 3);
  EXPECT_EQ(stats().overdue, 0);
}

TEST_P(Tasks, work_in_units_walks_all_tasks_in_id_order) {
  std::vector<Task> tasks;
  for (int i = 0; i < 7; ++i) tasks.push_back(new_task(ann_, std::to_string(i)));
  write([&](Tx& tx) {
    for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) tx.insert_task(*task);
    tx.insert_task(new_task(bob_, "bobs"));
  });
  tasks[3] = change(tasks[3], [&](Task& t) { t.deleted_at = clock_.now(); });
  std::vector<Uuid> living;
  std::vector<std::pair<Uuid, std::int64_t>> all;
  read([&](ReadTx& tx) {
    for (auto page = tx.tasks_after(ann_, std::nullopt, 2); !page.empty();
         page = tx.tasks_after(ann_, living.back(), 2)) {
      EXPECT_LE(page.size(), 2U);
      for (const Task& task : page) living.push_back(task.id);
    }
    for (auto page = tx.task_versions_after(ann_, std::nullopt, 3); !page.empty();
         page = tx.task_versions_after(ann_, all.back().first, 3)) {
      for (const Task& task : page) {
        all.emplace_back(task.id, task.version);
        EXPECT_EQ(task.updated_at, clock_.now());
      }
    }
  });
  std::vector<Uuid> expected_living;
  std::vector<std::pair<Uuid, std::int64_t>> expected_all;
  for (const Task& task : tasks) {
    if (!task.deleted_at) expected_living.push_back(task.id);
    expected_all.emplace_back(task.id, task.version);
  }
  EXPECT_EQ(living, expected_living);
  EXPECT_EQ(all, expected_all);
}

TEST_P(Tasks, another_users_task_is_not_found) {
  const Task task = add_task(ann_, "mine");
  read([&](ReadTx& tx) {
    EXPECT_TRUE(tx.find_task(ann_, task.id));
    EXPECT_FALSE(tx.find_task(bob_, task.id));
    EXPECT_FALSE(tx.find_task(ids_.next(), task.id));
    EXPECT_TRUE(list_tasks(tx, tasks_of(bob_)).empty());
    EXPECT_EQ(tx.count_tasks(bob_, {}).value, 0);
    EXPECT_EQ(tx.task_stats(bob_, clock_.now()).total, 0);
    EXPECT_TRUE(tx.tasks_after(bob_, std::nullopt, 10).empty());
    EXPECT_TRUE(tx.task_versions_after(bob_, std::nullopt, 10).empty());
  });
}

// --- promises ---

TEST_P(Tasks, a_promise_is_taken_once) {
  const Promise promise{ids_.next(), ann_, ids_.next(), ids_.next(), 2, R"({"title":"Miete ü"})"};
  write([&](Tx& tx) { tx.insert_promise(promise); });
  const auto same = [&](const std::optional<Promise>& found) {
    return found && found->id == promise.id && found->user_id == ann_ &&
           found->task_id == promise.task_id && found->series_id == promise.series_id &&
           found->occurrence == 2 && found->task == promise.task;
  };
  read([&](ReadTx& tx) {
    EXPECT_TRUE(same(tx.find_promise(ann_, promise.id)));
    EXPECT_TRUE(same(tx.find_promise_of(ann_, promise.task_id)));
    EXPECT_FALSE(tx.find_promise(bob_, promise.id));
    EXPECT_FALSE(tx.find_promise_of(bob_, promise.task_id));
    EXPECT_FALSE(tx.find_promise(ann_, promise.task_id));
    EXPECT_TRUE(same(tx.find_promise_at(ann_, promise.series_id, 2)));
    EXPECT_FALSE(tx.find_promise_at(ann_, promise.series_id, 3));
    EXPECT_FALSE(tx.find_promise_at(bob_, promise.series_id, 2));
  });
  write([&](Tx& tx) {
    EXPECT_FALSE(tx.take_promise(ann_, ids_.next()));
    EXPECT_FALSE(tx.take_promise(bob_, promise.id));
    EXPECT_TRUE(same(tx.take_promise(ann_, promise.id)));
    EXPECT_FALSE(tx.take_promise(ann_, promise.id));
  });
  EXPECT_FALSE(read([&](ReadTx& tx) { return tx.find_promise(ann_, promise.id); }));
}

TEST_P(Tasks, a_promise_that_was_taken_in_a_unit_rolled_back_is_there_again) {
  const Promise promise{ids_.next(), ann_, ids_.next(), ids_.next(), 2, "{}"};
  write([&](Tx& tx) { tx.insert_promise(promise); });
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) {
    EXPECT_TRUE(tx.take_promise(ann_, promise.id));
    return Verdict::roll_back;
  }),
            Outcome::rolled_back);
  EXPECT_TRUE(write([&](Tx& tx) { return tx.take_promise(ann_, promise.id).has_value(); }));
}

TEST_P(Tasks, a_promise_can_be_withdrawn_by_its_user) {
  const Promise promise{ids_.next(), ann_, ids_.next(), ids_.next(), 2, "{}"};
  write([&](Tx& tx) {
    tx.insert_promise(promise);
    EXPECT_FALSE(tx.delete_promise(bob_, promise.id));
    EXPECT_TRUE(tx.delete_promise(ann_, promise.id));
    EXPECT_FALSE(tx.delete_promise(ann_, promise.id));
    EXPECT_FALSE(tx.take_promise(ann_, promise.id));
  });
}

TEST_P(Tasks, a_task_and_an_occurrence_are_promised_once) {
  const Promise promise{ids_.next(), ann_, ids_.next(), ids_.next(), 2, "{}"};
  write([&](Tx& tx) { tx.insert_promise(promise); });
  Promise same_task{ids_.next(), ann_, promise.task_id, ids_.next(), 2, "{}"};
  Promise same_occurrence{ids_.next(), ann_, ids_.next(), promise.series_id, 2, "{}"};
  EXPECT_TRUE(is_refused([&](Tx& tx) { tx.insert_promise(same_task); }));
  EXPECT_TRUE(is_refused([&](Tx& tx) { tx.insert_promise(same_occurrence); }));
  same_occurrence.occurrence = 3;
  EXPECT_FALSE(is_refused([&](Tx& tx) { tx.insert_promise(same_occurrence); }));
}

INSTANTIATE_TEST_SUITE_P(All, Tasks, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
