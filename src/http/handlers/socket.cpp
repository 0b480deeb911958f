#include <algorithm>

#include "base/text.h"
#include "http/handlers/handlers.h"
#include "http/origin_check.h"
#include "http/problem.h"
#include "net/websocket.h"

namespace todo::http {
namespace {

// The subprotocol that is chosen: `bearer` where the client offers it, with its token or without.
std::string_view chosen_protocol(const net::Request& request) {
  const auto offered = net::offered_protocols(request);
  return std::ranges::find(offered, bearer_protocol) != offered.end() ? bearer_protocol
                                                                      : std::string_view{};
}

void run_socket(const ExchangePtr& exchange) {
  if (auto checked = exchange->query().finish(); !checked) return exchange->refuse(checked.error());
  const net::Request& request = exchange->request();
  const Caller& caller = exchange->caller();
  auto response = net::accept_websocket(request, nullptr, chosen_protocol(request));
  if (!response) {
    net::Response refused = problem(426, response.error(), exchange->request_id());
    refused.with("Upgrade", "websocket").with("Connection", "Upgrade");
    refused.with("Sec-WebSocket-Version", "13");
    return exchange->respond(std::move(refused));
  }
  // A page of another site could open it: the cookie comes along.
  if (caller.by_cookie && !origin_allowed(request, exchange->app().options.public_url)) {
    return exchange->refuse(
        Error{ErrorCode::forbidden, "WebSockets come from this server's own pages only", {}, 0});
  }
  auto handler = exchange->app().with.admit_socket(credential_of(caller), exchange->executor());
  if (!handler) return exchange->refuse(handler.error());
  response->upgrade = std::move(*handler);
  exchange->respond(std::move(*response));
}

}  // namespace

void add_socket_routes(std::vector<Route>& routes) {
  routes.push_back({net::Method::get, "/api/v1/ws", Access::read, run_socket});
}

}  // namespace todo::http
