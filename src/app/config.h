#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "observability/log.h"

namespace todo::app {

// How the program is told what to do: docs/architecture.md, “Processes and ports”. Every member is
// one environment variable and the same as a flag.
struct Config {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;          // 0: any free one
  std::uint16_t metrics_port = 9464;  // 0: off
  std::uint16_t app_port = 8000;      // for the sidecar
  bool registration = true;
  std::string public_url;                    // an origin (RFC 6454), or empty: unknown
  std::vector<std::string> trusted_proxies;  // addresses and CIDR ranges
  bool rate_limits = true;
  int sockets_max = 10'000;  // WebSockets
  int sockets_per_user_max = 50;
  std::string database_url;         // postgres://… or sqlite:PATH; empty: todo.db in data_dir
  std::string database_direct_url;  // PostgreSQL past its pooler
  int db_pool = 16;                 // PostgreSQL connections
  std::string data_dir;
  std::vector<std::string> jwt_secrets;  // empty: made and kept in the data directory
  std::vector<std::string> audit_keys;
  std::string event_bus = "embedded";
  std::string pubsub_name = "todo-pubsub";
  std::uint16_t dapr_http_port = 3500;
  std::string dapr_api_token;
  std::string app_api_token;
  std::string secret_store;
  std::chrono::seconds reminder_interval = std::chrono::minutes{15};
  std::chrono::seconds audit_retention = std::chrono::days{90};
  std::chrono::seconds shutdown_delay{0};
  std::string openai_api_key;
  std::string openai_base_url = "https://api.openai.com/v1";
  std::string openai_model;
  std::string otlp_endpoint;  // of a trace collector; empty: none
  log::Level log_level = log::Level::info;

  bool uses_postgres() const { return database_url.starts_with("postgres"); }
  bool uses_dapr() const { return event_bus == "dapr"; }
};

// One variable: what --help, check-config and the parser know of it.
struct Setting {
  std::string_view variable;  // PORT; the flag is --port
  std::string_view help;
  std::string_view fallback;  // as --help shows it
  bool secret = false;        // may hold one: the text is never echoed
  // Puts the text into the configuration; fails with what is allowed.
  std::expected<void, std::string> (*apply)(Config& config, const std::string& text);
  // The value in use, for check-config.
  std::string (*show)(const Config& config);
};
std::span<const Setting> settings();

// Where the data is, without a password.
std::string database_of(const Config& config);

std::string flag_of(const Setting& setting);  // --metrics-port

// Looks a variable up; nullopt or an empty text: not set, the default holds.
using Lookup = std::function<std::optional<std::string>(std::string_view variable)>;

// The configuration of what `lookup` finds, which is asked for XDG_DATA_HOME and HOME too. Fails
// with one sentence that names the variable and what it may be, and never shows a secret.
std::expected<Config, std::string> load_config(const Lookup& lookup);

// The secrets that are not set, by their variables.
std::vector<std::string_view> missing_secrets(const Config& config);
// Sets one that comes from elsewhere. Fails as load_config does.
std::expected<void, std::string> set_secret(Config& config, std::string_view variable,
                                            const std::string& text);

// Several processes serve one PostgreSQL database, and each must know the others' signatures: the
// keys cannot be made by one of them. Fails with a sentence that names the variable.
std::expected<void, std::string> check_keys(const Config& config);

// The values in use as name=value lines, secrets masked.
std::string describe(const Config& config);

// The product's version, for example 0.1.0.
std::string_view version();

}  // namespace todo::app
