#include "pipeline/relay.h"

#include "base/limits.h"
#include "support/rows.h"
#include "support/world.h"

namespace todo::pipeline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::input_of;

// A bus that takes what it is told to take.
class FakeBus final : public service::Publisher {
 public:
  service::Published publish(const std::vector<storage::OutboxRow>& rows) override {
    service::Published published;
    for (const storage::OutboxRow& row : rows) {
      const bool taken = !is_away && !refused.contains(row.event.id);
      published.acknowledged.push_back(taken);
      if (taken) events.push_back(row.event);
      if (!taken) published.error = is_away ? "away" : "refused";
    }
    ++batches;
    return published;
  }

  bool is_away = false;
  std::set<Uuid> refused;
  std::vector<OutboxEvent> events;
  int batches = 0;
};

class RelayTest : public testing::Test {
 protected:
  std::vector<storage::OutboxRow> rows() {
    return test::read(*world_.store, [&](storage::ReadTx& tx) {
      return tx.list_outbox(world_.clock.now(), limits::events_per_publish_max);
    });
  }
  storage::Relayed step() { return relay_.step(rows(), std::nullopt); }

  test::World world_;
  FakeBus bus_;
  Relay relay_{bus_, world_.clock, world_.metrics};
};

TEST(RelayDelay, doubles_from_a_tenth_of_a_second_to_three) {
  EXPECT_EQ(relay_delay(1, 0), milliseconds{100});
  EXPECT_EQ(relay_delay(2, 0), milliseconds{200});
  EXPECT_EQ(relay_delay(6, 0), seconds{3});
  EXPECT_EQ(relay_delay(1'000'000, 0), seconds{3});
  EXPECT_EQ(relay_delay(1, 1), milliseconds{50}) << "less a random part of up to a half";
}

TEST_F(RelayTest, what_is_acknowledged_leaves_the_outbox) {
  world_.create(input_of("Milk"));
  world_.create(input_of("Bread"));
  const auto relayed = step();
  EXPECT_EQ(relayed.acknowledged.size(), 2U);
  EXPECT_TRUE(relayed.put_off.empty());
  EXPECT_EQ(relayed.pause, milliseconds{0});
  EXPECT_EQ(bus_.events.size(), 2U);
}

TEST_F(RelayTest, while_the_bus_is_away_everything_stays_and_is_tried_ever_more_seldom) {
  world_.create(input_of("Milk"));
  bus_.is_away = true;
  milliseconds longest{0};
  for (int i = 1; i <= 20; ++i) {
    const auto relayed = step();
    EXPECT_TRUE(relayed.acknowledged.empty());
    EXPECT_TRUE(relayed.put_off.empty());
    EXPECT_GE(relayed.pause, relay_delay(i, 1));
    EXPECT_LE(relayed.pause, relay_delay(i, 0));
    longest = std::max(longest, relayed.pause);
  }
  EXPECT_GE(longest, milliseconds{1'500});
  bus_.is_away = false;
  EXPECT_EQ(step().acknowledged.size(), 1U);
  bus_.is_away = true;
  EXPECT_LE(step().pause, relay_delay(1, 0)) << "it begins anew";
}

TEST_F(RelayTest, what_is_refused_alone_is_put_off_and_holds_up_nobody) {
  world_.create(input_of("Milk"));
  world_.create(input_of("Bread"));
  const Uuid refused = world_.waiting().front().id;
  bus_.refused = {refused};
  const auto relayed = step();
  EXPECT_EQ(relayed.acknowledged.size(), 1U);
  EXPECT_EQ(relayed.pause, milliseconds{0});
  ASSERT_EQ(relayed.put_off.size(), 1U);
  EXPECT_EQ(relayed.put_off[0].event_id, refused);
  EXPECT_EQ(relayed.put_off[0].attempts, 0) << "only consumers count attempts";
  EXPECT_GT(relayed.put_off[0].not_before, world_.clock.now());
}

TEST_F(RelayTest, the_store_relays_what_is_committed_and_keeps_what_is_not_taken) {
  bus_.is_away = true;
  test::Signal tried;
  test::Signal taken;
  world_.store->start_relay(
      [&](const auto& waiting, const auto& depth) {
        const auto relayed = relay_.step(waiting, depth);
        if (relayed.acknowledged.empty()) {
          bus_.is_away = false;  // back for the next attempt
          tried.give();
        } else {
          taken.give();
        }
        return relayed;
      },
      {});
  world_.create(input_of("Milk"));
  ASSERT_TRUE(tried.wait());
  ASSERT_TRUE(taken.wait());
  world_.store->stop();
  EXPECT_EQ(bus_.events.size(), 1U);
}

}  // namespace
}  // namespace todo::pipeline
