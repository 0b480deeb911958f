#include <algorithm>

#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::hours;

class Accounts : public StoreTest {
 protected:
  ApiToken new_token(const Uuid& user_id, const std::string& secret) {
    ApiToken token;
    token.id = ids_.next();
    token.user_id = user_id;
    token.name = "token " + secret;
    token.secret_hash = secret + std::string(32 - secret.size(), '\0');
    token.created_at = clock_.now();
    return token;
  }
  Session new_session(const Uuid& user_id) {
    return {ids_.next(), user_id, clock_.now(), clock_.now() + hours{24}};
  }
  bool has_session(const Session& session) {
    return read([&](ReadTx& tx) { return tx.find_session(session.id).has_value(); });
  }
};

TEST_P(Accounts, a_user_comes_back_as_it_was_written) {
  User user = test::make_user(ids_, "Zoë@Example.com", clock_.now());
  user.display_name = "Zoë 🙂";
  user.timezone = "Europe/Berlin";
  user.preferences = {false, 5, false, MissedOccurrences::skip};
  user.recompute = RecomputeJob{true, true, "UTC", ids_.next(), clock_.now() + hours{1}};
  user.disabled = true;
  write([&](Tx& tx) { EXPECT_TRUE(tx.insert_user(user, "zoë@example.com", "secret")); });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.find_user(user.id), user);
    EXPECT_EQ(tx.find_user_by_email("zoë@example.com"), user);
    EXPECT_EQ(tx.find_user_by_email("Zoë@Example.com"), std::nullopt) << "it asks for the folded";
    EXPECT_EQ(tx.find_user(ids_.next()), std::nullopt);
    const auto credentials = tx.find_credentials("zoë@example.com");
    ASSERT_TRUE(credentials);
    EXPECT_EQ(credentials->user_id, user.id);
    EXPECT_EQ(credentials->password_hash, "secret");
    EXPECT_TRUE(credentials->disabled);
    EXPECT_EQ(tx.find_credentials(user.id)->password_hash, "secret");
    EXPECT_FALSE(tx.find_credentials("nobody@example.com"));
    EXPECT_FALSE(tx.find_credentials(ids_.next()));
  });
}

TEST_P(Accounts, an_email_can_be_taken_once) {
  const User twin = test::make_user(ids_, "ANN@example.com", clock_.now());
  write([&](Tx& tx) {
    EXPECT_FALSE(tx.insert_user(twin, "ann@example.com", "x"));
    // The refusal is an answer, not a failure: the transaction goes on.
    EXPECT_FALSE(tx.find_user(twin.id));
    EXPECT_TRUE(tx.insert_user(twin, "ann2@example.com", "x"));
  });
}

TEST_P(Accounts, a_profile_changes_all_but_email_and_password) {
  User user = *read([&](ReadTx& tx) { return tx.find_user(ann_); });
  const User bob = *read([&](ReadTx& tx) { return tx.find_user(bob_); });
  user.display_name = "Ann";
  user.timezone = "Asia/Tokyo";
  user.preferences.reminder_minutes_before = 1440;
  user.recompute = RecomputeJob{false, true, "UTC", std::nullopt, clock_.now()};
  user.disabled = true;
  write([&](Tx& tx) { tx.update_user(user); });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.find_user(ann_), user);
    EXPECT_EQ(tx.find_user(bob_), bob);
    EXPECT_EQ(tx.find_credentials(ann_)->password_hash, "hash of ann@example.com");
    EXPECT_EQ(tx.users_with_recompute_job(10), std::vector{ann_});
  });
  user.recompute.reset();
  user.display_name.reset();
  write([&](Tx& tx) {
    tx.update_user(user);
    tx.set_password_hash(ann_, "another");
  });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.find_user(ann_), user);
    EXPECT_EQ(tx.find_credentials(ann_)->password_hash, "another");
    EXPECT_EQ(tx.find_credentials(bob_)->password_hash, "hash of bob@example.com");
    EXPECT_TRUE(tx.users_with_recompute_job(10).empty());
  });
}

TEST_P(Accounts, jobs_of_many_users_are_listed_up_to_a_limit) {
  for (const Uuid& id : {ann_, bob_}) {
    User user = *read([&](ReadTx& tx) { return tx.find_user(id); });
    user.recompute = RecomputeJob{};
    write([&](Tx& tx) { tx.update_user(user); });
  }
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.users_with_recompute_job(1).size(), 1U);
    EXPECT_EQ(tx.users_with_recompute_job(5).size(), 2U);
  });
}

TEST_P(Accounts, counters_follow_the_living_and_the_completed) {
  const auto counters = [&] { return read([&](ReadTx& tx) { return tx.counters(ann_); }); };
  EXPECT_EQ(counters().changes, 0);
  Task task = add_task(ann_, "one");
  const Task other = add_task(ann_, "two");
  add_task(bob_, "not mine");
  EXPECT_EQ(counters().living_tasks, 2);
  EXPECT_EQ(counters().completed_tasks, 0);
  std::int64_t changes = counters().changes;
  const auto changed = [&] { return std::exchange(changes, counters().changes) != changes; };

  task = change(task, [&](Task& t) { t.completed_at = clock_.now(); });
  EXPECT_EQ(counters().completed_tasks, 1);
  EXPECT_TRUE(changed());
  task = change(task, [&](Task& t) { t.deleted_at = clock_.now(); });
  EXPECT_EQ(counters().living_tasks, 1);
  EXPECT_EQ(counters().completed_tasks, 0);
  EXPECT_TRUE(changed());
  task = change(task, [](Task& t) { t.deleted_at.reset(); });
  EXPECT_EQ(counters().living_tasks, 2);
  EXPECT_EQ(counters().completed_tasks, 1);
  EXPECT_TRUE(changed());
  change(task, [](Task& t) { t.completed_at.reset(); });
  EXPECT_EQ(counters().completed_tasks, 0);
  EXPECT_TRUE(changed());

  // What is derived does not count, a change of the user (a new zone) does.
  write([&](Tx& tx) { tx.set_remind_at(ann_, other.id, clock_.now()); });
  EXPECT_FALSE(changed());
  write([&](Tx& tx) { tx.update_user(*tx.find_user(ann_)); });
  EXPECT_TRUE(changed());
  // Another user's changes are theirs.
  add_task(bob_, "again not mine");
  EXPECT_FALSE(changed());
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ids_.next()); }).changes, 0);
}

TEST_P(Accounts, sessions_end_one_by_one_or_all_but_one) {
  const Session first = new_session(ann_);
  const Session second = new_session(ann_);
  const Session third = new_session(ann_);
  const Session bobs = new_session(bob_);
  write([&](Tx& tx) {
    for (const Session& session : {first, second, third, bobs}) tx.insert_session(session);
  });
  read([&](ReadTx& tx) {
    const auto found = tx.find_session(first.id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->user_id, ann_);
    EXPECT_EQ(found->created_at, first.created_at);
    EXPECT_EQ(found->expires_at, first.expires_at);
    EXPECT_FALSE(tx.find_session(ids_.next()));
  });
  write([&](Tx& tx) { tx.delete_session(bob_, first.id); });
  EXPECT_TRUE(has_session(first)) << "it is not Bob's";
  write([&](Tx& tx) { tx.delete_session(ann_, first.id); });
  EXPECT_FALSE(has_session(first));
  write([&](Tx& tx) { tx.delete_sessions(ann_, second.id); });
  EXPECT_TRUE(has_session(second));
  EXPECT_FALSE(has_session(third));
  EXPECT_TRUE(has_session(bobs));
  write([&](Tx& tx) { tx.delete_sessions(ann_, std::nullopt); });
  EXPECT_FALSE(has_session(second));
  EXPECT_TRUE(has_session(bobs));
}

TEST_P(Accounts, a_disabled_user_has_no_session_and_no_token) {
  const Session session = new_session(ann_);
  const ApiToken token = new_token(ann_, "s");
  write([&](Tx& tx) {
    tx.insert_session(session);
    EXPECT_TRUE(tx.insert_api_token(token));
    User user = *tx.find_user(ann_);
    user.disabled = true;
    tx.update_user(user);
  });
  EXPECT_FALSE(has_session(session));
  EXPECT_FALSE(read([&](ReadTx& tx) { return tx.find_api_token(token.secret_hash); }));
}

TEST_P(Accounts, api_tokens_are_found_by_their_hash_and_listed_newest_first) {
  ApiToken first = new_token(ann_, "first");
  first.scope = TokenScope::write;
  first.expires_at = clock_.now() + hours{1};
  clock_.advance(hours{1});
  const ApiToken second = new_token(ann_, "second");
  const ApiToken bobs = new_token(bob_, "bobs");
  write([&](Tx& tx) {
    for (const ApiToken& token : {first, second, bobs}) EXPECT_TRUE(tx.insert_api_token(token));
  });
  read([&](ReadTx& tx) {
    const auto tokens = tx.list_api_tokens(ann_);
    ASSERT_EQ(tokens.size(), 2U);
    EXPECT_EQ(tokens[0].id, second.id);
    EXPECT_EQ(tokens[1].id, first.id);
    const auto found = tx.find_api_token(first.secret_hash);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, first.id);
    EXPECT_EQ(found->user_id, ann_);
    EXPECT_EQ(found->name, first.name);
    EXPECT_EQ(found->scope, TokenScope::write);
    EXPECT_EQ(found->secret_hash, first.secret_hash);
    EXPECT_EQ(found->expires_at, first.expires_at);
    EXPECT_EQ(found->created_at, first.created_at);
    EXPECT_EQ(found->last_used_at, std::nullopt);
    EXPECT_EQ(tx.find_api_token(second.secret_hash)->expires_at, std::nullopt);
    EXPECT_FALSE(tx.find_api_token(std::string(32, 'x')));
  });
  write([&](Tx& tx) {
    tx.touch_api_token(first.id, clock_.now());
    EXPECT_FALSE(tx.delete_api_token(bob_, first.id)) << "it is not Bob's";
    EXPECT_TRUE(tx.delete_api_token(ann_, second.id));
    EXPECT_FALSE(tx.delete_api_token(ann_, second.id));
  });
  read([&](ReadTx& tx) {
    ASSERT_EQ(tx.list_api_tokens(ann_).size(), 1U);
    EXPECT_EQ(tx.list_api_tokens(ann_)[0].last_used_at, clock_.now());
    EXPECT_EQ(tx.list_api_tokens(bob_)[0].last_used_at, std::nullopt);
  });
}

TEST_P(Accounts, a_user_has_fifty_api_tokens_at_most) {
  write([&](Tx& tx) {
    for (int i = 0; i < limits::api_tokens_per_user_max; ++i)
      EXPECT_TRUE(tx.insert_api_token(new_token(ann_, std::to_string(i))));
    EXPECT_FALSE(tx.insert_api_token(new_token(ann_, "one more")));
    EXPECT_TRUE(tx.insert_api_token(new_token(bob_, "bobs")))
        << "each user has a limit of their own";
  });
  write([&](Tx& tx) {
    EXPECT_TRUE(tx.delete_api_token(ann_, tx.list_api_tokens(ann_).front().id));
    EXPECT_TRUE(tx.insert_api_token(new_token(ann_, "in its place")));
  });
}

TEST_P(Accounts, a_deleted_user_is_gone_at_once_and_the_email_is_free) {
  const Session session = new_session(ann_);
  const ApiToken token = new_token(ann_, "s");
  User with_job = *read([&](ReadTx& tx) { return tx.find_user(ann_); });
  with_job.recompute = RecomputeJob{};
  write([&](Tx& tx) {
    tx.insert_session(session);
    tx.insert_api_token(token);
    tx.update_user(with_job);
  });
  write([&](Tx& tx) { tx.mark_user_deleted(ann_, clock_.now()); });
  read([&](ReadTx& tx) {
    EXPECT_FALSE(tx.find_user(ann_));
    EXPECT_FALSE(tx.find_user_by_email("ann@example.com"));
    EXPECT_FALSE(tx.find_credentials("ann@example.com"));
    EXPECT_FALSE(tx.find_credentials(ann_));
    EXPECT_FALSE(tx.find_session(session.id));
    EXPECT_FALSE(tx.find_api_token(token.secret_hash));
    EXPECT_TRUE(tx.users_with_recompute_job(10).empty());
    EXPECT_EQ(tx.users_to_purge(10), std::vector{ann_});
    EXPECT_TRUE(tx.find_user(bob_));
  });
  write([&](Tx& tx) {
    tx.update_user(with_job);
    tx.set_password_hash(ann_, "new");
  });
  EXPECT_FALSE(read([&](ReadTx& tx) { return tx.find_user(ann_); })) << "nothing brings them back";
  add_user("ann@example.com");
}

INSTANTIATE_TEST_SUITE_P(All, Accounts, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
