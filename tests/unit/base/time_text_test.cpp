#include "base/time_text.h"

#include <gtest/gtest.h>

namespace todo {
namespace {

using std::chrono::minutes;

// What an instant with an offset is in UTC, or "-" when it is refused.
std::string in_utc(std::string_view text) {
  const auto instant = parse_instant(text);
  return instant ? format_instant(*instant) : "-";
}

TEST(TimeTextTest, writes_utc_and_leaves_a_zero_fraction_out) {
  EXPECT_EQ(format_instant(instant_from_ms(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_instant(instant_from_ms(1'770'638'400'000)), "2026-02-09T12:00:00Z");
  EXPECT_EQ(format_instant(instant_from_ms(1'770'638'400'050)), "2026-02-09T12:00:00.050Z");
  EXPECT_EQ(format_instant(instant_from_ms(1'770'638'400'500)), "2026-02-09T12:00:00.500Z");
  EXPECT_EQ(format_instant(instant_from_ms(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_instant(latest_instant), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(format_date(std::chrono::year{2026} / 2 / 9), "2026-02-09");
}

TEST(TimeTextTest, honours_offsets) {
  EXPECT_EQ(in_utc("2026-02-09T12:00:00Z"), "2026-02-09T12:00:00Z");
  EXPECT_EQ(in_utc("2026-02-09T12:00:00+00:00"), "2026-02-09T12:00:00Z");
  EXPECT_EQ(in_utc("2026-02-09T12:00:00-00:00"), "2026-02-09T12:00:00Z");
  EXPECT_EQ(in_utc("2026-02-09T12:00:00+05:45"), "2026-02-09T06:15:00Z");
  EXPECT_EQ(in_utc("2026-02-09T23:30:00-08:00"), "2026-02-10T07:30:00Z");
  EXPECT_EQ(in_utc("1970-01-01T00:00:00+01:00"), "1969-12-31T23:00:00Z");
}

TEST(TimeTextTest, cuts_fractions_beyond_milliseconds) {
  EXPECT_EQ(in_utc("2026-02-09T12:00:00.1Z"), "2026-02-09T12:00:00.100Z");
  EXPECT_EQ(in_utc("2026-02-09T12:00:00.1239999Z"), "2026-02-09T12:00:00.123Z");
  EXPECT_EQ(in_utc("2026-02-09T12:00:00.000999999999999999999Z"), "2026-02-09T12:00:00Z");
  EXPECT_EQ(in_utc("2026-02-09T23:59:59.9999Z"), "2026-02-09T23:59:59.999Z");
}

TEST(TimeTextTest, takes_the_forms_people_write) {
  EXPECT_EQ(in_utc("2026-02-09t12:00:00z"), "2026-02-09T12:00:00Z");
  EXPECT_EQ(in_utc("2026-02-09 12:00:00Z"), "2026-02-09T12:00:00Z");
  EXPECT_EQ(in_utc("2026-02-09T12:00Z"), "2026-02-09T12:00:00Z");
  // A leap second is the second after it.
  EXPECT_EQ(in_utc("2016-12-31T23:59:60Z"), "2017-01-01T00:00:00Z");
}

TEST(TimeTextTest, a_time_without_offset_is_local) {
  const auto time = parse_time("2026-02-10T09:00:00.25");
  ASSERT_TRUE(time);
  EXPECT_FALSE(time->offset);
  EXPECT_EQ(format_local(time->local), "2026-02-10T09:00:00.250");
  EXPECT_EQ(in_utc("2026-02-10T09:00:00"), "-");
  EXPECT_EQ(parse_time("2026-02-10T09:00-03:30")->offset, minutes{-210});
}

TEST(TimeTextTest, knows_leap_days) {
  EXPECT_TRUE(parse_date("2024-02-29"));
  EXPECT_TRUE(parse_date("2000-02-29"));
  EXPECT_FALSE(parse_date("2026-02-29"));
  EXPECT_FALSE(parse_date("2100-02-29"));
  EXPECT_EQ(in_utc("2024-02-29T23:59:59Z"), "2024-02-29T23:59:59Z");
  EXPECT_EQ(in_utc("2100-02-29T00:00:00Z"), "-");
}

TEST(TimeTextTest, reaches_from_the_first_day_to_the_last) {
  EXPECT_EQ(parse_instant("1970-01-01T00:00:00Z"), earliest_instant);
  EXPECT_EQ(parse_instant("9999-12-31T23:59:59.999Z"), latest_instant);
  EXPECT_LT(parse_instant("1969-12-31T23:59:59.999Z"), earliest_instant);
  EXPECT_GT(parse_instant("9999-12-31T23:59:59.999-00:01"), latest_instant);
}

TEST(TimeTextTest, refuses_what_is_no_time) {
  for (const char* text : {"",
                           "tomorrow",
                           "2026",
                           "2026-02",
                           "2026-02-09",
                           "2026-2-9T12:00:00Z",
                           "2026-02-09T12Z",
                           "2026-02-09T24:00:00Z",
                           "2026-02-09T12:60:00Z",
                           "2026-02-09T12:00:61Z",
                           "2026-13-01T00:00:00Z",
                           "2026-00-01T00:00:00Z",
                           "2026-01-00T00:00:00Z",
                           "2026-04-31T00:00:00Z",
                           "2026-02-09T12:00:00.Z",
                           "2026-02-09T12:00:00+1:00",
                           "2026-02-09T12:00:00+01",
                           "2026-02-09T12:00:00+0100",
                           "2026-02-09T12:00:00+24:00",
                           "2026-02-09T12:00:00+01:60",
                           "2026-02-09T12:00:00 Z",
                           "2026-02-09T12:00:00ZZ",
                           " 2026-02-09T12:00:00Z",
                           "2026-02-09T12:00:00Z ",
                           "+2026-02-09T12:00:00Z",
                           "12026-02-09T12:00:00Z",
                           "2026-02-09T-1:00:00Z",
                           "2026/02/09T12:00:00Z",
                           "2026-02-09T12:00:00UTC"}) {
    EXPECT_FALSE(parse_instant(text)) << text;
  }
  EXPECT_FALSE(parse_instant(std::string_view("2026-02-09T12:00:00Z\0", 21)));
  for (const char* text :
       {"2026-02-30", "2026-2-9", "2026-02-09 ", "26-02-09", "2026-02-09T", ""}) {
    EXPECT_FALSE(parse_date(text)) << text;
  }
}

TEST(TimeTextTest, local_times_come_back_as_they_were_written) {
  for (const char* text : {"2026-02-10T09:00:00", "2026-02-10T09:00:00.250", "1969-12-31T16:00:00",
                           "9999-12-31T23:59:59.999"}) {
    const auto local = parse_local(text);
    ASSERT_TRUE(local) << text;
    EXPECT_EQ(format_local(*local), text);
  }
  EXPECT_FALSE(parse_local("2026-02-10T09:00:00Z"));
}

}  // namespace
}  // namespace todo
