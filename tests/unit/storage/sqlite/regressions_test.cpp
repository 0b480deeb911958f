// Mistakes that were made once: answers from a commit that failed, a server that stayed unready,
// queries that looked at every row.
#include <sqlite3.h>

#include <algorithm>

#include "base/limits.h"
#include "failing_disk.h"
#include "fixture.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

class Regressions : public SqliteTest {
 protected:
  Regressions() {
    open_store();
    ann_ = add_user("ann@example.com");
  }
  ~Regressions() override { disk_.heal(); }

  Task new_task(const std::string& title) {
    return test::make_task(ids_, ann_, title, clock_.now());
  }
  Outcome write_task() {
    const Task task = new_task("t");
    return store_->write_and_wait([&](Tx& tx) {
      tx.insert_task(task);
      return Verdict::commit;
    });
  }

  // Before any file is opened: they are to lie on it.
  FailingDisk& disk_ = FailingDisk::instance();
  Uuid ann_;
};

TEST_F(Regressions, a_twin_is_not_answered_from_a_commit_that_failed) {
  const std::string hash(32, 'h');
  const auto use_key = [&](Tx& tx) {
    return tx.insert_idempotency_key(ann_, "key", hash, clock_.now());
  };
  const Task task = new_task("t");
  test::QueueExecutor executor;
  HeldWriter writer(*store_, executor);
  Outcome first = Outcome::unknown;
  Outcome twin = Outcome::unknown;
  bool replayed = false;
  ASSERT_TRUE(store_->write(
      [&](Tx& tx) {
        EXPECT_FALSE(use_key(tx));
        tx.insert_task(task);
        tx.store_idempotent_response(ann_, "key", {hash, 201, "", "{}"});
        return Verdict::commit;
      },
      executor, [&](Outcome outcome) { first = outcome; }));
  ASSERT_TRUE(store_->write(
      [&](Tx& tx) {
        const auto stored = use_key(tx);
        replayed = stored && stored->status == 201;
        return Verdict::roll_back;
      },
      executor, [&](Outcome outcome) { twin = outcome; }));
  disk_.fail_writes(SQLITE_FULL, true);
  writer.release();
  ASSERT_TRUE(executor.run(3));
  EXPECT_TRUE(replayed) << "it saw what its neighbour had written";
  EXPECT_EQ(first, Outcome::failed);
  EXPECT_EQ(twin, Outcome::failed);
  EXPECT_FALSE(exists(task));

  disk_.heal();
  test::write(*store_, [&](Tx& tx) { EXPECT_FALSE(use_key(tx)) << "the key is unused"; });
}

TEST_F(Regressions, readiness_comes_back_with_the_disk_and_not_with_an_empty_commit) {
  disk_.fail_writes(SQLITE_FULL, true);
  EXPECT_EQ(write_task(), Outcome::failed);
  EXPECT_FALSE(store_->health().reachable);
  const auto nothing = [](Tx&) { return Verdict::roll_back; };
  EXPECT_EQ(store_->write_and_wait(nothing), Outcome::rolled_back);
  EXPECT_FALSE(store_->health().reachable) << "nothing was written";
  // Nobody writes to a server that is not ready.
  disk_.heal();
  EXPECT_TRUE(test::eventually([&] { return store_->health().reachable; }));
  EXPECT_EQ(write_task(), Outcome::committed);
}

TEST_F(Regressions, a_unit_of_many_events_is_followed_by_as_many) {
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
  const auto insert = [&](int count) {
    test::write(*store_, [&](Tx& tx) {
      for (int i = 0; i < count; ++i) tx.insert_outbox(test::make_raw_event(ids_, ann_, "e"));
    });
  };
  insert(200);
  insert(limits::rows_per_unit_max);
  store_->stop();
  EXPECT_TRUE(std::ranges::find(taken, 200) != taken.end());
  EXPECT_EQ(std::ranges::max(taken), limits::events_per_cycle_max);
}

// --- how many rows a query looks at ---

class RowsLookedAt : public Regressions {
 protected:
  static constexpr int rows = 20'000;
  // What a page or a single row may cost, with room for a binary search or two.
  static constexpr int few = 2'000;

  // Without the store: on a connection of the test's own, within one transaction.
  RowsLookedAt() {
    close_store();
    connection_ = std::make_unique<Connection>(path_, Access::read_write);
    connection_->execute("BEGIN");
  }

  // How often SQLite's virtual machine turned round in its loops.
  template <class Work>
  int turns(Work work) {
    int count = 0;
    sqlite3_progress_handler(
        connection_->handle(), 1,
        [](void* counted) {
          ++*static_cast<int*>(counted);
          return 0;
        },
        &count);
    work();
    sqlite3_progress_handler(connection_->handle(), 0, nullptr, nullptr);
    return count;
  }

  std::unique_ptr<Connection> connection_;
};

class AuditRowsLookedAt : public RowsLookedAt {
 protected:
  // One entry a second; every 500th a deletion, and 4 of each 40 of the same task.
  AuditRowsLookedAt() {
    Transaction tx(*connection_);
    Uuid entity;
    for (int seq = 1; seq <= rows; ++seq) {
      if (seq % 4 == 1) entity = ids_.next();
      AuditEntry entry = test::make_entry(ids_, ann_, seq, entity, (seq - 1) % 4 + 1, at(seq));
      entry.action = seq % 500 == 0 ? AuditAction::remove : AuditAction::update;
      tx.append_audit({entry});
      if (seq == rows / 2) in_the_middle_ = entity;
    }
  }

  static Instant at(int seq) { return test::noon + std::chrono::seconds{seq}; }
  AuditQuery query() const {
    AuditQuery query;
    query.user_id = ann_;
    query.limit = 20;
    return query;
  }
  // The list and its count; how many entries the list has.
  std::size_t looks_at_few(const AuditQuery& query) {
    Transaction tx(*connection_);
    std::size_t found = 0;
    EXPECT_LT(turns([&] { found = tx.list_audit(query).size(); }), few);
    EXPECT_LT(turns([&] { tx.count_audit(query); }), few);
    return found;
  }

  Uuid in_the_middle_;
};

TEST_F(AuditRowsLookedAt, a_tasks_history_costs_its_own_entries) {
  AuditQuery of_task = query();
  of_task.entity_id = in_the_middle_;
  EXPECT_EQ(looks_at_few(of_task), 4U);
  of_task.entity_id = ids_.next();
  EXPECT_EQ(looks_at_few(of_task), 0U);
}

TEST_F(AuditRowsLookedAt, a_rare_action_costs_its_own_entries_on_the_deepest_page_too) {
  AuditQuery deletions = query();
  deletions.action = AuditAction::remove;
  EXPECT_EQ(looks_at_few(deletions), 20U);
  deletions.before_seq = 1'001;
  EXPECT_EQ(looks_at_few(deletions), 2U);
  deletions.action = AuditAction::complete;
  EXPECT_EQ(looks_at_few(deletions), 0U);
}

TEST_F(AuditRowsLookedAt, a_span_of_time_costs_its_own_entries) {
  AuditQuery minute = query();
  minute.from = at(rows / 2);
  minute.to = at(rows / 2 + 59);
  EXPECT_EQ(looks_at_few(minute), 20U);
  minute.before_seq = rows / 2 + 5;
  EXPECT_EQ(looks_at_few(minute), 5U);
  AuditQuery past = query();
  past.to = at(0);
  EXPECT_EQ(looks_at_few(past), 0U);
  AuditQuery future = query();
  future.from = at(rows + 1);
  EXPECT_EQ(looks_at_few(future), 0U);
}

TEST_F(RowsLookedAt, a_backlog_does_not_slow_the_look_for_the_next_retry) {
  Transaction tx(*connection_);
  for (int i = 0; i < rows; ++i) tx.insert_outbox(test::make_raw_event(ids_, ann_, "e"));
  const OutboxEvent put_off = test::make_raw_event(ids_, ann_, "put off");
  tx.insert_outbox(put_off);
  const Instant later = clock_.now() + std::chrono::seconds{10};
  tx.retry_outbox(put_off.id, 1, later);
  std::optional<Instant> next;
  EXPECT_LT(turns([&] { next = tx.next_outbox_retry_at(clock_.now()); }), few);
  EXPECT_EQ(next, later);
  EXPECT_LT(turns([&] { next = tx.next_outbox_retry_at(later); }), few);
  EXPECT_FALSE(next);
}

}  // namespace
}  // namespace todo::storage::sqlite
