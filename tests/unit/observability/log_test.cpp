#include "observability/log.h"

#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "base/time_text.h"

namespace todo {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { log::set_level(log::Level::info); }

  // The lines that `write` puts on standard output.
  template <class Write>
  static std::vector<std::string> lines(Write write) {
    testing::internal::CaptureStdout();
    write();
    log::flush();
    std::istringstream text(testing::internal::GetCapturedStdout());
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }

  template <class Write>
  static boost::json::object one_object(Write write) {
    const auto written = lines(write);
    EXPECT_EQ(written.size(), 1U);
    if (written.empty()) return {};
    const auto value = parse_json(written.front());
    EXPECT_TRUE(value) << written.front();
    return value && value->is_object() ? value->as_object() : boost::json::object();
  }
};

TEST_F(LogTest, a_line_is_one_json_object_with_its_fields) {
  const auto line = one_object([] {
    log::info("request", {{"method", "GET"},
                          {"status", 200},
                          {"bytes", std::size_t{7}},
                          {"ms", 1.25},
                          {"replayed", true}});
  });
  EXPECT_EQ(line.at("level").as_string(), "info");
  EXPECT_EQ(line.at("message").as_string(), "request");
  EXPECT_EQ(line.at("method").as_string(), "GET");
  EXPECT_EQ(line.at("status").as_int64(), 200);
  EXPECT_EQ(line.at("bytes").as_int64(), 7);
  EXPECT_DOUBLE_EQ(line.at("ms").to_number<double>(), 1.25);
  EXPECT_TRUE(line.at("replayed").as_bool());
  EXPECT_TRUE(parse_instant(std::string_view(line.at("time").as_string())));
}

TEST_F(LogTest, a_text_with_line_breaks_stays_one_line) {
  const std::string nasty = "a\nb\r\nc\x1b[31m\"}{\"level\":\"error\"";
  const auto line = one_object([&] { log::warning(nasty, {{"text", nasty}}); });
  EXPECT_EQ(line.at("message").as_string(), nasty);
  EXPECT_EQ(line.at("text").as_string(), nasty);
  EXPECT_EQ(line.at("level").as_string(), "warning");
}

TEST_F(LogTest, braces_and_percents_mean_nothing) {
  const auto line = one_object([] { log::error("{} %s %v {0}", {{"text", "{}%n"}}); });
  EXPECT_EQ(line.at("message").as_string(), "{} %s %v {0}");
  EXPECT_EQ(line.at("text").as_string(), "{}%n");
}

TEST_F(LogTest, bytes_that_are_no_text_cannot_break_the_line) {
  for (const std::string bytes : {"\xFF\xFE", "ok\x80", "\xE2\x82", "\xED\xA0\x80"}) {
    const auto line = one_object([&] { log::info("bytes", {{"text", bytes}}); });
    EXPECT_NE(line.at("text").as_string().find("\xEF\xBF\xBD"), std::string::npos);
  }
}

TEST_F(LogTest, a_nul_is_escaped) {
  const auto written = lines([] { log::info("nul", {{"text", std::string_view("a\0b", 3)}}); });
  ASSERT_EQ(written.size(), 1U);
  EXPECT_NE(written.front().find(R"("text":"a\u0000b")"), std::string::npos) << written.front();
}

TEST_F(LogTest, what_is_below_the_level_is_not_written) {
  log::set_level(log::Level::warning);
  EXPECT_FALSE(log::enabled(log::Level::info));
  EXPECT_TRUE(log::enabled(log::Level::error));
  EXPECT_EQ(lines([] {
              log::debug("no");
              log::info("no");
              log::warning("yes");
              log::error("yes");
            }).size(),
            2U);
  log::set_level(log::Level::debug);
  EXPECT_EQ(lines([] { log::debug("yes"); }).size(), 1U);
}

TEST_F(LogTest, numbers_that_json_lacks_do_not_break_the_line) {
  for (const double number :
       {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    const auto written = lines([&] { log::info("number", {{"ms", number}}); });
    ASSERT_EQ(written.size(), 1U);
    EXPECT_TRUE(parse_json(written.front())) << written.front();
  }
}

}  // namespace
}  // namespace todo
