// How often a use case waits for PostgreSQL: a database across a network answers each wait late,
// and the user's lock is held for all of them.
#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>

#include "service/accounts.h"
#include "service/audit.h"
#include "service/consumers.h"
#include "service/reminders.h"
#include "service/tasks.h"
#include "storage/postgres/schema.h"
#include "storage/postgres/transaction.h"
#include "support/fakes.h"
#include "support/postgres.h"

namespace todo::service {
namespace {

using std::chrono::hours;
using storage::postgres::Access;
using storage::postgres::Connection;
using storage::postgres::Transaction;

class RoundTrips : public testing::Test {
 protected:
  RoundTrips() {
    const auto migrated =
        storage::postgres::migrate_schema({.connection = {.url = database_.url()}});
    if (!migrated) throw std::runtime_error(migrated.error());
    c_.emplace(storage::postgres::ConnectionOptions{.url = database_.url()});
    write([&](storage::Tx& tx) {
      const auto user =
          register_user(tx, keys_, ids_, clock_.now(), {"ann@example.com", "hash", {}, "UTC"});
      ann_ = user.value().id;
    });
  }

  Call call() {
    Call call;
    call.user_id = ann_;
    call.now = clock_.now();
    call.ids = &ids_;
    return call;
  }
  TaskInput input(RecurrenceRule rule = RecurrenceRule::none) {
    TaskInput input;
    input.title = {true, "t"};
    input.due_date = {true, clock_.now() + hours{10}};
    input.recurrence_rule = {true, rule};
    return input;
  }
  Task add_task(RecurrenceRule rule = RecurrenceRule::none) {
    Task task;
    write([&](storage::Tx& tx) { task = create_task(tx, call(), input(rule)).value(); });
    return task;
  }

  // Each answers how often it waited.
  template <class Work>
  std::int64_t write(Work work) {
    const std::int64_t before = c_->round_trips();
    c_->begin(Access::write);
    Transaction tx(*c_, Access::write);
    work(tx);
    c_->commit();
    return c_->round_trips() - before;
  }
  template <class Work>
  std::int64_t read(Work work) {
    const std::int64_t before = c_->round_trips();
    c_->begin(Access::read);
    Transaction tx(*c_, Access::read);
    work(tx);
    c_->end_read();
    return c_->round_trips() - before;
  }
  // What the embedded bus does with a batch, which is to hold `events`.
  std::int64_t apply(int events) {
    return write([&](storage::Tx& tx) {
      const auto rows = tx.list_outbox(clock_.now(), 256);
      EXPECT_EQ(rows.size(), static_cast<std::size_t>(events));
      std::vector<const OutboxEvent*> audit;
      std::vector<Uuid> audit_ids;
      for (const storage::OutboxRow& row : rows) {
        if (row.event.topic == Topic::audit) {
          audit.push_back(&row.event);
          audit_ids.push_back(row.event.id);
        } else {
          EXPECT_TRUE(tx.nested([&] { consumers_.consume(tx, row.event); }));
          tx.delete_outbox({row.event.id});
        }
      }
      if (!audit.empty()) {
        EXPECT_TRUE(tx.nested([&] { consumers_.consume_audit(tx, audit); }));
        tx.delete_outbox(audit_ids);
      }
      EXPECT_TRUE(tx.list_outbox(clock_.now(), 256).empty());
      tx.next_outbox_retry_at(clock_.now());
    });
  }

  test::PostgresDatabase database_;
  std::optional<Connection> c_;
  test::FakeClock clock_;
  test::SequentialIds ids_{clock_};
  AuditKeys keys_{{std::string(32, 'k')}};
  Consumers consumers_{clock_, ids_, keys_, nullptr};
  Uuid ann_;
};

TEST_F(RoundTrips, a_change_waits_for_what_it_looks_up_and_for_its_commit) {
  const Task plain = add_task();
  const Task other = add_task();
  const Task daily = add_task(RecurrenceRule::daily);
  EXPECT_EQ(write([&](storage::Tx& tx) { EXPECT_TRUE(create_task(tx, call(), input())); }), 2);
  EXPECT_EQ(write([&](storage::Tx& tx) {
              const std::string hash(32, 'h');
              EXPECT_FALSE(tx.insert_idempotency_key(ann_, "key", hash, clock_.now()));
              EXPECT_TRUE(create_task(tx, call(), input()));
              tx.store_idempotent_response(ann_, "key", {hash, 201, "", ""});
            }),
            2);
  TaskInput title;
  title.title = {true, "another"};
  EXPECT_EQ(write([&](storage::Tx& tx) {
              EXPECT_TRUE(update_task(tx, call(), plain.id, title, {}, false));
            }),
            2);
  EXPECT_EQ(write([&](storage::Tx& tx) { EXPECT_TRUE(complete_task(tx, call(), plain.id, {})); }),
            2);
  EXPECT_EQ(write([&](storage::Tx& tx) { EXPECT_TRUE(delete_task(tx, call(), other.id, {})); }), 2);
  // Besides: whether its next occurrence is there, or promised.
  EXPECT_EQ(write([&](storage::Tx& tx) { EXPECT_TRUE(complete_task(tx, call(), daily.id, {})); }),
            3);
}

TEST_F(RoundTrips, a_list_waits_for_what_its_tag_tells_and_for_its_tasks) {
  add_task();
  EXPECT_EQ(read([&](storage::ReadTx& tx) {
              EXPECT_EQ(tx.counters(ann_).living_tasks, 1);
              EXPECT_FALSE(tx.epoch().empty());
              storage::TaskQuery query;
              query.user_id = ann_;
              tx.list_tasks(query, [](const Task&) {});
            }),
            2);
}

TEST_F(RoundTrips, a_batch_of_audit_events_waits_five_times) {
  // For the events, the chains, the entries, the savepoint and the commit.
  write([&](storage::Tx& tx) {
    for (int i = 0; i < 256; ++i) EXPECT_TRUE(create_task(tx, call(), input()));
  });
  EXPECT_EQ(apply(256), 5);
}

TEST_F(RoundTrips, a_batch_that_comes_again_waits_once_to_learn_so) {
  write([&](storage::Tx& tx) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(create_task(tx, call(), input()));
  });
  std::vector<storage::OutboxRow> rows;
  write([&](storage::Tx& tx) { rows = tx.list_outbox(clock_.now(), 256); });
  std::vector<const OutboxEvent*> events;
  for (const storage::OutboxRow& row : rows) events.push_back(&row.event);
  EXPECT_EQ(write([&](storage::Tx& tx) { consumers_.consume_audit(tx, events); }), 3);
  EXPECT_EQ(write([&](storage::Tx& tx) { consumers_.consume_audit(tx, events); }), 3 + 1);
}

TEST_F(RoundTrips, an_occurrence_waits_for_its_promise_and_its_savepoint) {
  const Task daily = add_task(RecurrenceRule::daily);
  apply(1);
  write([&](storage::Tx& tx) { EXPECT_TRUE(complete_task(tx, call(), daily.id, {})); });
  // Five for the audit event of the completion, one for the users of the other events.
  EXPECT_EQ(apply(2), 5 + 1 + 2);
}

TEST_F(RoundTrips, the_reminder_check_waits_no_longer_for_many_than_for_one) {
  write([&](storage::Tx& tx) {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(create_task(tx, call(), input()));
  });
  clock_.advance(hours{9} + std::chrono::minutes{30});
  EXPECT_EQ(write([&](storage::Tx& tx) { EXPECT_EQ(check_reminders(tx, call(), 100), 50); }), 4);
}

}  // namespace
}  // namespace todo::service
