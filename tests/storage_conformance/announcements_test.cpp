// What units of work announce is told once they are committed, and only then.
#include "database.h"
#include "support/audience.h"

namespace todo::storage::conformance {
namespace {

using Kind = Announcement::Kind;

class Announcements : public StoreTest {
 public:
  ~Announcements() override { store_->set_audience(nullptr); }

 protected:
  Announcements() { store_->set_audience(&audience_); }

  Announcement about(const Uuid& user_id) {
    return {Kind::task_updated, user_id, ids_.next(), ++version_};
  }
  // The last word of a test: what comes before it was told, or never will be.
  std::vector<Announcement> heard_up_to_now() {
    const Announcement last = about(bob_);
    write([&](Tx& tx) { tx.announce(last); });
    EXPECT_TRUE(audience_.hears(last));
    auto heard = audience_.heard();
    heard.pop_back();
    return heard;
  }

  test::KeepingAudience audience_;
  std::int64_t version_ = 0;
};

TEST_P(Announcements, a_unit_that_is_committed_is_told_of_once_and_in_its_order) {
  const Announcement first = about(ann_);
  const Announcement second = about(bob_);
  write([&](Tx& tx) {
    tx.announce(first);
    tx.announce(second);
    EXPECT_TRUE(audience_.heard().empty()) << "before its COMMIT";
  });
  EXPECT_EQ(heard_up_to_now(), (std::vector{first, second}));
}

TEST_P(Announcements, what_was_undone_is_not_told) {
  const Announcement kept = about(ann_);
  store_->write_and_wait([&](Tx& tx) {
    tx.announce(about(ann_));
    return Verdict::roll_back;
  });
  store_->write_and_wait([&](Tx& tx) -> Verdict {
    tx.announce(about(ann_));
    throw std::runtime_error("a bug");
  });
  write([&](Tx& tx) {
    EXPECT_FALSE(tx.nested([&] {
      tx.announce(about(ann_));
      throw std::runtime_error("undone");
    }));
    EXPECT_TRUE(tx.nested([&] { tx.announce(kept); }));
  });
  EXPECT_EQ(heard_up_to_now(), std::vector{kept});
}

TEST_P(Announcements, of_units_that_wait_together_only_the_committed_ones_are_told_of) {
  test::QueueExecutor executor;
  std::vector<Announcement> expected;
  test::HeldWriter writer(*store_, executor);
  constexpr int units = 9;
  for (int i = 0; i < units; ++i) {
    const Announcement announcement = about(ann_);
    const Verdict verdict = i % 3 == 1 ? Verdict::roll_back : Verdict::commit;
    if (verdict == Verdict::commit) expected.push_back(announcement);
    EXPECT_TRUE(store_->write(
        [announcement, verdict](Tx& tx) {
          tx.announce(announcement);
          return verdict;
        },
        executor, [](Outcome) {}));
  }
  writer.release();
  ASSERT_TRUE(executor.run(units + 1));
  auto heard = heard_up_to_now();
  // A store with several threads may commit them in any order.
  std::ranges::sort(heard, {}, &Announcement::version);
  EXPECT_EQ(heard, expected);
}

TEST_P(Announcements, what_ends_credentials_announces_that) {
  const Session session{ids_.next(), ann_, clock_.now(), clock_.now() + std::chrono::hours{1}};
  const ApiToken token{ids_.next(), ann_, "script", TokenScope::read, "hash", {}, clock_.now(), {}};
  write([&](Tx& tx) {
    tx.insert_session(session);
    tx.insert_api_token(token);
  });
  const Announcement ended{Kind::credentials, ann_, {}, 0};
  const auto announces = [&](const std::function<void(Tx&)>& work) {
    const std::size_t before = heard_up_to_now().size() + 1;
    write(work);
    const auto heard = heard_up_to_now();
    return heard.size() == before + 1 && heard.back() == ended;
  };
  EXPECT_TRUE(announces([&](Tx& tx) { tx.delete_session(ann_, session.id); }));
  EXPECT_TRUE(announces([&](Tx& tx) { tx.delete_sessions(ann_, std::nullopt); }));
  EXPECT_TRUE(announces([&](Tx& tx) { tx.delete_api_token(ann_, token.id); }));
  EXPECT_TRUE(announces([&](Tx& tx) {
    // The oldest beyond the limit go.
    tx.insert_session(session);
  }));
}

TEST_P(Announcements, who_does_not_listen_any_more_is_told_nothing) {
  store_->set_audience(nullptr);
  write([&](Tx& tx) { tx.announce(about(ann_)); });
  // A unit may be answered before it is told of, but the next one is not.
  write([](Tx& tx) { tx.count_dead(); });
  test::KeepingAudience other;
  store_->set_audience(&other);
  const Announcement told = about(ann_);
  write([&](Tx& tx) { tx.announce(told); });
  EXPECT_TRUE(other.hears(told));
  EXPECT_EQ(other.heard(), std::vector{told});
  EXPECT_TRUE(audience_.heard().empty());
  store_->set_audience(nullptr);
}

INSTANTIATE_TEST_SUITE_P(Stores, Announcements, databases(), name_of);

// --- two processes ---

class AnnouncementsOfOthers : public StoreTest {
 public:
  ~AnnouncementsOfOthers() override {
    other_->set_audience(nullptr);
    other_->stop();
  }

 protected:
  AnnouncementsOfOthers() : other_(database_->open(clock_)) {
    other_->set_audience(&audience_);
    EXPECT_TRUE(other_->hears_others());
    // It begins to listen with the first thing that is done there.
    test::read(*other_, [&](ReadTx& tx) { tx.find_user(ann_); });
    EXPECT_TRUE(test::eventually([&] { return audience_.misses() > 0; }));
  }

  test::KeepingAudience audience_;
  std::unique_ptr<Store> other_;
};

TEST_P(AnnouncementsOfOthers, are_heard_once_and_whole_however_many) {
  std::vector<Announcement> all;
  for (int i = 0; i < 1'000; ++i) {
    all.push_back({i % 2 == 0 ? Kind::task_deleted : Kind::notification, i % 3 == 0 ? ann_ : bob_,
                   ids_.next(), (std::int64_t{1} << 40) + i});
  }
  write([&](Tx& tx) {
    for (const Announcement& announcement : all) tx.announce(announcement);
  });
  EXPECT_TRUE(audience_.hears(all.back()));
  EXPECT_EQ(audience_.heard(), all);
}

TEST_P(AnnouncementsOfOthers, of_a_process_that_ends_at_once_are_heard_too) {
  const auto command = database_->open(clock_);
  const Announcement last{Kind::credentials, ann_, {}, 0};
  test::write(*command, [&](Tx& tx) { tx.delete_sessions(ann_, std::nullopt); });
  command->stop();
  EXPECT_TRUE(audience_.hears(last));
}

INSTANTIATE_TEST_SUITE_P(Stores, AnnouncementsOfOthers, shared_databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
