#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "net/client.h"

// Dapr's side of the wire: its HTTP API on the loopback port of our own sidecar.
namespace todo::dapr {

struct SidecarAddress {
  std::uint16_t port = 3500;
  std::string token;  // DAPR_API_TOKEN; empty: none
};

inline constexpr const char* sidecar_host = "127.0.0.1";

// A request with the token that the sidecar asks for.
net::ClientRequest sidecar_request(const SidecarAddress& sidecar, net::Method method,
                                   std::string target, std::string body = {});

// Whether its components can be used: it says so before it has seen our own port.
bool is_outbound_ready(net::Client& client, const SidecarAddress& sidecar);

}  // namespace todo::dapr
