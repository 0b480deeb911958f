#include "observability/tracing.h"

#include <algorithm>
#include <iterator>

#include "base/json_writer.h"

namespace todo::tracing {
namespace {

constexpr int status_error = 2;

void write_attribute(JsonWriter& json, std::string_view name,
                     const std::variant<std::string, std::int64_t>& value) {
  json.begin_object().member("key", name).key("value").begin_object();
  if (const auto* text = std::get_if<std::string>(&value)) {
    json.member("stringValue", *text);
  } else {
    json.member("intValue", std::to_string(std::get<std::int64_t>(value)));
  }
  json.end_object().end_object();
}

void write_span(JsonWriter& json, const Span& span) {
  const auto nanoseconds = [](Time time) {
    return std::to_string(time.time_since_epoch().count());
  };
  json.begin_object().member("traceId", span.trace_id).member("spanId", span.span_id);
  if (!span.parent_id.empty()) json.member("parentSpanId", span.parent_id);
  json.member("name", span.name).member("kind", static_cast<int>(span.kind));
  json.member("startTimeUnixNano", nanoseconds(span.begin));
  json.member("endTimeUnixNano", nanoseconds(span.end)).key("attributes").begin_array();
  for (const auto& [name, value] : span.attributes) write_attribute(json, name, value);
  json.end_array();
  if (span.failed) json.key("status").begin_object().member("code", status_error).end_object();
  json.end_object();
}

}  // namespace

SpanQueue::SpanQueue(metrics::Registry& metrics)
    : dropped_(metrics.counter("todo_spans_dropped_total",
                               "Spans that were dropped: the collector is away, or too slow")) {}

void SpanQueue::record(Span span) {
  {
    const std::lock_guard lock(mutex_);
    if (spans_.size() < spans_max) return spans_.push_back(std::move(span));
  }
  dropped_.add();
}

std::vector<Span> SpanQueue::take(std::size_t count) {
  const std::lock_guard lock(mutex_);
  const auto end = spans_.begin() + static_cast<std::ptrdiff_t>(std::min(count, spans_.size()));
  std::vector<Span> taken{std::make_move_iterator(spans_.begin()), std::make_move_iterator(end)};
  spans_.erase(spans_.begin(), end);
  return taken;
}

std::string otlp_json(const std::vector<Span>& spans, std::string_view version) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("resourceSpans").begin_array().begin_object();
  json.key("resource").begin_object().key("attributes").begin_array();
  write_attribute(json, "service.name", std::string("todo-backend"));
  write_attribute(json, "service.version", std::string(version));
  json.end_array().end_object().key("scopeSpans").begin_array().begin_object();
  json.key("scope").begin_object().member("name", "todo-backend").end_object();
  json.key("spans").begin_array();
  for (const Span& span : spans) write_span(json, span);
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  return body;
}

}  // namespace todo::tracing
