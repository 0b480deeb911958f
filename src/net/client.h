#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "net/message.h"

namespace todo::net {

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// One blocking request on a connection of its own, for subcommands. `host` may be "unix:<path>".
// Fails with a sentence.
std::expected<ClientResponse, std::string> fetch(
    const std::string& host, std::uint16_t port, Method method, const std::string& target,
    const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers,
    std::chrono::milliseconds timeout);

}  // namespace todo::net
