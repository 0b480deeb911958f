// Several processes on one database, where a database can be shared: two stores stand for them.
#include <mutex>
#include <set>

#include "database.h"
#include "support/threads.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::minutes;

class Processes : public StoreTest {
 public:
  ~Processes() override { other_->stop(); }

 protected:
  Processes() : other_(database_->open(clock_)) {}

  // Work that begins while a unit of the first store is under way; the unit ends when the work lets
  // it go on, or is done.
  template <class Work>
  void while_open(const std::function<void(Tx&)>& unit, Work other) {
    test::Signal open;
    test::Signal go_on;
    test::Threads threads;
    threads.run([&] {
      write([&](Tx& tx) {
        unit(tx);
        tx.count_dead();  // an answer: what a store had only queued has reached the database
        open.give();
        EXPECT_TRUE(go_on.wait());
      });
    });
    const bool is_open = open.wait();
    EXPECT_TRUE(is_open);
    if (is_open) other(go_on);
    go_on.give();
  }

  std::vector<OutboxEvent> add_events(int count, Topic topic = Topic::audit) {
    std::vector<OutboxEvent> events;
    events.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i)
      events.push_back(test::make_raw_event(ids_, i % 2 == 0 ? ann_ : bob_, "e", topic));
    write([&](Tx& tx) {
      for (const OutboxEvent& event : events) tx.insert_outbox(event);
    });
    return events;
  }

  std::unique_ptr<Store> other_;
};

TEST_P(Processes, a_unit_waits_for_one_of_the_same_user_and_sees_what_it_wrote) {
  const Task task = new_task(ann_, "first");
  while_open([&](Tx& tx) { tx.insert_task(task); },
             [&](test::Signal& go_on) {
               std::optional<Task> seen;
               std::int64_t living = 0;
               test::write(*other_, [&](Tx& tx) {
                 go_on.give();  // from here on the first one may end, and must before an answer
                 living = tx.counters(ann_).living_tasks;
                 seen = tx.find_task(ann_, task.id);
               });
               EXPECT_EQ(living, 1);
               EXPECT_EQ(seen, task);
             });
}

TEST_P(Processes, a_user_is_waited_for_again_after_a_savepoint_was_undone) {
  // The lock that was taken inside is gone with it.
  while_open(
      [&](Tx& tx) {
        EXPECT_FALSE(tx.nested([&] {
          tx.find_user(ann_);
          throw std::runtime_error("undone");
        }));
        tx.insert_task(new_task(ann_, "t"));
      },
      [&](test::Signal& go_on) {
        test::write(*other_, [&](Tx& tx) {
          go_on.give();
          EXPECT_EQ(tx.counters(ann_).living_tasks, 1);
        });
      });
}

TEST_P(Processes, units_of_other_users_do_not_wait) {
  while_open([&](Tx& tx) { tx.insert_task(new_task(ann_, "t")); },
             [&](test::Signal&) {
               const Task task = new_task(bob_, "t");
               test::write(*other_, [&](Tx& tx) {
                 tx.insert_task(task);
                 tx.insert_outbox(test::make_raw_event(ids_, bob_, "e"));
               });
               EXPECT_EQ(
                   test::read(*other_, [&](ReadTx& tx) { return tx.find_task(bob_, task.id); }),
                   task);
             });
}

TEST_P(Processes, what_a_user_does_is_recorded_while_they_do_more) {
  while_open([&](Tx& tx) { tx.insert_task(new_task(ann_, "t")); },
             [&](test::Signal&) {
               const AuditEntry entry =
                   test::make_entry(ids_, ann_, 1, ids_.next(), 1, clock_.now());
               test::write(*other_, [&](Tx& tx) {
                 EXPECT_EQ(tx.lock_audit_heads({ann_}).size(), 1U);
                 EXPECT_TRUE(tx.append_audit({entry}));
                 tx.set_audit_heads({{ann_, {1, entry.hash, {}, 7}}});
               });
             });
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.audit_head(ann_).seq; }), 1);
}

TEST_P(Processes, a_chain_is_appended_to_by_one_at_a_time) {
  constexpr int entries_each = 20;
  const auto append = [&](Store& store) {
    for (int i = 0; i < entries_each; ++i) {
      const AuditEntry made = test::make_entry(ids_, ann_, 0, ids_.next(), 1, clock_.now());
      test::write(store, [&](Tx& tx) {
        // Both users, so that two who lock them in different orders would wait in a circle.
        const auto chains = tx.lock_audit_heads({ann_, bob_});
        AuditEntry entry = made;
        entry.seq = chains.at(0).head.seq + 1;
        EXPECT_TRUE(tx.append_audit({entry}));
        tx.set_audit_heads({{ann_, {entry.seq, entry.hash, {}, 7}}});
      });
    }
  };
  test::Threads threads;
  threads.run([&] { append(*store_); });
  threads.run([&] { append(*other_); });
  threads.join();
  const auto entries = read([&](ReadTx& tx) { return tx.audit_after(ann_, 0, 100); });
  ASSERT_EQ(entries.size(), 2U * entries_each);
  for (std::size_t i = 0; i < entries.size(); ++i)
    EXPECT_EQ(entries[i].seq, static_cast<std::int64_t>(i + 1));
}

TEST_P(Processes, what_one_has_taken_from_the_outbox_the_other_passes_over) {
  const auto events = add_events(6);
  const auto take = [&](Tx& tx, int limit) {
    std::vector<Uuid> ids;
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), limit)) ids.push_back(row.event.id);
    tx.delete_outbox(ids);
    return ids;
  };
  std::vector<Uuid> first;
  std::vector<Uuid> second;
  while_open(
      [&](Tx& tx) { first = take(tx, 4); },
      [&](test::Signal&) { second = test::write(*other_, [&](Tx& tx) { return take(tx, 100); }); });
  EXPECT_EQ(first, (std::vector{events[0].id, events[1].id, events[2].id, events[3].id}));
  EXPECT_EQ(second, (std::vector{events[4].id, events[5].id}));
  EXPECT_EQ(read([](ReadTx& tx) { return tx.outbox_depth().rows; }), 0);
}

TEST_P(Processes, events_of_a_user_who_is_at_work_are_applied_when_that_is_done) {
  const auto events = add_events(1, Topic::reminders);
  while_open([&](Tx& tx) { tx.insert_task(new_task(ann_, "t")); },
             [&](test::Signal& go_on) {
               test::write(*other_, [&](Tx& tx) {
                 go_on.give();
                 const auto rows = tx.list_outbox(clock_.now(), 10);
                 ASSERT_EQ(rows.size(), 1U);
                 EXPECT_EQ(rows[0].event.id, events[0].id);
                 EXPECT_EQ(tx.counters(ann_).living_tasks, 1);
               });
             });
}

TEST_P(Processes, two_buses_apply_every_event_once) {
  constexpr int events_count = 300;
  // One effect an event, which a second application would repeat under another id.
  const auto step = [&](Tx& tx, int events_max) {
    BusProgress progress;
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), std::min(events_max, 7))) {
      tx.insert_notification(
          test::make_notification(ids_, row.event.user_id, row.event.event, clock_.now()));
      tx.delete_outbox({row.event.id});
      ++progress.events;
    }
    return progress;
  };
  const test::RunningBus bus(*store_, step);
  const test::RunningBus other_bus(*other_, step);
  for (int i = 0; i < events_count; ++i) {
    const Uuid& user = i % 2 == 0 ? ann_ : bob_;
    const OutboxEvent event = test::make_raw_event(
        ids_, user, std::to_string(i), i % 3 == 0 ? Topic::reminders : Topic::task_completed);
    test::write(i % 5 < 2 ? *store_ : *other_, [&](Tx& tx) { tx.insert_outbox(event); });
  }
  EXPECT_TRUE(test::eventually(
      [&] { return read([](ReadTx& tx) { return tx.outbox_depth().rows; }) == 0; }));
  std::multiset<std::string> applied;
  for (const Uuid& user : {ann_, bob_}) {
    NotificationQuery query;
    query.user_id = user;
    query.limit = events_count;
    for (const Notification& each : read([&](ReadTx& tx) { return tx.list_notifications(query); }))
      applied.insert(each.title);
  }
  EXPECT_EQ(applied.size(), static_cast<std::size_t>(events_count));
  EXPECT_EQ(std::set(applied.begin(), applied.end()).size(), applied.size());
}

TEST_P(Processes, two_relays_do_not_publish_the_same_events) {
  constexpr std::size_t events_count = 300;
  std::mutex mutex;
  std::multiset<Uuid> published;
  const auto step = [&](const std::vector<OutboxRow>& rows, const auto&) {
    Relayed relayed;
    for (const OutboxRow& row : rows) relayed.acknowledged.push_back(row.event.id);
    const std::scoped_lock lock(mutex);
    published.insert(relayed.acknowledged.begin(), relayed.acknowledged.end());
    return relayed;
  };
  store_->start_relay(step, {});
  other_->start_relay(step, {});
  for (std::size_t i = 0; i < events_count; ++i) {
    const OutboxEvent event = test::make_raw_event(ids_, ann_, std::to_string(i));
    test::write(i % 5 < 2 ? *store_ : *other_, [&](Tx& tx) { tx.insert_outbox(event); });
  }
  EXPECT_TRUE(test::eventually(
      [&] { return read([](ReadTx& tx) { return tx.outbox_depth().rows; }) == 0; }));
  store_->stop();
  other_->stop();
  EXPECT_EQ(published.size(), events_count);
  EXPECT_EQ(std::set(published.begin(), published.end()).size(), events_count);
}

TEST_P(Processes, a_relay_has_help_while_more_waits_than_a_batch) {
  constexpr std::size_t events_count = (3 * limits::events_per_publish_max) + 1;
  write([&](Tx& tx) {
    for (std::size_t i = 0; i < events_count; ++i)
      tx.insert_outbox(test::make_raw_event(ids_, ann_, std::to_string(i)));
  });
  std::mutex mutex;
  std::multiset<Uuid> published;
  const auto publish = [&](const std::vector<OutboxRow>& rows) {
    Relayed relayed;
    for (const OutboxRow& row : rows) relayed.acknowledged.push_back(row.event.id);
    const std::scoped_lock lock(mutex);
    published.insert(relayed.acknowledged.begin(), relayed.acknowledged.end());
    return relayed;
  };
  test::Signal helped;
  int batches = 0;
  std::vector<RelayStep> helpers;
  helpers.emplace_back([&](const std::vector<OutboxRow>& rows, const auto&) {
    helped.give();
    return publish(rows);
  });
  store_->start_relay(
      [&](const std::vector<OutboxRow>& rows, const auto&) {
        const bool has_help = ++batches != 2 || helped.wait();
        EXPECT_TRUE(has_help);
        return publish(rows);
      },
      std::move(helpers));
  EXPECT_TRUE(test::eventually(
      [&] { return read([](ReadTx& tx) { return tx.outbox_depth().rows; }) == 0; }));
  store_->stop();
  EXPECT_EQ(published.size(), events_count);
  EXPECT_EQ(std::set(published.begin(), published.end()).size(), events_count);
}

TEST_P(Processes, a_reminder_that_was_moved_meanwhile_is_not_due) {
  Task task = new_task(ann_, "t");
  task.due = test::due_utc(clock_.now() + minutes{60});
  task.remind_at = clock_.now();
  write([&](Tx& tx) { tx.insert_task(task); });
  while_open([&](Tx& tx) { tx.set_remind_at(ann_, task.id, clock_.now() + minutes{30}); },
             [&](test::Signal& go_on) {
               test::write(*other_, [&](Tx& tx) {
                 go_on.give();
                 EXPECT_TRUE(tx.due_reminders(clock_.now(), 10).empty());
               });
             });
}

TEST_P(Processes, single_work_is_done_by_one_of_them) {
  while_open([](Tx& tx) { EXPECT_TRUE(tx.try_single(SingleWork::reminder_check)); },
             [&](test::Signal&) {
               test::write(*other_, [](Tx& tx) {
                 EXPECT_FALSE(tx.try_single(SingleWork::reminder_check));
                 EXPECT_TRUE(tx.try_single(SingleWork::retention));
               });
             });
  test::write(*other_, [](Tx& tx) { EXPECT_TRUE(tx.try_single(SingleWork::reminder_check)); });
}

TEST_P(Processes, a_purge_passes_over_what_somebody_is_at) {
  const Instant old = clock_.now() - minutes{1};
  const Notification mine = test::make_notification(ids_, ann_, "n", old);
  const Notification bobs = test::make_notification(ids_, bob_, "n", old);
  write([&](Tx& tx) {
    tx.insert_notification(mine);
    tx.insert_notification(bobs);
  });
  while_open(
      [&](Tx& tx) { tx.read_notification(ann_, mine.id, clock_.now()); },
      [&](test::Signal&) {
        EXPECT_EQ(
            test::write(*other_, [&](Tx& tx) { return tx.purge_notifications(clock_.now(), 10); }),
            1);
      });
  EXPECT_TRUE(read([&](ReadTx& tx) { return tx.find_notification(ann_, mine.id); }));
  EXPECT_FALSE(read([&](ReadTx& tx) { return tx.find_notification(bob_, bobs.id); }));
}

TEST_P(Processes, an_account_is_not_purged_from_under_a_bus) {
  add_events(1);
  write([&](Tx& tx) { tx.mark_user_deleted(ann_, clock_.now()); });
  const auto purge = [&](Tx& tx) { return tx.purge_user(ann_, 1'000); };
  while_open([&](Tx& tx) { EXPECT_EQ(tx.list_outbox(clock_.now(), 10).size(), 1U); },
             [&](test::Signal&) {
               EXPECT_FALSE(test::write(*other_, purge)) << "its event is the bus's";
             });
  EXPECT_TRUE(test::write(*other_, purge));
  EXPECT_EQ(read([](ReadTx& tx) { return tx.outbox_depth().rows; }), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Processes, shared_databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
