#include <algorithm>
#include <atomic>
#include <thread>

#include "database.h"

namespace todo::storage::conformance {
namespace {

class Units : public StoreTest {
 protected:
  bool exists(const Uuid& task_id) {
    return read([&](ReadTx& tx) { return tx.find_task(ann_, task_id).has_value(); });
  }
};

TEST_P(Units, a_unit_commits_or_rolls_back_as_it_says) {
  const Task kept = new_task(ann_, "kept");
  const Task undone = new_task(ann_, "undone");
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) {
    tx.insert_task(kept);
    return Verdict::commit;
  }),
            Outcome::committed);
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) {
    tx.insert_task(undone);
    EXPECT_TRUE(tx.find_task(ann_, undone.id)) << "it sees its own writes";
    return Verdict::roll_back;
  }),
            Outcome::rolled_back);
  EXPECT_TRUE(exists(kept.id));
  EXPECT_FALSE(exists(undone.id));
}

TEST_P(Units, a_unit_that_throws_has_failed_and_left_nothing) {
  const Task task = new_task(ann_, "half done");
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) -> Verdict {
    tx.insert_task(task);
    throw std::runtime_error("a bug");
  }),
            Outcome::failed);
  EXPECT_FALSE(exists(task.id));
  EXPECT_TRUE(exists(add_task(ann_, "the next one").id));
}

TEST_P(Units, a_read_that_throws_has_failed_and_the_next_one_works) {
  EXPECT_EQ(store_->read_and_wait([](ReadTx&) { throw std::runtime_error("a bug"); }),
            Outcome::failed);
  EXPECT_TRUE(read([&](ReadTx& tx) { return tx.find_user(ann_); }));
}

TEST_P(Units, a_refused_statement_fails_its_unit_and_not_its_neighbours) {
  const Task there = add_task(ann_, "there");
  const Task first = new_task(ann_, "first");
  Task twin = new_task(ann_, "twin");
  twin.id = there.id;
  const Task before_twin = new_task(ann_, "in the refused unit");
  const Task last = new_task(ann_, "last");
  test::QueueExecutor executor;
  std::vector<Outcome> outcomes(4, Outcome::unknown);
  test::HeldWriter writer(*store_, executor);
  const auto add = [&](std::size_t index, WriteUnit unit) {
    EXPECT_TRUE(store_->write(std::move(unit), executor,
                              [&, index](Outcome outcome) { outcomes[index] = outcome; }));
  };
  add(0, [&](Tx& tx) {
    tx.insert_task(first);
    return Verdict::commit;
  });
  add(1, [&](Tx& tx) {
    tx.insert_task(before_twin);
    tx.insert_task(twin);
    return Verdict::commit;
  });
  add(2, [&](Tx& tx) {
    tx.mark_user_deleted(ann_, clock_.now());
    return Verdict::roll_back;
  });
  add(3, [&](Tx& tx) {
    tx.insert_task(last);
    return Verdict::commit;
  });
  writer.release();
  ASSERT_TRUE(executor.run(5));
  EXPECT_EQ(outcomes, (std::vector{Outcome::committed, Outcome::failed, Outcome::rolled_back,
                                   Outcome::committed}));
  EXPECT_EQ(stored(there), there);
  EXPECT_EQ(stored(first), first);
  EXPECT_FALSE(exists(before_twin.id));
  EXPECT_TRUE(exists(last.id));
  EXPECT_TRUE(read([&](ReadTx& tx) { return tx.find_user(ann_); }));
}

TEST_P(Units, units_that_wait_together_lose_no_change) {
  test::QueueExecutor executor;
  const Task task = add_task(ann_, "0");
  test::HeldWriter writer(*store_, executor);
  constexpr int changes = 20;
  for (int i = 1; i <= changes; ++i) {
    EXPECT_TRUE(store_->write(
        [&, i](Tx& tx) {
          const Task before = *tx.find_task(ann_, task.id);
          Task after = before;
          after.title += "," + std::to_string(i);
          ++after.version;
          tx.update_task(before, after);
          return Verdict::commit;
        },
        executor, [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::committed); }));
  }
  writer.release();
  ASSERT_TRUE(executor.run(changes + 1));
  EXPECT_EQ(stored(task)->version, changes + 1);
  EXPECT_EQ(std::ranges::count(stored(task)->title, ','), changes);
}

TEST_P(Units, nested_work_is_undone_alone) {
  const Task outer = new_task(ann_, "outer");
  const Task inner = new_task(ann_, "inner");
  const Task good = new_task(ann_, "good");
  const Task deep = new_task(ann_, "deep");
  write([&](Tx& tx) {
    tx.insert_task(outer);
    const auto undone = tx.nested([&] {
      tx.insert_task(inner);
      throw std::runtime_error("why");
    });
    ASSERT_FALSE(undone);
    EXPECT_EQ(undone.error(), "why");
    EXPECT_FALSE(tx.find_task(ann_, inner.id));
    const auto refused = tx.nested([&] { tx.insert_task(outer); });
    EXPECT_FALSE(refused) << "a refused statement is undone alone too";
    EXPECT_FALSE(refused.error().empty());
    EXPECT_TRUE(tx.nested([&] {
      tx.insert_task(good);
      EXPECT_FALSE(tx.nested([&] {
        tx.insert_task(deep);
        throw std::runtime_error("deep");
      }));
    }));
    EXPECT_EQ(tx.counters(ann_).living_tasks, 2);
  });
  EXPECT_TRUE(exists(outer.id));
  EXPECT_TRUE(exists(good.id));
  EXPECT_FALSE(exists(inner.id));
  EXPECT_FALSE(exists(deep.id));
}

TEST_P(Units, a_lost_transaction_passes_through_nested_and_the_unit_fails) {
  const Task task = new_task(ann_, "lost");
  int runs = 0;
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) {
    ++runs;
    tx.insert_task(task);
    static_cast<void>(tx.nested([] { throw TransactionLost("the connection is gone"); }));
    ADD_FAILURE() << "it went on";
    return Verdict::commit;
  }),
            Outcome::failed);
  EXPECT_GE(runs, 1);
  EXPECT_FALSE(exists(task.id));
  add_task(ann_, "the next one works");
}

TEST_P(Units, neighbours_of_a_lost_transaction_are_committed_once) {
  const Task first = new_task(ann_, "first");
  const Task lost = new_task(ann_, "lost");
  const Task last = new_task(ann_, "last");
  test::QueueExecutor executor;
  std::vector<Outcome> outcomes;
  test::HeldWriter writer(*store_, executor);
  const auto add = [&](const Task& task, bool lose) {
    EXPECT_TRUE(store_->write(
        [&task, lose](Tx& tx) {
          tx.insert_task(task);
          if (lose) throw TransactionLost("as if the disk were full");
          return Verdict::commit;
        },
        executor, [&](Outcome outcome) { outcomes.push_back(outcome); }));
  };
  add(first, false);
  add(lost, true);
  add(last, false);
  writer.release();
  ASSERT_TRUE(executor.run(4));
  EXPECT_EQ(std::ranges::count(outcomes, Outcome::committed), 2);
  EXPECT_EQ(std::ranges::count(outcomes, Outcome::failed), 1);
  EXPECT_EQ(stored(first), first);
  EXPECT_FALSE(exists(lost.id));
  EXPECT_EQ(stored(last), last);
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 2);
}

TEST_P(Units, done_runs_on_its_executor_after_the_commit) {
  test::QueueExecutor mine;
  test::QueueExecutor others;
  const Task task = new_task(ann_, "t");
  const auto thread = std::this_thread::get_id();
  bool done = false;
  EXPECT_TRUE(store_->write(
      [&](Tx& tx) {
        tx.insert_task(task);
        EXPECT_NE(std::this_thread::get_id(), thread) << "nobody waits for the database here";
        return Verdict::commit;
      },
      mine,
      [&](Outcome outcome) {
        EXPECT_EQ(outcome, Outcome::committed);
        EXPECT_EQ(std::this_thread::get_id(), thread);
        done = true;
      }));
  EXPECT_TRUE(store_->read([](ReadTx&) {}, others,
                           [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::committed); }));
  ASSERT_TRUE(mine.run(1));
  EXPECT_TRUE(done);
  EXPECT_EQ(stored(task), task) << "what done tells of is there for everyone";
  ASSERT_TRUE(others.run(1));
  EXPECT_EQ(mine.waiting() + others.waiting(), 0U);
}

TEST_P(Units, what_a_unit_holds_is_gone_before_its_answer) {
  // A unit may hold the last reference to a request that its answer ends.
  test::QueueExecutor executor;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  EXPECT_TRUE(store_->write([held = std::move(held)](Tx&) { return Verdict::commit; }, executor,
                            [&](Outcome) { EXPECT_TRUE(watch.expired()); }));
  ASSERT_TRUE(executor.run(1));
}

TEST_P(Units, a_read_that_begins_after_a_commit_sees_it) {
  for (int i = 0; i < 50; ++i) {
    const Task task = add_task(ann_, "t");
    EXPECT_TRUE(exists(task.id));
  }
}

TEST_P(Units, a_read_sees_one_snapshot_however_much_is_written_meanwhile) {
  std::atomic<bool> stopping = false;
  std::atomic<int> written = 0;
  std::thread writer([&] {
    while (!stopping) {
      add_task(ann_, "t");
      ++written;
    }
  });
  EXPECT_TRUE(test::eventually([&] { return written > 0; }));
  for (int i = 0; i < 30; ++i) {
    read([&](ReadTx& tx) {
      const std::int64_t before = tx.counters(ann_).living_tasks;
      const int seen = written;
      EXPECT_TRUE(test::eventually([&] { return written > seen; })) << "writes wait for reads";
      EXPECT_EQ(tx.counters(ann_).living_tasks, before);
      EXPECT_EQ(tx.count_tasks(ann_, {}).value, before);
    });
  }
  stopping = true;
  writer.join();
}

TEST_P(Units, many_threads_lose_no_update) {
  const Task task = add_task(ann_, "t");
  constexpr int threads_count = 4;
  constexpr int changes = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < threads_count; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < changes; ++i) {
        write([&](Tx& tx) {
          const Task before = *tx.find_task(ann_, task.id);
          Task after = before;
          ++after.version;
          tx.update_task(before, after);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored(task)->version, 1 + threads_count * changes);
}

TEST_P(Units, a_full_queue_refuses_writes_and_runs_all_it_took) {
  test::QueueExecutor executor;
  test::Signal go;
  std::atomic<std::size_t> ran = 0;
  std::size_t taken = 0;
  const auto offer = [&] {
    return store_->write(
        [&](Tx&) {
          EXPECT_TRUE(go.wait());
          ++ran;
          return Verdict::roll_back;
        },
        executor, [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::rolled_back); });
  };
  while (taken < 3 * limits::writer_queue_max && offer()) ++taken;
  EXPECT_GE(taken, limits::writer_queue_max);
  EXPECT_LT(taken, 3 * limits::writer_queue_max);
  EXPECT_GE(store_->queue_depths().writer, limits::writer_queue_max);
  go.give();
  ASSERT_TRUE(executor.run(taken));
  EXPECT_EQ(executor.waiting(), 0U) << "what was refused never runs";
  EXPECT_EQ(ran, taken);
  EXPECT_EQ(store_->queue_depths().writer, 0U);
  add_task(ann_, "then there is room again");
}

TEST_P(Units, a_full_queue_refuses_reads_and_runs_all_it_took) {
  test::QueueExecutor executor;
  test::Signal go;
  std::size_t taken = 0;
  const auto offer = [&] {
    return store_->read([&](ReadTx&) { EXPECT_TRUE(go.wait()); }, executor,
                        [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::committed); });
  };
  while (taken < 3 * limits::reader_queue_max && offer()) ++taken;
  EXPECT_GE(taken, limits::reader_queue_max);
  EXPECT_LT(taken, 3 * limits::reader_queue_max);
  go.give();
  ASSERT_TRUE(executor.run(taken));
  EXPECT_EQ(executor.waiting(), 0U);
  EXPECT_TRUE(read([&](ReadTx& tx) { return tx.find_user(ann_); }));
}

TEST_P(Units, stopping_finishes_what_is_queued) {
  test::QueueExecutor executor;
  test::HeldWriter writer(*store_, executor);
  std::vector<Task> tasks;
  for (int i = 0; i < 300; ++i) tasks.push_back(new_task(ann_, "t"));
  for (const Task& task : tasks) {
    EXPECT_TRUE(store_->write(
        [&task](Tx& tx) {
          tx.insert_task(task);
          return Verdict::commit;
        },
        executor, [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::committed); }));
  }
  std::thread stopper([&] { store_->stop(); });
  writer.release();
  stopper.join();
  EXPECT_EQ(executor.waiting(), tasks.size() + 1) << "every answer was handed over";
  ASSERT_TRUE(executor.run(tasks.size() + 1));
  store_ = database_->open(clock_);
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 300);
}

TEST_P(Units, a_stopped_store_takes_nothing_and_can_be_stopped_again) {
  store_->stop();
  store_->stop();
  test::ImmediateExecutor executor;
  EXPECT_FALSE(store_->write([](Tx&) { return Verdict::commit; }, executor,
                             [](Outcome) { ADD_FAILURE() << "it was not taken"; }));
  EXPECT_FALSE(
      store_->read([](ReadTx&) {}, executor, [](Outcome) { ADD_FAILURE() << "it was not taken"; }));
  EXPECT_EQ(store_->write_and_wait([](Tx&) { return Verdict::commit; }), Outcome::failed);
  EXPECT_EQ(store_->read_and_wait([](ReadTx&) {}), Outcome::failed);
}

TEST_P(Units, all_is_there_after_a_restart) {
  const Task task = add_task(ann_, "Überdauert");
  const std::string epoch = read([](ReadTx& tx) { return tx.epoch(); });
  EXPECT_FALSE(epoch.empty());
  reopen();
  EXPECT_EQ(stored(task), task);
  EXPECT_EQ(read([](ReadTx& tx) { return tx.epoch(); }), epoch);
  EXPECT_TRUE(store_->health().reachable);
  EXPECT_TRUE(store_->health().schema_ready);
}

INSTANTIATE_TEST_SUITE_P(All, Units, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
