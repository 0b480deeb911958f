#include "observability/log.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/json_writer.h"
#include "base/text.h"
#include "base/time_text.h"

namespace todo::log {
namespace {

constexpr std::array<std::string_view, 5> level_names{"trace", "debug", "info", "warning", "error"};
std::atomic<Level> lowest = Level::info;

// Lines are whole when they reach the sink, which only keeps two threads' lines apart.
spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made =
        std::make_shared<spdlog::logger>("todo", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    // A line that is buffered when the process is killed is a line nobody reads.
    made->flush_on(spdlog::level::trace);
    // A closed standard output must not stop the server.
    made->set_error_handler([](const std::string&) {});
    return made;
  }();
  return *instance;
}

void append_text(std::string& out, std::string_view text) {
  if (is_valid_utf8(text)) {
    append_json_string(out, text);
    return;
  }
  std::string mended;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80) {
      mended += c;
    } else {
      mended += "\xEF\xBF\xBD";
    }
  }
  append_json_string(out, mended);
}

struct ValueWriter {
  std::string& out;
  void operator()(std::string_view text) const { append_text(out, text); }
  void operator()(std::int64_t value) const {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
  // JSON has no infinity and no NaN.
  void operator()(double value) const {
    std::isfinite(value) ? void(fmt::format_to(std::back_inserter(out), "{:.3f}", value))
                         : void(out += "null");
  }
  void operator()(bool value) const { out += value ? "true" : "false"; }
};

}  // namespace

void set_level(Level level) { lowest = level; }
bool enabled(Level level) { return level >= lowest.load(std::memory_order_relaxed); }
void flush() { logger().flush(); }

void write(Level level, std::string_view message, Fields fields) {
  if (!enabled(level)) return;
  std::string line = "{\"time\":\"";
  line += format_instant(SystemClock().now());
  line += "\",\"level\":\"";
  line += level_names.at(static_cast<std::size_t>(level));
  line += "\",\"message\":";
  append_text(line, message);
  for (const Field& field : fields) {
    line += ",\"";
    line += field.name;
    line += "\":";
    std::visit(ValueWriter{line}, field.value);
  }
  line += '}';
  logger().log(spdlog::level::info, spdlog::string_view_t(line));
}

}  // namespace todo::log
