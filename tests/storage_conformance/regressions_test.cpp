// Mistakes that a store once made, and no other is to make.
#include "base/limits.h"
#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class Regressions : public StoreTest {};

TEST_P(Regressions, a_key_that_is_used_again_does_not_hold_up_the_purge_of_the_others) {
  const auto use = [&](const std::string& key) {
    return write([&](Tx& tx) {
      return tx.insert_idempotency_key(ann_, key, std::string(32, 'h'), clock_.now()).has_value();
    });
  };
  EXPECT_FALSE(use("every day"));
  for (const char* key : {"a", "b", "c", "d"}) EXPECT_FALSE(use(key));
  clock_.advance(limits::idempotency_kept);
  EXPECT_FALSE(use("every day")) << "its day is over: used anew";
  const Instant before = clock_.now() - limits::idempotency_kept + seconds{1};
  write([&](Tx& tx) {
    EXPECT_EQ(tx.purge_idempotency_keys(before, 2), 2);
    EXPECT_EQ(tx.purge_idempotency_keys(before, 2), 2);
    EXPECT_EQ(tx.purge_idempotency_keys(before, 2), 0);
  });
  EXPECT_TRUE(use("every day"));
  EXPECT_FALSE(use("a"));
}

TEST_P(Regressions, the_oldest_sessions_end_beyond_five_hundred) {
  const auto open = [&](const Uuid& user_id, Instant at) {
    Session session{ids_.next(), user_id, at, at + limits::session_lifetime};
    write([&](Tx& tx) { tx.insert_session(session); });
    return session.id;
  };
  const auto is_there = [&](const Uuid& id) {
    return read([&](ReadTx& tx) { return tx.find_session(id).has_value(); });
  };
  const Uuid other = open(bob_, clock_.now() - minutes{1});
  std::vector<Uuid> sessions;
  for (int i = 0; i < limits::sessions_per_user_max; ++i)
    sessions.push_back(open(ann_, clock_.now() + seconds{i}));
  EXPECT_TRUE(is_there(sessions[0]));
  sessions.push_back(open(ann_, clock_.now() + minutes{60}));
  EXPECT_FALSE(is_there(sessions[0]));
  for (const Uuid& kept : {sessions[1], sessions[250], sessions.back()})
    EXPECT_TRUE(is_there(kept));
  EXPECT_TRUE(is_there(other)) << "each user's own";
}

TEST_P(Regressions, an_event_put_off_before_the_clock_was_set_back_does_not_wait_for_it) {
  const OutboxEvent event = test::make_raw_event(ids_, ann_, "e");
  write([&](Tx& tx) {
    tx.insert_outbox(event);
    tx.retry_outbox(event.id, 1, clock_.now() + minutes{1});
  });
  const auto due_at = [&](Instant now) {
    return read([&](ReadTx& tx) { return tx.list_outbox(now, 10).size(); });
  };
  EXPECT_EQ(due_at(clock_.now()), 0U);
  EXPECT_EQ(due_at(clock_.now() + minutes{1}), 1U);
  EXPECT_EQ(due_at(clock_.now() - minutes{60}), 1U) << "no retry is an hour ahead";
}

INSTANTIATE_TEST_SUITE_P(All, Regressions, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
