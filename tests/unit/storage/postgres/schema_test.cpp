#include "storage/postgres/schema.h"

#include <array>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/executors.h"
#include "support/postgres.h"

namespace todo::storage::postgres {
namespace {

// A release ahead of this one: a table, a nullable column and an index more.
constexpr std::array<ConcurrentIndex, 1> next_indexes{
    {{.name = "tasks_by_color",
      .sql = "CREATE INDEX CONCURRENTLY tasks_by_color ON tasks (color)"}}};

std::vector<Migration> with_next(int min_app = schema_version) {
  std::vector<Migration> steps{migrations().begin(), migrations().end()};
  steps.push_back({.script = "CREATE TABLE colors (name text); ALTER TABLE tasks ADD color text",
                   .min_app = min_app,
                   .indexes = next_indexes});
  return steps;
}

class PostgresSchema : public testing::Test {
 protected:
  MigrationOptions options() const {
    return {.connection = {.url = database_.url()},
            .lock_max = std::chrono::milliseconds{20},
            .attempts_max = 3'000};
  }
  void migrate(std::span<const Migration> steps = migrations()) {
    const auto migrated = migrate_schema(options(), steps);
    ASSERT_TRUE(migrated) << migrated.error();
  }
  std::string ask(const std::string& sql) const { return database_.execute(sql); }
  std::expected<void, std::string> check() const {
    Connection connection({.url = database_.url()});
    connection.begin(Access::read);
    return check_schema(*read_schema(connection));
  }

  test::PostgresDatabase database_;
};

TEST_F(PostgresSchema, an_empty_database_is_led_to_the_newest_schema) {
  const auto first = migrate_schema(options());
  ASSERT_TRUE(first) << first.error();
  EXPECT_EQ(first->from, 0);
  EXPECT_EQ(first->to, schema_version);
  EXPECT_TRUE(check());
  EXPECT_EQ(ask("SELECT length(epoch) FROM schema_info"), "16");
  const std::string epoch = ask("SELECT epoch FROM schema_info");
  const auto again = migrate_schema(options());
  ASSERT_TRUE(again) << again.error();
  EXPECT_EQ(again->from, schema_version);
  EXPECT_EQ(ask("SELECT epoch FROM schema_info"), epoch);
}

TEST_F(PostgresSchema, texts_are_compared_byte_by_byte) {
  migrate();
  EXPECT_EQ(ask("SELECT string_agg(table_name || '.' || column_name, ', ') FROM "
                "information_schema.columns WHERE table_schema = 'public' AND data_type = 'text' "
                "AND collation_name IS DISTINCT FROM 'C'"),
            "");
}

TEST_F(PostgresSchema, many_that_start_at_once_all_succeed) {
  for (const auto& steps :
       {std::vector<Migration>{migrations().begin(), migrations().end()}, with_next()}) {
    std::vector<std::jthread> processes;
    for (int i = 0; i < 4; ++i) {
      processes.emplace_back([&] {
        const auto migrated = migrate_schema(options(), steps);
        EXPECT_TRUE(migrated) << migrated.error();
      });
    }
    processes.clear();
    EXPECT_EQ(ask("SELECT count(*) FROM schema_info"), "1");
    EXPECT_EQ(ask("SELECT version FROM schema_info"), std::to_string(steps.size()));
  }
  EXPECT_EQ(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'tasks_by_color'::regclass"),
            "t");
}

TEST_F(PostgresSchema, a_schema_ahead_that_knows_us_is_good) {
  migrate(with_next());
  EXPECT_TRUE(check());
  const auto migrated = migrate_schema(options());
  ASSERT_TRUE(migrated) << migrated.error();
  EXPECT_EQ(migrated->to, schema_version + 1) << "it is left as it is";
}

TEST_F(PostgresSchema, a_schema_ahead_that_left_us_behind_is_refused) {
  migrate(with_next(schema_version + 1));
  const auto checked = check();
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().find("start the newer program"), std::string::npos);
}

TEST_F(PostgresSchema, a_schema_behind_asks_for_the_migration) {
  EXPECT_NE(check().error().find("todo-backend migrate"), std::string::npos);
}

TEST_F(PostgresSchema, a_database_of_another_program_is_left_alone) {
  ask("CREATE TABLE users (name text); INSERT INTO users VALUES ('ann')");
  const auto other_tables = migrate_schema(options());
  ASSERT_FALSE(other_tables);
  EXPECT_NE(other_tables.error().find("users"), std::string::npos) << other_tables.error();
  EXPECT_EQ(ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");
  ask("CREATE TABLE schema_info (number int)");
  EXPECT_FALSE(migrate_schema(options()));
  EXPECT_EQ(ask("SELECT name FROM users"), "ann");
}

TEST_F(PostgresSchema, an_index_left_half_made_is_made_anew) {
  migrate(with_next());
  ask("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tasks_by_color'::regclass");
  const std::string before = ask("SELECT 'tasks_by_color'::regclass::oid");
  migrate(with_next());
  EXPECT_EQ(ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'tasks_by_color'::regclass"),
            "t");
  EXPECT_NE(ask("SELECT 'tasks_by_color'::regclass::oid"), before);
}

TEST_F(PostgresSchema, a_step_that_fails_leaves_the_schema_before_it) {
  auto steps = with_next();
  steps.back().script = "CREATE TABLE colors (name text); SELECT 1/0";
  const auto failed = migrate_schema(options(), steps);
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().find("division by zero"), std::string::npos) << failed.error();
  EXPECT_EQ(ask("SELECT to_regclass('colors') IS NULL"), "t");
  EXPECT_EQ(ask("SELECT version FROM schema_info"), std::to_string(schema_version));
  EXPECT_TRUE(check());
}

TEST_F(PostgresSchema, a_table_that_others_hold_is_waited_for_within_bounds) {
  migrate();
  Connection other({.url = database_.url()});
  other.begin(Access::read);
  Query(other, "SELECT count(*) FROM tasks").step();
  MigrationOptions impatient = options();
  impatient.attempts_max = 2;
  const auto refused = migrate_schema(impatient, with_next());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("2 attempts"), std::string::npos) << refused.error();
  EXPECT_EQ(ask("SELECT version FROM schema_info"), std::to_string(schema_version));

  std::jthread process([&] {
    const auto migrated = migrate_schema(options(), with_next());
    EXPECT_TRUE(migrated) << migrated.error();
  });
  EXPECT_TRUE(test::eventually(
      [&] { return ask("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"; }));
  other.end_read();
  other.begin(Access::read);  // reads the end's answer
  process.join();
  EXPECT_EQ(ask("SELECT version FROM schema_info"), std::to_string(schema_version + 1));
}

}  // namespace
}  // namespace todo::storage::postgres
