// Frames go to the log together, and whoever looks for them finds them.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "failing_disk.h"
#include "fixture.h"

namespace todo::storage::sqlite {
namespace {

class LogWrites final : public DiskWatcher {
 public:
  void wrote(std::string_view path, std::string_view data, std::int64_t) override {
    if (!path.ends_with("-wal")) return;
    ++count;
    bytes += data.size();
  }

  std::atomic<std::size_t> count = 0;
  std::atomic<std::size_t> bytes = 0;
};

class GatheringVfs : public testing::Test {
 protected:
  GatheringVfs() {
    FailingDisk::instance().watch(&writes_);
    connection_.emplace(folder_.file("a.db"), Access::serve);
    connection_->execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)");
    writes_.count = writes_.bytes = 0;
  }
  ~GatheringVfs() override {
    connection_.reset();
    FailingDisk::instance().watch(nullptr);
  }

  // Some 4 KiB a row.
  void insert(int rows) {
    connection_->execute(("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT " +
                          std::to_string(rows) +
                          ") INSERT INTO t (b) SELECT hex(zeroblob(2000)) FROM n")
                             .c_str());
  }

  test::TempFolder folder_;
  LogWrites writes_;
  std::optional<Connection> connection_;
};

TEST_F(GatheringVfs, a_commit_of_many_pages_is_few_writes) {
  insert(500);
  EXPECT_GT(writes_.bytes, 2'000'000U);
  EXPECT_LE(writes_.count, 25U);
}

TEST_F(GatheringVfs, what_is_committed_is_there_for_others) {
  Connection reader(folder_.file("a.db"), Access::read_only);
  for (int rows = 0; rows <= 300; rows += 100) {
    EXPECT_EQ(reader.scalar("SELECT count(*) FROM t"), rows);
    EXPECT_EQ(reader.scalar("SELECT sum(length(b)) FROM t"), rows * 4'000);
    insert(100);
  }
}

TEST_F(GatheringVfs, pages_that_left_the_cache_are_read_back_before_their_commit) {
  connection_->execute("PRAGMA cache_size = 10; BEGIN");
  insert(1'000);
  EXPECT_EQ(connection_->scalar("SELECT sum(length(b)) FROM t"), 4'000'000);
  connection_->execute("ROLLBACK");
  insert(10);
  EXPECT_EQ(connection_->scalar("SELECT sum(length(b)) FROM t"), 40'000);
  connection_->execute("PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_EQ(connection_->scalar("SELECT sum(length(b)) FROM t"), 40'000);
}

}  // namespace
}  // namespace todo::storage::sqlite
