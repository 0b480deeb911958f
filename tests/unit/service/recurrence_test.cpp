// Promises between a completion and its event, and changes of zone in units.
#include "domain/recurrence.h"

#include "domain/time_zone.h"
#include "support/rows.h"
#include "support/world.h"

namespace todo::service {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::due_input;
using test::input_of;
using test::World;

class Promises : public testing::Test {
 protected:
  Task weekly() {
    return world_.create(
        due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::weekly));
  }
  OutboxEvent completed_event() {
    const auto events = world_.waiting(Topic::task_completed);
    EXPECT_FALSE(events.empty());
    return events.empty() ? OutboxEvent{} : events.back();
  }
  std::optional<Task> find_or_make(const Uuid& task_id) {
    return test::write(*world_.store, [&](storage::Tx& tx) {
      return find_or_make_task(tx, world_.call_of(world_.ann), task_id);
    });
  }

  World world_;
};

TEST_F(Promises, the_task_is_made_as_it_was_promised) {
  const Completion done = world_.complete(weekly());
  ASSERT_TRUE(done.next_occurrence);
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 1U) << "only promised yet";
  world_.settle();
  auto made = world_.stored(*done.next_occurrence);
  ASSERT_TRUE(made);
  made->remind_at.reset();
  EXPECT_EQ(made, done.next_occurrence);
}

TEST_F(Promises, completing_again_answers_the_same_promise) {
  const Task task = weekly();
  const Completion first = world_.complete(task);
  const Completion second = world_.complete(task);
  EXPECT_EQ(first.next_occurrence, second.next_occurrence);
  EXPECT_EQ(first.completed_task, second.completed_task);
  EXPECT_EQ(world_.waiting(Topic::task_completed).size(), 1U);
}

TEST_F(Promises, a_request_that_names_a_promised_id_makes_the_task_first) {
  const Completion done = world_.complete(weekly());
  const OutboxEvent event = completed_event();
  EXPECT_TRUE(find_or_make(done.next_occurrence->id));
  const Task edited = world_.update(*done.next_occurrence, input_of("Mine"));
  world_.deliver(event);
  world_.settle();
  EXPECT_EQ(world_.stored(edited)->title, "Mine");
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 2U);
  EXPECT_TRUE(world_.verify(world_.ann).verified);
}

TEST_F(Promises, another_user_cannot_make_it) {
  const Uuid bob = world_.add_user("bob@example.com");
  const Completion done = world_.complete(weekly());
  test::write(*world_.store, [&](storage::Tx& tx) {
    EXPECT_FALSE(find_or_make_task(tx, world_.call_of(bob), done.next_occurrence->id));
  });
  world_.settle();
  EXPECT_TRUE(world_.stored(*done.next_occurrence));
}

TEST_F(Promises, edits_and_deletion_of_the_completed_task_do_not_change_it) {
  const Task task = weekly();
  const Completion done = world_.complete(task);
  world_.update(task, due_input("Other", world_.clock.now(), RecurrenceRule::daily));
  world_.remove(task);
  world_.settle();
  const auto made = world_.stored(*done.next_occurrence);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->title, "Bins");
  EXPECT_EQ(made->due, done.next_occurrence->due);
}

TEST_F(Promises, reopening_withdraws_it_and_its_event_finds_nothing) {
  const Task task = weekly();
  const Completion done = world_.complete(task);
  const OutboxEvent event = completed_event();
  const Reopening reopened = world_.reopen(task);
  EXPECT_EQ(reopened.removed_occurrence_id, done.next_occurrence->id);
  EXPECT_FALSE(find_or_make(done.next_occurrence->id));
  world_.settle();
  world_.deliver(event);
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 1U);
}

TEST_F(Promises, the_second_completion_has_a_promise_of_its_own) {
  const Task task = weekly();
  const Completion first = world_.complete(task);
  const OutboxEvent first_event = completed_event();
  world_.reopen(task);
  const Completion second = world_.complete(task);
  EXPECT_NE(first.next_occurrence->id, second.next_occurrence->id);
  const OutboxEvent second_event = completed_event();
  world_.deliver(second_event);
  world_.deliver(first_event);
  world_.deliver(second_event);
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 2U);
  EXPECT_TRUE(world_.stored(*second.next_occurrence));
  EXPECT_FALSE(world_.stored(*first.next_occurrence));
}

TEST_F(Promises, a_successor_that_is_done_or_changed_stays_when_its_task_is_reopened) {
  const Task task = weekly();
  const Task next = *world_.complete(task).next_occurrence;
  world_.settle();
  world_.complete(next);
  const Reopening reopened = world_.reopen(task);
  EXPECT_FALSE(reopened.removed_occurrence_id);
  EXPECT_EQ(world_.complete(task).next_occurrence->id, next.id) << "the living successor";
  world_.settle();
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 3U) << "the task, its successor, and that one's";
}

TEST_F(Promises, a_deleted_task_cannot_come_back_while_its_occurrence_is_promised) {
  const Task task = weekly();
  const Task next = *world_.complete(task).next_occurrence;
  world_.settle();
  world_.remove(next);
  world_.reopen(task);
  world_.complete(task);
  test::write(*world_.store, [&](storage::Tx& tx) {
    const auto restored = restore_task(tx, world_.call_of(world_.ann), next.id, {});
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().code, ErrorCode::conflict);
  });
}

TEST_F(Promises, the_entry_of_a_kept_promise_names_system_and_the_request_that_caused_it) {
  const Task task = weekly();
  test::write(*world_.store, [&](storage::Tx& tx) {
    Call call = world_.call_of(world_.ann);
    call.origin.request_id = "request-7";
    EXPECT_TRUE(complete_task(tx, call, task.id, {}));
  });
  world_.settle();
  const auto entries = world_.audit_of(world_.ann);
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_TRUE(entries[2].canonical.contains(R"("actor":"system")")) << entries[2].canonical;
  EXPECT_TRUE(entries[2].canonical.contains(R"("request_id":"request-7")"));
}

// --- changes of zone ---

class ChangeOfZone : public testing::Test {
 protected:
  // More tasks than a unit of the job takes.
  static constexpr int tasks_count = 600;
  static constexpr Date day = std::chrono::year{2031} / 2 / 10;

  ChangeOfZone() : eve_(world_.add_user("eve@example.com", "Europe/Berlin")) {}

  void fill(const TaskInput& input) {
    tasks_ = world_.create_many(eve_, input, tasks_count);
    world_.settle();
  }
  void move_to(const std::string& zone, bool shift) {
    ProfileInput input;
    input.timezone = zone;
    input.shift_due_dates = shift;
    test::write(*world_.store, [&](storage::Tx& tx) {
      EXPECT_TRUE(update_profile(tx, world_.call_of(eve_), input));
    });
  }
  bool job_runs() {
    return test::read(*world_.store, [&](storage::ReadTx& tx) {
      return tx.find_user(eve_)->recompute.has_value();
    });
  }
  bool one_more_unit() {
    return test::write(*world_.store, [&](storage::Tx& tx) {
      return continue_recompute(tx, world_.call_of(eve_));
    });
  }
  void finish() {
    for (int i = 0; i < 100 && job_runs(); ++i) one_more_unit();
    EXPECT_FALSE(job_runs());
  }

  World world_;
  const Uuid eve_;
  std::vector<Task> tasks_;
  const TimeZone new_york_ = *TimeZone::find("America/New_York");
};

TEST_F(ChangeOfZone, all_day_dates_stay_and_move_their_instant_in_units_without_a_version) {
  fill(due_input("t", day));
  const auto entries = world_.audit_of(eve_).size();
  move_to("America/New_York", false);
  EXPECT_TRUE(job_runs()) << "one unit does not take 600 tasks";
  // Each row is right at any moment, in the old zone or the new; the date is the truth.
  for (const Task& task : world_.tasks_of(eve_)) EXPECT_EQ(task.due->on, day);
  finish();
  for (const Task& task : world_.tasks_of(eve_)) {
    EXPECT_EQ(task.due->on, day);
    EXPECT_EQ(task.due->at, due_on(day, new_york_).at);
    EXPECT_EQ(task.version, 1);
    EXPECT_EQ(task.remind_at,
              new_york_.to_instant(LocalTime{std::chrono::local_days{day}} + hours{9}));
  }
  world_.settle();
  EXPECT_EQ(world_.audit_of(eve_).size(), entries);
}

TEST_F(ChangeOfZone, shifted_dates_keep_wall_times_and_make_a_version_and_an_entry_each) {
  fill(due_input("t", world_.clock.now() + hours{100}));
  const Instant berlin = tasks_.front().due->at;
  move_to("America/New_York", true);
  // A task that the user moves while the job runs is not moved once more.
  const Task moved = world_.update(tasks_.back(), due_input("t", world_.clock.now() + hours{200}));
  const Task made_meanwhile = world_.create(eve_, due_input("new", world_.clock.now() + hours{9}));
  finish();
  EXPECT_EQ(world_.stored(moved)->due->at, moved.due->at);
  EXPECT_EQ(world_.stored(made_meanwhile)->due->at, made_meanwhile.due->at);
  for (const Task& task : tasks_) {
    if (task.id == moved.id) continue;
    const auto now = world_.stored(task);
    EXPECT_EQ(now->due->at, berlin + hours{6});
    EXPECT_EQ(now->version, 2);
  }
  world_.settle();
  EXPECT_EQ(world_.audit_of(eve_).size(), 2U * tasks_count + 1);
  EXPECT_TRUE(world_.verify(eve_).verified);
}

TEST_F(ChangeOfZone, a_unit_that_runs_twice_moves_nothing_twice) {
  fill(due_input("t", world_.clock.now() + hours{100}));
  const Instant berlin = tasks_.front().due->at;
  move_to("America/New_York", true);
  // As after a crash between the work and the note of how far it went.
  test::write(*world_.store, [&](storage::Tx& tx) {
    User user = *tx.find_user(eve_);
    user.recompute->after.reset();
    tx.update_user(user);
  });
  finish();
  for (const Task& task : world_.tasks_of(eve_)) EXPECT_EQ(task.due->at, berlin + hours{6});
}

TEST_F(ChangeOfZone, what_is_not_yet_recomputed_is_used_rightly) {
  fill(due_input("t", day, RecurrenceRule::daily));
  move_to("America/New_York", false);
  const Completion done = world_.complete(tasks_.back());
  EXPECT_EQ(done.next_occurrence->due->on, std::chrono::year{2031} / 2 / 11);
  EXPECT_EQ(done.next_occurrence->due->at, due_on(std::chrono::year{2031} / 2 / 11, new_york_).at);
}

TEST_F(ChangeOfZone, a_timed_series_keeps_its_instant_and_goes_on_by_the_new_wall_clock) {
  // 09:00 in Berlin is 03:00 in New York, whose summer begins three weeks earlier.
  const TimeZone berlin = *TimeZone::find("Europe/Berlin");
  const LocalTime nine =
      LocalTime{std::chrono::local_days{std::chrono::year{2031} / 3 / 8}} + hours{9};
  const Task task =
      world_.create(eve_, due_input("t", berlin.to_instant(nine), RecurrenceRule::daily));
  move_to("America/New_York", false);
  EXPECT_EQ(world_.stored(task)->due->at, berlin.to_instant(nine));
  const Completion done = world_.complete(task);
  EXPECT_EQ(new_york_.to_local(done.next_occurrence->due->at), nine + hours{24} - hours{6});
  EXPECT_EQ(done.next_occurrence->due->anchor.zone, "America/New_York");
}

TEST_F(ChangeOfZone, two_jobs_at_once_are_refused_and_it_is_said_when_to_try_again) {
  fill(due_input("t", day));
  move_to("America/New_York", false);
  test::write(*world_.store, [&](storage::Tx& tx) {
    ProfileInput input;
    input.timezone = "Asia/Tokyo";
    const auto refused = update_profile(tx, world_.call_of(eve_), input);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
    EXPECT_GT(refused.error().retry_after_s, 0);
  });
  finish();
  move_to("Asia/Tokyo", false);
}

}  // namespace
}  // namespace todo::service
