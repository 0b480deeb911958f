#include "app/trace_exporter.h"

#include <charconv>

#include <fmt/format.h>

#include "app/config.h"
#include "observability/log.h"

namespace todo::app {
namespace {

constexpr std::chrono::milliseconds interval{1'000};
constexpr std::chrono::milliseconds answer_timeout{2'000};
constexpr std::size_t spans_per_request = 512;
constexpr std::uint16_t http_port = 80;
constexpr std::string_view scheme = "http://";

}  // namespace

TraceExporter::Target TraceExporter::parse(const std::string& endpoint) {
  std::string_view rest = std::string_view(endpoint).substr(scheme.size());
  const auto path_at = std::min(rest.find('/'), rest.size());
  std::string path(rest.substr(path_at));
  rest = rest.substr(0, path_at);
  while (path.ends_with('/')) path.pop_back();
  Target target{std::string(rest), http_port, path + "/v1/traces"};
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos) {
    target.host = rest.substr(0, colon);
    const std::string_view port = rest.substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), target.port);
  }
  return target;
}

TraceExporter::TraceExporter(const std::string& endpoint, metrics::Registry& metrics)
    : target_(parse(endpoint)),
      queue_(metrics),
      failures_(metrics.counter("todo_trace_export_failures_total",
                                "Requests that the collector did not take")),
      client_(target_.host, target_.port) {}

void TraceExporter::start() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
}

void TraceExporter::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void TraceExporter::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    stopped_.wait_for(lock, interval, [this] { return stopping_; });
    lock.unlock();
    send_all();
    lock.lock();
  }
}

void TraceExporter::send_all() {
  for (auto spans = queue_.take(spans_per_request); !spans.empty();
       spans = queue_.take(spans_per_request)) {
    const auto answer = client_.send({net::Method::post,
                                      target_.path,
                                      {{"Content-Type", "application/json"}},
                                      tracing::otlp_json(spans, version())},
                                     answer_timeout);
    const bool taken = answer && answer->status / 100 == 2;
    if (!taken) {
      failures_.add();
      if (!failed_) {
        log::warning("traces cannot be sent",
                     {{"error", answer ? fmt::format("the collector answered {}", answer->status)
                                       : answer.error()}});
      }
    }
    failed_ = !taken;
    if (failed_) return;
  }
}

}  // namespace todo::app
