#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "database.h"
#include "storage/sqlite/connection.h"

namespace todo::storage::conformance {
namespace {

namespace fs = std::filesystem;

class Files : public StoreTest {
 protected:
  std::string back_up(const std::string& name) {
    const std::string path = folder_.file(name);
    const auto done = store_->backup_to(path);
    EXPECT_TRUE(done) << done.error();
    return path;
  }
  void restore(const std::string& path) {
    const auto done = store_->restore_from(path);
    EXPECT_TRUE(done) << done.error();
  }
  std::string epoch() {
    return read([](ReadTx& tx) { return tx.epoch(); });
  }
  // Restoring it is refused with a sentence, and all is as it was.
  void expect_refused(const std::string& path) {
    const Task task = add_task(ann_, "mine");
    const std::string before = epoch();
    const auto done = store_->restore_from(path);
    ASSERT_FALSE(done);
    EXPECT_FALSE(done.error().empty());
    EXPECT_NE(done.error().find(path), std::string::npos) << done.error();
    EXPECT_EQ(stored(task), task);
    EXPECT_EQ(epoch(), before);
    add_task(ann_, "and it goes on");
  }
};

TEST_P(Files, a_backup_brings_everything_back_and_nothing_else) {
  const Task kept = add_task(ann_, "kept");
  const std::string before = epoch();
  const std::string path = back_up("backup");
  EXPECT_EQ(fs::status(path).permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write)
      << "it holds all that the database does";
  const Task late = add_task(ann_, "late");
  change(kept, [](Task& t) { t.title = "changed"; });
  const Uuid eve = add_user("eve@example.com");

  restore(path);
  EXPECT_EQ(stored(kept), kept);
  EXPECT_FALSE(stored(late));
  EXPECT_FALSE(read([&](ReadTx& tx) { return tx.find_user(eve); }));
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 1);
  EXPECT_NE(epoch(), before) << "what clients remember from before is no longer good";
  EXPECT_FALSE(epoch().empty());
  const Task next = add_task(ann_, "it goes on");
  reopen();
  EXPECT_EQ(stored(next), next);
  EXPECT_EQ(stored(kept), kept);
  EXPECT_TRUE(fs::exists(path)) << "the backup itself stays";
}

TEST_P(Files, each_restore_makes_an_epoch_of_its_own) {
  const std::string path = back_up("backup");
  restore(path);
  const std::string first = epoch();
  restore(path);
  EXPECT_NE(epoch(), first);
}

TEST_P(Files, a_backup_does_not_overwrite) {
  const std::string path = back_up("backup");
  const auto size = fs::file_size(path);
  add_task(ann_, "t");
  const auto again = store_->backup_to(path);
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().find(path), std::string::npos) << again.error();
  EXPECT_EQ(fs::file_size(path), size);
  const auto nowhere = store_->backup_to(folder_.file("no/such/folder/backup"));
  ASSERT_FALSE(nowhere);
  EXPECT_FALSE(nowhere.error().empty());
}

TEST_P(Files, a_backup_is_consistent_while_writes_go_on) {
  std::atomic<bool> stopping = false;
  std::atomic<int> pairs = 0;
  std::thread writer([&] {
    while (!stopping) {
      write([&](Tx& tx) {
        tx.insert_task(new_task(ann_, "one"));
        tx.insert_task(new_task(ann_, "two"));
      });
      ++pairs;
    }
  });
  EXPECT_TRUE(test::eventually([&] { return pairs >= 10; }));
  std::vector<std::pair<std::string, int>> backups;
  for (int i = 0; i < 3; ++i) {
    const int at_least = pairs;
    backups.emplace_back(back_up("backup" + std::to_string(i)), at_least);
  }
  stopping = true;
  writer.join();
  for (const auto& [path, at_least] : backups) {
    restore(path);
    const std::int64_t tasks = read([&](ReadTx& tx) { return tx.count_tasks(ann_, {}).value; });
    EXPECT_EQ(tasks % 2, 0) << "no unit is in it by half";
    EXPECT_GE(tasks, 2 * at_least) << "all that was committed before it began is in it";
    EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), tasks);
  }
}

TEST_P(Files, readers_see_the_old_or_the_new_while_it_is_restored) {
  write([&](Tx& tx) {
    for (int i = 0; i < 100; ++i) tx.insert_task(new_task(ann_, "t"));
  });
  const std::string path = back_up("backup");
  write([&](Tx& tx) {
    for (int i = 0; i < 100; ++i) tx.insert_task(new_task(ann_, "t"));
  });
  std::atomic<bool> stopping = false;
  std::atomic<int> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stopping) {
        read([&](ReadTx& tx) {
          const std::int64_t living = tx.counters(ann_).living_tasks;
          EXPECT_TRUE(living == 100 || living == 200) << living;
          EXPECT_EQ(tx.count_tasks(ann_, {}).value, living);
        });
        ++reads;
      }
    });
  }
  EXPECT_TRUE(test::eventually([&] { return reads > 10; }));
  restore(path);
  const int seen = reads;
  EXPECT_TRUE(test::eventually([&] { return reads > seen + 10; }));
  stopping = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 100);
}

TEST_P(Files, writes_during_a_restore_are_before_or_after_it) {
  const std::string path = back_up("backup");
  std::atomic<bool> stopping = false;
  std::atomic<int> written = 0;
  std::thread writer([&] {
    while (!stopping) {
      add_task(ann_, "t");
      ++written;
    }
  });
  EXPECT_TRUE(test::eventually([&] { return written > 5; }));
  restore(path);
  const int seen = written;
  EXPECT_TRUE(test::eventually([&] { return written > seen + 5; }));
  stopping = true;
  writer.join();
  read([&](ReadTx& tx) {
    const std::int64_t living = tx.counters(ann_).living_tasks;
    EXPECT_EQ(tx.count_tasks(ann_, {}).value, living);
    EXPECT_LT(living, written);
  });
}

TEST_P(Files, events_that_wait_in_a_backup_are_applied_after_the_restore) {
  const OutboxEvent event = test::make_raw_event(ids_, ann_, "waits");
  write([&](Tx& tx) { tx.insert_outbox(event); });
  const std::string path = back_up("backup");
  std::atomic<int> applied = 0;
  const test::RunningBus bus(*store_, [&](Tx& tx, int events_max) {
    BusProgress progress;
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), events_max)) {
      tx.delete_outbox({row.event.id});
      ++progress.events;
    }
    applied += progress.events;
    return progress;
  });
  EXPECT_TRUE(test::eventually([&] { return applied == 1; }));
  restore(path);
  EXPECT_TRUE(test::eventually([&] { return applied == 2; }));
}

TEST_P(Files, a_backup_of_a_newer_program_is_refused) {
  const std::string path = back_up("backup");
  // A backup is an SQLite file, of whichever database.
  sqlite::Connection(path, sqlite::Access::read_write)
      .execute("UPDATE schema_info SET version = version + 100, min_app = min_app + 100");
  expect_refused(path);
}

TEST_P(Files, what_is_no_backup_is_refused) {
  const std::string text = folder_.file("text");
  std::ofstream(text) << std::string(100'000, 'x');
  expect_refused(text);
  const std::string empty = folder_.file("empty");
  std::ofstream{empty};
  expect_refused(empty);
  expect_refused(folder_.file("missing"));
  expect_refused(folder_.path());
}

TEST_P(Files, a_damaged_backup_is_refused) {
  write([&](Tx& tx) {
    for (int i = 0; i < 500; ++i) tx.insert_task(new_task(ann_, std::string(200, 't')));
  });
  const std::string cut = back_up("cut");
  fs::resize_file(cut, fs::file_size(cut) / 2);
  expect_refused(cut);

  const std::string overwritten = back_up("overwritten");
  const auto size = fs::file_size(overwritten);
  {
    std::fstream file(overwritten, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 3));
    file << std::string(size / 3, '\xa5');
  }
  expect_refused(overwritten);
}

INSTANTIATE_TEST_SUITE_P(All, Files, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
