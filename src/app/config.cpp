#include "app/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

#include "base/text.h"
#include "http/client_address.h"
#include "storage/postgres/url.h"

namespace todo::app {
namespace {

constexpr std::size_t key_bytes_min = 32;
constexpr int db_pool_max = 1'000;
constexpr std::size_t echoed_code_points_max = 80;
// In nanoseconds, and added to a clock, it still fits 64 bits.
constexpr std::chrono::days duration_max{36'500};

using Applied = std::expected<void, std::string>;

Applied refused(std::string what) { return std::unexpected(std::move(what)); }

// ASCII only: std::isalnum depends on the locale.
bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool consists_of(std::string_view text, std::string_view marks) {
  return std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || marks.contains(c); });
}

// Digits alone: no sign, no space.
std::optional<std::uint64_t> parse_integer(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t min) {
  const auto value = parse_integer(text);
  if (!value || *value < min || *value > std::numeric_limits<std::uint16_t>::max())
    return std::nullopt;
  return static_cast<std::uint16_t>(*value);
}

template <std::uint16_t Config::* member, std::uint16_t min>
Applied set_port(Config& config, const std::string& text) {
  const auto port = parse_port(text, min);
  if (!port) return refused(fmt::format("must be a port, {} to 65535", min));
  config.*member = *port;
  return {};
}

constexpr int count_max = 1'000'000;

template <int Config::* member>
Applied set_count(Config& config, const std::string& text) {
  const auto count = parse_integer(text);
  if (!count || *count < 1 || *count > count_max)
    return refused(fmt::format("must be a whole number, 1 to {}", count_max));
  config.*member = static_cast<int>(*count);
  return {};
}

template <bool Config::* member>
Applied set_switch(Config& config, const std::string& text) {
  if (text != "on" && text != "off") return refused("must be on or off");
  config.*member = text == "on";
  return {};
}

// An integer and s, m, h or d; a nought needs no unit.
std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::seconds{0};
  if (text.size() < 2) return std::nullopt;
  const auto count = parse_integer(text.substr(0, text.size() - 1));
  if (!count || *count > static_cast<std::uint64_t>(std::chrono::seconds(duration_max).count()))
    return std::nullopt;
  const auto number = static_cast<std::int64_t>(*count);
  switch (text.back()) {
    case 's':
      return std::chrono::seconds{number};
    case 'm':
      return std::chrono::minutes{number};
    case 'h':
      return std::chrono::hours{number};
    case 'd':
      return std::chrono::days{number};
    default:
      return std::nullopt;
  }
}

template <std::chrono::seconds Config::* member, int seconds_min>
Applied set_duration(Config& config, const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration || *duration < std::chrono::seconds{seconds_min} || *duration > duration_max) {
    return refused(
        fmt::format("must be a whole number and s, m, h or d, from {}s to {}d, for example 15m",
                    seconds_min, duration_max.count()));
  }
  config.*member = *duration;
  return {};
}

// The stop as a whole has 20 s: something must be left for the requests under way.
constexpr std::chrono::seconds shutdown_delay_max{15};

Applied set_shutdown_delay(Config& config, const std::string& text) {
  auto applied = set_duration<&Config::shutdown_delay, 0>(config, text);
  if (applied && config.shutdown_delay > shutdown_delay_max)
    return refused(fmt::format("must be at most {}s", shutdown_delay_max.count()));
  return applied;
}

// As one would type it: in the largest unit that leaves a whole number.
std::string show_duration(std::chrono::seconds duration) {
  constexpr std::array<std::pair<std::int64_t, char>, 3> units{
      {{24 * 3600, 'd'}, {3600, 'h'}, {60, 'm'}}};
  const std::int64_t count = duration.count();
  for (const auto& [seconds, unit] : units) {
    if (count > 0 && count % seconds == 0) return fmt::format("{}{}", count / seconds, unit);
  }
  return fmt::format("{}s", count);
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

template <std::vector<std::string> Config::* member>
Applied set_keys(Config& config, const std::string& text) {
  auto parts = split(text);
  const auto too_short = [](const std::string& key) { return key.size() < key_bytes_min; };
  if (parts.empty() || std::ranges::any_of(parts, too_short)) {
    return refused("must be one or more texts of at least 32 bytes each, separated by commas");
  }
  config.*member = std::move(parts);
  return {};
}

// Sent in a header, where a line break would begin another.
template <std::string Config::* member>
Applied set_token(Config& config, const std::string& text) {
  if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; }))
    return refused("must be visible ASCII characters without spaces");
  config.*member = text;
  return {};
}

// An address or a name to listen on. Brackets around an IPv6 address are a URL's, and taken off.
Applied set_host(Config& config, const std::string& text) {
  std::string_view host = text;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  // A zone (RFC 4007, section 11) may follow an IPv6 address: fe80::1%eth0.
  const bool address =
      http::is_network(host.substr(0, host.find('%'))) && host.find('/') == std::string_view::npos;
  if (!address && (host.empty() || host.size() != text.size() || !consists_of(host, ".-_")))
    return refused("must be an IP address or a host name, without a port");
  config.host = host;
  return {};
}

// host [ ":" port ] of a URL (RFC 3986, section 3.2), without user information.
bool is_authority(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = std::min(text.find(']'), text.size());
    const std::string_view address = text.substr(1, end - 1);
    if (end == text.size() || !address.contains(':') || !http::is_network(address)) return false;
    port = text.substr(end + 1);
  } else {
    const auto end = std::min(text.find(':'), text.size());
    if (end == 0 || !consists_of(text.substr(0, end), ".-_")) return false;
    port = text.substr(end);
  }
  return port.empty() || (port.starts_with(':') && parse_port(port.substr(1), 1));
}

// What stands between "://" and the path; empty where it is no http or https URL.
std::string_view authority_of(std::string_view url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    const auto authority = url.substr(0, url.find('/'));
    return is_authority(authority) ? authority : std::string_view{};
  }
  return {};
}

// Kept as browsers write an origin, for it is compared with theirs: in lower case and without the
// scheme's own port.
Applied set_public_url(Config& config, const std::string& text) {
  const std::string_view authority = authority_of(text);
  if (authority.empty() || authority.end() != std::string_view(text).end()) {
    return refused("must be http:// or https:// with a host and perhaps a port, nothing behind it");
  }
  std::string url = text;
  std::ranges::transform(url, url.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const std::string_view own_port = url.starts_with("https:") ? ":443" : ":80";
  if (authority.ends_with(own_port)) url.resize(url.size() - own_port.size());
  config.public_url = std::move(url);
  return {};
}

Applied set_openai_url(Config& config, const std::string& text) {
  if (authority_of(text).empty() || !consists_of(text, ":/.-_~[]%"))
    return refused("must be an http:// or https:// URL without user, query or fragment");
  config.openai_base_url = text;
  return {};
}

Applied set_otlp_endpoint(Config& config, const std::string& text) {
  if (!text.starts_with("http://") || authority_of(text).empty() || !consists_of(text, ":/.-_~[]%"))
    return refused("must be an http:// URL without user, query or fragment");
  config.otlp_endpoint = text;
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

Applied set_postgres(std::string& url, const std::string& text) {
  if (const auto parsed = storage::postgres::parse_url(text); !parsed)
    return refused("is no PostgreSQL URL: " + parsed.error());
  url = text;
  return {};
}

Applied set_database(Config& config, const std::string& text) {
  if (storage::postgres::is_url(text)) return set_postgres(config.database_url, text);
  constexpr std::string_view scheme = "sqlite:";
  if (!text.starts_with(scheme) || text.size() == scheme.size())
    return refused(
        "must be postgres://… or sqlite:PATH, or left out for an SQLite file in DATA_DIR");
  // Its connections would each have a database of their own.
  if (text.ends_with(":memory:")) return refused("must be sqlite:PATH of a file");
  config.database_url = text;
  return {};
}

Applied set_direct_database(Config& config, const std::string& text) {
  if (!storage::postgres::is_url(text)) return refused("must be postgres://…");
  return set_postgres(config.database_direct_url, text);
}

Applied set_pool(Config& config, const std::string& text) {
  const auto value = parse_integer(text);
  if (!value || *value < 1 || *value > db_pool_max)
    return refused(fmt::format("must be a whole number, 1 to {}", db_pool_max));
  config.db_pool = static_cast<int>(*value);
  return {};
}

Applied set_bus(Config& config, const std::string& text) {
  if (text != "embedded" && text != "dapr") return refused("must be embedded or dapr");
  config.event_bus = text;
  return {};
}

// The name of a component of Dapr's: a part of a URL's path.
template <std::string Config::* member>
Applied set_component(Config& config, const std::string& text) {
  if (!consists_of(text, ".-_")) return refused("must be letters, digits and . - _ only");
  config.*member = text;
  return {};
}

constexpr std::array<std::string_view, 5> level_names{"trace", "debug", "info", "warning", "error"};

Applied set_log_level(Config& config, const std::string& text) {
  const auto found = std::ranges::find(level_names, text);
  if (found == level_names.end()) return refused("must be trace, debug, info, warning or error");
  config.log_level = static_cast<log::Level>(found - level_names.begin());
  return {};
}

Applied set_model(Config& config, const std::string& text) {
  config.openai_model = text;
  return {};
}

Applied set_data_dir(Config& config, const std::string& text) {
  config.data_dir = text;
  return {};
}

// The XDG Base Directory Specification: a relative XDG_DATA_HOME is to be ignored.
std::string default_data_dir(const Lookup& lookup) {
  if (const auto xdg = lookup("XDG_DATA_HOME"); xdg && xdg->starts_with('/'))
    return *xdg + "/todo-app";
  if (const auto home = lookup("HOME"); home && !home->empty())
    return *home + "/.local/share/todo-app";
  return "todo-app-data";
}

// What was given, where it helps to see it: never what may be a secret, nor what spoils a terminal.
std::string echo(const Setting& setting, const std::string& text) {
  const bool with_password = text.contains('@') || text.contains('?');
  const bool control =
      std::ranges::any_of(text, [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; });
  if (setting.secret || with_password || control || !is_valid_utf8(text)) return {};
  return fmt::format(" (it is “{}”)", shorten(text, echoed_code_points_max));
}

template <auto member>
std::string show(const Config& config) {
  using Value = std::remove_cvref_t<decltype(config.*member)>;
  if constexpr (std::is_same_v<Value, bool>) {
    return config.*member ? "on" : "off";
  } else if constexpr (std::is_same_v<Value, std::chrono::seconds>) {
    return show_duration(config.*member);
  } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
    return fmt::format("{}", fmt::join(config.*member, ","));
  } else if constexpr (std::is_same_v<Value, log::Level>) {
    return std::string(level_names.at(static_cast<std::size_t>(config.*member)));
  } else {
    return fmt::format("{}", config.*member);
  }
}

template <std::vector<std::string> Config::* member>
std::string mask_keys(const Config& config) {
  const auto& keys = config.*member;
  return keys.empty() ? "(kept in DATA_DIR)" : fmt::format("({} given)", keys.size());
}

template <std::string Config::* member>
std::string mask(const Config& config) {
  return (config.*member).empty() ? "" : "(given)";
}

std::string show_direct_database(const Config& config) {
  return config.database_direct_url.empty()
             ? ""
             : storage::postgres::without_password(config.database_direct_url);
}

constexpr auto all_settings = std::to_array<Setting>({
    {"HOST", "Address to listen on", "127.0.0.1", false, set_host, show<&Config::host>},
    {"PORT", "Port of the API; 0: any free one", "8080", false, set_port<&Config::port, 0>,
     show<&Config::port>},
    {"METRICS_PORT", "Port of /metrics on HOST; 0: off", "9464", false,
     set_port<&Config::metrics_port, 0>, show<&Config::metrics_port>},
    {"PUBLIC_URL", "Where people reach this server: http(s)://host[:port]", "unknown", false,
     set_public_url, show<&Config::public_url>},
    {"TRUSTED_PROXIES",
     "Addresses and CIDR ranges, comma-separated, whose X-Forwarded-For is believed", "none", false,
     set_proxies, show<&Config::trusted_proxies>},
    {"REGISTRATION", "on: anyone may register; off: `user add` only", "on", false,
     set_switch<&Config::registration>, show<&Config::registration>},
    {"RATE_LIMITS", "on or off; each replica counts for itself", "on", false,
     set_switch<&Config::rate_limits>, show<&Config::rate_limits>},
    {"SOCKETS_MAX", "WebSockets that may be open here", "10000", false,
     set_count<&Config::sockets_max>, show<&Config::sockets_max>},
    {"SOCKETS_PER_USER_MAX", "WebSockets that each user may have open here", "50", false,
     set_count<&Config::sockets_per_user_max>, show<&Config::sockets_per_user_max>},
    {"DATA_DIR", "Folder of the database, its keys and backups",
     "$XDG_DATA_HOME/todo-app, else ~/.local/share/todo-app", false, set_data_dir,
     show<&Config::data_dir>},
    {"DATABASE_URL", "sqlite:PATH or postgres://…", "todo.db in DATA_DIR", true, set_database,
     database_of},
    {"DATABASE_DIRECT_URL", "postgres://…, past a pooler, for LISTEN", "none", true,
     set_direct_database, show_direct_database},
    {"DB_POOL", "PostgreSQL connections", "16", false, set_pool, show<&Config::db_pool>},
    {"JWT_SECRET",
     "Keys of the sessions, at least 32 bytes each, comma-separated: the first signs, all verify",
     "made and kept in DATA_DIR", true, set_keys<&Config::jwt_secrets>,
     mask_keys<&Config::jwt_secrets>},
    {"AUDIT_KEY", "Keys of the audit trail, as JWT_SECRET", "made and kept in DATA_DIR", true,
     set_keys<&Config::audit_keys>, mask_keys<&Config::audit_keys>},
    {"REMINDER_INTERVAL", "How often reminders are checked at least", "15m", false,
     set_duration<&Config::reminder_interval, 1>, show<&Config::reminder_interval>},
    {"AUDIT_RETENTION", "Audit entries older than this are archived", "90d", false,
     set_duration<&Config::audit_retention, 1>, show<&Config::audit_retention>},
    {"SHUTDOWN_DELAY", "How long a stop waits, not ready, before it closes the door; at most 15s",
     "0s", false, set_shutdown_delay, show<&Config::shutdown_delay>},
    {"EVENT_BUS", "embedded, or dapr: by way of a sidecar", "embedded", false, set_bus,
     show<&Config::event_bus>},
    {"PUBSUB_NAME", "Dapr's pub/sub component", "todo-pubsub", false,
     set_component<&Config::pubsub_name>, show<&Config::pubsub_name>},
    {"APP_PORT", "Loopback port for the Dapr sidecar", "8000", false,
     set_port<&Config::app_port, 1>, show<&Config::app_port>},
    {"APP_API_TOKEN", "What the sidecar shows us", "none", true, set_token<&Config::app_api_token>,
     mask<&Config::app_api_token>},
    {"DAPR_HTTP_PORT", "The sidecar's port", "3500", false, set_port<&Config::dapr_http_port, 1>,
     show<&Config::dapr_http_port>},
    {"DAPR_API_TOKEN", "What we show the sidecar", "none", true, set_token<&Config::dapr_api_token>,
     mask<&Config::dapr_api_token>},
    {"SECRET_STORE", "Dapr's secret store, for secrets that are not set", "none", false,
     set_component<&Config::secret_store>, show<&Config::secret_store>},
    {"OPENAI_API_KEY", "Key of the assistant's model (not in this build)", "none", true,
     set_token<&Config::openai_api_key>, mask<&Config::openai_api_key>},
    {"OPENAI_BASE_URL", "Where the model is served (not in this build)",
     "https://api.openai.com/v1", false, set_openai_url, show<&Config::openai_base_url>},
    {"OPENAI_MODEL", "Name of the model (not in this build)", "none", false, set_model,
     show<&Config::openai_model>},
    {"OTEL_EXPORTER_OTLP_ENDPOINT", "Where traces go: http://host:4318", "none", false,
     set_otlp_endpoint, show<&Config::otlp_endpoint>},
    {"LOG_LEVEL", "trace, debug, info, warning or error", "info", false, set_log_level,
     show<&Config::log_level>},
});

}  // namespace

std::string database_of(const Config& config) {
  if (config.uses_postgres()) return storage::postgres::without_password(config.database_url);
  return config.database_url.empty() ? "sqlite:" + config.data_dir + "/todo.db"
                                     : config.database_url;
}

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
      return std::unexpected(
          fmt::format("{} {}{}", setting.variable, applied.error(), echo(setting, *text)));
    }
  }
  return config;
}

std::vector<std::string_view> missing_secrets(const Config& config) {
  std::vector<std::string_view> missing;
  if (config.database_url.empty()) missing.emplace_back("DATABASE_URL");
  if (config.jwt_secrets.empty()) missing.emplace_back("JWT_SECRET");
  if (config.audit_keys.empty()) missing.emplace_back("AUDIT_KEY");
  if (config.openai_api_key.empty()) missing.emplace_back("OPENAI_API_KEY");
  return missing;
}

std::expected<void, std::string> set_secret(Config& config, std::string_view variable,
                                            const std::string& text) {
  const auto setting = std::ranges::find(all_settings, variable, &Setting::variable);
  if (text.empty()) return {};
  if (auto applied = setting->apply(config, text); !applied) {
    return std::unexpected(fmt::format("{} of the secret store {} {}", variable,
                                       config.secret_store, applied.error()));
  }
  return {};
}

std::expected<void, std::string> check_keys(const Config& config) {
  if (!config.uses_postgres()) return {};
  if (config.jwt_secrets.empty())
    return std::unexpected("JWT_SECRET must be set when DATABASE_URL is a PostgreSQL one");
  if (config.audit_keys.empty())
    return std::unexpected("AUDIT_KEY must be set when DATABASE_URL is a PostgreSQL one");
  return {};
}

std::string describe(const Config& config) {
  std::string out;
  for (const Setting& setting : all_settings)
    out += fmt::format("{}={}\n", setting.variable, setting.show(config));
  return out;
}

std::string_view version() { return TODO_VERSION; }

}  // namespace todo::app
