// What many who write at once can get wrong. With one writer most of it holds of itself.
#include <array>
#include <mutex>
#include <set>

#include "database.h"
#include "support/threads.h"

namespace todo::storage::conformance {
namespace {

class Concurrency : public StoreTest {
 protected:
  static constexpr int threads_count = 4;

  // One unit a call, of one thread of many; `work` is told which thread it is on.
  void run_on_many_threads(int units_each, const std::function<void(Tx&, int)>& work) {
    test::Threads threads;
    for (int t = 0; t < threads_count; ++t) {
      threads.run([&, t] {
        for (int i = 0; i < units_each; ++i) write([&](Tx& tx) { work(tx, t); });
      });
    }
  }
};

TEST_P(Concurrency, a_task_changed_by_many_at_once_has_every_version_once) {
  const Task task = add_task(ann_, "t");
  std::mutex mutex;
  std::multiset<std::int64_t> versions;
  run_on_many_threads(25, [&](Tx& tx, int thread) {
    const Task before = *tx.find_task(ann_, task.id);
    Task after = before;
    after.title += static_cast<char>('a' + thread);
    ++after.version;
    tx.update_task(before, after);
    const std::scoped_lock lock(mutex);
    versions.insert(after.version);
  });
  // A unit may run again; none is to have committed a version that another had.
  const Task last = *stored(task);
  EXPECT_EQ(last.version, 1 + threads_count * 25);
  EXPECT_EQ(last.title.size(), 1U + threads_count * 25) << "no change was overwritten";
  for (std::int64_t version = 2; version <= last.version; ++version)
    EXPECT_GE(versions.count(version), 1U) << version;
}

TEST_P(Concurrency, a_check_still_holds_when_what_it_allowed_is_written) {
  constexpr int tasks_max = 30;
  run_on_many_threads(20, [&](Tx& tx, int) {
    if (tx.counters(ann_).living_tasks < tasks_max) tx.insert_task(new_task(ann_, "t"));
  });
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.counters(ann_).living_tasks, tasks_max);
    EXPECT_EQ(tx.count_tasks(ann_, {}).value, tasks_max);
  });
}

TEST_P(Concurrency, a_promise_is_kept_once) {
  std::vector<Promise> promises(20);
  for (Promise& promise : promises)
    promise = {ids_.next(), ann_, ids_.next(), ids_.next(), 2, "{}"};
  write([&](Tx& tx) {
    for (const Promise& promise : promises) tx.insert_promise(promise);
  });
  std::array<std::size_t, threads_count> next{};
  run_on_many_threads(20, [&](Tx& tx, int thread) {
    const auto taken =
        tx.take_promise(ann_, promises[next.at(static_cast<std::size_t>(thread))++].id);
    if (taken) tx.insert_task(new_task(ann_, "kept"));
  });
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.counters(ann_).living_tasks; }), 20);
}

TEST_P(Concurrency, the_twin_of_an_idempotency_key_gets_what_the_first_has_stored) {
  const auto use = [&](Tx& tx) {
    return tx.insert_idempotency_key(ann_, "key", std::string(32, 'h'), clock_.now());
  };
  test::Signal used;
  test::Signal twin_comes;
  test::Threads threads;
  threads.run([&] {
    write([&](Tx& tx) {
      EXPECT_FALSE(use(tx));
      used.give();
      EXPECT_TRUE(twin_comes.wait());
      tx.store_idempotent_response(ann_, "key", {std::string(32, 'h'), 201, "headers", "body"});
    });
  });
  ASSERT_TRUE(used.wait());
  test::ImmediateExecutor executor;
  test::Signal answered;
  std::optional<IdempotentResponse> earlier;
  EXPECT_TRUE(store_->write(
      [&](Tx& tx) {
        earlier = use(tx);
        return Verdict::roll_back;
      },
      executor, [&](Outcome) { answered.give(); }));
  twin_comes.give();
  ASSERT_TRUE(answered.wait());
  ASSERT_TRUE(earlier);
  EXPECT_EQ(earlier->status, 201);
  EXPECT_EQ(earlier->body, "body");
}

INSTANTIATE_TEST_SUITE_P(All, Concurrency, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
