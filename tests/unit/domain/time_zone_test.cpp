#include "domain/time_zone.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/time_text.h"

namespace todo {
namespace {

std::string instant(std::string_view zone, std::string_view local) {
  return format_instant(TimeZone::find(zone).value().to_instant(parse_local(local).value()));
}

std::string local(std::string_view zone, std::string_view instant) {
  return format_local(TimeZone::find(zone).value().to_local(parse_instant(instant).value()));
}

TEST(TimeZoneTest, knows_the_zones_and_links_of_tzdata) {
  for (const char* name : {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires",
                           "Asia/Calcutta", "Asia/Kolkata", "Etc/UTC", "Etc/GMT+5", "US/Eastern",
                           "GMT", "EST5EDT", "Antarctica/Troll", "Pacific/Kiritimati"}) {
    const auto zone = TimeZone::find(name);
    ASSERT_TRUE(zone) << name;
    EXPECT_EQ(zone->name(), name);
  }
}

TEST(TimeZoneTest, refuses_what_tzdata_does_not_list) {
  for (const char* name : {"",
                           " ",
                           "Mars/Olympus",
                           "europe/berlin",
                           "EUROPE/BERLIN",
                           "Europe/Berlin ",
                           " Europe/Berlin",
                           "Europe",
                           "Europe/",
                           "/Europe/Berlin",
                           "../zoneinfo/Europe/Berlin",
                           "Europe/../UTC",
                           "./UTC",
                           "/etc/localtime",
                           "/usr/share/zoneinfo/UTC",
                           "localtime",
                           "posixrules",
                           "posix/UTC",
                           "right/UTC",
                           "tzdata.zi",
                           "Fixed/UTC+05:00:00",
                           "UTC+5",
                           "+05:00",
                           "EST4",
                           "<+03>-3",
                           "zone.tab",
                           "file:Europe/Berlin"}) {
    EXPECT_FALSE(TimeZone::find(name)) << name;
  }
  EXPECT_FALSE(TimeZone::find(std::string_view("UTC\0", 4)));
  EXPECT_FALSE(TimeZone::find(std::string(10'000, 'A')));
}

TEST(TimeZoneTest, a_time_in_the_gap_takes_the_offset_before_it) {
  EXPECT_EQ(instant("America/New_York", "2026-03-08T01:59:59"), "2026-03-08T06:59:59Z");
  EXPECT_EQ(instant("America/New_York", "2026-03-08T02:00:00"), "2026-03-08T07:00:00Z");
  EXPECT_EQ(instant("America/New_York", "2026-03-08T02:30:00"), "2026-03-08T07:30:00Z");
  EXPECT_EQ(instant("America/New_York", "2026-03-08T03:00:00"), "2026-03-08T07:00:00Z");
  EXPECT_EQ(local("America/New_York", "2026-03-08T07:30:00Z"), "2026-03-08T03:30:00");
}

TEST(TimeZoneTest, an_ambiguous_time_is_its_first_occurrence) {
  EXPECT_EQ(instant("America/New_York", "2026-11-01T01:30:00"), "2026-11-01T05:30:00Z");
  EXPECT_EQ(instant("America/New_York", "2026-11-01T02:00:00"), "2026-11-01T07:00:00Z");
  EXPECT_EQ(local("America/New_York", "2026-11-01T05:30:00Z"), "2026-11-01T01:30:00");
  EXPECT_EQ(local("America/New_York", "2026-11-01T06:30:00Z"), "2026-11-01T01:30:00");
  EXPECT_EQ(instant("Australia/Lord_Howe", "2026-04-05T01:45:00"), "2026-04-04T14:45:00Z");
}

TEST(TimeZoneTest, keeps_milliseconds_and_times_before_1970) {
  EXPECT_EQ(instant("Asia/Kathmandu", "2026-02-09T12:00:00.999"), "2026-02-09T06:15:00.999Z");
  EXPECT_EQ(local("America/New_York", "1970-01-01T00:00:00.001Z"), "1969-12-31T19:00:00.001");
  EXPECT_EQ(instant("America/New_York", "1969-12-31T19:00:00.001"), "1970-01-01T00:00:00.001Z");
  EXPECT_EQ(instant("UTC", "1969-12-31T23:59:59.999"), "1969-12-31T23:59:59.999Z");
}

TEST(TimeZoneTest, rules_hold_in_the_far_future) {
  EXPECT_EQ(instant("Europe/Berlin", "2100-07-01T12:00:00"), "2100-07-01T10:00:00Z");
  EXPECT_EQ(instant("Europe/Berlin", "9999-01-01T12:00:00"), "9999-01-01T11:00:00Z");
  EXPECT_EQ(instant("Europe/Berlin", "9999-07-01T12:00:00"), "9999-07-01T10:00:00Z");
}

TEST(TimeZoneTest, threads_may_ask_for_zones_at_once) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round) {
        for (const char* name : {"Europe/Paris", "Asia/Tokyo", "America/Lima", "Africa/Lagos"}) {
          ASSERT_EQ(TimeZone::find(name).value().name(), name);
        }
        ASSERT_FALSE(TimeZone::find("No/Where"));
      }
    });
  }
}

}  // namespace
}  // namespace todo
