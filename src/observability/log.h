#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

// The log: one JSON object a line on standard output: time, level, message and the fields. Never a
// password, token, key, cookie, or the text of a task. Safe from any thread; the one piece of
// global state.
namespace todo::log {

enum class Level { trace, debug, info, warning, error };

void set_level(Level level);
bool enabled(Level level);
void flush();

struct Field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const std::string& v) : name(n), value(std::string_view{v}) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string_view{v}) {}
  Field(std::string_view n, std::int64_t v) : name(n), value(v) {}
  Field(std::string_view n, int v) : name(n), value(static_cast<std::int64_t>(v)) {}
  Field(std::string_view n, std::size_t v) : name(n), value(static_cast<std::int64_t>(v)) {}
  Field(std::string_view n, double v) : name(n), value(v) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
};
using Fields = std::initializer_list<Field>;

void write(Level level, std::string_view message, Fields fields = {});
inline void debug(std::string_view message, Fields fields = {}) {
  write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
  write(Level::info, message, fields);
}
inline void warning(std::string_view message, Fields fields = {}) {
  write(Level::warning, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
  write(Level::error, message, fields);
}

}  // namespace todo::log
