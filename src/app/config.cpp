#include "app/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

#include "base/text.h"
#include "http/client_address.h"

namespace todo::app {
namespace {

constexpr std::size_t key_bytes_min = 32;
using Applied = std::expected<void, std::string>;

Applied refused(std::string what) { return std::unexpected(std::move(what)); }

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Applied set_port(std::uint16_t& port, const std::string& text) {
  const auto value = parse_integer(text);
  if (!value || *value < 0 || *value > std::numeric_limits<std::uint16_t>::max())
    return refused("must be a port, 0 to 65535");
  port = static_cast<std::uint16_t>(*value);
  return {};
}

Applied set_switch(bool& value, const std::string& text) {
  if (text != "on" && text != "off") return refused("must be on or off");
  value = text == "on";
  return {};
}

// An integer and s, m, h or d.
std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  const auto count = parse_integer(text.substr(0, text.size() - 1));
  constexpr std::int64_t count_max = 100'000'000;
  if (!count || *count < 0 || *count > count_max) return std::nullopt;
  switch (text.back()) {
    case 's':
      return std::chrono::seconds{*count};
    case 'm':
      return std::chrono::minutes{*count};
    case 'h':
      return std::chrono::hours{*count};
    case 'd':
      return std::chrono::days{*count};
    default:
      return std::nullopt;
  }
}

Applied set_duration(std::chrono::seconds& value, const std::string& text,
                     std::chrono::seconds min) {
  const auto duration = parse_duration(text);
  if (!duration || *duration < min)
    return refused(fmt::format("must be a whole number and s, m, h or d, from {}s, for example 15m",
                               min.count()));
  value = *duration;
  return {};
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    parts.emplace_back(trim(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

Applied set_keys(std::vector<std::string>& keys, const std::string& text) {
  auto parts = split(text);
  if (parts.empty() || std::ranges::any_of(parts, [](const std::string& key) {
        return key.size() < key_bytes_min;
      })) {
    return refused("must be one or more texts of at least 32 bytes each, separated by commas");
  }
  keys = std::move(parts);
  return {};
}

Applied set_public_url(Config& config, const std::string& text) {
  const std::string_view rest = text.starts_with("https://")  ? std::string_view(text).substr(8)
                                : text.starts_with("http://") ? std::string_view(text).substr(7)
                                                              : std::string_view{};
  if (rest.empty() || rest.find_first_of("/?#@ ") != std::string_view::npos) {
    return refused("must be http:// or https:// with a host and perhaps a port, nothing behind it");
  }
  config.public_url = text;
  return {};
}

Applied set_proxies(Config& config, const std::string& text) {
  auto parts = split(text);
  if (!std::ranges::all_of(parts, [](const std::string& part) { return http::is_network(part); })) {
    return refused("must be addresses or CIDR ranges, separated by commas");
  }
  config.trusted_proxies = std::move(parts);
  return {};
}

Applied set_database(Config& config, const std::string& text) {
  if (text.starts_with("postgres://") || text.starts_with("postgresql://")) {
    return refused(
        "PostgreSQL is not built into this version: leave it out for an SQLite file in DATA_DIR, "
        "or say sqlite:PATH");
  }
  if (!text.starts_with("sqlite:") || text.size() == std::string_view("sqlite:").size())
    return refused("must be sqlite:PATH");
  config.database_url = text;
  return {};
}

Applied set_log_level(Config& config, const std::string& text) {
  constexpr std::array<std::string_view, 5> names{"trace", "debug", "info", "warning", "error"};
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) return refused("must be trace, debug, info, warning or error");
  config.log_level = static_cast<log::Level>(found - names.begin());
  return {};
}

Applied set_bus(Config&, const std::string& text) {
  if (text == "embedded") return {};
  if (text == "dapr")
    return refused("dapr is not built into this version: leave it out for the embedded bus");
  return refused("must be embedded or dapr");
}

std::string default_data_dir(const Lookup& lookup) {
  if (const auto xdg = lookup("XDG_DATA_HOME"); xdg && !xdg->empty()) return *xdg + "/todo-app";
  if (const auto home = lookup("HOME"); home && !home->empty())
    return *home + "/.local/share/todo-app";
  return "todo-app-data";
}

std::string on_off(bool value) { return value ? "on" : "off"; }
std::string in_seconds(std::chrono::seconds value) { return std::to_string(value.count()) + "s"; }
std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ","));
}
std::string masked(const std::vector<std::string>& keys) {
  return keys.empty() ? "(kept in DATA_DIR)" : fmt::format("({} given)", keys.size());
}

std::string level_name(log::Level level) {
  switch (level) {
    case log::Level::trace:
      return "trace";
    case log::Level::debug:
      return "debug";
    case log::Level::info:
      return "info";
    case log::Level::warning:
      return "warning";
    case log::Level::error:
      return "error";
  }
  return {};
}

constexpr std::array<Setting, 16> all_settings{{
    {"HOST", "Address to listen on", "127.0.0.1", false,
     [](Config& c, const std::string& t) -> Applied {
       c.host = t;
       return {};
     },
     [](const Config& c) { return c.host; }},
    {"PORT", "Port of the API; 0: any free one", "8080", false,
     [](Config& c, const std::string& t) { return set_port(c.port, t); },
     [](const Config& c) { return std::to_string(c.port); }},
    {"METRICS_PORT", "Port of /metrics on HOST; 0: off", "9464", false,
     [](Config& c, const std::string& t) { return set_port(c.metrics_port, t); },
     [](const Config& c) { return std::to_string(c.metrics_port); }},
    {"DATA_DIR", "Folder of the database, its keys and backups", "$XDG_DATA_HOME/todo-app", false,
     [](Config& c, const std::string& t) -> Applied {
       c.data_dir = t;
       return {};
     },
     [](const Config& c) { return c.data_dir; }},
    {"DATABASE_URL", "sqlite:PATH", "an SQLite file in DATA_DIR", false, set_database,
     [](const Config& c) { return c.database_url; }},
    {"EVENT_BUS", "embedded", "embedded", false, set_bus,
     [](const Config&) { return std::string("embedded"); }},
    {"PUBLIC_URL", "Where people reach this server: http(s)://host[:port]", "unknown", false,
     set_public_url, [](const Config& c) { return c.public_url; }},
    {"TRUSTED_PROXIES", "Addresses or CIDR ranges whose X-Forwarded-For is believed", "none", false,
     set_proxies, [](const Config& c) { return joined(c.trusted_proxies); }},
    {"REGISTRATION", "on: anyone may register; off: `user add` only", "on", false,
     [](Config& c, const std::string& t) { return set_switch(c.registration, t); },
     [](const Config& c) { return on_off(c.registration); }},
    {"RATE_LIMITS", "on or off", "on", false,
     [](Config& c, const std::string& t) { return set_switch(c.rate_limits, t); },
     [](const Config& c) { return on_off(c.rate_limits); }},
    {"JWT_SECRET",
     "Keys of the sessions, at least 32 bytes each, comma-separated: the first signs, all verify",
     "made and kept in DATA_DIR", true,
     [](Config& c, const std::string& t) { return set_keys(c.jwt_secrets, t); },
     [](const Config& c) { return masked(c.jwt_secrets); }},
    {"AUDIT_KEY", "Keys of the audit trail, as JWT_SECRET", "made and kept in DATA_DIR", true,
     [](Config& c, const std::string& t) { return set_keys(c.audit_keys, t); },
     [](const Config& c) { return masked(c.audit_keys); }},
    {"REMINDER_INTERVAL", "How often reminders are checked at least", "15m", false,
     [](Config& c, const std::string& t) {
       return set_duration(c.reminder_interval, t, std::chrono::seconds{1});
     },
     [](const Config& c) { return in_seconds(c.reminder_interval); }},
    {"AUDIT_RETENTION", "Audit entries older than this are archived", "90d", false,
     [](Config& c, const std::string& t) {
       return set_duration(c.audit_retention, t, std::chrono::seconds{1});
     },
     [](const Config& c) { return in_seconds(c.audit_retention); }},
    {"SHUTDOWN_DELAY", "How long a stop waits, not ready, before it closes the door", "0s", false,
     [](Config& c, const std::string& t) {
       return set_duration(c.shutdown_delay, t, std::chrono::seconds{0});
     },
     [](const Config& c) { return in_seconds(c.shutdown_delay); }},
    {"LOG_LEVEL", "trace, debug, info, warning or error", "info", false, set_log_level,
     [](const Config& c) { return level_name(c.log_level); }},
}};

}  // namespace

std::span<const Setting> settings() { return all_settings; }

std::string flag_of(const Setting& setting) {
  std::string flag = "--";
  for (const char c : setting.variable) flag += c == '_' ? '-' : static_cast<char>(c - 'A' + 'a');
  return flag;
}

std::expected<Config, std::string> load_config(const Lookup& lookup) {
  Config config;
  config.data_dir = default_data_dir(lookup);
  for (const Setting& setting : all_settings) {
    const auto text = lookup(setting.variable);
    if (!text || text->empty()) continue;
    if (auto applied = setting.apply(config, *text); !applied) {
      const std::string given = setting.secret ? "" : fmt::format(" (it is “{}”)", *text);
      return std::unexpected(fmt::format("{} {}{}", setting.variable, applied.error(), given));
    }
  }
  return config;
}

std::string describe(const Config& config) {
  std::string out;
  for (const Setting& setting : all_settings)
    out += fmt::format("{}={}\n", setting.variable, setting.show(config));
  return out;
}

std::string_view version() { return TODO_VERSION; }

}  // namespace todo::app
