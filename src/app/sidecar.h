#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "dapr/sidecar.h"

namespace todo::app {

dapr::SidecarAddress sidecar_of(const Config& config);

// With SECRET_STORE: what the configuration lacks of `needed` comes from Dapr's secrets API. Waits
// for the sidecar, for two minutes at most. Fails with a sentence that holds no secret.
std::expected<void, std::string> fill_secrets(Config& config,
                                              const std::vector<std::string_view>& needed);

}  // namespace todo::app
