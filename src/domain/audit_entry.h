#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"

namespace todo {

enum class AuditAction : std::uint8_t { create = 0, update, complete, remove };
std::string_view to_string(AuditAction action);  // create update complete delete
std::optional<AuditAction> parse_audit_action(std::string_view text);

using AuditHash = std::array<std::uint8_t, 32>;

// One link of a user's chain. `canonical` is the entry as JSON, the very bytes that are hashed: an
// object of id user_id seq entity_type entity_id entity_version action timestamp before_value
// after_value metadata, in this order. The members beside it are copies for queries;
// `prefix_matches` compares them with it.
struct AuditEntry {
  Uuid id;
  Uuid user_id;
  std::int64_t seq = 0;  // 1, 2, 3 … in the order of recording
  std::string entity_type = "task";
  Uuid entity_id;
  std::int64_t entity_version = 0;
  AuditAction action = AuditAction::create;
  Instant timestamp{};
  std::string canonical;
  AuditHash prev_hash{};
  AuditHash hash{};
  std::uint32_t key_id = 0;
};

// The last link of a chain; seq 0 and a zero hash before the first entry. The seal tells that a
// holder of the key wrote it: without it, a chain cut short could be given the head of an earlier
// day.
struct AuditHead {
  std::int64_t seq = 0;
  AuditHash hash{};
  AuditHash seal{};
  std::uint32_t key_id = 0;
};

// Writes `canonical` from the columns and the three JSON texts ("null" or an object each).
std::string canonical_entry(const AuditEntry& columns, std::string_view before_json,
                            std::string_view after_json, std::string_view metadata_json);
// True when `canonical` begins with exactly what the columns say.
bool prefix_matches(const AuditEntry& entry);

// BLAKE2b (RFC 7693), 32 bytes, keyed with a secret: over prev_hash followed by the canonical
// bytes. Keys are texts of at least 32 bytes; a key's id is the first 32 bits of its BLAKE2b hash.
// The first key signs, all verify. Immutable: safe from any thread.
class AuditKeys {
 public:
  explicit AuditKeys(const std::vector<std::string>& keys);
  std::uint32_t signing_key_id() const;
  AuditHash sign(const AuditHash& prev_hash, std::string_view canonical) const;
  // nullopt when no key has this id.
  std::optional<AuditHash> hash_with(std::uint32_t key_id, const AuditHash& prev_hash,
                                     std::string_view canonical) const;
  // A head sealed with the signing key: BLAKE2b as above, over `hash` followed by
  // "head:<user id>:<seq>".
  AuditHead seal(const Uuid& user_id, std::int64_t seq, const AuditHash& hash) const;
  // nullopt when no key has the head's id.
  std::optional<bool> is_sealed(const Uuid& user_id, const AuditHead& head) const;

 private:
  struct Key {
    std::uint32_t id;
    std::array<std::uint8_t, 64> bytes;
  };
  std::vector<Key> keys_;
};

// The entry as the API answers it: the canonical members, then hash and prev_hash in lower-case
// hex.
void append_audit_entry_json(std::string& out, const AuditEntry& entry);

}  // namespace todo
