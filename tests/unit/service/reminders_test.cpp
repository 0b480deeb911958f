// Reminders between the check and the consumer: what happened meanwhile decides, and the ledger
// says why.
#include "service/reminders.h"

#include "base/limits.h"
#include "support/world.h"

namespace todo::service {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using test::due_input;
using test::input_of;
using test::World;

class ReminderRules : public testing::Test {
 protected:
  // Due in three hours, to be told of in two.
  Task dentist() { return world_.create(due_input("Dentist", world_.clock.now() + hours{3})); }
  int check(int limit = limits::rows_per_unit_max) {
    return test::write(*world_.store, [&](storage::Tx& tx) {
      return check_reminders(tx, world_.call_of({}), limit);
    });
  }
  // The claim's event, as it waits.
  OutboxEvent claimed(const Task& task) {
    world_.clock.set(task.due->at - hours{1});
    EXPECT_EQ(check(), 1);
    return last_claim();
  }
  OutboxEvent last_claim() {
    const auto events = world_.waiting(Topic::reminders);
    EXPECT_FALSE(events.empty());
    return events.empty() ? OutboxEvent{} : events.back();
  }
  void expect_skipped(const Task& task, SkipReason reason) {
    const auto row = world_.ledger(task);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->state, ReminderState::skipped);
    EXPECT_EQ(row->reason, reason);
    EXPECT_EQ(told(), 0U);
  }
  void expect_told(const Task& task, std::size_t times = 1) {
    const auto row = world_.ledger(task);
    ASSERT_TRUE(row);
    EXPECT_EQ(row->state, ReminderState::sent);
    EXPECT_EQ(row->reason, std::nullopt);
    EXPECT_EQ(row->delivered_at, world_.clock.now());
    ASSERT_EQ(told(), times);
    EXPECT_EQ(row->notification_id, world_.notifications_of(world_.ann).front().id);
  }
  std::size_t told() { return world_.notifications_of(world_.ann).size(); }
  void switch_reminders(bool on) {
    PreferencesInput input;
    input.reminders_enabled = on;
    world_.set_preferences(world_.ann, input);
  }

  World world_;
};

TEST_F(ReminderRules, the_check_claims_what_is_due_and_nothing_twice) {
  const Task task = dentist();
  world_.clock.set(task.due->at - hours{1} - milliseconds{1});
  EXPECT_EQ(check(), 0) << "to the millisecond";
  world_.clock.advance(milliseconds{1});
  EXPECT_EQ(check(), 1);
  EXPECT_EQ(check(), 0) << "each replica's tick may come";
  EXPECT_EQ(world_.waiting(Topic::reminders).size(), 1U);
  EXPECT_EQ(world_.stored(task)->remind_at, std::nullopt);
  const auto row = world_.ledger(task);
  ASSERT_TRUE(row);
  EXPECT_EQ(row->state, ReminderState::pending);
  EXPECT_EQ(row->claim_id, last_claim().id) << "the claim is the event";
}

TEST_F(ReminderRules, a_check_takes_as_many_as_it_is_told_and_the_next_the_rest) {
  for (int i = 0; i < 5; ++i) dentist();
  world_.clock.advance(hours{2});
  EXPECT_EQ(check(3), 3);
  EXPECT_EQ(check(3), 2);
  EXPECT_EQ(check(3), 0);
  world_.settle();
  EXPECT_EQ(told(), 5U);
}

TEST_F(ReminderRules, a_redelivered_event_tells_nobody_again_not_even_when_it_was_cleared) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  world_.deliver(event);
  expect_told(task);
  world_.deliver(event);
  EXPECT_EQ(told(), 1U);
  test::write(*world_.store, [&](storage::Tx& tx) {
    EXPECT_EQ(tx.delete_notifications(world_.ann, world_.clock.now(), 10), 1);
  });
  world_.deliver(event);
  EXPECT_EQ(told(), 0U);
}

TEST_F(ReminderRules, completed_meanwhile_is_not_told_and_reopened_is_told_after_all) {
  const Task task = dentist();
  const OutboxEvent first = claimed(task);
  world_.complete(task);
  world_.deliver(first);
  expect_skipped(task, SkipReason::completed);
  world_.reopen(task);
  const OutboxEvent second = last_claim();
  EXPECT_NE(second.id, first.id) << "it is in its time, so it is claimed at once";
  world_.deliver(first);
  EXPECT_EQ(told(), 0U) << "the old claim is void";
  world_.deliver(second);
  world_.deliver(second);
  expect_told(task);
  // Only `sent` is final.
  world_.complete(task);
  world_.reopen(task);
  EXPECT_EQ(last_claim().id, second.id);
  EXPECT_EQ(world_.stored(task)->remind_at, std::nullopt);
}

TEST_F(ReminderRules, deleted_meanwhile_is_not_told_and_restored_is_told_after_all) {
  const Task task = dentist();
  world_.remove(task);
  world_.restore(task);
  world_.deliver(claimed(task));
  expect_told(task);

  const Task other = world_.create(due_input("Other", world_.clock.now() + hours{3}));
  const OutboxEvent event = claimed(other);
  world_.remove(other);
  world_.deliver(event);
  EXPECT_EQ(world_.ledger(other)->reason, SkipReason::deleted);
  world_.restore(other);
  world_.deliver(last_claim());
  expect_told(other, 2);
}

TEST_F(ReminderRules, moved_meanwhile_is_not_told_and_moved_back_is_told_after_all) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  const Task moved = world_.update(task, due_input("Dentist", task.due->at + hours{5}));
  EXPECT_EQ(moved.remind_at, task.due->at + hours{4});
  world_.deliver(event);
  expect_skipped(task, SkipReason::moved);
  EXPECT_FALSE(world_.ledger(moved)) << "the new date has a row of its own when its time comes";
  world_.update(moved, due_input("Dentist", task.due->at));
  world_.deliver(last_claim());
  expect_told(task);
}

TEST_F(ReminderRules, moved_and_moved_back_before_the_event_comes_is_told_once) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  world_.update(task, due_input("Dentist", task.due->at + hours{5}));
  world_.update(task, due_input("Dentist", task.due->at));
  EXPECT_EQ(world_.waiting(Topic::reminders).size(), 1U) << "the claim holds";
  world_.deliver(event);
  expect_told(task);
}

TEST_F(ReminderRules, a_date_that_is_gone_is_moved_too) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  TaskInput none;
  none.due_date = {true, std::nullopt};
  world_.update(task, none);
  world_.deliver(event);
  expect_skipped(task, SkipReason::moved);
}

TEST_F(ReminderRules, switched_off_meanwhile_is_not_told_and_switched_on_is_told_after_all) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  switch_reminders(false);
  world_.deliver(event);
  expect_skipped(task, SkipReason::reminders_off);
  switch_reminders(true);
  world_.deliver(last_claim());
  expect_told(task);
}

TEST_F(ReminderRules, off_when_its_time_comes_leaves_a_skipped_row_and_no_event) {
  const Task task = dentist();
  switch_reminders(false);
  world_.clock.set(task.due->at - hours{1});
  EXPECT_EQ(check(), 1);
  EXPECT_TRUE(world_.waiting(Topic::reminders).empty());
  expect_skipped(task, SkipReason::reminders_off);
}

TEST_F(ReminderRules, a_reason_that_ends_after_the_due_date_tells_nobody) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  world_.complete(task);
  world_.deliver(event);
  world_.clock.set(task.due->at);
  world_.reopen(task);
  EXPECT_EQ(last_claim().id, event.id);
  expect_skipped(task, SkipReason::completed);
}

TEST_F(ReminderRules, after_downtime_a_day_late_is_told_and_later_is_too_late) {
  const Task task = dentist();
  const Task other = dentist();
  world_.clock.set(task.due->at + limits::reminder_too_late_after);
  EXPECT_EQ(check(1), 1);
  world_.settle();
  EXPECT_EQ(told(), 1U);
  EXPECT_TRUE(world_.notifications_of(world_.ann)[0].title.starts_with("Overdue"));
  world_.clock.advance(milliseconds{1});
  EXPECT_EQ(check(), 1);
  world_.settle();
  EXPECT_EQ(told(), 1U);
  const Task& late = world_.ledger(task)->state == ReminderState::skipped ? task : other;
  EXPECT_EQ(world_.ledger(late)->reason, SkipReason::too_late);
}

TEST_F(ReminderRules, an_event_that_comes_too_late_tells_nobody) {
  const Task task = dentist();
  const OutboxEvent event = claimed(task);
  world_.clock.set(task.due->at + limits::reminder_too_late_after + milliseconds{1});
  world_.deliver(event);
  expect_skipped(task, SkipReason::too_late);
}

TEST_F(ReminderRules, the_clock_set_back_claims_nothing_again) {
  const Task task = dentist();
  world_.deliver(claimed(task));
  world_.clock.advance(-hours{2});
  world_.update(task, input_of("Renamed"));
  EXPECT_EQ(check(), 0);
  world_.clock.advance(hours{2});
  EXPECT_EQ(check(), 0);
  EXPECT_EQ(told(), 1U);
}

TEST_F(ReminderRules, a_window_that_begins_in_the_past_is_claimed_in_the_same_transaction) {
  world_.create(due_input("Soon", world_.clock.now() + minutes{59}));
  EXPECT_EQ(world_.waiting(Topic::reminders).size(), 1U);
  world_.create(due_input("Past", world_.clock.now()));
  EXPECT_EQ(world_.waiting(Topic::reminders).size(), 1U) << "past when it was set";
}

TEST_F(ReminderRules, the_explanation_has_one_row_a_date_with_the_planned_one_in_it) {
  const Task task = dentist();
  world_.deliver(claimed(task));
  const Task moved = world_.update(task, due_input("Dentist", task.due->at + hours{5}));
  const auto rows = test::read(*world_.store, [&](storage::ReadTx& tx) {
    EXPECT_FALSE(explain_reminders(tx, world_.ids.next(), task.id)) << "not the user's";
    return explain_reminders(tx, world_.ann, task.id).value();
  });
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].state, "sent");
  EXPECT_EQ(rows[0].due_date, task.due->at);
  EXPECT_EQ(rows[1].state, "scheduled");
  EXPECT_EQ(rows[1].due_date, moved.due->at);
  EXPECT_EQ(rows[1].remind_at, moved.remind_at);
  EXPECT_EQ(rows[1].id, std::nullopt);
}

}  // namespace
}  // namespace todo::service
