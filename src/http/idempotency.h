#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "http/exchange.h"
#include "storage/store.h"

namespace todo::http {

// An Idempotency-Key and what it was sent with: a second request with it is either the same or a
// mistake.
struct IdempotencyKey {
  std::string key;
  std::string request_hash;  // BLAKE2b of method, target and body
};

// None when the header is absent. Fails: invalid when it is empty, longer than 255 bytes or not
// printable ASCII.
Result<std::optional<IdempotencyKey>> idempotency_key(const Exchange& exchange);

// First thing in the unit: nullopt when the key is new (and now taken), else the stored response to
// be sent again. Fails: invalid when the key came with another request.
Result<std::optional<net::Response>> begin_idempotent(storage::Tx& tx, const Exchange& exchange,
                                                      const IdempotencyKey& key);
void store_idempotent(storage::Tx& tx, const Exchange& exchange, const IdempotencyKey& key,
                      const net::Response& response);

}  // namespace todo::http
