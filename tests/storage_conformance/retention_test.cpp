#include <algorithm>

#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

class Retention : public StoreTest {
 protected:
  Task add_deleted_task(const Uuid& user_id, Instant deleted_at) {
    Task task = new_task(user_id, "t");
    task.deleted_at = deleted_at;
    write([&](Tx& tx) {
      tx.insert_task(task);
      ReminderRow row;
      row.id = ids_.next();
      row.user_id = user_id;
      row.task_id = task.id;
      row.claim_id = ids_.next();
      tx.claim_reminder(row);
    });
    return task;
  }
  // One or more rows of every kind that belongs to a user; events are all of them waiting or dead.
  void fill(const Uuid& user_id) {
    write([&](Tx& tx) {
      for (int i = 1; i <= 3; ++i) {
        Task task = new_task(user_id, "t");
        if (i == 2) task.deleted_at = clock_.now();
        tx.insert_task(task);
        ReminderRow reminder;
        reminder.id = ids_.next();
        reminder.user_id = user_id;
        reminder.task_id = task.id;
        reminder.claim_id = ids_.next();
        tx.claim_reminder(reminder);
        tx.insert_notification(test::make_notification(ids_, user_id, "n", clock_.now()));
        tx.insert_promise({ids_.next(), user_id, task.id, task.series_id, 2, "{}"});
        tx.append_audit({test::make_entry(ids_, user_id, 10 + i, task.id, 1, clock_.now())});
        tx.insert_audit_segment({user_id, i, i, "{}", "data"});
        tx.insert_outbox(test::make_raw_event(ids_, user_id, "waiting"));
        const OutboxEvent dead = test::make_raw_event(ids_, user_id, "dead");
        tx.bury({dead.id, dead.topic, user_id, dead.event, "why", 10, clock_.now()});
        tx.insert_idempotency_key(user_id, "key " + std::to_string(i), std::string(32, 'h'),
                                  clock_.now());
        ApiToken token;
        token.id = ids_.next();
        token.user_id = user_id;
        token.secret_hash = token.id.to_string().substr(4);
        tx.insert_api_token(token);
        tx.insert_session({ids_.next(), user_id, clock_.now(), clock_.now() + hours{1}});
      }
    });
  }
  // How many rows of a user the interface shows.
  std::size_t rows_of(const Uuid& user_id) {
    return read([&](ReadTx& tx) {
      std::size_t rows = tx.task_versions_after(user_id, std::nullopt, 1'000).size();
      NotificationQuery notifications;
      notifications.user_id = user_id;
      rows += tx.list_notifications(notifications).size();
      rows += tx.audit_after(user_id, 0, 1'000).size();
      rows += tx.audit_segments(user_id, 0, 1'000).size();
      rows += tx.list_api_tokens(user_id).size();
      for (const Topic topic : {Topic::audit, Topic::reminders, Topic::task_completed})
        rows += tx.list_outbox_of(user_id, topic, std::nullopt, 1'000).size();
      rows += static_cast<std::size_t>(
          std::ranges::count(tx.list_dead(std::nullopt, 1'000), user_id, &DeadLetter::user_id));
      for (const Task& task : tx.task_versions_after(user_id, std::nullopt, 1'000)) {
        rows += tx.list_reminders(user_id, task.id).size();
        rows += tx.find_promise_of(user_id, task.id) ? 1U : 0U;
      }
      return rows;
    });
  }
};

TEST_P(Retention, an_account_is_purged_in_units_and_nobody_elses_rows_go) {
  fill(ann_);
  fill(bob_);
  const std::size_t bobs = rows_of(bob_);
  EXPECT_EQ(rows_of(ann_), bobs);
  const UserCounters counters = read([&](ReadTx& tx) { return tx.counters(bob_); });
  write([&](Tx& tx) { tx.mark_user_deleted(ann_, clock_.now()); });
  int units = 0;
  bool ended = false;
  while (!ended && units < 100) {
    EXPECT_EQ(read([](ReadTx& tx) { return tx.users_to_purge(5); }), std::vector{ann_});
    ended = write([&](Tx& tx) { return tx.purge_user(ann_, 5); });
    ++units;
  }
  EXPECT_TRUE(ended);
  EXPECT_GE(units, 33 / 5) << "a unit takes at most as many rows as it is told";
  EXPECT_EQ(rows_of(ann_), 0U);
  EXPECT_TRUE(read([](ReadTx& tx) { return tx.users_to_purge(5); }).empty());
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_); }).changes, 0);
  EXPECT_EQ(rows_of(bob_), bobs);
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(bob_); }).changes, counters.changes);
  EXPECT_TRUE(read([&](ReadTx& tx) { return tx.find_user(bob_); }));
}

TEST_P(Retention, purging_goes_on_where_it_was) {
  fill(ann_);
  write([&](Tx& tx) { tx.mark_user_deleted(ann_, clock_.now()); });
  EXPECT_FALSE(write([&](Tx& tx) { return tx.purge_user(ann_, 4); }));
  const std::size_t left = rows_of(ann_);
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) {
    tx.purge_user(ann_, 10);
    return Verdict::roll_back;
  }),
            Outcome::rolled_back);
  EXPECT_EQ(rows_of(ann_), left);
  reopen();
  EXPECT_TRUE(write([&](Tx& tx) { return tx.purge_user(ann_, 1'000); }));
  EXPECT_TRUE(write([&](Tx& tx) { return tx.purge_user(ann_, 1'000); })) << "nothing is left";
  EXPECT_EQ(rows_of(ann_), 0U);
}

TEST_P(Retention, who_is_not_marked_deleted_is_not_purged) {
  fill(ann_);
  const std::size_t rows = rows_of(ann_);
  EXPECT_TRUE(write([&](Tx& tx) { return tx.purge_user(ann_, 1'000); }));
  EXPECT_TRUE(write([&](Tx& tx) { return tx.purge_user(ids_.next(), 1'000); }));
  EXPECT_EQ(rows_of(ann_), rows);
  EXPECT_TRUE(read([&](ReadTx& tx) { return tx.find_user(ann_); }));
}

TEST_P(Retention, deleted_tasks_go_with_their_ledger_when_they_are_old_enough) {
  const Instant before = clock_.now();
  const Task old1 = add_deleted_task(ann_, before - milliseconds{1});
  const Task old2 = add_deleted_task(bob_, before - days{1});
  const Task old3 = add_deleted_task(bob_, before - days{2});
  const Task edge = add_deleted_task(ann_, before);
  const Task living = add_task(ann_, "living");
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_deleted_tasks(before, 2), 2); });
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_deleted_tasks(before, 2), 1); });
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_deleted_tasks(before, 2), 0); });
  for (const Task& task : {old1, old2, old3}) {
    EXPECT_FALSE(stored(task));
    EXPECT_TRUE(read([&](ReadTx& tx) { return tx.list_reminders(task.user_id, task.id); }).empty());
  }
  EXPECT_EQ(stored(edge), edge);
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.list_reminders(ann_, edge.id).size(); }), 1U);
  EXPECT_EQ(stored(living), living);
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 1);
}

TEST_P(Retention, notifications_go_when_they_are_old_enough) {
  const Instant before = clock_.now();
  write([&](Tx& tx) {
    for (const Instant at : {before - days{2}, before - days{1}, before - milliseconds{1}, before})
      for (const Uuid& user : {ann_, bob_})
        tx.insert_notification(test::make_notification(ids_, user, "n", at));
  });
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_notifications(before, 4), 4); });
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_notifications(before, 4), 2); });
  NotificationQuery query;
  for (const Uuid& user : {ann_, bob_}) {
    query.user_id = user;
    const auto left = read([&](ReadTx& tx) { return tx.list_notifications(query); });
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left[0].created_at, before);
  }
}

TEST_P(Retention, sessions_go_when_they_have_expired) {
  const Instant now = clock_.now();
  const Session over{ids_.next(), ann_, now, now - milliseconds{1}};
  const Session edge{ids_.next(), ann_, now, now};
  write([&](Tx& tx) {
    tx.insert_session(over);
    tx.insert_session({ids_.next(), bob_, now, now - hours{1}});
    tx.insert_session(edge);
    EXPECT_EQ(tx.purge_sessions(now, 1), 1);
    EXPECT_EQ(tx.purge_sessions(now, 10), 1);
    EXPECT_FALSE(tx.find_session(over.id));
    EXPECT_TRUE(tx.find_session(edge.id));
  });
}

TEST_P(Retention, idempotency_keys_go_when_they_have_expired) {
  const auto use = [&](const std::string& key) {
    return write([&](Tx& tx) {
      return tx.insert_idempotency_key(ann_, key, std::string(32, 'h'), clock_.now()).has_value();
    });
  };
  for (const char* key : {"a", "b", "c"}) EXPECT_FALSE(use(key));
  clock_.advance(minutes{1});
  EXPECT_FALSE(use("d"));
  const Instant before = clock_.now();
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_idempotency_keys(before, 2), 2); });
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_idempotency_keys(before, 2), 1); });
  write([&](Tx& tx) { EXPECT_EQ(tx.purge_idempotency_keys(before, 2), 0); });
  EXPECT_TRUE(use("d"));
  EXPECT_FALSE(use("a"));
}

INSTANTIATE_TEST_SUITE_P(All, Retention, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
