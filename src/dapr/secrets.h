#pragma once

#include <chrono>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dapr/sidecar.h"

namespace todo::dapr {

// The secret that may hold them all, each under its own name: a Kubernetes Secret is one.
inline constexpr const char* common_secret = "todo-backend";

// Looks the named secrets up in a secret store of the sidecar's, which is waited for: as keys of
// the common secret, else as secrets of their own. Those that are nowhere are left out. Fails with
// a sentence, which holds none of them, when the sidecar cannot be used within `limit`, refuses us
// or does not know the store.
std::expected<std::map<std::string, std::string>, std::string> fetch_secrets(
    const SidecarAddress& sidecar, const std::string& store,
    const std::vector<std::string_view>& names, std::chrono::milliseconds limit);

}  // namespace todo::dapr
