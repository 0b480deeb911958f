#include "domain/audit_entry.h"

#include <sodium.h>

#include <algorithm>

#include "base/json_writer.h"
#include "base/text.h"

namespace todo {
namespace {

constexpr std::array<std::string_view, 4> actions{"create", "update", "complete", "delete"};

// The canonical entry as far as its columns go.
void append_prefix(std::string& out, const AuditEntry& entry) {
  JsonWriter json(out);
  json.begin_object()
      .member("id", entry.id)
      .member("user_id", entry.user_id)
      .member("seq", entry.seq);
  json.member("entity_type", entry.entity_type)
      .member("entity_id", entry.entity_id)
      .member("entity_version", entry.entity_version);
  json.member("action", to_string(entry.action)).member("timestamp", entry.timestamp);
}

std::string hex(const AuditHash& hash) {
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

AuditHash keyed_hash(const std::array<std::uint8_t, 64>& key, const AuditHash& prev_hash,
                     std::string_view canonical) {
  crypto_generichash_state state;
  AuditHash hash{};
  crypto_generichash_init(&state, key.data(), key.size(), hash.size());
  crypto_generichash_update(&state, prev_hash.data(), prev_hash.size());
  crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(canonical.data()),
                            canonical.size());
  crypto_generichash_final(&state, hash.data(), hash.size());
  return hash;
}

std::string head_text(const Uuid& user_id, std::int64_t seq) {
  return "head:" + user_id.to_string() + ":" + std::to_string(seq);
}

}  // namespace

std::string_view to_string(AuditAction action) {
  return actions.at(static_cast<std::size_t>(action));
}

std::optional<AuditAction> parse_audit_action(std::string_view text) {
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (actions.at(i) == text) return static_cast<AuditAction>(i);
  }
  return std::nullopt;
}

std::string canonical_entry(const AuditEntry& columns, std::string_view before_json,
                            std::string_view after_json, std::string_view metadata_json) {
  std::string out;
  out.reserve(320 + before_json.size() + after_json.size() + metadata_json.size());
  append_prefix(out, columns);
  out += ",\"before_value\":";
  out += before_json;
  out += ",\"after_value\":";
  out += after_json;
  out += ",\"metadata\":";
  out += metadata_json;
  out += '}';
  return out;
}

bool prefix_matches(const AuditEntry& entry) {
  std::string prefix;
  prefix.reserve(320);
  append_prefix(prefix, entry);
  prefix += ",\"before_value\":";
  return entry.canonical.starts_with(prefix);
}

AuditKeys::AuditKeys(const std::vector<std::string>& keys) {
  for (const std::string& text : keys) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    Key key{};
    // Keys are texts of any length: hashed to what BLAKE2b takes.
    crypto_generichash(key.bytes.data(), key.bytes.size(), bytes, text.size(), nullptr, 0);
    std::array<std::uint8_t, 32> id{};
    crypto_generichash(id.data(), id.size(), bytes, text.size(), nullptr, 0);
    key.id = static_cast<std::uint32_t>(id[0]) << 24 | static_cast<std::uint32_t>(id[1]) << 16 |
             static_cast<std::uint32_t>(id[2]) << 8 | id[3];
    keys_.push_back(key);
  }
}

std::uint32_t AuditKeys::signing_key_id() const { return keys_.front().id; }

AuditHash AuditKeys::sign(const AuditHash& prev_hash, std::string_view canonical) const {
  return keyed_hash(keys_.front().bytes, prev_hash, canonical);
}

std::optional<AuditHash> AuditKeys::hash_with(std::uint32_t key_id, const AuditHash& prev_hash,
                                              std::string_view canonical) const {
  const auto key = std::ranges::find(keys_, key_id, &Key::id);
  if (key == keys_.end()) return std::nullopt;
  return keyed_hash(key->bytes, prev_hash, canonical);
}

AuditHead AuditKeys::seal(const Uuid& user_id, std::int64_t seq, const AuditHash& hash) const {
  return {seq, hash, sign(hash, head_text(user_id, seq)), signing_key_id()};
}

std::optional<bool> AuditKeys::is_sealed(const Uuid& user_id, const AuditHead& head) const {
  const auto seal = hash_with(head.key_id, head.hash, head_text(user_id, head.seq));
  return seal ? std::optional(*seal == head.seal) : std::nullopt;
}

void append_audit_entry_json(std::string& out, const AuditEntry& entry) {
  out.append(entry.canonical, 0, entry.canonical.empty() ? 0 : entry.canonical.size() - 1);
  out += ",\"hash\":\"";
  out += hex(entry.hash);
  out += "\",\"prev_hash\":\"";
  out += hex(entry.prev_hash);
  out += "\"}";
}

}  // namespace todo
