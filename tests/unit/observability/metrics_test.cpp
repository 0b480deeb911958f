#include "observability/metrics.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace todo::metrics {
namespace {

testing::AssertionResult has_line(const std::string& text, const std::string& line) {
  if (("\n" + text).find("\n" + line + "\n") != std::string::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no line “" << line << "” in\n" << text;
}

TEST(MetricsTest, counters_gauges_and_histograms_are_written_as_prometheus_reads_them) {
  Registry registry;
  registry.counter("todo_things_total", "Things", {{"kind", "a"}}).add();
  registry.counter("todo_things_total", "Things", {{"kind", "a"}}).add(2);
  registry.counter("todo_things_total", "Things", {{"kind", "b"}}).add();
  registry.gauge("todo_queue_depth", "Waiting").set(7);
  registry.gauge("todo_queue_depth", "Waiting").add(-2);
  auto& histogram = registry.histogram("todo_request_seconds", "Time", {0.1, 1});
  histogram.observe(0.05);
  histogram.observe(0.5);
  histogram.observe(5);
  const std::string text = registry.text();
  EXPECT_TRUE(has_line(text, "# HELP todo_things_total Things"));
  EXPECT_TRUE(has_line(text, "# TYPE todo_things_total counter"));
  EXPECT_TRUE(has_line(text, "todo_things_total{kind=\"a\"} 3"));
  EXPECT_TRUE(has_line(text, "todo_things_total{kind=\"b\"} 1"));
  EXPECT_TRUE(has_line(text, "# TYPE todo_queue_depth gauge"));
  EXPECT_TRUE(has_line(text, "todo_queue_depth 5"));
  EXPECT_TRUE(has_line(text, "todo_request_seconds_bucket{le=\"0.1\"} 1"));
  EXPECT_TRUE(has_line(text, "todo_request_seconds_bucket{le=\"1\"} 2"));
  EXPECT_TRUE(has_line(text, "todo_request_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_TRUE(has_line(text, "todo_request_seconds_count 3"));
}

TEST(MetricsTest, the_same_name_and_labels_give_the_same_object) {
  Registry registry;
  auto& one = registry.counter("todo_total", "x", {{"a", "1"}});
  EXPECT_EQ(&one, &registry.counter("todo_total", "x", {{"a", "1"}}));
  EXPECT_NE(&one, &registry.counter("todo_total", "x", {{"a", "2"}}));
}

TEST(MetricsTest, labels_are_escaped) {
  Registry registry;
  registry.counter("todo_total", "x", {{"path", "a\"b\\c\nd"}}).add();
  EXPECT_TRUE(has_line(registry.text(), R"(todo_total{path="a\"b\\c\nd"} 1)"));
}

TEST(MetricsTest, what_is_asked_at_each_scrape_is_fresh) {
  Registry registry;
  auto& gauge = registry.gauge("todo_rows", "Rows");
  int rows = 1;
  registry.on_scrape([&] { gauge.set(rows); });
  EXPECT_TRUE(has_line(registry.text(), "todo_rows 1"));
  rows = 2;
  EXPECT_TRUE(has_line(registry.text(), "todo_rows 2"));
}

TEST(MetricsTest, threads_count_together) {
  Registry registry;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&registry] {
        for (int n = 0; n < 1'000; ++n) registry.counter("todo_total", "x", {{"a", "1"}}).add();
      });
    }
  }
  EXPECT_TRUE(has_line(registry.text(), "todo_total{a=\"1\"} 4000"));
}

TEST(MetricsTest, latency_buckets_rise) {
  const auto& buckets = latency_buckets();
  EXPECT_DOUBLE_EQ(buckets.front(), 0.0005);
  EXPECT_DOUBLE_EQ(buckets.back(), 10);
  EXPECT_TRUE(std::ranges::is_sorted(buckets));
}

}  // namespace
}  // namespace todo::metrics
