// The hash chain: whoever changes it without the key is found, across the archive too.
#include "service/audit.h"

#include "base/limits.h"
#include "support/world.h"

namespace todo::service {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using test::input_of;
using test::World;

class AuditChain : public testing::Test {
 protected:
  // A task and `changes` changes of it, recorded.
  Task history(int changes) {
    Task task = world_.create(input_of("0"));
    for (int i = 1; i <= changes; ++i) task = world_.update(task, input_of(std::to_string(i)));
    world_.settle();
    return task;
  }
  AuditHead head() {
    return test::read(*world_.store,
                      [&](storage::ReadTx& tx) { return tx.audit_head(world_.ann); });
  }
  // What a verifier says of these entries.
  std::optional<std::int64_t> first_bad(const std::vector<AuditEntry>& entries,
                                        const AuditKeys& keys) {
    ChainVerifier verifier(keys, world_.ann, world_.clock.now());
    for (const AuditEntry& entry : entries) verifier.add(entry);
    verifier.finish(head());
    EXPECT_EQ(verifier.holds(), !verifier.first_bad_seq());
    EXPECT_EQ(verifier.holds(), verifier.problem().empty());
    return verifier.first_bad_seq();
  }
  std::optional<std::int64_t> first_bad(const std::vector<AuditEntry>& entries) {
    return first_bad(entries, world_.keys);
  }
  int archive(Instant before, int entries_max = limits::rows_per_unit_max) {
    return test::write(*world_.store, [&](storage::Tx& tx) {
      return archive_segment(tx, world_.keys, world_.ann, before, entries_max);
    });
  }
  int restore() {
    return test::write(*world_.store,
                       [&](storage::Tx& tx) { return restore_segment(tx, world_.ann); });
  }
  std::vector<storage::AuditSegment> segments() {
    return test::read(*world_.store,
                      [&](storage::ReadTx& tx) { return tx.audit_segments(world_.ann, 0, 100); });
  }
  VerifyReport verify() { return world_.verify(world_.ann); }

  World world_;
};

TEST_F(AuditChain, an_untouched_chain_holds) {
  history(5);
  EXPECT_EQ(first_bad(world_.audit_of(world_.ann)), std::nullopt);
  const VerifyReport report = verify();
  EXPECT_TRUE(report.verified) << report.problem;
  EXPECT_EQ(report.entries, 6);
  EXPECT_EQ(report.head.seq, 6);
  EXPECT_EQ(report.head.hash, head().hash);
  EXPECT_EQ(report.checked_at, world_.clock.now());
  EXPECT_TRUE(world_.verify(world_.add_user("new@example.com")).verified) << "an empty chain too";
}

TEST_F(AuditChain, every_changed_column_is_found) {
  history(5);
  const auto entries = world_.audit_of(world_.ann);
  using Tamper = std::function<void(AuditEntry&)>;
  const std::vector<Tamper> ways{
      [&](AuditEntry& e) { e.id = world_.ids.next(); },
      [&](AuditEntry& e) { e.user_id = world_.ids.next(); },
      [](AuditEntry& e) { e.seq += 100; },
      [](AuditEntry& e) { e.entity_type = "note"; },
      [&](AuditEntry& e) { e.entity_id = world_.ids.next(); },
      [](AuditEntry& e) { ++e.entity_version; },
      [](AuditEntry& e) { e.action = AuditAction::complete; },
      [](AuditEntry& e) { e.timestamp += minutes{1}; },
      [](AuditEntry& e) { e.canonical.back() = ' '; },
      [](AuditEntry& e) { e.canonical += ' '; },
      [](AuditEntry& e) { e.hash[31] ^= 1; },
      [](AuditEntry& e) { e.prev_hash[0] ^= 1; },
      [](AuditEntry& e) { ++e.key_id; },
  };
  for (std::size_t way = 0; way < ways.size(); ++way) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{3}, entries.size() - 1}) {
      auto changed = entries;
      ways[way](changed[at]);
      EXPECT_EQ(first_bad(changed), static_cast<std::int64_t>(at) + 1) << "way " << way;
    }
  }
}

TEST_F(AuditChain, removal_reordering_repetition_and_truncation_are_found) {
  history(5);
  const auto entries = world_.audit_of(world_.ann);
  for (std::size_t at = 0; at < entries.size(); ++at) {
    auto changed = entries;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(at));
    EXPECT_EQ(first_bad(changed), static_cast<std::int64_t>(at) + 1);
  }
  auto swapped = entries;
  std::swap(swapped[1], swapped[2]);
  EXPECT_EQ(first_bad(swapped), 2);
  std::swap(swapped[1].seq, swapped[2].seq);
  EXPECT_EQ(first_bad(swapped), 2) << "numbered anew, they still do not follow";
  auto twice = entries;
  twice.insert(twice.begin() + 2, entries[1]);
  EXPECT_EQ(first_bad(twice), 3);
  auto cut = entries;
  cut.resize(4);
  EXPECT_EQ(first_bad(cut), 5);
  EXPECT_EQ(first_bad({}), 1) << "all of it";
}

TEST_F(AuditChain, a_chain_cut_short_needs_the_key_for_its_head) {
  history(5);
  const auto entries = world_.audit_of(world_.ann);
  AuditHead forged = head();
  forged.seq = 4;
  forged.hash = entries[3].hash;
  const AuditKeys wrong({std::string(32, 'x')});
  const Uuid bob = world_.add_user("bob@example.com");
  for (const AuditHead& each :
       {forged, wrong.seal(world_.ann, 4, forged.hash), world_.keys.seal(bob, 4, forged.hash)}) {
    test::write(*world_.store, [&](storage::Tx& tx) {
      tx.delete_audit_entries(world_.ann, 5, 6);
      tx.set_audit_heads({{world_.ann, each}});
    });
    EXPECT_FALSE(verify().verified);
  }
}

TEST_F(AuditChain, an_entry_that_was_made_up_without_the_key_is_found) {
  history(5);
  auto entries = world_.audit_of(world_.ann);
  const AuditKeys wrong({std::string(32, 'x')});
  AuditEntry& last = entries.back();
  last.canonical.replace(last.canonical.find("web"), 3, "eve");
  last.hash = wrong.sign(last.prev_hash, last.canonical);
  EXPECT_EQ(first_bad(entries), 6) << "under the right key's id";
  last.key_id = wrong.signing_key_id();
  EXPECT_EQ(first_bad(entries), 6) << "under its own";
  EXPECT_EQ(first_bad(world_.audit_of(world_.ann), wrong), 1);
}

TEST_F(AuditChain, a_rotated_key_signs_and_the_old_one_still_verifies) {
  const Task task = history(2);
  const AuditKeys rotated({std::string(40, 'n'), std::string(32, 'k')});
  world_.update(task, input_of("after"));
  const auto events = world_.waiting(Topic::audit);
  ASSERT_EQ(events.size(), 1U);
  const Consumers consumers(world_.clock, world_.ids, rotated, nullptr);
  test::write(*world_.store, [&](storage::Tx& tx) { consumers.consume(tx, events[0]); });
  const auto entries = world_.audit_of(world_.ann);
  ASSERT_EQ(entries.size(), 4U);
  EXPECT_EQ(entries[2].key_id, world_.keys.signing_key_id());
  EXPECT_EQ(entries[3].key_id, rotated.signing_key_id());
  EXPECT_EQ(first_bad(entries, rotated), std::nullopt);
  EXPECT_EQ(first_bad(entries, AuditKeys({std::string(32, 'k'), std::string(40, 'n')})),
            std::nullopt)
      << "in any order";
  EXPECT_EQ(first_bad(entries, AuditKeys({std::string(40, 'n')})), 1);
  EXPECT_EQ(first_bad(entries), 4);
}

TEST_F(AuditChain, a_lost_event_is_found_once_it_cannot_be_in_flight) {
  const Task task = history(1);
  world_.update(task, input_of("lost"));
  EXPECT_TRUE(verify().verified) << "its event waits";
  for (const OutboxEvent& event : world_.waiting()) world_.forget(event);
  EXPECT_TRUE(verify().verified) << "younger than ten minutes";
  world_.clock.advance(limits::audit_in_flight_max + std::chrono::milliseconds{1});
  const VerifyReport report = verify();
  EXPECT_FALSE(report.verified);
  EXPECT_FALSE(report.first_bad_seq) << "no entry is bad: one is missing";
  EXPECT_TRUE(report.problem.contains(task.id.to_string())) << report.problem;
}

TEST_F(AuditChain, a_lost_event_in_the_middle_of_a_tasks_history_is_found) {
  const Task task = history(1);
  world_.update(task, input_of("lost"));
  const auto lost = world_.waiting();
  for (const OutboxEvent& event : lost) world_.forget(event);
  world_.update(task, input_of("recorded"));
  world_.settle();
  world_.clock.advance(hours{1});
  EXPECT_FALSE(verify().verified);
  for (const OutboxEvent& event : lost) world_.deliver(event);
  EXPECT_TRUE(verify().verified) << "late is not lost";
}

TEST_F(AuditChain, the_history_of_a_purged_task_must_be_whole_too) {
  const Task task = history(2);
  world_.remove(task);
  world_.settle();
  world_.clock.advance(days{31});
  test::write(*world_.store, [&](storage::Tx& tx) {
    EXPECT_EQ(tx.purge_deleted_tasks(world_.clock.now() - limits::deleted_task_kept, 10), 1);
  });
  EXPECT_TRUE(verify().verified);
}

TEST_F(AuditChain, the_chain_holds_across_archived_segments) {
  history(4);
  world_.clock.advance(days{91});
  history(1);
  const Instant before = world_.clock.now() - days{90};
  const auto has_old_ones = [&] {
    return test::read(*world_.store, [&](storage::ReadTx& tx) {
      return !archivable(tx, world_.ann, before, 0, 1).empty();
    });
  };
  EXPECT_TRUE(has_old_ones());
  const auto entries = world_.audit_of(world_.ann);
  EXPECT_EQ(archive(before, 3), 3);
  EXPECT_EQ(archive(before, 3), 2);
  EXPECT_FALSE(has_old_ones());
  EXPECT_EQ(archive(before, 3), 0) << "the young ones stay";
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 2U);
  ASSERT_EQ(segments().size(), 2U);
  EXPECT_EQ(segments()[0].first_seq, 1);
  EXPECT_EQ(segments()[0].last_seq, 3);
  EXPECT_EQ(segments()[1].last_seq, 5);
  const VerifyReport report = verify();
  EXPECT_TRUE(report.verified) << report.problem;
  EXPECT_EQ(report.entries, 7);

  EXPECT_EQ(restore(), 2) << "the newest comes back first";
  EXPECT_TRUE(verify().verified);
  EXPECT_EQ(restore(), 3);
  EXPECT_EQ(restore(), 0);
  EXPECT_TRUE(verify().verified);
  const auto restored = world_.audit_of(world_.ann);
  ASSERT_EQ(restored.size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(restored[i].canonical, entries[i].canonical);
    EXPECT_EQ(restored[i].hash, entries[i].hash);
    EXPECT_EQ(restored[i].key_id, entries[i].key_id);
    EXPECT_EQ(restored[i].timestamp, entries[i].timestamp);
  }
  EXPECT_EQ(archive(before), 5) << "and can go again";
  EXPECT_TRUE(verify().verified);
}

TEST_F(AuditChain, the_chain_grows_on_though_all_of_it_is_archived) {
  const Task task = history(2);
  world_.clock.advance(days{91});
  EXPECT_EQ(archive(world_.clock.now()), 3);
  EXPECT_TRUE(world_.audit_of(world_.ann).empty());
  EXPECT_TRUE(verify().verified);
  world_.update(task, input_of("more"));
  world_.settle();
  ASSERT_EQ(world_.audit_of(world_.ann).size(), 1U);
  EXPECT_EQ(world_.audit_of(world_.ann)[0].seq, 4);
  EXPECT_TRUE(verify().verified);
}

TEST_F(AuditChain, an_old_entry_behind_a_young_one_waits_for_it) {
  const Task first = world_.create(input_of("old"));
  const auto old_events = world_.waiting();
  world_.clock.advance(days{20});
  const Task second = world_.create(input_of("young"));
  const auto young_events = world_.waiting(Topic::audit);
  world_.deliver(young_events.back());
  world_.deliver(old_events.front());
  EXPECT_EQ(archive(world_.clock.now() - days{10}), 0) << "a chain is archived in order";
  EXPECT_EQ(archive(world_.clock.now() + days{1}), 2);
  EXPECT_TRUE(verify().verified);
}

TEST_F(AuditChain, a_segment_that_is_removed_or_changed_is_found) {
  history(8);
  world_.clock.advance(days{91});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(archive(world_.clock.now(), 3), 3);
  const auto all = segments();
  const auto replace = [&](const std::vector<storage::AuditSegment>& by) {
    test::write(*world_.store, [&](storage::Tx& tx) {
      for (const auto& segment : tx.audit_segments(world_.ann, 0, 100))
        tx.delete_audit_segment(world_.ann, segment.first_seq);
      for (const auto& segment : by) tx.insert_audit_segment(segment);
    });
  };
  for (std::size_t at = 0; at < all.size(); ++at) {
    auto changed = all;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(at));
    replace(changed);
    EXPECT_EQ(verify().first_bad_seq, static_cast<std::int64_t>(at) * 3 + 1) << "one removed";
    changed = all;
    changed[at].data.resize(changed[at].data.size() / 2);
    replace(changed);
    EXPECT_EQ(verify().first_bad_seq, static_cast<std::int64_t>(at) * 3 + 1) << "one cut";
    changed = all;
    changed[at].data[changed[at].data.size() / 2] ^= 0x20;
    replace(changed);
    EXPECT_FALSE(verify().verified) << "one changed";
  }
  auto swapped = all;
  std::swap(swapped[0].data, swapped[1].data);
  replace(swapped);
  EXPECT_FALSE(verify().verified);
  replace(all);
  EXPECT_TRUE(verify().verified);
}

TEST_F(AuditChain, a_changed_entry_is_not_archived) {
  history(2);
  auto entries = world_.audit_of(world_.ann);
  test::write(*world_.store, [&](storage::Tx& tx) {
    tx.delete_audit_entries(world_.ann, 2, 2);
    entries[1].canonical.replace(entries[1].canonical.find("web"), 3, "eve");
    tx.append_audit({entries[1]});
  });
  world_.clock.advance(days{91});
  test::write(*world_.store, [&](storage::Tx& tx) {
    EXPECT_ANY_THROW(archive_segment(tx, world_.keys, world_.ann, world_.clock.now(), 100));
  });
  EXPECT_EQ(verify().first_bad_seq, 2);
}

TEST_F(AuditChain, one_chain_says_nothing_of_another) {
  const Uuid bob = world_.add_user("bob@example.com");
  history(2);
  world_.create(bob, input_of("bobs"));
  world_.settle();
  test::write(*world_.store, [&](storage::Tx& tx) { tx.delete_audit_entries(world_.ann, 2, 2); });
  EXPECT_FALSE(verify().verified);
  EXPECT_TRUE(world_.verify(bob).verified);
}

}  // namespace
}  // namespace todo::service
