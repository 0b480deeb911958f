// What was acknowledged is there after the power failed, whatever the disk did with all that was
// not synced.
#include "power_cut.h"

#include <array>
#include <cstdlib>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "fixture.h"

namespace todo::storage::sqlite {
namespace {

// Each unit writes two tasks: one alone would be half a unit.
struct Pair {
  Task first;
  Task second;
  Verdict verdict = Verdict::commit;
};

// For looking at what is left: that has to outlive nothing.
class NeverSyncing final : public DiskWatcher {
  std::optional<int> instead_of(Call call, std::string_view) override {
    return call == Call::sync ? std::optional(SQLITE_OK) : std::nullopt;
  }
};

class PowerCut : public SqliteTest {
 protected:
  PowerCut() {
    disk_.watch(recording_.get());
    user_ = test::make_user(ids_, "ann@example.com", clock_.now());
  }
  ~PowerCut() override {
    if (store_) close_store();
    disk_.watch(nullptr);
  }

  std::size_t new_pair(std::size_t bytes, Verdict verdict = Verdict::commit) {
    pairs_.push_back({test::make_task(ids_, user_.id, "first", clock_.now()),
                      test::make_task(ids_, user_.id, "second", clock_.now()), verdict});
    for (Task* task : {&pairs_.back().first, &pairs_.back().second})
      task->description = std::string(bytes, static_cast<char>('a' + pairs_.size() % 26));
    return pairs_.size() - 1;
  }
  void write_user() {
    test::write(*store_, [&](Tx& tx) { tx.insert_user(user_, user_.email, "hash"); });
  }
  void write_pair(std::size_t index) {
    const Pair& pair = pairs_[index];
    std::promise<Outcome> promise;
    auto future = promise.get_future();
    EXPECT_TRUE(store_->write(
        [&pair](Tx& tx) {
          tx.insert_task(pair.first);
          tx.insert_task(pair.second);
          return pair.verdict;
        },
        executor_,
        [&, index](Outcome outcome) {
          if (outcome == Outcome::committed) recording_->acknowledge(index);
          promise.set_value(outcome);
        }));
    EXPECT_NE(future.get(), Outcome::failed);
  }
  // From no file on: logs that are written back when the store closes, one that is written back
  // under way and begun anew, units of a page and of many.
  void record_session() {
    open_store();
    write_user();
    for (int i = 0; i < 5; ++i) write_pair(new_pair(100));
    close_store();
    open_store();
    write_pair(new_pair(10'000));
    write_pair(new_pair(100, Verdict::roll_back));
    for (int i = 0; i < 5; ++i) write_pair(new_pair(i == 3 ? 30'000 : 100));
    close_store();
    open_store();
    write_pair(new_pair(100));
    write_pair(new_pair(2'100'000));
    EXPECT_TRUE(test::eventually([&] { return metric("todo_storage_checkpoints_total") == 1; }));
    for (int i = 0; i < 3; ++i) write_pair(new_pair(100));
    close_store();
  }

  struct Losses {
    int acknowledged = 0;  // units
    std::string others;    // what else is wrong
  };

  // Cuts the power, opens what is left, and looks at it.
  Losses cut(const Platter& platter, std::uint64_t seed) {
    const test::TempFolder folder;
    platter.cut_power(seed, folder.path());
    const std::string path = folder.file("todo.db");
    Losses losses;
    std::vector<Task> tasks;
    try {
      metrics::Registry metrics;
      auto store = open({.path = path, .readers = 1, .backup_directory = folder.file("kept")},
                        clock_, metrics);
      if (!store) throw std::runtime_error(store.error());
      tasks = test::read(**store, [&](ReadTx& tx) {
        return tx.tasks_after(user_.id, std::nullopt, static_cast<int>(2 * pairs_.size() + 1));
      });
      (*store)->stop();
      store->reset();
      Connection connection(path, Access::read_write);
      Query check(connection, "PRAGMA integrity_check");
      if (!check.step() || check.text() != "ok") throw std::runtime_error("integrity_check");
    } catch (const std::exception& error) {
      losses.acknowledged = static_cast<int>(platter.acknowledged().size());
      losses.others = error.what();
      return losses;
    }
    compare(tasks, platter.acknowledged(), losses);
    return losses;
  }

  void compare(const std::vector<Task>& tasks, const std::set<std::size_t>& acknowledged,
               Losses& losses) const {
    std::map<Uuid, const Task*> by_id;
    for (const Task& task : tasks) by_id.emplace(task.id, &task);
    const auto is_there = [&](const Task& task) {
      const auto found = by_id.find(task.id);
      return found != by_id.end() && found->second->description == task.description;
    };
    std::size_t there = 0;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const bool first = is_there(pairs_[i].first);
      const bool second = is_there(pairs_[i].second);
      there += 2 * static_cast<std::size_t>(first);
      if (first != second) losses.others += " half a unit;";
      if (first && pairs_[i].verdict == Verdict::roll_back) losses.others += " rolled back;";
      if (acknowledged.contains(i) && !first) ++losses.acknowledged;
    }
    if (there != tasks.size()) losses.others += " tasks that nobody wrote;";
  }

  void expect_nothing_lost(const Platter& platter, std::uint64_t seed, std::size_t at) {
    const Losses losses = cut(platter, seed);
    EXPECT_EQ(losses.acknowledged, 0) << "operation " << at << ", seed " << seed;
    EXPECT_EQ(losses.others, "") << "operation " << at << ", seed " << seed;
  }

  FailingDisk& disk_ = FailingDisk::instance();
  std::unique_ptr<DiskRecording> recording_ = std::make_unique<DiskRecording>(path_);
  NeverSyncing never_syncing_;
  test::ImmediateExecutor executor_;
  User user_;
  std::vector<Pair> pairs_;
};

TEST_F(PowerCut, at_each_sync_loses_nothing_that_was_acknowledged) {
  record_session();
  disk_.watch(&never_syncing_);
  Platter platter;
  const auto& operations = recording_->operations();
  int syncs = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const bool sync = operations[i].kind == DiskOperation::Kind::sync;
    syncs += sync ? 1 : 0;
    for (std::uint64_t seed = 0; sync && seed < 4; ++seed) expect_nothing_lost(platter, seed, i);
    platter.apply(operations[i]);
    // Right after it, with nothing kept but what was synced.
    if (sync) expect_nothing_lost(platter, 0, i);
    if (HasFailure()) return;
  }
  EXPECT_GE(syncs, 25);
  EXPECT_EQ(platter.acknowledged().size(), pairs_.size() - 1);
}

TEST_F(PowerCut, at_any_moment_of_a_load_loses_nothing_that_was_acknowledged) {
  const char* given = std::getenv("POWER_CUT_SEED");
  const std::uint64_t seed = given == nullptr ? std::random_device{}() : std::stoull(given);
  std::cout << "POWER_CUT_SEED=" << seed << "\n";
  std::mt19937_64 random(seed);
  constexpr std::size_t threads = 4;
  constexpr std::size_t pairs = 120;
  for (std::size_t i = 0; i < pairs; ++i) new_pair(random() % (i % 10 == 0 ? 60'000 : 6'000));
  open_store();
  write_user();
  for (const std::size_t begin : {std::size_t{0}, pairs / 2}) {
    std::vector<std::thread> writers;
    for (std::size_t t = 0; t < threads; ++t) {
      writers.emplace_back([this, begin, t] {
        for (std::size_t i = begin + t; i < begin + pairs / 2; i += threads) write_pair(i);
      });
    }
    for (std::thread& writer : writers) writer.join();
    close_store();  // with a checkpoint
    if (begin == 0) open_store();
  }
  disk_.watch(&never_syncing_);
  const auto& operations = recording_->operations();
  std::multiset<std::size_t> moments;
  while (moments.size() < 60) moments.insert(random() % (operations.size() + 1));
  Platter platter;
  std::size_t played = 0;
  for (const std::size_t moment : moments) {
    while (played < moment) platter.apply(operations[played++]);
    expect_nothing_lost(platter, random(), moment);
  }
}

// The tests above see what they look for: without syncs the same session loses units.
TEST_F(PowerCut, without_syncs_acknowledged_units_are_lost) {
  record_session();
  disk_.watch(&never_syncing_);
  Platter platter(false);
  const auto& operations = recording_->operations();
  std::array<int, 3> lost{};
  int acknowledged = 0;
  for (const DiskOperation& operation : operations) {
    platter.apply(operation);
    if (operation.kind != DiskOperation::Kind::acknowledge || ++acknowledged % 4 != 0) continue;
    for (std::uint64_t seed = 0; seed < lost.size(); ++seed)
      lost[seed] += cut(platter, seed).acknowledged;
  }
  EXPECT_GT(lost[0], 0) << "nothing unsynced is kept";
  EXPECT_EQ(lost[1], 0) << "everything is, as after a kill of the process";
  EXPECT_GT(lost[2], 0) << "some is";
}

}  // namespace
}  // namespace todo::storage::sqlite
