#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "observability/metrics.h"

// Spans of distributed traces, as OpenTelemetry has them. Off unless somebody collects them.
namespace todo::tracing {

// The numbers are OTLP's.
enum class Kind : std::uint8_t { internal = 1, server, client, producer, consumer };

using Time = std::chrono::sys_time<std::chrono::nanoseconds>;
inline Time now() { return std::chrono::system_clock::now(); }

struct Span {
  using Attribute = std::pair<std::string, std::variant<std::string, std::int64_t>>;
  std::string trace_id;   // 32 hexadecimal digits
  std::string span_id;    // 16
  std::string parent_id;  // empty: the first of its trace
  std::string name;
  Kind kind = Kind::internal;
  Time begin{};
  Time end{};
  bool failed = false;
  std::vector<Attribute> attributes;
};

// Where spans go. Safe from any thread.
class Tracer {
 public:
  virtual ~Tracer() = default;
  virtual void record(Span span) = 0;
};

// Keeps spans until they are taken; when there are too many, new ones are dropped and counted.
class SpanQueue final : public Tracer {
 public:
  explicit SpanQueue(metrics::Registry& metrics);

  void record(Span span) override;
  // Up to `count`, oldest first.
  std::vector<Span> take(std::size_t count);

  static constexpr std::size_t spans_max = 8'192;

 private:
  metrics::Counter& dropped_;
  std::mutex mutex_;
  std::vector<Span> spans_;
};

// A request of OTLP/HTTP with JSON: an ExportTraceServiceRequest (OTLP 1.x, “JSON Protobuf
// Encoding”).
std::string otlp_json(const std::vector<Span>& spans, std::string_view version);

}  // namespace todo::tracing
