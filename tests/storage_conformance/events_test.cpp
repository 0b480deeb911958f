#include <algorithm>
#include <atomic>
#include <utility>

#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Events : public StoreTest {
 protected:
  OutboxEvent add_event(const Uuid& user_id, const std::string& text, Topic topic = Topic::audit) {
    const OutboxEvent event = test::make_raw_event(ids_, user_id, text, topic);
    write([&](Tx& tx) { tx.insert_outbox(event); });
    return event;
  }
  std::vector<Uuid> waiting(int limit = 100) {
    return read([&](ReadTx& tx) {
      std::vector<Uuid> ids;
      for (const OutboxRow& row : tx.list_outbox(clock_.now(), limit)) ids.push_back(row.event.id);
      return ids;
    });
  }
  DeadLetter letter_of(const OutboxEvent& event, const std::string& reason) {
    return {event.id, event.topic, event.user_id, event.event, reason, 10, clock_.now()};
  }
};

TEST_P(Events, events_wait_in_the_order_they_were_made) {
  std::vector<OutboxEvent> events;
  for (const Topic topic : {Topic::audit, Topic::reminders, Topic::task_completed})
    events.push_back(add_event(ann_, R"({"id":"ü"})", topic));
  read([&](ReadTx& tx) {
    const auto rows = tx.list_outbox(clock_.now(), 10);
    ASSERT_EQ(rows.size(), 3U);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].event.id, events[i].id);
      EXPECT_EQ(rows[i].event.topic, events[i].topic);
      EXPECT_EQ(rows[i].event.user_id, ann_);
      EXPECT_EQ(rows[i].event.event, events[i].event);
      EXPECT_EQ(rows[i].attempts, 0);
    }
    EXPECT_EQ(tx.outbox_depth().rows, 3);
    EXPECT_EQ(tx.outbox_depth().oldest, events[0].id);
    EXPECT_FALSE(tx.list_outbox_of(ann_, Topic::audit, {}, 1).empty());
    EXPECT_TRUE(tx.list_outbox_of(bob_, Topic::audit, {}, 1).empty());
  });
  EXPECT_EQ(waiting(2), (std::vector{events[0].id, events[1].id}));
  write([&](Tx& tx) {
    tx.delete_outbox({events[0].id});
    tx.delete_outbox({ids_.next()});
  });
  EXPECT_EQ(waiting(), (std::vector{events[1].id, events[2].id}));
}

TEST_P(Events, a_relay_takes_what_is_committed_and_what_was_left) {
  add_event(ann_, "left");
  test::Signal refused_once;
  test::Signal all_taken;
  std::atomic<int> taken = 0;
  bool is_refused = true;  // the first time: the relay's thread's
  store_->start_relay(
      [&](const std::vector<OutboxRow>& rows, const auto&) {
        Relayed relayed;
        for (const OutboxRow& row : rows) {
          if (row.event.event == "refused" && std::exchange(is_refused, false)) {
            relayed.put_off.push_back({row.event.id, 7, clock_.now() + minutes{1}});
            refused_once.give();
            continue;
          }
          EXPECT_EQ(row.attempts, row.event.event == "refused" ? 7 : 0);
          relayed.acknowledged.push_back(row.event.id);
          if (++taken == 4) all_taken.give();
        }
        return relayed;
      },
      {});
  add_event(bob_, "new");
  add_event(ann_, "refused", Topic::reminders_dead);
  ASSERT_TRUE(refused_once.wait());
  clock_.advance(minutes{2});
  add_event(ann_, "wakes the relay");
  ASSERT_TRUE(all_taken.wait());
  store_->stop();
}

TEST_P(Events, a_relay_that_publishes_nothing_keeps_everything_and_rests) {
  add_event(ann_, "e");
  test::Signal tried_again;
  int tries = 0;
  store_->start_relay(
      [&](const std::vector<OutboxRow>& rows, const auto&) {
        EXPECT_EQ(rows.size(), 1U);
        if (++tries == 3) tried_again.give();
        return Relayed{.acknowledged = {}, .put_off = {}, .pause = std::chrono::milliseconds{5}};
      },
      {});
  ASSERT_TRUE(tried_again.wait());
  EXPECT_EQ(waiting().size(), 1U);
  store_->stop();
}

TEST_P(Events, the_waiting_events_of_a_user_and_topic_are_walked_by_id) {
  std::vector<Uuid> expected;
  for (int i = 0; i < 5; ++i) {
    expected.push_back(add_event(ann_, std::to_string(i)).id);
    add_event(ann_, "of another topic", Topic::reminders);
    add_event(bob_, "of another user");
  }
  write([&](Tx& tx) { tx.retry_outbox(expected[1], 3, clock_.now() + minutes{4}); });
  std::vector<Uuid> found;
  read([&](ReadTx& tx) {
    for (auto page = tx.list_outbox_of(ann_, Topic::audit, std::nullopt, 2); !page.empty();
         page = tx.list_outbox_of(ann_, Topic::audit, found.back(), 2)) {
      EXPECT_LE(page.size(), 2U);
      for (const OutboxEvent& event : page) {
        EXPECT_EQ(event.user_id, ann_);
        EXPECT_EQ(event.topic, Topic::audit);
        EXPECT_EQ(event.event, std::to_string(found.size()));
        found.push_back(event.id);
      }
    }
  });
  EXPECT_EQ(found, expected) << "put off is waiting too";
}

TEST_P(Events, an_empty_outbox_has_no_depth) {
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.outbox_depth().rows, 0);
    EXPECT_EQ(tx.outbox_depth().oldest, std::nullopt);
    EXPECT_EQ(tx.next_outbox_retry_at(clock_.now()), std::nullopt);
    EXPECT_TRUE(tx.list_outbox(clock_.now(), 10).empty());
  });
}

TEST_P(Events, what_is_put_off_waits_for_its_time) {
  const OutboxEvent soon = add_event(ann_, "soon");
  const OutboxEvent later = add_event(ann_, "later");
  const OutboxEvent now = add_event(ann_, "now");
  write([&](Tx& tx) {
    tx.retry_outbox(later.id, 4, clock_.now() + minutes{2});
    tx.retry_outbox(soon.id, 1, clock_.now() + minutes{1});
  });
  EXPECT_EQ(waiting(), std::vector{now.id});
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.next_outbox_retry_at(clock_.now()), clock_.now() + minutes{1});
    EXPECT_EQ(tx.next_outbox_retry_at(clock_.now() + minutes{1}), clock_.now() + minutes{2});
    EXPECT_EQ(tx.outbox_depth().rows, 3) << "waiting is waiting";
    EXPECT_FALSE(tx.list_outbox_of(ann_, Topic::audit, {}, 1).empty());
  });
  clock_.advance(minutes{1});
  EXPECT_EQ(waiting(), (std::vector{soon.id, now.id}));
  clock_.advance(minutes{1});
  read([&](ReadTx& tx) {
    const auto rows = tx.list_outbox(clock_.now(), 10);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].attempts, 1);
    EXPECT_EQ(rows[1].attempts, 4);
    EXPECT_EQ(rows[2].attempts, 0);
    EXPECT_EQ(tx.next_outbox_retry_at(clock_.now()), std::nullopt);
  });
}

TEST_P(Events, an_event_that_cannot_be_applied_is_buried_with_the_reason) {
  const OutboxEvent poison = add_event(ann_, R"({"not":"ours"})", Topic::reminders);
  const OutboxEvent other = add_event(bob_, "fine");
  write([&](Tx& tx) { tx.bury(letter_of(poison, "no member “data”")); });
  EXPECT_EQ(waiting(), std::vector{other.id});
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.count_dead(), 1);
    const auto dead = tx.list_dead(std::nullopt, 10);
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead[0].id, poison.id);
    EXPECT_EQ(dead[0].topic, Topic::reminders);
    EXPECT_EQ(dead[0].user_id, ann_);
    EXPECT_EQ(dead[0].event, poison.event);
    EXPECT_EQ(dead[0].reason, "no member “data”");
    EXPECT_EQ(dead[0].attempts, 10);
    EXPECT_EQ(dead[0].died_at, clock_.now());
    EXPECT_TRUE(tx.list_outbox_of(ann_, Topic::audit, {}, 1).empty());
  });
}

TEST_P(Events, dead_letters_are_retried_or_dropped_one_by_one) {
  const OutboxEvent first = add_event(ann_, "first");
  const OutboxEvent second = add_event(ann_, "second", Topic::task_completed);
  write([&](Tx& tx) {
    tx.retry_outbox(first.id, 9, clock_.now() + hours{1});
    tx.bury(letter_of(first, "a"));
    tx.bury(letter_of(second, "b"));
  });
  write([&](Tx& tx) {
    EXPECT_TRUE(tx.retry_dead(first.id));
    EXPECT_FALSE(tx.retry_dead(first.id));
    EXPECT_FALSE(tx.retry_dead(ids_.next()));
    EXPECT_TRUE(tx.drop_dead(second.id));
    EXPECT_FALSE(tx.drop_dead(second.id));
  });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.count_dead(), 0);
    const auto rows = tx.list_outbox(clock_.now(), 10);
    ASSERT_EQ(rows.size(), 1U) << "it is tried at once, with its attempts counted anew";
    EXPECT_EQ(rows[0].event.id, first.id);
    EXPECT_EQ(rows[0].event.event, "first");
    EXPECT_EQ(rows[0].attempts, 0);
  });
  // It may die again.
  write([&](Tx& tx) { tx.bury(letter_of(first, "again")); });
  EXPECT_EQ(read([](ReadTx& tx) { return tx.list_dead(std::nullopt, 10); }).at(0).reason, "again");
}

TEST_P(Events, dead_letters_are_listed_by_id_in_pages) {
  std::vector<Uuid> expected;
  for (int i = 0; i < 5; ++i) {
    const OutboxEvent event = add_event(ann_, "x");
    expected.push_back(event.id);
    write([&](Tx& tx) { tx.bury(letter_of(event, "r")); });
  }
  std::vector<Uuid> found;
  read([&](ReadTx& tx) {
    for (auto page = tx.list_dead(std::nullopt, 2); !page.empty();
         page = tx.list_dead(found.back(), 2)) {
      EXPECT_LE(page.size(), 2U);
      for (const DeadLetter& letter : page) found.push_back(letter.id);
    }
  });
  EXPECT_EQ(found, expected);
}

// --- the embedded bus ---

// Takes events out of the outbox and tells which.
class Taker {
 public:
  BusProgress step(Tx& tx, const Clock& clock, int events_max) {
    BusProgress progress;
    for (const OutboxRow& row : tx.list_outbox(clock.now(), events_max)) {
      tx.delete_outbox({row.event.id});
      ++progress.events;
    }
    taken_ += progress.events;
    progress.next_retry_at = tx.next_outbox_retry_at(clock.now());
    return progress;
  }
  int taken() const { return taken_; }

 private:
  std::atomic<int> taken_ = 0;
};

TEST_P(Events, the_bus_is_given_what_waited_and_what_comes) {
  for (int i = 0; i < 100; ++i) add_event(ann_, "before");
  Taker taker;
  const test::RunningBus bus(
      *store_, [&](Tx& tx, int events_max) { return taker.step(tx, clock_, events_max); });
  EXPECT_TRUE(test::eventually([&] { return taker.taken() == 100; }));
  add_event(ann_, "after");
  EXPECT_TRUE(test::eventually([&] { return waiting().empty(); }));
}

TEST_P(Events, an_effect_of_the_bus_is_committed_with_its_event) {
  Taker taker;
  const test::RunningBus bus(*store_, [&](Tx& tx, int events_max) {
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), events_max)) {
      // The id of what an event makes comes from the event, as in any consumer.
      Task task = new_task(row.event.user_id, row.event.event);
      task.id = row.event.id;
      tx.insert_task(task);
    }
    return taker.step(tx, clock_, events_max);
  });
  const OutboxEvent event = add_event(ann_, "made by the bus");
  EXPECT_TRUE(test::eventually([&] { return waiting().empty(); }));
  const auto task = read([&](ReadTx& tx) { return tx.find_task(ann_, event.id); });
  ASSERT_TRUE(task);
  EXPECT_EQ(task->title, "made by the bus");
}

TEST_P(Events, a_bus_that_fails_takes_no_units_with_it_and_is_tried_again) {
  Taker taker;
  std::atomic<int> failures = 0;
  const test::RunningBus bus(*store_, [&](Tx& tx, int events_max) {
    if (tx.list_outbox(clock_.now(), 1).empty()) return BusProgress{};
    if (failures++ == 0) {
      tx.insert_task(new_task(ann_, "half done"));
      throw std::runtime_error("the bus fails");
    }
    return taker.step(tx, clock_, events_max);
  });
  const Task task = new_task(ann_, "mine");
  write([&](Tx& tx) {
    tx.insert_task(task);
    tx.insert_outbox(test::make_raw_event(ids_, ann_, "event"));
  });
  EXPECT_EQ(stored(task), task);
  clock_.advance(minutes{1});
  EXPECT_TRUE(test::eventually([&] {
    add_task(bob_, "a commit like any other");
    return waiting().empty();
  }));
  EXPECT_EQ(read([&](ReadTx& tx) { return list_tasks(tx, tasks_of(ann_)).size(); }), 1U)
      << "what the failed step wrote is undone";
}

TEST_P(Events, what_was_put_off_is_given_to_the_bus_at_its_time) {
  const OutboxEvent event = add_event(ann_, "later");
  const Instant at = clock_.now() + std::chrono::milliseconds{50};
  write([&](Tx& tx) { tx.retry_outbox(event.id, 1, at); });
  Taker taker;
  const test::RunningBus bus(
      *store_, [&](Tx& tx, int events_max) { return taker.step(tx, clock_, events_max); });
  add_task(ann_, "a cycle that must not take it");
  EXPECT_EQ(taker.taken(), 0);
  clock_.set(at);
  EXPECT_TRUE(test::eventually([&] { return taker.taken() == 1; }));
}

INSTANTIATE_TEST_SUITE_P(All, Events, databases(), name_of);

// --- idempotency keys ---

class IdempotencyKeys : public StoreTest {
 protected:
  std::optional<IdempotentResponse> use(const Uuid& user_id, const std::string& key,
                                        char hash = 'h') {
    return write([&](Tx& tx) {
      return tx.insert_idempotency_key(user_id, key, std::string(32, hash), clock_.now());
    });
  }
};

TEST_P(IdempotencyKeys, the_first_use_is_free_and_the_second_gets_the_first_answer) {
  EXPECT_FALSE(use(ann_, "key"));
  const auto unanswered = use(ann_, "key", 'x');
  ASSERT_TRUE(unanswered);
  EXPECT_EQ(unanswered->status, 0);
  EXPECT_EQ(unanswered->request_hash, std::string(32, 'h'));
  const IdempotentResponse response{std::string(32, 'h'), 201, "Location: /x\n",
                                    std::string("{\"a\":\"ü\"}\0x", 12)};
  write([&](Tx& tx) { tx.store_idempotent_response(ann_, "key", response); });
  const auto again = use(ann_, "key", 'x');
  ASSERT_TRUE(again);
  EXPECT_EQ(again->request_hash, response.request_hash);
  EXPECT_EQ(again->status, 201);
  EXPECT_EQ(again->headers, response.headers);
  EXPECT_EQ(again->body, response.body);
}

TEST_P(IdempotencyKeys, keys_are_each_users_own_and_compared_exactly) {
  EXPECT_FALSE(use(ann_, "key"));
  EXPECT_FALSE(use(bob_, "key"));
  EXPECT_FALSE(use(ann_, "KEY"));
  EXPECT_FALSE(use(ann_, "key "));
  write([&](Tx& tx) {
    tx.store_idempotent_response(bob_, "key", {std::string(32, 'h'), 200, "", "bobs"});
  });
  EXPECT_EQ(use(ann_, "key")->status, 0);
  EXPECT_EQ(use(bob_, "key")->body, "bobs");
}

TEST_P(IdempotencyKeys, a_key_of_a_unit_rolled_back_is_unused) {
  EXPECT_EQ(store_->write_and_wait([&](Tx& tx) {
    EXPECT_FALSE(tx.insert_idempotency_key(ann_, "key", std::string(32, 'h'), clock_.now()));
    return Verdict::roll_back;
  }),
            Outcome::rolled_back);
  EXPECT_FALSE(use(ann_, "key"));
}

TEST_P(IdempotencyKeys, a_key_expires_after_a_day) {
  EXPECT_FALSE(use(ann_, "key"));
  write([&](Tx& tx) {
    tx.store_idempotent_response(ann_, "key", {std::string(32, 'h'), 201, "h", "b"});
  });
  clock_.advance(limits::idempotency_kept - std::chrono::milliseconds{1});
  EXPECT_TRUE(use(ann_, "key"));
  clock_.advance(std::chrono::milliseconds{1});
  EXPECT_FALSE(use(ann_, "key", 'n')) << "it is as if it had never been used";
  const auto fresh = use(ann_, "key");
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->status, 0);
  EXPECT_EQ(fresh->request_hash, std::string(32, 'n'));
  EXPECT_EQ(fresh->body, "");
}

INSTANTIATE_TEST_SUITE_P(All, IdempotencyKeys, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
