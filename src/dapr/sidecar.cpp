#include "dapr/sidecar.h"

namespace todo::dapr {
namespace {

constexpr std::chrono::milliseconds health_timeout{1'000};

}  // namespace

net::ClientRequest sidecar_request(const SidecarAddress& sidecar, net::Method method,
                                   std::string target, std::string body) {
  net::ClientRequest request{method, std::move(target), {}, std::move(body)};
  if (!sidecar.token.empty()) request.headers.emplace_back("dapr-api-token", sidecar.token);
  if (!request.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  return request;
}

bool is_outbound_ready(net::Client& client, const SidecarAddress& sidecar) {
  const auto answer = client.send(
      sidecar_request(sidecar, net::Method::get, "/v1.0/healthz/outbound"), health_timeout);
  return answer && answer->status / 100 == 2;
}

}  // namespace todo::dapr
