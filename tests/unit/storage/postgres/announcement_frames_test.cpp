#include "storage/postgres/announcement_frames.h"

#include <iterator>

#include <gtest/gtest.h>

#include "base/text.h"
#include "support/fakes.h"

namespace todo::storage::postgres {
namespace {

using Kind = Announcement::Kind;

class AnnouncementFrames : public testing::Test {
 protected:
  std::vector<Announcement> make(int count) {
    std::vector<Announcement> made;
    for (int i = 0; i < count; ++i) {
      made.push_back(
          {static_cast<Kind>(1 + i % 6), ids_.next(), ids_.next(), (std::int64_t{1} << 60) + i});
    }
    return made;
  }

  test::FakeClock clock_;
  test::SequentialIds ids_{clock_};
};

TEST_F(AnnouncementFrames, what_goes_in_comes_out) {
  for (const int count : {1, 2, 143, 144, 145, 1'000}) {
    const auto all = make(count);
    std::vector<Announcement> back;
    for (const std::string& frame : to_frames(all)) {
      EXPECT_LE(frame.size(), frame_bytes_max);
      const auto part = from_frame(frame);
      EXPECT_FALSE(part.empty());
      back.insert(back.end(), part.begin(), part.end());
    }
    EXPECT_EQ(back, all) << count;
  }
  EXPECT_TRUE(to_frames({}).empty());
}

TEST_F(AnnouncementFrames, need_no_quotes) {
  for (const std::string& frame : to_frames(make(1'000)))
    EXPECT_EQ(frame.find_first_of("'\\"), std::string::npos);
}

TEST_F(AnnouncementFrames, are_large_enough_that_few_are_sent) {
  EXPECT_EQ(to_frames(make(100)).size(), 1U);
}

TEST_F(AnnouncementFrames, what_is_none_of_ours_says_nothing) {
  const std::string frame = to_frames(make(3)).front();
  for (const std::string& other :
       {std::string(), std::string("a1."), std::string("a2.") + frame.substr(3), "a1.!" + frame,
        frame.substr(0, frame.size() - 4), std::string("milk")}) {
    EXPECT_TRUE(from_frame(other).empty()) << other;
  }
}

TEST_F(AnnouncementFrames, kinds_of_a_later_release_are_passed_over) {
  const auto all = make(3);
  std::string bytes = *base64url_decode(to_frames(all).front().substr(3));
  bytes[0] = 99;
  const auto known = from_frame("a1." + base64url_encode(bytes));
  EXPECT_EQ(known, std::vector(std::next(all.begin()), all.end()));
}

}  // namespace
}  // namespace todo::storage::postgres
