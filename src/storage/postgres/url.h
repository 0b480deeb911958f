#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace todo::storage::postgres {

// postgres://… or postgresql://…
bool is_url(std::string_view text);

// What libpq is given: every parameter of the URL (sslmode, channel_binding, options, several
// hosts: what libpq 15 knows, section 34.1.1.2 of its manual), and ours where the URL does not say
// otherwise. No `options` of our own: transaction poolers refuse it.
struct ConnectionParameters {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::optional<std::chrono::seconds> connect_timeout;  // the URL's

  std::string_view value(std::string_view keyword) const;  // empty where there is none
};

// Fails with a sentence that never holds the password, nor a part of it.
std::expected<ConnectionParameters, std::string> parse_url(const std::string& url);

// Where the database is, for logs and errors: postgres://user@host:port/name, never the password;
// "postgres://…" for what is not understood.
std::string without_password(const std::string& url);

}  // namespace todo::storage::postgres
