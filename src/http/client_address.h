#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/message.h"

namespace todo::http {

// True for an address or CIDR range, IPv4 or IPv6.
bool is_network(std::string_view text);

// The address that a request came from: the peer's, or behind trusted proxies the last one in
// X-Forwarded-For that is not one of them. `trusted`: addresses and CIDR ranges.
std::string client_address(const net::Request& request, const std::vector<std::string>& trusted);

}  // namespace todo::http
