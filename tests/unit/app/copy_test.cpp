// Backups of PostgreSQL, which are the embedded database's too.
#include "app/copy.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "observability/metrics.h"
#include "storage/postgres/schema.h"
#include "storage/postgres/transaction.h"
#include "storage/sqlite/sqlite_store.h"
#include "support/fakes.h"
#include "support/postgres.h"
#include "support/rows.h"
#include "support/temp_folder.h"
#include "support/transactions.h"

namespace todo::app {
namespace {

namespace fs = std::filesystem;
namespace postgres = storage::postgres;

class PostgresBackup : public testing::Test {
 protected:
  PostgresBackup() {
    postgres::MigrationOptions options;
    options.connection = connection_options();
    EXPECT_TRUE(postgres::migrate_schema(options));
    ann_ = test::make_user(ids_, "ann@example.com", clock_.now());
    write([&](storage::Tx& tx) { tx.insert_user(ann_, ann_.email, "hash"); });
  }

  postgres::ConnectionOptions connection_options() const {
    postgres::ConnectionOptions options;
    options.url = database_.url();
    return options;
  }
  void write(const std::function<void(storage::Tx&)>& work) {
    postgres::Connection connection(connection_options());
    connection.begin(postgres::Access::write);
    postgres::Transaction tx(connection, postgres::Access::write);
    work(tx);
    connection.commit();
  }
  Task add_task(const std::string& title) {
    const Task task = test::make_task(ids_, ann_.id, title, clock_.now());
    write([&](storage::Tx& tx) { tx.insert_task(task); });
    return task;
  }
  std::string back_up(const std::string& name) {
    const auto done = back_up_postgres(database_.url(), folder_.file(name));
    EXPECT_TRUE(done) << done.error();
    return folder_.file(name);
  }
  std::string ask(const std::string& sql) const { return database_.execute(sql); }
  std::string titles() const { return ask("SELECT string_agg(title, ' ' ORDER BY id) FROM tasks"); }
  std::string epoch() const { return ask("SELECT epoch FROM schema_info"); }

  std::unique_ptr<storage::Store> open_embedded() {
    auto store = storage::sqlite::open({.path = folder_.file("todo.db"),
                                        .readers = 1,
                                        .migrate = true,
                                        .backup_directory = folder_.file("backups")},
                                       clock_, metrics_);
    if (!store) throw std::runtime_error(store.error());
    return std::move(*store);
  }

  test::FakeClock clock_;
  test::SequentialIds ids_{clock_};
  metrics::Registry metrics_;
  test::TempFolder folder_;
  test::PostgresDatabase database_;
  User ann_;
};

TEST_F(PostgresBackup, brings_everything_back_and_nothing_else) {
  add_task("kept");
  const std::string path = back_up("backup");
  EXPECT_EQ(fs::status(path).permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write)
      << "it holds all that the database does";
  add_task("late");
  ask("UPDATE users SET timezone = 'Europe/Rome'");
  const std::string before = epoch();
  const auto done = restore_postgres(database_.url(), path);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(titles(), "kept");
  EXPECT_EQ(ask("SELECT timezone FROM users"), "UTC");
  EXPECT_EQ(ask("SELECT living_tasks FROM user_state"), "1");
  EXPECT_NE(epoch(), before) << "what clients remember from before is no longer good";
  EXPECT_EQ(ask("SELECT min_app FROM schema_info"), std::to_string(postgres::schema_version));
  add_task("next");
  EXPECT_EQ(titles(), "kept next");
}

TEST_F(PostgresBackup, does_not_overwrite) {
  const std::string path = back_up("backup");
  const auto size = fs::file_size(path);
  add_task("t");
  for (const std::string& place : {path, folder_.file("no/such/folder/backup")}) {
    const auto done = back_up_postgres(database_.url(), place);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().find(place), std::string::npos) << done.error();
  }
  EXPECT_EQ(fs::file_size(path), size);
}

TEST_F(PostgresBackup, readers_see_the_old_or_the_new_while_it_is_restored) {
  const std::string path = back_up("empty");
  add_task("old");
  postgres::Connection reader(connection_options());
  reader.begin(postgres::Access::read);
  EXPECT_EQ(reader.scalar("SELECT count(*) FROM users"), 1);
  const auto done = restore_postgres(database_.url(), path);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(reader.scalar("SELECT count(*) FROM tasks"), 1) << "its snapshot is older";
  EXPECT_EQ(reader.scalar("SELECT living_tasks FROM user_state"), 1);
  reader.end_read();
  EXPECT_EQ(ask("SELECT count(*) FROM tasks"), "0");
}

TEST_F(PostgresBackup, what_is_no_backup_is_refused_and_changes_nothing) {
  add_task("mine");
  const std::string before = epoch();
  const std::string text = folder_.file("text");
  std::ofstream(text) << std::string(100'000, 'x');
  const std::string cut = back_up("cut");
  fs::resize_file(cut, fs::file_size(cut) / 2);
  for (const std::string& path : {text, cut, folder_.file("missing"), folder_.path()}) {
    const auto done = restore_postgres(database_.url(), path);
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().find(path), std::string::npos) << done.error();
  }
  EXPECT_EQ(titles(), "mine");
  EXPECT_EQ(epoch(), before);
}

TEST_F(PostgresBackup, either_database_restores_it) {
  const Task task = add_task("from PostgreSQL");
  const std::string from_postgres = back_up("from-postgres");
  const auto embedded = open_embedded();
  const auto restored = embedded->restore_from(from_postgres);
  ASSERT_TRUE(restored) << restored.error();
  EXPECT_EQ(
      test::read(*embedded, [&](storage::ReadTx& tx) { return tx.find_task(ann_.id, task.id); }),
      task);
  const Task other = test::make_task(ids_, ann_.id, "from SQLite", clock_.now());
  test::write(*embedded, [&](storage::Tx& tx) { tx.insert_task(other); });
  const std::string from_sqlite = folder_.file("from-sqlite");
  ASSERT_TRUE(embedded->backup_to(from_sqlite));
  embedded->stop();
  const auto done = restore_postgres(database_.url(), from_sqlite);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(titles(), "from PostgreSQL from SQLite");
}

}  // namespace
}  // namespace todo::app
