#include "storage/sqlite/sqlite_store.h"

#include <algorithm>
#include <filesystem>

#include "base/limits.h"
#include "fixture.h"
#include "storage/sqlite/connection.h"

namespace todo::storage::sqlite {
namespace {

namespace fs = std::filesystem;

class SqliteStore : public SqliteTest {
 protected:
  SqliteStore() {
    open_store();
    ann_ = add_user("ann@example.com");
  }
  void write_tasks(int count, Executor& executor) {
    for (int i = 0; i < count; ++i) {
      const Task task = test::make_task(ids_, ann_, "t", clock_.now());
      EXPECT_TRUE(store_->write(
          [task](Tx& tx) {
            tx.insert_task(task);
            return Verdict::commit;
          },
          executor, [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::committed); }));
    }
  }
  double commits() { return metric("todo_storage_commits_total"); }

  Uuid ann_;
};

TEST_F(SqliteStore, units_that_wait_together_share_a_commit) {
  test::QueueExecutor executor;
  HeldWriter writer(*store_, executor);
  const double before = commits();
  write_tasks(100, executor);
  writer.release();
  ASSERT_TRUE(executor.run(101));
  EXPECT_EQ(commits() - before, 2) << "the one that held the others up, and all others";
  EXPECT_EQ(executor.posts(), 2) << "one post a batch";
  EXPECT_EQ(test::read(*store_, [&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 100);
}

TEST_F(SqliteStore, a_cycle_takes_256_units_at_most) {
  test::QueueExecutor executor;
  HeldWriter writer(*store_, executor);
  const double before = commits();
  write_tasks(600, executor);
  writer.release();
  ASSERT_TRUE(executor.run(601));
  EXPECT_EQ(commits() - before, 1 + 3);
}

TEST_F(SqliteStore, each_executor_gets_one_post_a_batch) {
  test::QueueExecutor first;
  test::QueueExecutor second;
  HeldWriter writer(*store_, first);
  for (int i = 0; i < 20; ++i) write_tasks(1, i % 2 == 0 ? first : second);
  writer.release();
  ASSERT_TRUE(first.run(11));
  ASSERT_TRUE(second.run(10));
  EXPECT_EQ(first.posts(), 2);
  EXPECT_EQ(second.posts(), 1);
}

TEST_F(SqliteStore, the_bus_rides_along_in_the_same_commit) {
  test::QueueExecutor executor;
  std::vector<int> asked;
  store_->start_bus([&](Tx& tx, int events_max) {
    asked.push_back(events_max);
    BusProgress progress;
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), events_max)) {
      tx.delete_outbox({row.event.id});
      ++progress.events;
    }
    return progress;
  });
  // The first look, at what waited before the start.
  test::write(*store_, [](Tx&) {});
  HeldWriter writer(*store_, executor);
  const double before = commits();
  for (int i = 0; i < 100; ++i) {
    const OutboxEvent event = test::make_raw_event(ids_, ann_, "e");
    EXPECT_TRUE(store_->write(
        [event](Tx& tx) {
          tx.insert_outbox(event);
          return Verdict::commit;
        },
        executor, [](Outcome) {}));
  }
  writer.release();
  ASSERT_TRUE(executor.run(101));
  EXPECT_EQ(test::read(*store_, [](ReadTx& tx) { return tx.outbox_depth().rows; }), 0);
  EXPECT_LE(commits() - before, 3) << "a last look may find nothing";
  store_->stop();
  ASSERT_FALSE(asked.empty());
  EXPECT_EQ(asked.front(), limits::events_per_cycle_min);
  EXPECT_TRUE(std::ranges::find(asked, 100) != asked.end()) << "as many events as units keeps pace";
}

TEST_F(SqliteStore, a_backlog_is_worked_off_in_cycles_of_32) {
  test::write(*store_, [&](Tx& tx) {
    for (int i = 0; i < 100; ++i) tx.insert_outbox(test::make_raw_event(ids_, ann_, "e"));
  });
  std::vector<int> taken;
  store_->start_bus([&](Tx& tx, int events_max) {
    BusProgress progress;
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), events_max)) {
      tx.delete_outbox({row.event.id});
      ++progress.events;
    }
    taken.push_back(progress.events);
    return progress;
  });
  EXPECT_TRUE(test::eventually(
      [&] { return test::read(*store_, [](ReadTx& tx) { return tx.outbox_depth().rows; }) == 0; }));
  store_->stop();
  ASSERT_GE(taken.size(), 4U);
  EXPECT_TRUE(std::ranges::all_of(taken, [](int n) { return n <= 32; }));
}

TEST_F(SqliteStore, the_log_is_checkpointed_before_it_grows_without_bound) {
  const std::string data(1'000'000, 'x');
  for (int i = 1; i <= 40; ++i)
    test::write(*store_, [&](Tx& tx) { tx.insert_audit_segment({ann_, i, i, "{}", data}); });
  EXPECT_GE(metric("todo_storage_checkpoints_total"), 2);
  EXPECT_LT(fs::file_size(path_ + "-wal"), 20'000'000U) << "of 40 MB that went through it";
  EXPECT_GT(fs::file_size(path_), 20'000'000U);
}

TEST_F(SqliteStore, stopping_leaves_all_in_one_file) {
  test::QueueExecutor executor;
  write_tasks(10, executor);
  close_store();
  EXPECT_FALSE(fs::exists(path_ + "-wal") && fs::file_size(path_ + "-wal") > 0);
  fs::copy_file(path_, folder_.file("copy.db"));
  Connection copy(folder_.file("copy.db"), Access::read_write);
  EXPECT_EQ(copy.scalar("SELECT count(*) FROM tasks"), 10);
}

TEST_F(SqliteStore, a_restore_leaves_no_files_behind) {
  const std::string backup = folder_.file("backup");
  ASSERT_TRUE(store_->backup_to(backup));
  ASSERT_TRUE(store_->restore_from(backup));
  ASSERT_FALSE(store_->restore_from(folder_.file("missing")));
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name == "backup" || name.starts_with("todo.db")) << name;
    EXPECT_FALSE(name.contains("restore") || name.contains("part")) << name;
  }
}

}  // namespace
}  // namespace todo::storage::sqlite
