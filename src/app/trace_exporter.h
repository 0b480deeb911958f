#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "net/client.h"
#include "observability/metrics.h"
#include "observability/tracing.h"

namespace todo::app {

// Sends spans to an OpenTelemetry collector by OTLP/HTTP with JSON, once a second. What the
// collector does not take is dropped: traces are worth no memory. start and stop are idempotent.
class TraceExporter {
 public:
  // `endpoint` is http://host[:port][/path], as OTEL_EXPORTER_OTLP_ENDPOINT has it.
  TraceExporter(const std::string& endpoint, metrics::Registry& metrics);
  ~TraceExporter() { stop(); }
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  tracing::Tracer& tracer() { return queue_; }
  void start();
  // Sends what is left.
  void stop();

 private:
  struct Target {
    std::string host;
    std::uint16_t port;
    std::string path;
  };
  static Target parse(const std::string& endpoint);
  void run();
  void send_all();

  const Target target_;
  tracing::SpanQueue queue_;
  metrics::Counter& failures_;
  net::Client client_;
  bool failed_ = false;  // the last time: the thread's
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace todo::app
