// Whatever is sent as a token. Nobody without the key gets in; and what lies behind the signature
// is tried too, with a good signature put on it.

#include <sodium.h>

#include <array>
#include <string>
#include <string_view>

#include "base/text.h"
#include "fuzz/require.h"
#include "http/jwt.h"

namespace {

using todo::fuzz::require;

const std::string key(32, 'k');
constexpr todo::Instant now = todo::instant_from_ms(1'770'638'400'000);

const todo::http::Jwt& jwt() {
  static const todo::http::Jwt instance({std::string(32, 'n'), key});
  return instance;
}

std::string sign(const std::string& text) {
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                              key.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                text.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  return text + "." +
         todo::base64url_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

void verify_signed(const std::string& text) {
  const std::string token = sign(text);
  const auto claims = jwt().verify(token, now);
  if (!claims) return;
  require(token.size() <= 2'048, "a token has at most 2 KiB");
  require(claims->expires_at > now, "it has not ended");
  const auto again = jwt().verify(jwt().sign(*claims), now);
  require(again && again->user_id == claims->user_id && again->session_id == claims->session_id &&
              again->expires_at == claims->expires_at && again->issued_at == claims->issued_at,
          "its claims come back from a token of ours");
  require(!jwt().verify(token, claims->expires_at), "it ends when it says so");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  require(!jwt().verify(text, now), "a token that we did not sign is none");
  verify_signed(text);
  const std::string header = todo::base64url_encode(R"({"alg":"HS256","typ":"JWT"})");
  verify_signed(header + "." + todo::base64url_encode(text));
  verify_signed(todo::base64url_encode(text) + "." + todo::base64url_encode("{}"));
  return 0;
}
