#include "storage/sqlite/schema.h"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>

#include "failing_disk.h"
#include "fixture.h"
#include "storage/store.h"

namespace todo::storage::sqlite {
namespace {

namespace fs = std::filesystem;

class Schema : public SqliteTest {
 protected:
  void execute(const char* sql) { Connection(path_, Access::read_write).execute(sql); }
  std::int64_t scalar(const std::string& sql) {
    return Connection(path_, Access::read_write).scalar(sql);
  }
  std::string refusal() {
    const auto store = open(options(), clock_, *metrics_);
    EXPECT_FALSE(store);
    const auto migrated = migrate(options());
    EXPECT_FALSE(migrated);
    if (store || migrated) return {};
    EXPECT_EQ(store.error(), migrated.error());
    EXPECT_EQ(store.error().find('\n'), std::string::npos) << "one line";
    EXPECT_NE(store.error().find(path_), std::string::npos) << store.error();
    return store.error();
  }
};

TEST_F(Schema, a_new_file_gets_the_newest_schema_and_says_so) {
  const auto first = migrate(options());
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(first->from, 0);
  EXPECT_EQ(first->to, schema_version);
  const auto second = migrate(options());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->from, schema_version) << "nothing to do";
  EXPECT_EQ(second->to, schema_version);
  EXPECT_EQ(scalar("SELECT count(*) FROM schema_info"), 1);
  EXPECT_EQ(scalar("SELECT version FROM schema_info"), schema_version);
  EXPECT_EQ(scalar("SELECT min_app FROM schema_info"), schema_min_app);
  EXPECT_GT(scalar("SELECT length(epoch) FROM schema_info"), 0);
  EXPECT_FALSE(fs::exists(folder_.file("kept"))) << "an empty file is worth no backup";
}

TEST_F(Schema, every_table_is_strict) {
  ASSERT_TRUE(migrate(options()));
  EXPECT_GT(scalar("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND strict"), 10);
  EXPECT_EQ(scalar("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND NOT strict "
                   "AND name NOT LIKE 'sqlite_%'"),
            0);
}

TEST_F(Schema, no_constraint_is_deferrable_and_no_trigger_hides_work) {
  ASSERT_TRUE(migrate(options()));
  EXPECT_EQ(scalar("SELECT count(*) FROM sqlite_master WHERE sql LIKE '%DEFERR%'"), 0);
  EXPECT_EQ(scalar("SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index')"), 0);
}

TEST_F(Schema, a_newer_schema_that_knows_us_is_good_and_left_alone) {
  ASSERT_TRUE(migrate(options()));
  execute("UPDATE schema_info SET version = 99");
  const auto migrated = migrate(options());
  ASSERT_TRUE(migrated) << migrated.error();
  EXPECT_EQ(migrated->from, 99);
  EXPECT_EQ(migrated->to, 99);
  EXPECT_EQ(scalar("SELECT version FROM schema_info"), 99);
}

TEST_F(Schema, a_newer_schema_that_left_us_behind_is_refused_and_left_alone) {
  ASSERT_TRUE(migrate(options()));
  execute("UPDATE schema_info SET version = 99, min_app = 98");
  const std::string text = refusal();
  EXPECT_NE(text.find("99"), std::string::npos) << text;
  EXPECT_NE(text.find(std::to_string(schema_version)), std::string::npos) << text;
  EXPECT_EQ(scalar("SELECT version FROM schema_info"), 99);
}

TEST_F(Schema, another_programs_database_is_refused_and_left_alone) {
  sqlite3* other = nullptr;  // opened as another program would
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(other, "CREATE TABLE recipes (name); INSERT INTO recipes VALUES ('soup')",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(other);
  const auto bytes = [this] {
    std::ifstream file(options().path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = bytes();
  const std::string text = refusal();
  EXPECT_TRUE(bytes() == before) << "not even its journal mode";
  EXPECT_NE(text.find("not one of todo-app"), std::string::npos) << text;
  EXPECT_EQ(scalar("SELECT count(*) FROM recipes"), 1);
  EXPECT_EQ(scalar("SELECT count(*) FROM sqlite_master"), 1);
}

TEST_F(Schema, what_is_no_database_is_refused_and_left_alone) {
  std::ofstream(path_) << std::string(10'000, 'x');
  EXPECT_FALSE(refusal().empty());
  std::ifstream file(path_);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), std::string(10'000, 'x'));
}

TEST_F(Schema, a_path_that_cannot_be_opened_is_named) {
  fs::create_directory(path_);
  EXPECT_FALSE(refusal().empty());
}

TEST_F(Schema, without_migration_a_new_file_and_the_newest_schema_are_taken) {
  Options no_migration = options();
  no_migration.migrate = false;
  for (int i = 0; i < 2; ++i) {
    auto store = open(no_migration, clock_, *metrics_);
    ASSERT_TRUE(store) << store.error();
    (*store)->stop();
  }
}

TEST_F(Schema, a_migration_that_fails_leaves_the_file_as_it_was) {
  ASSERT_TRUE(migrate(options()));
  // A file that claims to be empty but is not: the first step cannot run.
  execute("UPDATE schema_info SET version = 0, min_app = 7");
  EXPECT_FALSE(refusal().empty());
  EXPECT_EQ(scalar("SELECT min_app FROM schema_info"), 7);
  EXPECT_EQ(scalar("SELECT count(*) FROM schema_info"), 1);
}

TEST_F(Schema, a_migration_on_a_full_disk_can_be_run_again) {
  FailingDisk& disk = FailingDisk::instance();
  disk.fail_writes(SQLITE_FULL, true);
  const auto full = migrate(options());
  disk.heal();
  ASSERT_FALSE(full);
  EXPECT_NE(full.error().find("full"), std::string::npos) << full.error();
  const auto again = migrate(options());
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->from, 0);
}

// --- connections ---

TEST_F(Schema, the_writers_connection_is_durable_and_checkpoints_only_when_told) {
  Connection writer(path_, Access::serve);
  Query mode(writer, "PRAGMA journal_mode");
  ASSERT_TRUE(mode.step());
  EXPECT_EQ(mode.text(), "wal");
  EXPECT_EQ(writer.scalar("PRAGMA synchronous"), 2) << "FULL: each commit is synced";
  EXPECT_EQ(writer.scalar("PRAGMA wal_autocheckpoint"), 0);
  EXPECT_EQ(writer.scalar("PRAGMA mmap_size"), 0);
  EXPECT_EQ(writer.scalar("PRAGMA query_only"), 0);
  EXPECT_GT(writer.scalar("PRAGMA journal_size_limit"), 0);
}

TEST_F(Schema, a_readers_connection_neither_writes_nor_checkpoints) {
  ASSERT_TRUE(migrate(options()));
  Connection reader(path_, Access::read_only);
  EXPECT_EQ(reader.scalar("PRAGMA query_only"), 1);
  EXPECT_EQ(reader.scalar("PRAGMA wal_autocheckpoint"), 0);
  EXPECT_EQ(reader.scalar("PRAGMA mmap_size"), 0);
  int no_checkpoint = 0;
  ASSERT_EQ(
      sqlite3_db_config(reader.handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, -1, &no_checkpoint),
      SQLITE_OK);
  EXPECT_EQ(no_checkpoint, 1);
  EXPECT_ANY_THROW(reader.execute("UPDATE schema_info SET version = 5"));
  EXPECT_ANY_THROW(Connection(folder_.file("not there"), Access::read_only));
}

TEST_F(Schema, a_refused_statement_and_a_lost_transaction_are_told_apart) {
  Connection connection(path_, Access::read_write);
  for (const int code : {SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_ERROR})
    EXPECT_THROW(throw_error(connection.handle(), code), StatementRefused) << code;
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_NOMEM, SQLITE_BUSY,
                         SQLITE_BUSY_SNAPSHOT, SQLITE_INTERRUPT, SQLITE_CORRUPT, SQLITE_NOTADB})
    EXPECT_THROW(throw_error(connection.handle(), code), TransactionLost) << code;
}

}  // namespace
}  // namespace todo::storage::sqlite
