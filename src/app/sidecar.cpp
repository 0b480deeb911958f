#include "app/sidecar.h"

#include <algorithm>

#include "dapr/secrets.h"
#include "observability/log.h"

namespace todo::app {
namespace {

// A sidecar starts in a second; its node may have to fetch the image first.
constexpr std::chrono::minutes secrets_limit{2};

}  // namespace

dapr::SidecarAddress sidecar_of(const Config& config) {
  return {config.dapr_http_port, config.dapr_api_token};
}

std::expected<void, std::string> fill_secrets(Config& config,
                                              const std::vector<std::string_view>& needed) {
  if (config.secret_store.empty()) return {};
  auto missing = missing_secrets(config);
  std::erase_if(missing, [&](std::string_view name) {
    return std::ranges::find(needed, name) == needed.end();
  });
  if (missing.empty()) return {};
  const auto found =
      dapr::fetch_secrets(sidecar_of(config), config.secret_store, missing, secrets_limit);
  if (!found) return std::unexpected("SECRET_STORE: " + found.error());
  std::string names;
  for (const auto& [name, text] : *found) {
    if (auto set = set_secret(config, name, text); !set) return set;
    names += (names.empty() ? "" : " ") + name;
  }
  log::info("secrets were read", {{"store", config.secret_store}, {"names", names}});
  return {};
}

}  // namespace todo::app
