#include <algorithm>

#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::minutes;

class Audit : public StoreTest {
 protected:
  AuditEntry new_entry(const Uuid& user_id, std::int64_t seq) {
    return test::make_entry(ids_, user_id, seq, ids_.next(), 1,
                            clock_.now() + minutes{static_cast<int>(seq)});
  }
  static bool same(const AuditEntry& a, const AuditEntry& b) {
    return a.id == b.id && a.user_id == b.user_id && a.seq == b.seq &&
           a.entity_type == b.entity_type && a.entity_id == b.entity_id &&
           a.entity_version == b.entity_version && a.action == b.action &&
           a.timestamp == b.timestamp && a.canonical == b.canonical && a.prev_hash == b.prev_hash &&
           a.hash == b.hash && a.key_id == b.key_id;
  }
  // A chain of `count` entries; every third one is of another kind.
  std::vector<AuditEntry> fill(const Uuid& user_id, int count) {
    std::vector<AuditEntry> entries;
    for (int seq = 1; seq <= count; ++seq) {
      AuditEntry entry = new_entry(user_id, seq);
      if (seq % 3 == 0) {
        entry.entity_type = "note";
        entry.entity_id = entries.front().entity_id;
        entry.entity_version = seq;
        entry.action = AuditAction::remove;
      }
      entries.push_back(entry);
    }
    write([&](Tx& tx) {
      EXPECT_TRUE(tx.append_audit(entries));
      tx.set_audit_heads({{user_id, {count, entries.back().hash, entries.back().hash, 7}}});
    });
    return entries;
  }
  std::vector<std::int64_t> seqs(const std::function<std::vector<AuditEntry>(ReadTx&)>& query) {
    return read([&](ReadTx& tx) {
      std::vector<std::int64_t> found;
      for (const AuditEntry& entry : query(tx)) found.push_back(entry.seq);
      return found;
    });
  }
  AuditQuery of_ann() const {
    AuditQuery query;
    query.user_id = ann_;
    return query;
  }
};

using Seqs = std::vector<std::int64_t>;

TEST_P(Audit, an_entry_comes_back_byte_for_byte) {
  AuditEntry entry = new_entry(ann_, 1);
  entry.canonical = "{\"title\":\"Größe 🙂 \\u0000 \\\"x\\\"\"}";
  for (std::size_t i = 0; i < entry.hash.size(); ++i) {
    entry.hash.at(i) = static_cast<std::uint8_t>(255 - i);
    entry.prev_hash.at(i) = static_cast<std::uint8_t>(i);
  }
  entry.action = AuditAction::complete;
  write([&](Tx& tx) { tx.append_audit({entry}); });
  const auto found = read([&](ReadTx& tx) { return tx.audit_after(ann_, 0, 10); });
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(same(found[0], entry));
}

TEST_P(Audit, a_chain_begins_at_nought_and_its_head_moves) {
  const AuditEntry entry = new_entry(ann_, 7);
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.audit_head(ann_).seq, 0);
    EXPECT_EQ(tx.audit_head(ann_).hash, AuditHash{});
    EXPECT_EQ(tx.audit_head(ids_.next()).seq, 0);
  });
  AuditHead head{7, entry.hash, {}, 0xfedcba98};
  head.seal.fill(0xa5);
  write([&](Tx& tx) {
    const auto chains = tx.lock_audit_heads({ann_, bob_, ids_.next()});
    ASSERT_EQ(chains.size(), 2U) << "nobody else is there";
    EXPECT_EQ(chains[0].user_id, ann_);
    EXPECT_EQ(chains[1].user_id, bob_);
    EXPECT_EQ(chains[0].head.seq, 0);
    tx.set_audit_heads({{ann_, head}});
    EXPECT_EQ(tx.lock_audit_heads({ann_}).at(0).head.seq, 7);
    EXPECT_EQ(tx.lock_audit_heads({ann_}).at(0).head.hash, entry.hash);
  });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.audit_head(ann_).hash, entry.hash);
    EXPECT_EQ(tx.audit_head(ann_).seal, head.seal);
    EXPECT_EQ(tx.audit_head(ann_).key_id, head.key_id);
    EXPECT_EQ(tx.audit_head(bob_).seq, 0);
  });
}

TEST_P(Audit, the_version_of_an_entity_has_one_entry) {
  const AuditEntry entry = new_entry(ann_, 1);
  AuditEntry twin = new_entry(ann_, 2);
  twin.entity_id = entry.entity_id;
  AuditEntry same_seq = new_entry(ann_, 1);
  write([&](Tx& tx) {
    EXPECT_TRUE(tx.append_audit({entry}));
    EXPECT_TRUE(tx.has_audit_entry(ann_, entry.entity_id, 1));
    EXPECT_FALSE(tx.has_audit_entry(ann_, entry.entity_id, 2));
    EXPECT_FALSE(tx.has_audit_entry(bob_, entry.entity_id, 1));
    const AuditEntry fresh = new_entry(ann_, 2);
    EXPECT_FALSE(tx.append_audit({fresh, new_entry(ann_, 3), twin}))
        << "one is recorded: none is written";
    EXPECT_TRUE(tx.has_audit_entry(ann_, entry.entity_id, 1));
    EXPECT_FALSE(tx.has_audit_entry(ann_, fresh.entity_id, 1));
    EXPECT_TRUE(tx.nested([&] {
      EXPECT_TRUE(tx.append_audit({fresh}));
      EXPECT_TRUE(tx.has_audit_entry(ann_, fresh.entity_id, 1));
      EXPECT_EQ(tx.delete_audit_entries(ann_, 2, 2), 1);
      EXPECT_FALSE(tx.has_audit_entry(ann_, fresh.entity_id, 1));
    }));
    EXPECT_FALSE(tx.nested([&] { tx.append_audit({same_seq}); }));
    same_seq.user_id = bob_;
    twin.user_id = bob_;
    EXPECT_TRUE(tx.append_audit({same_seq, twin}));
  });
  EXPECT_EQ(seqs([&](ReadTx& tx) { return tx.audit_after(ann_, 0, 10); }), (Seqs{1}));
}

TEST_P(Audit, pages_descend_by_seq_and_walks_ascend) {
  fill(ann_, 10);
  fill(bob_, 3);
  AuditQuery query = of_ann();
  query.limit = 4;
  const auto page = [&] { return seqs([&](ReadTx& tx) { return tx.list_audit(query); }); };
  EXPECT_EQ(page(), (Seqs{10, 9, 8, 7}));
  query.before_seq = 7;
  EXPECT_EQ(page(), (Seqs{6, 5, 4, 3}));
  query.before_seq = 3;
  EXPECT_EQ(page(), (Seqs{2, 1}));
  query.before_seq.reset();
  query.offset = 8;
  EXPECT_EQ(page(), (Seqs{2, 1}));
  EXPECT_EQ(seqs([&](ReadTx& tx) { return tx.audit_after(ann_, 0, 3); }), (Seqs{1, 2, 3}));
  EXPECT_EQ(seqs([&](ReadTx& tx) { return tx.audit_after(ann_, 8, 3); }), (Seqs{9, 10}));
  EXPECT_EQ(seqs([&](ReadTx& tx) { return tx.audit_after(bob_, 0, 9); }), (Seqs{1, 2, 3}));
}

TEST_P(Audit, filters_select_together) {
  const auto entries = fill(ann_, 12);
  fill(bob_, 12);
  const auto check = [&](const AuditQuery& query, const Seqs& expected) {
    EXPECT_EQ(seqs([&](ReadTx& tx) { return tx.list_audit(query); }), expected);
    const Count count = read([&](ReadTx& tx) { return tx.count_audit(query); });
    EXPECT_EQ(count.value, static_cast<std::int64_t>(expected.size()));
    EXPECT_FALSE(count.capped);
  };
  AuditQuery query = of_ann();
  check(query, {12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1});
  query.entity_type = "note";
  check(query, {12, 9, 6, 3});
  query.from = entries[5].timestamp;
  check(query, {12, 9, 6});
  query.to = entries[8].timestamp;
  check(query, {9, 6});
  query.entity_type.reset();
  check(query, {9, 8, 7, 6});
  query.action = AuditAction::create;
  check(query, {8, 7});
  query = of_ann();
  query.entity_id = entries[0].entity_id;
  check(query, {12, 9, 6, 3, 1});
  query.action = AuditAction::remove;
  query.entity_type = "task";
  check(query, {});
}

TEST_P(Audit, counts_are_capped_at_ten_thousand) {
  const auto append = [&](int from, int to) {
    write([&](Tx& tx) {
      for (int seq = from; seq <= to; ++seq) tx.append_audit({new_entry(ann_, seq)});
    });
  };
  for (int seq = 1; seq <= limits::exact_count_max; seq += 1'000) append(seq, seq + 999);
  AuditQuery filtered = of_ann();
  filtered.entity_type = "task";
  for (const bool more : {false, true}) {
    if (more) append(limits::exact_count_max + 1, limits::exact_count_max + 1);
    for (const AuditQuery& query : {of_ann(), filtered}) {
      const Count count = read([&](ReadTx& tx) { return tx.count_audit(query); });
      EXPECT_EQ(count.value, limits::exact_count_max);
      EXPECT_EQ(count.capped, more);
    }
  }
}

TEST_P(Audit, chains_are_those_of_users_who_are_there_in_id_order) {
  const Uuid eve = add_user("eve@example.com");
  fill(bob_, 2);
  std::vector<Uuid> users;
  read([&](ReadTx& tx) {
    for (auto page = tx.audit_chains(std::nullopt, 2); !page.empty();
         page = tx.audit_chains(users.back(), 2)) {
      EXPECT_LE(page.size(), 2U);
      for (const AuditChain& chain : page) {
        users.push_back(chain.user_id);
        EXPECT_EQ(chain.head.seq, chain.user_id == bob_ ? 2 : 0);
        EXPECT_EQ(chain.head.hash, tx.audit_head(chain.user_id).hash);
        EXPECT_EQ(chain.head.seal, tx.audit_head(chain.user_id).seal);
        EXPECT_EQ(chain.head.key_id, tx.audit_head(chain.user_id).key_id);
      }
    }
  });
  std::vector<Uuid> expected{ann_, bob_, eve};
  std::ranges::sort(expected);
  EXPECT_EQ(users, expected);
  write([&](Tx& tx) { tx.mark_user_deleted(eve, clock_.now()); });
  EXPECT_EQ(read([](ReadTx& tx) { return tx.audit_chains(std::nullopt, 10).size(); }), 2U);
}

TEST_P(Audit, segments_hold_any_bytes_and_are_walked_in_order) {
  std::string bytes;
  for (int i = 0; i < 1'000; ++i) bytes += static_cast<char>(i);
  const auto segment = [&](std::int64_t first, std::int64_t last) {
    return AuditSegment{ann_, first, last, R"({"entries":10})", bytes + std::to_string(first)};
  };
  write([&](Tx& tx) {
    tx.insert_audit_segment(segment(11, 20));
    tx.insert_audit_segment(segment(1, 10));
    tx.insert_audit_segment(segment(21, 25));
    EXPECT_FALSE(tx.nested([&] { tx.insert_audit_segment(segment(11, 12)); }));
  });
  read([&](ReadTx& tx) {
    const auto all = tx.audit_segments(ann_, 0, 10);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].first_seq, 1);
    EXPECT_EQ(all[0].last_seq, 10);
    EXPECT_EQ(all[0].user_id, ann_);
    EXPECT_EQ(all[0].manifest, R"({"entries":10})");
    EXPECT_EQ(all[1].data, bytes + "11");
    EXPECT_EQ(all[2].first_seq, 21);
    EXPECT_EQ(tx.audit_segments(ann_, 0, 2).size(), 2U);
    ASSERT_EQ(tx.audit_segments(ann_, 10, 10).size(), 2U);
    EXPECT_EQ(tx.audit_segments(ann_, 10, 10)[0].first_seq, 11);
    EXPECT_TRUE(tx.audit_segments(ann_, 25, 10).empty());
    EXPECT_TRUE(tx.audit_segments(bob_, 0, 10).empty());
    ASSERT_TRUE(tx.newest_audit_segment(ann_));
    EXPECT_EQ(tx.newest_audit_segment(ann_)->first_seq, 21);
    EXPECT_EQ(tx.newest_audit_segment(ann_)->data, bytes + "21");
    EXPECT_FALSE(tx.newest_audit_segment(bob_));
  });
  write([&](Tx& tx) {
    EXPECT_FALSE(tx.delete_audit_segment(bob_, 11));
    EXPECT_FALSE(tx.delete_audit_segment(ann_, 12));
    EXPECT_TRUE(tx.delete_audit_segment(ann_, 11));
    EXPECT_FALSE(tx.delete_audit_segment(ann_, 11));
    EXPECT_EQ(tx.audit_segments(ann_, 0, 10).size(), 2U);
  });
}

TEST_P(Audit, entries_leave_for_the_archive_and_come_back) {
  const auto entries = fill(ann_, 6);
  fill(bob_, 6);
  write([&](Tx& tx) {
    EXPECT_EQ(tx.delete_audit_entries(ann_, 1, 4), 4);
    EXPECT_EQ(tx.delete_audit_entries(ann_, 1, 4), 0);
    EXPECT_EQ(tx.audit_head(ann_).seq, 6) << "the head stays";
    EXPECT_EQ(tx.count_audit(of_ann()).value, 2);
    EXPECT_FALSE(tx.has_audit_entry(ann_, entries[3].entity_id, 1));
    EXPECT_TRUE(tx.append_audit({entries[0], entries[1], entries[2], entries[3]}));
  });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.audit_head(ann_).seq, 6);
    EXPECT_EQ(tx.audit_head(ann_).hash, entries[5].hash);
    const auto found = tx.audit_after(ann_, 0, 10);
    EXPECT_TRUE(std::ranges::equal(found, entries, same));
    EXPECT_EQ(tx.audit_after(bob_, 0, 10).size(), 6U);
  });
}

INSTANTIATE_TEST_SUITE_P(All, Audit, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
