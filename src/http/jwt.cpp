#include "http/jwt.h"

#include <jwt.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "base/text.h"

namespace todo::http {
namespace {

constexpr std::size_t token_bytes_max = 2'048;

struct FreeToken {
  void operator()(jwt_t* token) const { jwt_free(token); }
};
using Token = std::unique_ptr<jwt_t, FreeToken>;

bool is_token_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

// Header and payload are signed, byte for byte, and the signature is compared in constant time:
// libjwt 1.10 compares texts.
bool signature_holds(std::string_view token, const std::string& key) {
  const auto dot = token.rfind('.');
  const std::string_view text = token.substr(0, dot);
  const auto signature = base64url_decode(token.substr(dot + 1));
  if (!signature || signature->size() != crypto_auth_hmacsha256_BYTES) return false;
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> expected{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                              key.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                text.size());
  crypto_auth_hmacsha256_final(&state, expected.data());
  return sodium_memcmp(expected.data(), signature->data(), expected.size()) == 0;
}

Token decode(const std::string& token, const std::string& key) {
  jwt_t* decoded = nullptr;
  const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
  if (jwt_decode(&decoded, token.c_str(), bytes, static_cast<int>(key.size())) != 0) return nullptr;
  return Token(decoded);
}

std::optional<Uuid> id_claim(jwt_t* token, const char* name) {
  const char* text = jwt_get_grant(token, name);
  return text == nullptr ? std::nullopt : Uuid::parse(text);
}

std::optional<Instant> time_claim(jwt_t* token, const char* name) {
  const long seconds = jwt_get_grant_int(token, name);
  // The library answers 0 for what is absent; a date past the year 9999 is none of ours.
  if (seconds <= 0 || seconds > 253'402'300'799) return std::nullopt;
  return instant_from_ms(std::int64_t{seconds} * 1'000);
}

}  // namespace

Jwt::Jwt(std::vector<std::string> keys) : keys_(std::move(keys)) {
  if (keys_.empty()) throw std::invalid_argument("Jwt: no key");
}

std::string Jwt::sign(const JwtClaims& claims) const {
  jwt_t* made = nullptr;
  if (jwt_new(&made) != 0) throw std::bad_alloc();
  const Token token(made);
  const auto seconds = [](Instant at) {
    return static_cast<long>(
        std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
  };
  const std::string& key = keys_.front();
  int failed = jwt_set_alg(made, JWT_ALG_HS256, reinterpret_cast<const unsigned char*>(key.data()),
                           static_cast<int>(key.size()));
  failed |= jwt_add_grant(made, "sub", claims.user_id.to_string().c_str());
  failed |= jwt_add_grant(made, "jti", claims.session_id.to_string().c_str());
  failed |= jwt_add_grant_int(made, "iat", seconds(claims.issued_at));
  failed |= jwt_add_grant_int(made, "exp", seconds(claims.expires_at));
  if (failed != 0) throw std::runtime_error("Jwt: the claims could not be set");
  const std::unique_ptr<char, decltype(&std::free)> text(jwt_encode_str(made), &std::free);
  if (!text) throw std::runtime_error("Jwt: the token could not be signed");
  return text.get();
}

std::optional<JwtClaims> Jwt::verify(std::string_view token, Instant now) const {
  if (token.empty() || token.size() > token_bytes_max || !std::ranges::all_of(token, is_token_byte))
    return std::nullopt;
  if (std::ranges::count(token, '.') != 2) return std::nullopt;
  const auto key = std::ranges::find_if(
      keys_, [token](const std::string& k) { return signature_holds(token, k); });
  if (key == keys_.end()) return std::nullopt;
  const Token decoded = decode(std::string(token), *key);
  if (!decoded || jwt_get_alg(decoded.get()) != JWT_ALG_HS256) return std::nullopt;
  const auto user_id = id_claim(decoded.get(), "sub");
  const auto session_id = id_claim(decoded.get(), "jti");
  const auto issued_at = time_claim(decoded.get(), "iat");
  const auto expires_at = time_claim(decoded.get(), "exp");
  if (!user_id || !session_id || !issued_at || !expires_at || *expires_at <= now)
    return std::nullopt;
  return JwtClaims{*user_id, *session_id, *issued_at, *expires_at};
}

}  // namespace todo::http
