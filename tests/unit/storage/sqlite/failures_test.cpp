// What happens when the disk fails: an error for the unit that met it, nothing by half, and work
// goes on afterwards.
#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "failing_disk.h"
#include "fixture.h"

namespace todo::storage::sqlite {
namespace {

class Failures : public SqliteTest {
 protected:
  Failures() {
    open_store();
    ann_ = add_user("ann@example.com");
  }
  ~Failures() override { disk_.heal(); }

  // Enough of it that SQLite writes pages before the commit, and each page says that it is bad.
  static std::string bad_data(std::size_t bytes) {
    std::string data;
    data.reserve(bytes + FailingDisk::bad_sector.size());
    while (data.size() < bytes) data += FailingDisk::bad_sector;
    return data;
  }
  Task new_task(const std::string& title) {
    return test::make_task(ids_, ann_, title, clock_.now());
  }
  bool segment_exists() {
    return test::read(*store_, [&](ReadTx& tx) { return !tx.audit_segments(ann_, 0, 1).empty(); });
  }
  // Two tasks and `middle` between them, in one cycle; their outcomes in this order.
  std::vector<Outcome> in_one_cycle(const Task& first, WriteUnit middle, const Task& last) {
    test::QueueExecutor executor;
    std::vector<Outcome> outcomes(3, Outcome::unknown);
    HeldWriter writer(*store_, executor);
    const auto add = [&](std::size_t index, WriteUnit unit) {
      EXPECT_TRUE(store_->write(std::move(unit), executor, [&outcomes, index](Outcome outcome) {
        outcomes[index] = outcome;
      }));
    };
    const auto insert = [](const Task& task) {
      return [task](Tx& tx) {
        tx.insert_task(task);
        return Verdict::commit;
      };
    };
    add(0, insert(first));
    add(1, std::move(middle));
    add(2, insert(last));
    writer.release();
    EXPECT_TRUE(executor.run(4));
    return outcomes;
  }

  FailingDisk& disk_ = FailingDisk::instance();
  Uuid ann_;
};

using Outcomes = std::vector<Outcome>;

TEST_F(Failures, a_unit_that_fills_the_disk_fails_alone) {
  const Task first = new_task("first");
  const Task last = new_task("last");
  const std::string data = bad_data(40'000'000);
  int runs = 0;
  disk_.fail_writes(SQLITE_FULL, false);
  const Outcomes outcomes = in_one_cycle(
      first,
      [&](Tx& tx) {
        ++runs;
        tx.insert_audit_segment({ann_, 1, 1, "{}", data});
        return Verdict::commit;
      },
      last);
  EXPECT_EQ(outcomes, (Outcomes{Outcome::committed, Outcome::failed, Outcome::committed}));
  EXPECT_EQ(runs, 2) << "once with the others, once alone";
  EXPECT_TRUE(exists(first));
  EXPECT_TRUE(exists(last));
  EXPECT_FALSE(segment_exists());
  EXPECT_EQ(test::read(*store_, [&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 2)
      << "what ran again counts once";
  disk_.heal();
  test::write(*store_, [&](Tx& tx) { tx.insert_audit_segment({ann_, 1, 1, "{}", data}); });
  EXPECT_TRUE(segment_exists());
}

TEST_F(Failures, an_io_error_fails_its_unit_alone) {
  const Task first = new_task("first");
  const Task last = new_task("last");
  disk_.fail_writes(SQLITE_IOERR_WRITE, false);
  const std::string data = bad_data(40'000'000);
  const Outcomes outcomes = in_one_cycle(
      first,
      [&](Tx& tx) {
        tx.insert_audit_segment({ann_, 1, 1, "{}", data});
        return Verdict::commit;
      },
      last);
  EXPECT_EQ(outcomes, (Outcomes{Outcome::committed, Outcome::failed, Outcome::committed}));
  EXPECT_FALSE(segment_exists());
}

TEST_F(Failures, a_page_that_cannot_be_read_fails_its_reader_alone) {
  test::write(*store_,
              [&](Tx& tx) { tx.insert_audit_segment({ann_, 1, 1, "{}", bad_data(200'000)}); });
  close_store();  // what was cached is gone
  open_store();
  disk_.fail_reads(SQLITE_IOERR_READ);
  const Task first = new_task("first");
  const Task last = new_task("last");
  const Outcomes outcomes = in_one_cycle(
      first,
      [&](Tx& tx) {
        tx.audit_segments(ann_, 0, 1);
        return Verdict::commit;
      },
      last);
  EXPECT_EQ(outcomes, (Outcomes{Outcome::committed, Outcome::failed, Outcome::committed}));
  EXPECT_TRUE(exists(first));
  EXPECT_TRUE(exists(last));
  // So it is for readers.
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(store_->read_and_wait([&](ReadTx& tx) { tx.audit_segments(ann_, 0, 1); }),
              Outcome::failed);
    EXPECT_TRUE(exists(first));
  }
  disk_.heal();
  EXPECT_TRUE(segment_exists());
}

TEST_F(Failures, a_commit_that_fails_fails_all_its_units_and_leaves_nothing) {
  const Task first = new_task("first");
  const Task second = new_task("second");
  const Task last = new_task("last");
  EXPECT_TRUE(store_->health().reachable);
  disk_.fail_writes(SQLITE_FULL, true);
  const Outcomes outcomes = in_one_cycle(
      first,
      [&](Tx& tx) {
        tx.insert_task(second);
        return Verdict::commit;
      },
      last);
  EXPECT_EQ(outcomes, Outcomes(3, Outcome::failed));
  EXPECT_FALSE(store_->health().reachable);
  EXPECT_FALSE(store_->health().detail.empty());
  for (const Task& task : {first, second, last}) EXPECT_FALSE(exists(task)) << "reads go on";

  disk_.heal();
  test::write(*store_, [&](Tx& tx) { tx.insert_task(second); });
  EXPECT_TRUE(store_->health().reachable);
  EXPECT_EQ(metric("todo_storage_failures_total"), 3);
  close_store();
  open_store();
  EXPECT_TRUE(exists(second));
  EXPECT_FALSE(exists(first));
}

TEST_F(Failures, a_bus_that_loses_the_transaction_costs_no_unit_and_does_not_spin) {
  std::atomic<int> steps = 0;
  std::atomic<bool> healthy = false;
  const test::RunningBus bus(*store_, [&](Tx& tx, int events_max) {
    BusProgress progress;
    const auto rows = tx.list_outbox(clock_.now(), events_max);
    if (rows.empty()) return progress;
    ++steps;
    if (!healthy) throw TransactionLost("as if a page could not be read");
    for (const OutboxRow& row : rows) tx.delete_outbox({row.event.id});
    progress.events = static_cast<int>(rows.size());
    return progress;
  });
  const Task task = new_task("t");
  test::write(*store_, [&](Tx& tx) {
    tx.insert_task(task);
    tx.insert_outbox(test::make_raw_event(ids_, ann_, "e"));
  });
  EXPECT_TRUE(exists(task));
  EXPECT_TRUE(test::eventually([&] { return steps == 2; })) << "with the unit, and once alone";
  for (int i = 0; i < 20; ++i)
    test::write(*store_, [&](Tx& tx) { tx.insert_task(new_task("more")); });
  EXPECT_EQ(steps, 2) << "until its pause is over";
  healthy = true;
  clock_.advance(std::chrono::seconds{2});
  EXPECT_TRUE(test::eventually([&] {
    test::write(*store_, [](Tx&) {});
    return test::read(*store_, [](ReadTx& tx) { return tx.outbox_depth().rows; }) == 0;
  }));
}

TEST_F(Failures, a_backup_that_fails_says_so_and_leaves_no_file) {
  disk_.fail_writes(SQLITE_FULL, true);
  const auto copied = store_->backup_to(folder_.file("backup"));
  disk_.heal();
  ASSERT_FALSE(copied);
  EXPECT_FALSE(copied.error().empty());
  EXPECT_FALSE(std::filesystem::exists(folder_.file("backup")));
  EXPECT_FALSE(std::filesystem::exists(folder_.file("backup.part")));
  EXPECT_TRUE(store_->backup_to(folder_.file("backup")));
}

TEST_F(Failures, a_restore_that_fails_leaves_all_as_it_was) {
  const Task before = new_task("before");
  test::write(*store_, [&](Tx& tx) {
    tx.insert_task(before);
    tx.insert_audit_segment({ann_, 1, 1, "{}", bad_data(100'000)});
  });
  const std::string backup = folder_.file("backup");
  ASSERT_TRUE(store_->backup_to(backup));
  const Task after = new_task("after");
  test::write(*store_, [&](Tx& tx) { tx.insert_task(after); });
  const std::string epoch = test::read(*store_, [](ReadTx& tx) { return tx.epoch(); });
  // At its first page, and in the middle of what it replaces.
  for (const bool everywhere : {true, false}) {
    disk_.fail_writes(SQLITE_FULL, everywhere);
    const auto refused = store_->restore_from(backup);
    disk_.heal();
    ASSERT_FALSE(refused);
    EXPECT_FALSE(refused.error().empty());
    EXPECT_TRUE(exists(after));
    EXPECT_EQ(test::read(*store_, [](ReadTx& tx) { return tx.epoch(); }), epoch);
    test::write(*store_, [&](Tx& tx) { tx.insert_task(new_task("it goes on")); });
  }
  ASSERT_TRUE(store_->restore_from(backup));
  EXPECT_FALSE(exists(after));
  EXPECT_TRUE(exists(before));
}

using FailuresDeathTest = Failures;

TEST_F(FailuresDeathTest, a_disk_that_cannot_sync_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  // The process that ends removes nothing: what it makes lies in this test's folder.
  ::setenv("TMPDIR", folder_.path().c_str(), 1);
  EXPECT_EXIT(
      {
        disk_.fail_syncs(SQLITE_IOERR_FSYNC);
        store_->write_and_wait([&](Tx& tx) {
          tx.insert_task(new_task("t"));
          return Verdict::commit;
        });
      },
      testing::ExitedWithCode(EXIT_FAILURE), "");
  ::unsetenv("TMPDIR");
}

}  // namespace
}  // namespace todo::storage::sqlite
