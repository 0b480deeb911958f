#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"

namespace todo::http {

struct JwtClaims {
  Uuid user_id;     // sub
  Uuid session_id;  // jti
  Instant issued_at{};
  Instant expires_at{};
};

// JSON Web Tokens (RFC 7519), HS256 and nothing else. The first key signs, all verify. Immutable:
// safe from any thread.
class Jwt {
 public:
  explicit Jwt(std::vector<std::string> keys);
  std::string sign(const JwtClaims& claims) const;
  // nullopt for anything but a token of ours that has not expired at `now`: longer than 2 KiB, a
  // byte outside [A-Za-z0-9_.-], another alg, a bad signature, missing claims.
  std::optional<JwtClaims> verify(std::string_view token, Instant now) const;

 private:
  std::vector<std::string> keys_;
};

}  // namespace todo::http
