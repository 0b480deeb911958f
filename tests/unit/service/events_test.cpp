// Every consumer's effect happens once, however often, late and out of order its events come.
#include <map>
#include <random>

#include "base/limits.h"
#include "service/reminders.h"
#include "support/world.h"

namespace todo::service {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using test::due_input;
using test::input_of;
using test::World;

// A day of work: recurring tasks completed, reopened and completed again, reminders claimed, tasks
// deleted and restored, all before any event is delivered.
void work(World& world) {
  const Task rent =
      world.create(due_input("Rent", world.clock.now() + hours{2}, RecurrenceRule::monthly));
  world.complete(rent);
  world.reopen(rent);
  world.complete(rent);
  const Task tea =
      world.create(due_input("Tea", world.clock.now() + minutes{30}, RecurrenceRule::daily));
  const Task dentist = world.create(due_input("Dentist", world.clock.now() + hours{3}));
  world.create(due_input("Never told", world.clock.now() + minutes{50}));
  const Task gone = world.create(input_of("Gone"));
  world.remove(gone);
  world.restore(gone);
  world.update(gone, input_of("Back"));
  world.clock.advance(hours{2} + minutes{1});
  test::write(*world.store, [&](storage::Tx& tx) {
    check_reminders(tx, world.call_of({}), limits::rows_per_unit_max);
  });
  world.complete(tea);
  world.remove(dentist);
  world.restore(dentist);
}

// What people would notice, without the ids that the consumers choose.
std::vector<std::string> seen_state(World& world) {
  std::vector<std::string> state;
  for (const Task& task : world.tasks_of(world.ann)) {
    state.push_back("task " + task.title + " " + std::to_string(task.occurrence) + " v" +
                    std::to_string(task.version) + (task.completed() ? " done" : ""));
    for (const AuditEntry& entry : world.audit_of(world.ann)) {
      if (entry.entity_id == task.id)
        state.push_back("audit " + task.title + " " + std::to_string(task.occurrence) + " v" +
                        std::to_string(entry.entity_version));
    }
    const auto rows = test::read(
        *world.store, [&](storage::ReadTx& tx) { return tx.list_reminders(world.ann, task.id); });
    for (const ReminderRow& row : rows)
      state.push_back("reminder " + task.title + " " + std::string(to_string(row.state)));
  }
  for (const Notification& notification : world.notifications_of(world.ann))
    state.push_back("told: " + notification.title);
  std::ranges::sort(state);
  return state;
}

// Delivers each event twice and all in any order, those that they cause too.
void deliver_twice_in_any_order(World& world, unsigned seed, std::vector<OutboxEvent>& all) {
  std::minstd_rand random(seed);
  std::vector<OutboxEvent> bag;
  const auto take_new = [&] {
    for (const OutboxEvent& event : world.waiting()) {
      if (std::ranges::find(all, event.id, &OutboxEvent::id) != all.end()) continue;
      all.push_back(event);
      bag.push_back(event);
      bag.push_back(event);
    }
  };
  for (take_new(); !bag.empty(); take_new()) {
    std::swap(bag[random() % bag.size()], bag.back());
    world.deliver(bag.back());
    bag.pop_back();
  }
}

TEST(EventsOfAnyOrder, double_and_shuffled_events_have_the_effect_of_ordered_ones) {
  World ordered;
  work(ordered);
  ordered.settle();
  const auto expected = seen_state(ordered);
  EXPECT_TRUE(ordered.verify(ordered.ann).verified);
  EXPECT_EQ(std::ranges::count(expected, "told: Reminder: Tea"), 0) << "it was completed";
  EXPECT_EQ(std::ranges::count(expected, "told: Reminder: Dentist"), 1);
  EXPECT_EQ(std::ranges::count(expected, "task Rent 2 v1"), 1);
  for (unsigned seed = 1; seed <= 8; ++seed) {
    World world;
    work(world);
    std::vector<OutboxEvent> events;
    deliver_twice_in_any_order(world, seed, events);
    EXPECT_EQ(seen_state(world), expected) << "seed " << seed;
    for (const OutboxEvent& event : events) world.forget(event);
    world.clock.advance(hours{1});
    const VerifyReport report = world.verify(world.ann);
    EXPECT_TRUE(report.verified) << report.problem;
    // However late: all of it once more.
    world.clock.advance(days{20});
    for (const OutboxEvent& event : events) world.deliver(event);
    EXPECT_EQ(seen_state(world), expected) << "seed " << seed << ", weeks later";
    EXPECT_TRUE(world.waiting().empty()) << "and nothing was caused by it";
  }
}

TEST(EventsOfAnyOrder, a_batch_with_doubles_is_recorded_once_in_the_order_of_making) {
  World world;
  const Uuid bob = world.add_user("bob@example.com");
  const Task anns = world.create(input_of("one"));
  world.create(bob, input_of("bobs"));
  world.update(anns, input_of("two"));
  world.update(anns, input_of("three"));
  const auto events = world.waiting(Topic::audit);
  std::vector<const OutboxEvent*> batch;
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    batch.push_back(&*event);
    batch.push_back(&*event);
  }
  for (int i = 0; i < 2; ++i) {
    test::write(*world.store, [&](storage::Tx& tx) { world.consumers.consume_audit(tx, batch); });
  }
  const auto entries = world.audit_of(world.ann);
  ASSERT_EQ(entries.size(), 3U);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i].seq, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(entries[i].entity_version, static_cast<std::int64_t>(i) + 1);
  }
  EXPECT_EQ(world.audit_of(bob).size(), 1U);
  EXPECT_TRUE(world.verify(world.ann).verified);
  EXPECT_TRUE(world.verify(bob).verified);
}

TEST(EventsOfAnyOrder, events_of_a_user_who_is_gone_are_dropped) {
  World world;
  const Task task =
      world.create(due_input("t", world.clock.now() + minutes{30}, RecurrenceRule::daily));
  world.complete(task);
  const auto events = world.waiting();
  ASSERT_FALSE(events.empty());
  test::write(*world.store,
              [&](storage::Tx& tx) { delete_account(tx, world.ann, world.clock.now()); });
  for (const OutboxEvent& event : events) world.deliver(event);
  EXPECT_EQ(world.tasks_of(world.ann).size(), 1U) << "only what there was";
  EXPECT_TRUE(world.audit_of(world.ann).empty());
  EXPECT_TRUE(world.notifications_of(world.ann).empty());
  bool ended = false;
  for (int i = 0; i < 100 && !ended; ++i) {
    ended = test::write(*world.store, [&](storage::Tx& tx) { return tx.purge_user(world.ann, 3); });
  }
  EXPECT_TRUE(ended);
  for (const OutboxEvent& event : events) world.deliver(event);
  EXPECT_TRUE(world.tasks_of(world.ann).empty());
  EXPECT_TRUE(world.audit_of(world.ann).empty());
  EXPECT_TRUE(world.waiting().empty());
}

TEST(EventsOfAnyOrder, what_can_never_be_read_is_undeliverable) {
  World world;
  for (const Topic topic : {Topic::audit, Topic::reminders, Topic::task_completed}) {
    for (const char* text : {"", "no JSON", "{}", "[]", R"({"data":{"schema_version":"2.0"}})"}) {
      test::write(*world.store, [&](storage::Tx& tx) {
        EXPECT_THROW(world.consumers.consume(tx, {world.ids.next(), topic, world.ann, text}),
                     Undeliverable)
            << text;
      });
    }
  }
}

}  // namespace
}  // namespace todo::service
