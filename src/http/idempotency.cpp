#include "http/idempotency.h"

#include <sodium.h>

#include <algorithm>
#include <array>

#include "base/limits.h"

namespace todo::http {
namespace {

std::string hash_request(const net::Request& request) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, crypto_generichash_BYTES);
  const auto add = [&state](std::string_view part) {
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()),
                              part.size());
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>("\0"), 1);
  };
  add(net::to_string(request.method));
  add(request.target);
  add(request.body);
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  crypto_generichash_final(&state, hash.data(), hash.size());
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::string write_headers(const net::Response& response) {
  std::string out;
  for (const auto& [name, value] : response.headers) {
    out += name;
    out += ": ";
    out += value;
    out += '\n';
  }
  return out;
}

void read_headers(net::Response& response, std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const auto colon = line.find(": ");
    response.with(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<std::optional<IdempotencyKey>> idempotency_key(const Exchange& exchange) {
  const net::Request& request = exchange.request();
  const auto key = request.field("Idempotency-Key");
  if (!key) return std::nullopt;
  const bool printable = std::ranges::all_of(*key, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (key->empty() || key->size() > limits::idempotency_key_bytes_max || !printable ||
      request.count("Idempotency-Key") > 1) {
    return fail_field("Idempotency-Key", "Must be one text of 1 to 255 printable ASCII characters");
  }
  return IdempotencyKey{std::string(*key), hash_request(request)};
}

Result<std::optional<net::Response>> begin_idempotent(storage::Tx& tx, const Exchange& exchange,
                                                      const IdempotencyKey& key) {
  const auto earlier = tx.insert_idempotency_key(exchange.caller().user_id, key.key,
                                                 key.request_hash, exchange.now());
  if (!earlier) return std::nullopt;
  if (earlier->request_hash != key.request_hash) {
    return fail_field("Idempotency-Key", "Was used with another request");
  }
  net::Response response;
  response.status = earlier->status;
  response.body = earlier->body;
  read_headers(response, earlier->headers);
  response.with("Idempotency-Replayed", "true");
  return response;
}

void store_idempotent(storage::Tx& tx, const Exchange& exchange, const IdempotencyKey& key,
                      const net::Response& response) {
  tx.store_idempotent_response(
      exchange.caller().user_id, key.key,
      {key.request_hash, response.status, write_headers(response), response.body});
}

}  // namespace todo::http
