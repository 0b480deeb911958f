#include "base/uuid.h"

#include <algorithm>
#include <array>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace todo {
namespace {

class SetClock final : public Clock {
 public:
  explicit SetClock(std::int64_t ms) : ms_(ms) {}
  void set(std::int64_t ms) { ms_ = ms; }
  Instant now() const override { return instant_from_ms(ms_); }

 private:
  std::int64_t ms_;
};

std::int64_t milliseconds_in(const Uuid& id) {
  std::int64_t ms = 0;
  for (std::size_t i = 0; i < 6; ++i) ms = ms * 256 + id.bytes.at(i);
  return ms;
}

constexpr std::int64_t noon = 1'770'638'400'123;

TEST(UuidTest, begins_with_the_milliseconds_and_names_its_version) {
  const SetClock clock(noon);
  Uuid7Generator ids(clock);
  const Uuid id = ids.next();
  EXPECT_EQ(milliseconds_in(id), noon);
  EXPECT_EQ(id.bytes[6] >> 4, 7);
  EXPECT_EQ(id.bytes[8] >> 6, 2);
}

TEST(UuidTest, ids_of_one_millisecond_come_in_order) {
  const SetClock clock(noon);
  Uuid7Generator ids(clock);
  Uuid last = ids.next();
  // More than the counter holds: the ids run ahead of the clock rather than out of order.
  for (int i = 0; i < 10'000; ++i) {
    const Uuid next = ids.next();
    ASSERT_LT(last, next) << i;
    ASSERT_LT(last.to_string(), next.to_string()) << i;
    last = next;
  }
  EXPECT_LE(milliseconds_in(last), noon + 5);
}

TEST(UuidTest, a_clock_set_back_does_not_set_ids_back) {
  SetClock clock(noon);
  Uuid7Generator ids(clock);
  const Uuid before = ids.next();
  clock.set(noon - 3'600'000);
  const Uuid after = ids.next();
  EXPECT_LT(before, after);
  clock.set(noon + 1);
  const Uuid later = ids.next();
  EXPECT_LT(after, later);
  EXPECT_EQ(milliseconds_in(later), noon + 1);
}

TEST(UuidTest, threads_never_get_the_same_id) {
  const SystemClock clock;
  Uuid7Generator ids(clock);
  constexpr std::size_t each = 5'000;
  std::array<std::vector<Uuid>, 4> made;
  std::vector<std::jthread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&ids, &mine] {
      while (mine.size() < each) mine.push_back(ids.next());
    });
  }
  threads.clear();
  std::set<Uuid> all;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::ranges::is_sorted(mine));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), each * made.size());
}

TEST(UuidTest, two_processes_do_not_make_the_same_id_in_one_millisecond) {
  const SetClock clock(noon);
  Uuid7Generator one(clock);
  Uuid7Generator other(clock);
  std::set<Uuid> all;
  for (int i = 0; i < 1'000; ++i) {
    all.insert(one.next());
    all.insert(other.next());
  }
  EXPECT_EQ(all.size(), 2'000U);
}

TEST(UuidTest, reads_upper_and_lower_case_and_writes_lower) {
  const auto id = Uuid::parse("0198F2C4-7BDE-7ABC-9DEF-0123456789ab");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->to_string(), "0198f2c4-7bde-7abc-9def-0123456789ab");
  EXPECT_EQ(Uuid::parse(id->to_string()), id);
  EXPECT_EQ(Uuid{}.to_string(), "00000000-0000-0000-0000-000000000000");
}

TEST(UuidTest, refuses_what_is_no_uuid) {
  for (const char* text :
       {"", "0198f2c47bde7abc9def0123456789ab", "{0198f2c4-7bde-7abc-9def-0123456789ab}",
        "0198f2c4-7bde-7abc-9def-0123456789a", "0198f2c4-7bde-7abc-9def-0123456789abc",
        "0198f2c4-7bde-7abc-9def-0123456789ag", "0198f2c47-bde-7abc-9def-0123456789ab",
        "0198f2c4-7bde-7abc-9def_0123456789ab", " 198f2c4-7bde-7abc-9def-0123456789ab",
        "-198f2c4-7bde-7abc-9def-0123456789ab", "+198f2c4-7bde-7abc-9def-0123456789ab",
        "urn:uuid:0198f2c4-7bde-7abc-9def-0123"}) {
    EXPECT_FALSE(Uuid::parse(text)) << text;
  }
}

}  // namespace
}  // namespace todo
