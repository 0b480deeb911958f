// The reminder timer and the housekeeping, on threads of their own, with a clock of the test's.
#include <atomic>
#include <cmath>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "pipeline/housekeeping.h"
#include "pipeline/reminder_timer.h"
#include "pipeline/worker.h"
#include "support/executors.h"
#include "support/rows.h"
#include "support/world.h"

namespace todo::pipeline {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using test::due_input;
using test::eventually;
using test::input_of;

TEST(Workers, a_worker_is_woken_and_stops_at_once_and_only_once) {
  Worker worker;
  std::atomic<int> rounds = 0;
  worker.start([&] {
    ++rounds;
    return milliseconds{3'600'000};
  });
  worker.start([&] { return milliseconds{1}; });
  EXPECT_TRUE(eventually([&] { return rounds == 1; }));
  worker.wake();
  EXPECT_TRUE(eventually([&] { return rounds == 2; }));
  worker.stop();
  worker.stop();
  EXPECT_TRUE(worker.stopping());
  worker.wake();
  worker.start([&] {
    ++rounds;
    return milliseconds{1};
  });
  EXPECT_EQ(rounds, 2) << "what was stopped does not begin again";
}

class Timer : public testing::Test {
 protected:
  ~Timer() override { timer_.stop(); }

  // Planned as a request would plan it: the timer hears of it.
  Task create(const std::string& title, Instant due) {
    std::optional<Task> made;
    test::write(*world_.store, [&](storage::Tx& tx) {
      service::Call call = world_.call_of(world_.ann);
      call.reminders = &timer_;
      made = *service::create_task(tx, call, due_input(title, due));
    });
    return *made;
  }
  // Whether the check has taken it, however the timer came to look.
  bool is_claimed(const Task& task) { return world_.ledger(task).has_value(); }
  Instant last_check() {
    const std::string name = "\ntodo_reminder_check_timestamp_seconds ";
    const std::string text = world_.metrics.text();
    const auto at = text.find(name);
    if (at == std::string::npos) return {};
    return instant_from_ms(std::llround(std::stod(text.substr(at + name.size())) * 1'000));
  }
  // Makes it look at the clock now, as any planned reminder does.
  void wake() { timer_.planned(instant_from_ms(--earlier_)); }

  test::World world_;
  ReminderTimer timer_{*world_.store, world_.clock, world_.ids, minutes{15}, world_.metrics};
  std::int64_t earlier_ = 1'000;
};

TEST_F(Timer, one_check_takes_all_there_is_in_units) {
  world_.create_many(world_.ann, due_input("t", world_.clock.now() + hours{2}), 600);
  EXPECT_EQ(timer_.check(), 0);
  world_.clock.advance(hours{1});
  EXPECT_EQ(timer_.check(), 600);
  EXPECT_EQ(timer_.check(), 0);
  EXPECT_EQ(last_check(), world_.clock.now());
  world_.store->stop();
  EXPECT_FALSE(timer_.check()) << "what the database could not do is said";
}

TEST_F(Timer, a_reminder_is_claimed_when_it_falls_due_and_no_sooner) {
  timer_.start();
  const Task soon = create("soon", world_.clock.now() + hours{1} + milliseconds{200});
  const Task later = create("later", world_.clock.now() + hours{2});
  EXPECT_TRUE(eventually([&] { return last_check() == world_.clock.now(); })) << "the first tick";
  EXPECT_FALSE(is_claimed(soon));
  world_.clock.advance(milliseconds{200});
  EXPECT_TRUE(eventually([&] { return is_claimed(soon); }));
  EXPECT_FALSE(is_claimed(later));
}

TEST_F(Timer, what_is_planned_while_it_sleeps_makes_it_look_earlier) {
  timer_.start();
  const Task late = create("late", world_.clock.now() + days{2});
  EXPECT_TRUE(eventually([&] { return last_check() == world_.clock.now(); }));
  const Task early = create("early", world_.clock.now() + hours{1} + milliseconds{100});
  world_.clock.advance(milliseconds{100});
  EXPECT_TRUE(eventually([&] { return is_claimed(early); }));
  EXPECT_FALSE(is_claimed(late));
}

TEST_F(Timer, after_downtime_the_first_look_catches_up) {
  const Task task = world_.create(due_input("t", world_.clock.now() + hours{2}));
  world_.clock.advance(hours{10});
  timer_.start();
  EXPECT_TRUE(eventually([&] { return is_claimed(task); }));
}

TEST_F(Timer, a_clock_that_jumps_ahead_is_noticed_when_it_looks) {
  timer_.start();
  const Task task = create("t", world_.clock.now() + hours{2});
  EXPECT_TRUE(eventually([&] { return last_check() == world_.clock.now(); }));
  world_.clock.advance(hours{1});
  wake();
  EXPECT_TRUE(eventually([&] { return is_claimed(task); }));
}

TEST_F(Timer, a_clock_set_back_an_hour_stops_no_tick_and_claims_nothing_twice) {
  timer_.start();
  const Instant start = world_.clock.now();
  const Task told = create("told", start + hours{1} + milliseconds{100});
  world_.clock.advance(milliseconds{100});
  EXPECT_TRUE(eventually([&] { return is_claimed(told); }));
  const Uuid claim = world_.ledger(told)->claim_id;
  world_.clock.set(start - hours{1});
  const Task task = create("t", start + minutes{30});
  wake();
  EXPECT_TRUE(eventually([&] { return last_check() == start - hours{1}; }))
      << "the next tick would have been an hour late";
  EXPECT_FALSE(is_claimed(task));
  world_.clock.set(start);
  wake();
  EXPECT_TRUE(eventually([&] { return is_claimed(task); }));
  EXPECT_EQ(world_.ledger(told)->claim_id, claim);
}

// The one test that takes its time: nothing wakes the threads but their distrust of long waits.
TEST_F(Timer, no_wait_longer_than_thirty_seconds_is_trusted) {
  const auto began = std::chrono::steady_clock::now();
  timer_.start();
  const Task task = world_.create(due_input("t", world_.clock.now() + days{1}));
  EXPECT_TRUE(eventually([&] { return last_check() == world_.clock.now(); }));
  // As if the machine had slept for a day.
  world_.clock.advance(hours{23});
  EXPECT_TRUE(eventually([&] { return is_claimed(task); }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds{45});
}

// --- housekeeping ---

class Housekeepers : public testing::Test {
 protected:
  ~Housekeepers() override { keeper_.stop(); }

  class Nobody final : public service::ReminderHint {
   public:
    void planned(Instant) override {}
  };

  test::World world_;
  Nobody nobody_;
  Housekeeping keeper_{*world_.store, world_.clock, world_.ids,    world_.keys,
                       nobody_,       days{90},     world_.metrics};
};

TEST_F(Housekeepers, a_deleted_account_is_purged_in_units_and_others_are_not) {
  const Uuid eve = world_.add_user("eve@example.com");
  world_.create_many(eve, input_of("t"), 30);
  world_.create(input_of("anns"));
  test::write(*world_.store, [&](storage::Tx& tx) {
    for (int i = 0; i < 1'200; ++i)
      tx.insert_notification(test::make_notification(world_.ids, eve, "n", world_.clock.now()));
    service::delete_account(tx, eve, world_.clock.now());
  });
  keeper_.start();
  EXPECT_TRUE(eventually([&] {
    return test::read(*world_.store,
                      [](storage::ReadTx& tx) { return tx.users_to_purge(1).empty(); });
  }));
  EXPECT_TRUE(world_.tasks_of(eve).empty());
  EXPECT_TRUE(world_.notifications_of(eve).empty());
  EXPECT_EQ(world_.waiting().size(), 1U) << "Ann's";
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 1U);
}

TEST_F(Housekeepers, a_recomputation_goes_on_where_it_was) {
  const std::vector<Task> tasks =
      world_.create_many(world_.ann, due_input("t", world_.clock.now() + hours{100}), 400);
  test::write(*world_.store, [&](storage::Tx& tx) {
    User user = *tx.find_user(world_.ann);
    user.preferences.reminder_minutes_before = 120;
    user.recompute = RecomputeJob{};
    user.recompute->after = tasks[99].id;
    tx.update_user(user);
  });
  keeper_.start();
  EXPECT_TRUE(eventually([&] {
    return test::read(*world_.store, [&](storage::ReadTx& tx) {
      return !tx.find_user(world_.ann)->recompute.has_value();
    });
  }));
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    EXPECT_EQ(world_.stored(tasks[i])->remind_at,
              tasks[i].due->at - (i < 100 ? hours{1} : hours{2}));
  }
}

TEST_F(Housekeepers, what_has_had_its_time_goes_hourly) {
  const Task deleted = world_.create(input_of("t"));
  world_.remove(deleted);
  const storage::Session session{world_.ids.next(), world_.ann, world_.clock.now(),
                                 world_.clock.now() + hours{24}};
  test::write(*world_.store, [&](storage::Tx& tx) {
    tx.insert_session(session);
    for (int i = 0; i < 1'100; ++i) {
      tx.insert_notification(
          test::make_notification(world_.ids, world_.ann, "n", world_.clock.now()));
    }
    tx.insert_idempotency_key(world_.ann, "key", std::string(32, 'h'), world_.clock.now());
  });
  keeper_.start();
  world_.clock.advance(days{30});
  keeper_.wake();
  EXPECT_TRUE(eventually([&] {
    keeper_.wake();
    return test::read(*world_.store,
                      [&](storage::ReadTx& tx) { return !tx.find_session(session.id); });
  }));
  EXPECT_EQ(world_.notifications_of(world_.ann).size(), 1'100U);
  EXPECT_TRUE(world_.stored(deleted)) << "thirty days and not one moment less";
  world_.clock.advance(days{61});
  EXPECT_TRUE(eventually([&] {
    keeper_.wake();
    return world_.notifications_of(world_.ann).empty();
  }));
  EXPECT_FALSE(world_.stored(deleted));
}

TEST_F(Housekeepers, old_audit_entries_are_archived_in_segments_of_a_thousand) {
  const Uuid bob = world_.add_user("bob@example.com");
  world_.create_many(world_.ann, input_of("t"), 1'200);
  world_.create(bob, input_of("bobs"));
  // As the bus takes them: together.
  const auto events = world_.waiting();
  std::vector<const OutboxEvent*> batch;
  for (const OutboxEvent& event : events) batch.push_back(&event);
  test::write(*world_.store, [&](storage::Tx& tx) {
    world_.consumers.consume_audit(tx, batch);
    for (const OutboxEvent& event : events) tx.delete_outbox({event.id});
  });
  EXPECT_EQ(keeper_.archive_audit(), 0) << "nothing is old enough";
  world_.clock.advance(days{90} + milliseconds{1});
  EXPECT_EQ(keeper_.archive_audit(), 1'201);
  EXPECT_EQ(keeper_.archive_audit(), 0);
  EXPECT_EQ(
      test::read(*world_.store,
                 [&](storage::ReadTx& tx) { return tx.audit_segments(world_.ann, 0, 10).size(); }),
      2U);
  EXPECT_TRUE(world_.verify(world_.ann).verified);
  EXPECT_TRUE(world_.verify(bob).verified);
}

}  // namespace
}  // namespace todo::pipeline
