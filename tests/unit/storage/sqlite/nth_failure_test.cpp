// Each single call to the disk fails once: an error for who met it or none, nothing by half, what
// was acknowledged stays, what was refused never comes, and work goes on with the next call.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "failing_disk.h"
#include "fixture.h"

namespace todo::storage::sqlite {
namespace {

using Call = DiskWatcher::Call;

// The n-th call of a kind fails, once, counted over all files whose path ends in `suffix`. Nothing
// is really synced: no power fails here. For the time of this object.
class NthFailure final : public DiskWatcher {
 public:
  NthFailure(Call call, int n, int code, std::string suffix = "")
      : call_(call), n_(n), code_(code), suffix_(std::move(suffix)) {
    FailingDisk::instance().watch(this);
  }
  ~NthFailure() override { FailingDisk::instance().watch(nullptr); }
  NthFailure(const NthFailure&) = delete;
  NthFailure& operator=(const NthFailure&) = delete;
  bool happened() const { return calls_ >= n_; }

  std::optional<int> instead_of(Call call, std::string_view path) override {
    if (call == call_ && path.ends_with(suffix_) && ++calls_ == n_) return code_;
    return call == Call::sync ? std::optional(SQLITE_OK) : std::nullopt;
  }

 private:
  const Call call_;
  const int n_;
  const int code_;
  const std::string suffix_;
  std::atomic<int> calls_ = 0;
};

class NthFailureTest : public SqliteTest {
 protected:
  static constexpr int units = 12;
  static constexpr int no_such_call = 9;  // an exit code

  NthFailureTest() {
    user_ = test::make_user(ids_, "ann@example.com", clock_.now());
    for (int i = 0; i < 2 * (units + 1); ++i)
      tasks_.push_back(test::make_task(ids_, user_.id, "t", clock_.now()));
    open_store();
    test::write(*store_, [&](Tx& tx) { tx.insert_user(user_, user_.email, "hash"); });
    close_store();
    std::filesystem::copy_file(path_, template_);
  }
  ~NthFailureTest() override {
    if (store_) store_->stop();
  }

  void remove_files() {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"})
      std::filesystem::remove(path_ + suffix);
    for (const std::string& copy : {backup_, backup_ + ".part"}) std::filesystem::remove(copy);
    outcomes_.clear();
  }
  void begin_anew() {
    remove_files();
    std::filesystem::copy_file(template_, path_);
  }
  // Opening may fail when its call does; then it succeeds.
  int open_at_last() {
    for (int failures = 0;; ++failures) {
      try {
        open_store();
        return failures;
      } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()), "");
        if (failures == 1) throw;
      }
    }
  }
  Outcome write_unit(std::size_t unit, std::size_t bytes = 300) {
    Task first = tasks_[2 * unit];
    first.description = std::string(bytes, 'd');
    const Outcome outcome = store_->write_and_wait([&](Tx& tx) {
      tx.insert_task(first);
      tx.insert_task(tasks_[2 * unit + 1]);
      return Verdict::commit;
    });
    outcomes_.push_back(outcome);
    if (told_) *told_ << (outcome == Outcome::committed ? 'c' : 'f') << std::flush;
    return outcome;
  }
  std::optional<std::size_t> count_tasks() {
    std::size_t count = 0;
    const Outcome outcome = store_->read_and_wait(
        [&](ReadTx& tx) { count = tx.tasks_after(user_.id, std::nullopt, 1'000).size(); });
    return outcome == Outcome::committed ? std::optional(count) : std::nullopt;
  }

  // With a second one after a failure.
  bool back_up() {
    const bool copied = store_->backup_to(backup_).has_value();
    EXPECT_EQ(std::filesystem::exists(backup_), copied);
    EXPECT_FALSE(std::filesystem::exists(backup_ + ".part"));
    EXPECT_TRUE(copied || store_->backup_to(backup_));
    return copied;
  }

  // Twelve units with a read after each, a checkpoint in the middle, and a backup where the failure
  // is still to come. How many of these failed.
  int session(const NthFailure& failure) {
    int failures = open_at_last();
    const auto count = [&](bool well) { failures += well ? 0 : 1; };
    int after = 0;  // units since the failure: a few show that work goes on
    for (std::size_t unit = 0; unit < units && after < 3; ++unit) {
      if (failure.happened()) ++after;
      if (unit == units / 2) {
        close_store();
        failures += open_at_last();
      }
      count(write_unit(unit) == Outcome::committed);
      const auto seen = count_tasks();
      count(seen.has_value());
      EXPECT_EQ(seen.value_or(committed_tasks()), committed_tasks());
    }
    if (!failure.happened()) count(back_up());
    EXPECT_TRUE(test::eventually([&] { return store_->health().reachable; }));
    close_store();
    return failures;
  }
  std::size_t committed_tasks() const {
    return 2 * static_cast<std::size_t>(
                   std::count(outcomes_.begin(), outcomes_.end(), Outcome::committed));
  }

  // What was committed is there, what failed is not, and the file is whole.
  void check_file(const std::string& path) {
    Connection connection(path, Access::read_write);
    Query check(connection, "PRAGMA integrity_check");
    ASSERT_TRUE(check.step());
    EXPECT_EQ(check.text(), "ok");
    for (std::size_t i = 0; i < 2 * outcomes_.size(); ++i) {
      Query query(connection, "SELECT count(*) FROM tasks WHERE user_id = ? AND id = ?");
      query.bind(user_.id).bind(tasks_[i].id);
      ASSERT_TRUE(query.step());
      EXPECT_EQ(query.integer(), outcomes_[i / 2] == Outcome::committed ? 1 : 0) << "task " << i;
    }
  }

  void fail_each(Call call, int code, int step = 1) {
    int n = 1;
    int failed = 0;
    for (bool happened = true; happened; n += step) {
      SCOPED_TRACE("call " + std::to_string(n));
      begin_anew();
      {
        const NthFailure failure(call, n, code);
        const int failures = session(failure);
        EXPECT_LE(failures, 1) << "one failure of the disk is one of ours at most";
        failed += failures;
        happened = failure.happened();
      }
      check_file(path_);
      if (std::filesystem::exists(backup_)) check_file(backup_);
      if (HasFailure()) return;
    }
    EXPECT_GT(n, 1 + step) << "there was no such call";
    std::cout << n - step << " calls, " << failed << " of them failed a request\n";
  }

  const std::string template_ = folder_.file("template");
  const std::string backup_ = folder_.file("backup");
  User user_;
  std::vector<Task> tasks_;
  std::vector<Outcome> outcomes_;      // of the units so far
  std::optional<std::ofstream> told_;  // the same, for who outlives this process
};

TEST_F(NthFailureTest, a_full_disk_at_any_write_fails_one_request_at_most) {
  fail_each(Call::write, SQLITE_FULL);
}

TEST_F(NthFailureTest, an_error_at_any_write_fails_one_request_at_most) {
  fail_each(Call::write, SQLITE_IOERR_WRITE, 7);
}

TEST_F(NthFailureTest, an_error_at_any_read_fails_one_request_at_most) {
  fail_each(Call::read, SQLITE_IOERR_READ);
}

TEST_F(NthFailureTest, an_error_at_any_truncation_fails_one_request_at_most) {
  fail_each(Call::truncate, SQLITE_IOERR_TRUNCATE);
}

TEST_F(NthFailureTest, a_size_that_cannot_be_told_fails_one_request_at_most) {
  fail_each(Call::size, SQLITE_IOERR_FSTAT);
}

TEST_F(NthFailureTest, a_file_that_cannot_be_opened_fails_one_request_at_most) {
  fail_each(Call::open, SQLITE_CANTOPEN);
}

TEST_F(NthFailureTest, a_file_that_cannot_be_removed_fails_one_request_at_most) {
  fail_each(Call::remove, SQLITE_IOERR_DELETE);
}

TEST_F(NthFailureTest, memory_that_cannot_be_shared_fails_one_request_at_most) {
  fail_each(Call::map, SQLITE_IOERR_SHMMAP);
}

TEST_F(NthFailureTest, a_first_start_that_fails_is_tried_again) {
  for (const auto& [call, code] :
       {std::pair(Call::write, SQLITE_FULL), std::pair(Call::read, SQLITE_IOERR_READ),
        std::pair(Call::sync, SQLITE_IOERR_FSYNC)}) {
    int failed = 0;
    bool happened = true;
    for (int n = 1; happened; n += call == Call::write ? 3 : 1) {
      SCOPED_TRACE("call " + std::to_string(n));
      remove_files();
      {
        const NthFailure failure(call, n, code);
        const int failures = open_at_last();
        happened = failure.happened();
        EXPECT_LE(failures, 1);
        failed += failures;
      }
      test::write(*store_, [&](Tx& tx) { tx.insert_user(user_, user_.email, "hash"); });
      EXPECT_EQ(write_unit(0), Outcome::committed);
      close_store();
      check_file(path_);
      if (HasFailure()) return;
    }
    EXPECT_GT(failed, 0);
  }
}

TEST_F(NthFailureTest, a_checkpoint_that_fails_under_load_costs_nothing) {
  const std::vector<std::pair<Call, int>> failures{
      {Call::write, 1}, {Call::write, 2}, {Call::write, 700}, {Call::truncate, 1}, {Call::read, 1}};
  for (const auto& [call, n] : failures) {
    begin_anew();
    open_store();
    {
      const NthFailure failure(call, n, SQLITE_FULL, call == Call::read ? ".db-wal" : ".db");
      // More than a checkpoint waits for.
      for (const std::size_t unit : {0U, 1U})
        EXPECT_EQ(write_unit(unit, 2'500'000), Outcome::committed);
      EXPECT_TRUE(test::eventually([&] { return failure.happened(); }));
      for (const std::size_t unit : {2U, 3U}) EXPECT_EQ(write_unit(unit), Outcome::committed);
      EXPECT_EQ(count_tasks(), committed_tasks());
      EXPECT_TRUE(store_->health().reachable);
      close_store();
    }
    check_file(path_);
  }
}

TEST_F(NthFailureTest, any_sync_that_fails_ends_the_process_and_loses_nothing_acknowledged) {
  const std::string told = folder_.file("told");
  int ended = 0;
  for (int n = 1;; ++n) {
    SCOPED_TRACE("sync " + std::to_string(n));
    begin_anew();
    const pid_t child = ::fork();  // no thread runs here while no store is open
    ASSERT_GE(child, 0);
    if (child == 0) {
      told_.emplace(told);
      const NthFailure failure(Call::sync, n, SQLITE_IOERR_FSYNC);
      session(failure);
      std::_Exit(failure.happened() ? EXIT_SUCCESS : no_such_call);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << status;
    if (WEXITSTATUS(status) == no_such_call) break;
    ended += WEXITSTATUS(status) == EXIT_FAILURE ? 1 : 0;
    std::string outcomes;
    std::ifstream(told) >> outcomes;
    EXPECT_EQ(outcomes.find('f'), std::string::npos);
    // The unit that met it was not answered: it may be there, but not by half.
    open_store();
    const auto seen = count_tasks();
    EXPECT_TRUE(seen == 2 * outcomes.size() || seen == 2 * outcomes.size() + 2) << outcomes;
    outcomes_.assign(outcomes.size(), Outcome::committed);
    close_store();
    check_file(path_);
    if (HasFailure()) return;
  }
  EXPECT_GE(ended, units) << "each commit has a sync of its own";
}

}  // namespace
}  // namespace todo::storage::sqlite
