#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/uuid.h"
#include "storage/store.h"

namespace todo::service {

// What somebody was let in by: a session, or an API token.
struct Credential {
  Uuid user_id;
  std::optional<Uuid> session_id;
  std::string token_hash;  // without a session
  std::optional<Instant> expires_at;

  bool operator==(const Credential&) const = default;
};

// Whether it would still let somebody in.
bool is_good(storage::ReadTx& tx, const Credential& credential, Instant now);

}  // namespace todo::service
