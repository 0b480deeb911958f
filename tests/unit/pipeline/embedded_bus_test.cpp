#include "pipeline/embedded_bus.h"

#include "base/limits.h"
#include "domain/task_json.h"
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
using test::input_of;

TEST(RetryDelay, doubles_from_a_second_to_five_minutes) {
  EXPECT_EQ(retry_delay(1, 0), seconds{1});
  EXPECT_EQ(retry_delay(2, 0), seconds{2});
  EXPECT_EQ(retry_delay(5, 0), seconds{16});
  EXPECT_EQ(retry_delay(9, 0), seconds{256});
  EXPECT_EQ(retry_delay(10, 0), minutes{5});
  EXPECT_EQ(retry_delay(1'000'000, 0), minutes{5});
  EXPECT_EQ(retry_delay(2, 1), seconds{1}) << "less a random part of up to a half";
  EXPECT_EQ(retry_delay(2, 0.5), milliseconds{1'500});
  EXPECT_GT(retry_delay(1, 1), milliseconds{0});
}

class Bus : public testing::Test {
 protected:
  storage::BusProgress step(int events_max = 1'000) {
    storage::BusProgress progress;
    test::write(*world_.store, [&](storage::Tx& tx) { progress = bus_.step(tx, events_max); });
    return progress;
  }
  void add(const OutboxEvent& event) {
    test::write(*world_.store, [&](storage::Tx& tx) { tx.insert_outbox(event); });
  }
  std::vector<storage::DeadLetter> dead() {
    return test::read(*world_.store,
                      [](storage::ReadTx& tx) { return tx.list_dead(std::nullopt, 100); });
  }
  std::int64_t waiting() {
    return test::read(*world_.store, [](storage::ReadTx& tx) { return tx.outbox_depth().rows; });
  }
  // A promise that cannot be kept while another task has its place, and its event.
  Task blocked_promise() {
    const Task task =
        world_.create(due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::weekly));
    const Task next = *world_.complete(task).next_occurrence;
    Task squatter = next;
    squatter.id = world_.ids.next();
    test::write(*world_.store, [&](storage::Tx& tx) { tx.insert_task(squatter); });
    return squatter;
  }
  void make_way(const Task& squatter) {
    test::write(*world_.store, [&](storage::Tx& tx) {
      Task gone = squatter;
      gone.deleted_at = world_.clock.now();
      tx.update_task(squatter, gone);
    });
  }
  double metric(const std::string& line_start) {
    const std::string text = "\n" + world_.metrics.text();
    const auto at = text.find("\n" + line_start + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line_start.size() + 2));
  }

  test::World world_;
  EmbeddedBus bus_{world_.consumers, world_.clock, world_.metrics};
};

TEST_F(Bus, what_an_event_causes_is_applied_in_the_same_step) {
  const Task task =
      world_.create(due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::weekly));
  const Task next = *world_.complete(task).next_occurrence;
  const storage::BusProgress progress = step();
  EXPECT_EQ(progress.events, 4) << "create, complete, the completion, and its task's creation";
  EXPECT_EQ(progress.next_retry_at, std::nullopt);
  EXPECT_TRUE(world_.stored(next));
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 3U);
  EXPECT_EQ(waiting(), 0);
  EXPECT_EQ(step().events, 0);
}

TEST_F(Bus, a_step_takes_as_many_events_as_it_is_told) {
  for (int i = 0; i < 10; ++i) world_.create(input_of("t"));
  EXPECT_EQ(step(4).events, 4);
  EXPECT_EQ(waiting(), 6);
  EXPECT_EQ(step(4).events, 4);
  EXPECT_EQ(step(4).events, 2);
  EXPECT_TRUE(world_.verify(world_.ann).verified);
}

TEST_F(Bus, events_are_recorded_in_their_order) {
  Task task = world_.create(input_of("0"));
  for (int i = 1; i < 20; ++i) task = world_.update(task, input_of(std::to_string(i)));
  while (step(3).events > 0) {
  }
  std::int64_t version = 0;
  for (const AuditEntry& entry : world_.audit_of(world_.ann))
    EXPECT_EQ(entry.entity_version, ++version);
  EXPECT_EQ(version, 20);
}

TEST_F(Bus, poison_goes_to_the_dead_letters_at_once_and_stops_nobody) {
  world_.create(input_of("before"));
  std::vector<Uuid> poison;
  for (const Topic topic : {Topic::audit, Topic::reminders, Topic::task_completed}) {
    const OutboxEvent event = test::make_raw_event(world_.ids, world_.ann, "no JSON", topic);
    poison.push_back(event.id);
    add(event);
  }
  world_.create(input_of("after"));
  EXPECT_EQ(step().events, 5);
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 2U);
  EXPECT_EQ(waiting(), 0);
  const auto letters = dead();
  ASSERT_EQ(letters.size(), 3U);
  for (std::size_t i = 0; i < letters.size(); ++i) {
    EXPECT_EQ(letters[i].id, poison[i]);
    EXPECT_EQ(letters[i].event, "no JSON");
    EXPECT_EQ(letters[i].attempts, 1);
    EXPECT_EQ(letters[i].died_at, world_.clock.now());
    EXPECT_FALSE(letters[i].reason.empty());
  }
  EXPECT_EQ(metric(R"(todo_events_dead_total{topic="todo.audit"})"), 1);
  EXPECT_EQ(metric(R"(todo_events_applied_total{topic="todo.audit"})"), 2);
}

TEST_F(Bus, what_fails_is_put_off_and_tried_again_until_it_works) {
  const Task squatter = blocked_promise();
  const Instant first = world_.clock.now();
  storage::BusProgress progress = step();
  ASSERT_TRUE(progress.next_retry_at);
  EXPECT_GE(*progress.next_retry_at, first + milliseconds{500});
  EXPECT_LE(*progress.next_retry_at, first + seconds{1});
  EXPECT_EQ(waiting(), 1) << "the others are not held up";
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 2U);
  EXPECT_EQ(step().events, 0) << "not before its time";

  world_.clock.set(*progress.next_retry_at);
  progress = step();
  EXPECT_EQ(progress.events, 1);
  EXPECT_GE(*progress.next_retry_at, world_.clock.now() + seconds{1});
  EXPECT_LE(*progress.next_retry_at, world_.clock.now() + seconds{2});
  make_way(squatter);
  world_.clock.set(*progress.next_retry_at);
  step();
  EXPECT_EQ(waiting(), 0);
  EXPECT_TRUE(dead().empty());
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 2U) << "the promise is kept";
}

TEST_F(Bus, after_ten_attempts_an_event_is_dead_with_the_reason_and_can_be_brought_back) {
  const Task squatter = blocked_promise();
  int attempts = 0;
  while (dead().empty() && attempts < 100) {
    const auto progress = step();
    ++attempts;
    if (progress.next_retry_at) world_.clock.set(*progress.next_retry_at);
  }
  EXPECT_EQ(attempts, limits::event_attempts_max);
  ASSERT_EQ(dead().size(), 1U);
  const storage::DeadLetter letter = dead()[0];
  EXPECT_EQ(letter.topic, Topic::task_completed);
  EXPECT_EQ(letter.attempts, limits::event_attempts_max);
  EXPECT_TRUE(letter.reason.contains("UNIQUE")) << letter.reason;
  EXPECT_EQ(waiting(), 0);

  make_way(squatter);
  test::write(*world_.store, [&](storage::Tx& tx) { EXPECT_TRUE(tx.retry_dead(letter.id)); });
  step();
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 2U);
  EXPECT_TRUE(dead().empty());
}

TEST_F(Bus, an_audit_event_older_than_thirty_days_is_dead_and_its_neighbours_are_not) {
  world_.create(input_of("old"));
  const auto old = world_.waiting();
  world_.clock.advance(limits::event_age_max);
  world_.create(input_of("on the edge it is taken"));
  EXPECT_EQ(waiting(), 2);
  world_.clock.advance(milliseconds{1});
  step();
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].id, old[0].id);
  EXPECT_TRUE(dead()[0].reason.contains("30 days"));
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 1U);
}

TEST_F(Bus, a_promise_is_kept_however_late_its_event) {
  const Task task =
      world_.create(due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::weekly));
  step();
  const Task next = *world_.complete(task).next_occurrence;
  world_.clock.advance(days{60});
  step();
  EXPECT_TRUE(world_.stored(next));
}

TEST_F(Bus, rides_on_the_stores_commits_and_comes_back_for_retries_without_one) {
  const Task squatter = blocked_promise();
  world_.store->start_bus(
      [this](storage::Tx& tx, int events_max) { return bus_.step(tx, events_max); });
  EXPECT_TRUE(test::eventually([&] { return waiting() == 1; })) << "all but what is blocked";
  world_.create(input_of("t"));
  EXPECT_TRUE(test::eventually([&] { return world_.audit_of(world_.ann).size() == 3; }));
  make_way(squatter);
  world_.clock.advance(seconds{2});
  EXPECT_TRUE(test::eventually([&] { return waiting() == 0; }));
  EXPECT_TRUE(dead().empty());
  world_.store->stop();  // before the bus goes
}

}  // namespace
}  // namespace todo::pipeline
