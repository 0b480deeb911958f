#include "domain/audit_entry.h"

#include <sodium.h>

#include <gtest/gtest.h>

#include "base/text.h"
#include "base/time_text.h"

namespace todo {
namespace {

const std::string first_key(32, 'k');
const std::string second_key(48, 'l');

AuditEntry entry() {
  AuditEntry entry;
  entry.id = Uuid::parse("0198f2c4-0000-7000-8000-000000000001").value();
  entry.user_id = Uuid::parse("0198f2c4-0000-7000-8000-000000000002").value();
  entry.seq = 3;
  entry.entity_id = Uuid::parse("0198f2c4-0000-7000-8000-000000000003").value();
  entry.entity_version = 2;
  entry.action = AuditAction::update;
  entry.timestamp = parse_instant("2026-02-09T12:00:00.5Z").value();
  entry.canonical =
      canonical_entry(entry, R"({"title":"Old"})", R"({"title":"New"})", R"({"actor":"web"})");
  return entry;
}

constexpr std::string_view canonical =
    R"({"id":"0198f2c4-0000-7000-8000-000000000001",)"
    R"("user_id":"0198f2c4-0000-7000-8000-000000000002","seq":3,"entity_type":"task",)"
    R"("entity_id":"0198f2c4-0000-7000-8000-000000000003","entity_version":2,"action":"update",)"
    R"("timestamp":"2026-02-09T12:00:00.500Z","before_value":{"title":"Old"},)"
    R"("after_value":{"title":"New"},"metadata":{"actor":"web"}})";

std::string hex(const AuditHash& hash) {
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

TEST(AuditEntryTest, the_canonical_bytes_are_these_and_stay_these) {
  // Every hash that was ever written depends on them: a change here breaks all chains.
  EXPECT_EQ(entry().canonical, canonical);
  AuditEntry created = entry();
  created.action = AuditAction::create;
  EXPECT_TRUE(canonical_entry(created, "null", "{}", "{}")
                  .ends_with(R"("before_value":null,"after_value":{},"metadata":{}})"));
}

TEST(AuditEntryTest, the_columns_are_compared_with_what_was_hashed) {
  EXPECT_TRUE(prefix_matches(entry()));
  const auto changed = [](auto change) {
    AuditEntry damaged = entry();
    change(damaged);
    return prefix_matches(damaged);
  };
  EXPECT_FALSE(changed([](AuditEntry& e) { e.id.bytes[15] ^= 1; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.user_id.bytes[0] ^= 1; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.seq = 30; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.entity_type = "tas"; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.entity_id.bytes[15] ^= 1; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.entity_version = 1; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.action = AuditAction::remove; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.timestamp += std::chrono::milliseconds{1}; }));
  EXPECT_FALSE(changed([](AuditEntry& e) { e.canonical.clear(); }));
}

TEST(AuditKeysTest, the_hash_is_keyed_blake2b_over_the_previous_hash_and_the_bytes) {
  const AuditKeys keys({first_key});
  AuditHash previous{};
  previous.fill(7);
  std::array<unsigned char, 64> key{};
  crypto_generichash(key.data(), key.size(),
                     reinterpret_cast<const unsigned char*>(first_key.data()), first_key.size(),
                     nullptr, 0);
  const std::string message =
      std::string(reinterpret_cast<const char*>(previous.data()), previous.size()) +
      std::string(canonical);
  AuditHash expected{};
  crypto_generichash(expected.data(), expected.size(),
                     reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                     key.data(), key.size());
  EXPECT_EQ(hex(keys.sign(previous, canonical)), hex(expected));
}

TEST(AuditKeysTest, every_bit_counts) {
  const AuditKeys keys({first_key});
  const AuditHash hash = keys.sign({}, canonical);
  EXPECT_EQ(keys.sign({}, canonical), hash);
  AuditHash other_previous{};
  other_previous[31] = 1;
  EXPECT_NE(keys.sign(other_previous, canonical), hash);
  std::string edited(canonical);
  edited[edited.find("New")] = 'M';
  EXPECT_NE(keys.sign({}, edited), hash);
  EXPECT_NE(AuditKeys({second_key}).sign({}, canonical), hash);
  EXPECT_NE(AuditKeys({first_key + "x"}).sign({}, canonical), hash);
}

TEST(AuditKeysTest, the_first_key_signs_and_all_verify) {
  const AuditKeys before({first_key});
  const AuditKeys after({second_key, first_key});
  EXPECT_NE(after.signing_key_id(), before.signing_key_id());
  EXPECT_EQ(after.signing_key_id(), AuditKeys({second_key}).signing_key_id());
  EXPECT_EQ(after.hash_with(before.signing_key_id(), {}, canonical), before.sign({}, canonical));
  EXPECT_EQ(after.hash_with(after.signing_key_id(), {}, canonical), after.sign({}, canonical));
  EXPECT_FALSE(before.hash_with(after.signing_key_id(), {}, canonical));
}

TEST(AuditKeysTest, a_head_is_sealed_for_its_user_its_place_and_its_hash) {
  const AuditKeys keys({first_key});
  const Uuid user = entry().user_id;
  const AuditHead head = keys.seal(user, 3, keys.sign({}, canonical));
  EXPECT_EQ(head.seq, 3);
  EXPECT_EQ(head.key_id, keys.signing_key_id());
  EXPECT_EQ(keys.is_sealed(user, head), true);
  EXPECT_EQ(keys.is_sealed(entry().id, head), false);
  const auto changed = [&](auto change) {
    AuditHead damaged = head;
    change(damaged);
    return keys.is_sealed(user, damaged);
  };
  EXPECT_EQ(changed([](AuditHead& h) { h.seq = 2; }), false);
  EXPECT_EQ(changed([](AuditHead& h) { h.hash[0] ^= 1; }), false);
  EXPECT_EQ(changed([](AuditHead& h) { h.seal[31] ^= 1; }), false);
  EXPECT_EQ(changed([](AuditHead& h) { h.key_id ^= 1; }), std::nullopt);
  EXPECT_EQ(AuditKeys({second_key, first_key}).is_sealed(user, head), true);
  EXPECT_EQ(AuditKeys({second_key}).is_sealed(user, head), std::nullopt);
  // A link of the chain is no seal, nor a seal a link.
  EXPECT_EQ(changed([&](AuditHead& h) { h.seal = keys.sign(h.hash, canonical); }), false);
}

TEST(AuditEntryTest, is_answered_as_it_was_hashed_with_the_hashes_behind) {
  AuditEntry answered = entry();
  answered.hash.fill(0xab);
  answered.prev_hash.fill(0x01);
  std::string out = "[";
  append_audit_entry_json(out, answered);
  std::string expected = "[" + std::string(canonical.substr(0, canonical.size() - 1));
  expected += ",\"hash\":\"" + hex(answered.hash) + "\",\"prev_hash\":\"" + hex(answered.prev_hash);
  EXPECT_EQ(out, expected + "\"}");
}

TEST(AuditEntryTest, actions_have_the_words_of_the_api) {
  for (const char* word : {"create", "update", "complete", "delete"}) {
    EXPECT_EQ(to_string(parse_audit_action(word).value()), word);
  }
  EXPECT_FALSE(parse_audit_action("remove"));
}

}  // namespace
}  // namespace todo
