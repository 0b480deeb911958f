#include "realtime/presence.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace todo::realtime {
namespace {

using storage::Announcement;
using Kind = Announcement::Kind;

Uuid numbered(std::size_t number) {
  Uuid id{};
  id.bytes[0] = static_cast<std::uint8_t>(number);
  id.bytes[1] = static_cast<std::uint8_t>(number >> 8);
  return id;
}

class PresenceOfOne : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(presence_.enter(credential_, 0, Instant{})); }

  bool is_news(std::size_t task, std::int64_t version, Kind kind = Kind::task_updated) {
    return presence_.is_news({kind, credential_.user_id, numbered(task), version});
  }

  Presence presence_{1, {.all = 2, .per_user = 2}};
  const service::Credential credential_{numbered(1), numbered(2), {}, {}};
};

TEST_F(PresenceOfOne, a_version_is_news_once) {
  EXPECT_TRUE(is_news(7, 1, Kind::task_created));
  EXPECT_FALSE(is_news(7, 1, Kind::task_created));
  EXPECT_TRUE(is_news(7, 2));
  EXPECT_FALSE(is_news(7, 2, Kind::task_completed));
  EXPECT_TRUE(is_news(8, 1, Kind::task_created));
}

TEST_F(PresenceOfOne, an_older_version_that_comes_late_is_no_news) {
  EXPECT_TRUE(is_news(7, 5));
  EXPECT_FALSE(is_news(7, 4));
  EXPECT_FALSE(is_news(7, 5));
  EXPECT_TRUE(is_news(7, 6));
}

TEST_F(PresenceOfOne, the_oldest_of_many_is_forgotten) {
  for (std::size_t task = 0; task < limits::rows_per_unit_max; ++task) {
    ASSERT_TRUE(is_news(task, 1));
  }
  for (std::size_t task = 0; task < limits::rows_per_unit_max; ++task) {
    ASSERT_FALSE(is_news(task, 1));
  }
  EXPECT_TRUE(is_news(limits::rows_per_unit_max, 1));
  EXPECT_FALSE(is_news(1, 1));
  EXPECT_TRUE(is_news(0, 1));
}

TEST_F(PresenceOfOne, an_end_of_credentials_is_always_news) {
  EXPECT_TRUE(is_news(0, 0, Kind::credentials));
  EXPECT_TRUE(is_news(0, 0, Kind::credentials));
}

TEST_F(PresenceOfOne, nobody_else_is_told) {
  EXPECT_FALSE(presence_.is_news({Kind::task_updated, numbered(9), numbered(7), 1}));
}

}  // namespace
}  // namespace todo::realtime
