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
  bool registration = true;
  std::string public_url;                    // empty: unknown
  std::vector<std::string> trusted_proxies;  // addresses and CIDR ranges
  bool rate_limits = true;
  std::string database_url;  // empty: an SQLite file in the data directory
  std::string data_dir;
  std::vector<std::string> jwt_secrets;  // empty: made and kept in the data directory
  std::vector<std::string> audit_keys;
  std::chrono::seconds reminder_interval = std::chrono::minutes{15};
  std::chrono::seconds audit_retention = std::chrono::days{90};
  std::chrono::seconds shutdown_delay{0};
  log::Level log_level = log::Level::info;
};

// One variable: what --help, check-config and the parser know of it.
struct Setting {
  std::string_view variable;  // PORT; the flag is --port
  std::string_view help;
  std::string_view fallback;  // as --help shows it
  bool secret = false;
  // Puts the text into the configuration; fails with what is allowed.
  std::expected<void, std::string> (*apply)(Config& config, const std::string& text);
  // The value in use, for check-config.
  std::string (*show)(const Config& config);
};
std::span<const Setting> settings();

std::string flag_of(const Setting& setting);  // --metrics-port

// Looks a variable up; nullopt or an empty text: not set.
using Lookup = std::function<std::optional<std::string>(std::string_view variable)>;

// The configuration of what `lookup` finds. Fails with one sentence that names the variable and
// never shows a secret.
std::expected<Config, std::string> load_config(const Lookup& lookup);

// name=value lines, secrets masked.
std::string describe(const Config& config);

// The product's version, for example 0.1.0.
std::string_view version();

}  // namespace todo::app
