// Mistakes that were made once, and need a moment between a change and its event to be seen.
#include "domain/recurrence.h"
#include "domain/time_zone.h"
#include "service/reminders.h"
#include "support/world.h"

namespace todo::service {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using test::due_input;
using test::World;

class ServiceRegressions : public testing::Test {
 protected:
  void move_to(const std::string& zone, bool shift = false) {
    ProfileInput input;
    input.timezone = zone;
    input.shift_due_dates = shift;
    test::write(*world_.store, [&](storage::Tx& tx) {
      EXPECT_TRUE(update_profile(tx, world_.call_of(world_.ann), input));
    });
  }
  void check_reminders_now() {
    test::write(*world_.store, [&](storage::Tx& tx) {
      Call system = world_.call_of(world_.ann);
      system.origin.actor = "system";
      check_reminders(tx, system, 100);
    });
    world_.settle();
  }

  World world_;
};

TEST_F(ServiceRegressions, a_promised_all_day_task_ends_its_day_where_its_user_is_when_it_is_made) {
  const Date day = std::chrono::year{2031} / 2 / 10;
  const Completion done =
      world_.complete(world_.create(due_input("Bins", day, RecurrenceRule::daily)));
  ASSERT_TRUE(done.next_occurrence);
  move_to("Asia/Tokyo");
  world_.settle();
  const auto made = world_.stored(*done.next_occurrence);
  ASSERT_TRUE(made && made->due);
  EXPECT_EQ(made->due->on, Date{std::chrono::sys_days{day} + std::chrono::days{1}});
  EXPECT_EQ(made->due->at, due_on(*made->due->on, *TimeZone::find("Asia/Tokyo")).at);
}

TEST_F(ServiceRegressions, an_occurrence_that_another_task_has_promised_is_kept) {
  const Task first =
      world_.create(due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::daily));
  // Two tasks of one occurrence number: the deleted one, and the one that took its place.
  const Completion once = world_.complete(first);
  world_.settle();
  const Task second = *world_.stored(*once.next_occurrence);
  world_.remove(second);
  EXPECT_FALSE(world_.reopen(first).removed_occurrence_id);
  const Completion again = world_.complete(first);
  world_.settle();
  const Task twin = *world_.stored(*again.next_occurrence);
  ASSERT_EQ(twin.occurrence, second.occurrence);
  // The twin promises the third; then the deleted one comes back, and is completed too.
  const Completion of_twin = world_.complete(twin);
  ASSERT_TRUE(of_twin.next_occurrence);
  world_.remove(twin);
  const Completion of_second = world_.complete(world_.restore(second));
  ASSERT_TRUE(of_second.next_occurrence);
  EXPECT_EQ(of_second.next_occurrence->id, of_twin.next_occurrence->id);
  world_.settle();
  EXPECT_TRUE(world_.stored(*of_twin.next_occurrence));
  EXPECT_TRUE(world_.verify(world_.ann).verified);
}

TEST_F(ServiceRegressions, what_fell_due_before_a_recomputation_came_to_it_is_still_told) {
  const Task late = world_.create(due_input("Late", world_.clock.now() + hours{2}));
  const Task coming = world_.create(due_input("Coming", world_.clock.now() + hours{5}));
  // Down for three hours; then the job runs before the check does.
  world_.clock.advance(hours{3});
  PreferencesInput input;
  input.reminder_minutes_before = 30;
  world_.set_preferences(world_.ann, input);
  EXPECT_EQ(world_.stored(late)->remind_at, late.remind_at);
  EXPECT_EQ(world_.stored(coming)->remind_at, coming.due->at - minutes{30});
  check_reminders_now();
  ASSERT_TRUE(world_.ledger(late));
  EXPECT_EQ(world_.ledger(late)->state, ReminderState::sent);
  EXPECT_EQ(world_.notifications_of(world_.ann).size(), 1U);
}

TEST_F(ServiceRegressions, shifting_twice_within_one_job_moves_nothing_twice) {
  const Instant nine = test::noon + hours{24 * 10 + 21};
  const Task task = world_.create(due_input("Bins", nine, RecurrenceRule::daily));
  world_.clock.advance(minutes{1});
  move_to("Asia/Tokyo");
  world_.clock.advance(minutes{1});
  move_to("UTC", true);
  EXPECT_EQ(world_.stored(task)->due->at, nine + hours{9});
  // As after a crash: the same job from its first task on.
  test::write(*world_.store, [&](storage::Tx& tx) {
    auto user = *tx.find_user(world_.ann);
    user.recompute = RecomputeJob{true, true, "Asia/Tokyo", std::nullopt, world_.clock.now()};
    tx.update_user(user);
    EXPECT_TRUE(continue_recompute(tx, world_.call_of(world_.ann)));
  });
  EXPECT_EQ(world_.stored(task)->due->at, nine + hours{9});
}

}  // namespace
}  // namespace todo::service
