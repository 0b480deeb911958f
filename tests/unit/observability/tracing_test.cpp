#include "observability/tracing.h"

#include <gtest/gtest.h>

namespace todo::tracing {
namespace {

Span span_named(std::string name) {
  Span span;
  span.trace_id = std::string(32, 'a');
  span.span_id = std::string(16, 'b');
  span.name = std::move(name);
  span.kind = Kind::server;
  span.begin = Time{std::chrono::nanoseconds{1'700'000'000'000'000'001}};
  span.end = Time{std::chrono::nanoseconds{1'700'000'000'000'000'002}};
  return span;
}

TEST(Tracing, spans_are_written_as_the_protocol_has_them) {
  Span span = span_named("GET \"x\"");
  span.attributes = {{"http.route", "/x"}, {"http.response.status_code", std::int64_t{503}}};
  span.failed = true;
  EXPECT_EQ(otlp_json({span}, "1.2.3"),
            R"({"resourceSpans":[{"resource":{"attributes":[)"
            R"({"key":"service.name","value":{"stringValue":"todo-backend"}},)"
            R"({"key":"service.version","value":{"stringValue":"1.2.3"}}]},)"
            R"("scopeSpans":[{"scope":{"name":"todo-backend"},"spans":[)"
            R"({"traceId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","spanId":"bbbbbbbbbbbbbbbb",)"
            R"("name":"GET \"x\"","kind":2,"startTimeUnixNano":"1700000000000000001",)"
            R"("endTimeUnixNano":"1700000000000000002","attributes":[)"
            R"({"key":"http.route","value":{"stringValue":"/x"}},)"
            R"({"key":"http.response.status_code","value":{"intValue":"503"}}],)"
            R"("status":{"code":2}}]}]}]})");
  span = span_named("x");
  span.parent_id = std::string(16, 'c');
  const std::string text = otlp_json({span, span}, "1");
  EXPECT_TRUE(text.contains(R"("parentSpanId":"cccccccccccccccc")"));
  EXPECT_FALSE(text.contains("status"));
}

TEST(Tracing, the_queue_keeps_the_oldest_and_counts_what_it_drops) {
  metrics::Registry metrics;
  SpanQueue queue(metrics);
  for (std::size_t i = 0; i < SpanQueue::spans_max + 3; ++i)
    queue.record(span_named(std::to_string(i)));
  const auto first = queue.take(2);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[0].name, "0");
  EXPECT_EQ(first[1].name, "1");
  EXPECT_EQ(queue.take(SpanQueue::spans_max).size(), SpanQueue::spans_max - 2);
  EXPECT_TRUE(queue.take(1).empty());
  EXPECT_TRUE(metrics.text().contains("todo_spans_dropped_total 3"));
}

}  // namespace
}  // namespace todo::tracing
