// Databases moved into one another: everything arrives as it was, whatever happens on the way.
#include "storage/transfer.h"

#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "storage/postgres/connection.h"
#include "storage/postgres/schema.h"
#include "storage/postgres/transfer.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/sqlite_store.h"
#include "storage/sqlite/transfer.h"
#include "support/fakes.h"
#include "support/postgres.h"
#include "support/rows.h"
#include "support/temp_folder.h"
#include "support/transactions.h"

namespace todo::storage::transfer {
namespace {

namespace fs = std::filesystem;

const Watch nobody = [](Stage, std::int64_t, std::int64_t) {};

// The columns that may be null, of any table.
const std::set<std::string_view> nullable{"email_folded",
                                          "display_name",
                                          "recompute_after",
                                          "deleted_at",
                                          "expires_at",
                                          "last_used_at",
                                          "description",
                                          "due_at",
                                          "due_on",
                                          "completed_at",
                                          "recurrence_weekdays",
                                          "category",
                                          "anchor_local",
                                          "anchor_zone",
                                          "anchor_step",
                                          "parent_task_id",
                                          "remind_at",
                                          "description_folded",
                                          "delivered_at",
                                          "notification_id",
                                          "reason",
                                          "task_id",
                                          "read_at",
                                          "not_before"};
// Those of two and of four bytes on PostgreSQL.
const std::set<std::string_view> small{"missed_occurrences",
                                       "scope",
                                       "priority_rank",
                                       "recurrence_rule",
                                       "recurrence_interval",
                                       "recurrence_weekdays",
                                       "recurrence_from",
                                       "reason",
                                       "state",
                                       "type",
                                       "action",
                                       "topic"};
const std::set<std::string_view> medium{"reminder_minutes_before", "attempts", "status"};

bool may_be_null(const Table& table, const Column& column) {
  const std::string_view name = column.name;
  const std::string_view where = table.name;
  if (name == "expires_at") return where == "api_tokens";
  if (name == "due_at") return where == "tasks";
  if (name == "task_id") return where == "notifications";
  if (name == "reason") return where == "reminders";
  return nullable.contains(name);
}

// Rows of any table, with what is at the limits of its types among them.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  // The users, their counters and their heads have one id each.
  void fill(Writer& target, int rows) {
    std::vector<std::string> users;
    for (int i = 0; i < rows; ++i) users.push_back(id());
    Positions positions = target.positions();
    for (std::size_t t = 0; t < tables().size(); ++t) {
      const Table& table = tables()[t];
      const bool is_of_users = t < 3;
      Page page;
      for (int i = 0; i < rows; ++i) {
        for (const Column& column : table.columns) {
          if (is_of_users && &column == table.columns.data()) {
            page.add_bytes(users[static_cast<std::size_t>(i)]);
          } else {
            add(page, table, column);
          }
        }
        page.end_row();
      }
      target.write(table, page);
      Position now;
      now.rows = rows;
      target.commit(table, positions[t], now);
    }
    target.finish();
  }

 private:
  template <class T>
  const T& one_of(const std::vector<T>& values) {
    return values[random_() % values.size()];
  }
  std::int64_t any() { return static_cast<std::int64_t>(random_()); }
  std::string bytes(std::size_t size) {
    std::string out;
    while (out.size() < size) out += static_cast<char>(random_());
    return out;
  }
  std::string id() { return bytes(16); }

  void add(Page& page, const Table& table, const Column& column) {
    if (may_be_null(table, column) && random_() % 3 == 0) return page.add_null();
    if (!is_number(column.type)) return page.add_bytes(text(column));
    page.add_number(number(column));
  }

  std::string text(const Column& column) {
    if (column.type == Type::id) return id();
    const std::string_view name = column.name;
    const bool is_long = random_() % 50 == 0;
    if (column.type == Type::bytes) {
      if (name == "secret_hash") return bytes(32);
      return is_long ? bytes(70'000) : one_of<std::string>({"", bytes(32), std::string(3, '\0')});
    }
    if (name == "email_folded" || name == "key") return "key " + std::to_string(random_());
    if (is_long) return std::string(65'536, 'x');
    return one_of<std::string>({"", "a", "Zürich 東京 🗓",
                                "tab\t, line\n, \\N and \\x41 'quoted' \"twice\"",
                                "\xEF\xBF\xBD\xE2\x80\xAE"});
  }

  std::int64_t number(const Column& column) {
    const std::string_view name = column.name;
    switch (column.type) {
      case Type::boolean:
        return any() & 1;
      case Type::instant:
      case Type::local:
        // From the year 1 to the end of 9999. An event that is due from the beginning is due now.
        return one_of<std::int64_t>({-62'135'596'800'000, -1, 1, 999, 253'402'300'799'999,
                                     1'900'000'000'000 + any() % 1'000'000'000});
      case Type::date:
        return one_of<std::int64_t>({-719'162, -1, 0, 10'957, 2'932'896});
      case Type::integer:
      case Type::id:
      case Type::text:
      case Type::bytes:
        break;
    }
    if (small.contains(name)) return one_of<std::int64_t>({-32'768, 0, 7, 32'767});
    if (medium.contains(name)) return one_of<std::int64_t>({-2'147'483'648, 0, 5, 2'147'483'647});
    // Each at most once in a user's chain, series or history.
    if (name == "position") return ++position_ * 3;
    if (name == "seq" || name == "first_seq" || name == "occurrence" || name == "entity_version")
      return any() >> 1;
    return one_of<std::int64_t>({std::numeric_limits<std::int64_t>::min(), -1, 0, 4'275'878'552,
                                 std::numeric_limits<std::int64_t>::max()});
  }

  std::mt19937_64 random_;
  std::int64_t position_ = 0;
};

// All rows of a database, as the copy sees them.
std::vector<std::vector<std::string>> everything(Reader& reader) {
  std::vector<std::vector<std::string>> all;
  for (const Table& table : tables()) {
    auto& rows = all.emplace_back();
    Position position;
    Page page;
    for (;;) {
      reader.read(table, position.last_key, page);
      if (page.rows() == 0) break;
      for (std::size_t i = 0; i < page.rows(); ++i) rows.emplace_back(page.row(i));
      Cells cells(rows.back());
      for (std::size_t i = 0; i < table.key_columns; ++i) cells.next();
      position.last_key = rows.back().substr(0, cells.at());
    }
    EXPECT_EQ(std::ssize(rows), reader.count(table)) << table.name;
  }
  return all;
}

template <class T>
T must(std::expected<T, std::string> result) {
  if (!result) throw std::runtime_error(result.error());
  return std::move(*result);
}

class Broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A target that is lost after so many calls.
class BreakingWriter final : public Writer {
 public:
  BreakingWriter(Writer& target, int calls) : target_(target), calls_(calls) {}
  Positions positions() override { return target_.positions(); }
  void write(const Table& table, const Page& page) override {
    count();
    target_.write(table, page);
  }
  void commit(const Table& table, const Position& before, const Position& now) override {
    count();
    target_.commit(table, before, now);
  }
  void clear() override { target_.clear(); }
  std::unique_ptr<Reader> read_back() override { return target_.read_back(); }
  void finish() override { target_.finish(); }

 private:
  void count() {
    if (--calls_ < 0) throw Broken("the target is gone");
  }
  Writer& target_;
  int calls_;
};

class Transfer : public testing::Test {
 protected:
  std::string file(const std::string& name) { return folder_.file(name); }

  std::string generate(const std::string& name, int rows, std::uint32_t seed = 1) {
    auto target = must(sqlite::open_target(file(name), "", sqlite::Leftover::forget));
    Generator(seed).fill(*target, rows);
    return file(name);
  }

  Copied to_postgres(const std::string& path, const test::PostgresDatabase& database) {
    auto source = must(sqlite::open_source(path));
    auto target = must(postgres::open_target(database.url(), source->epoch()));
    return whole(*source, *target);
  }
  Copied to_sqlite(const test::PostgresDatabase& database, const std::string& path) {
    auto source = must(postgres::open_source(database.url()));
    auto target = must(sqlite::open_target(path, source->epoch(), sqlite::Leftover::go_on));
    return whole(*source, *target);
  }
  static Copied whole(Reader& source, Writer& target) {
    Copied copied = copy(source, target, nobody);
    compare(*target.read_back(), copied.positions, nobody);
    target.finish();
    return copied;
  }

  static std::string refusal(const test::PostgresDatabase& database, const std::string& epoch) {
    const auto target = postgres::open_target(database.url(), epoch);
    return target ? "" : target.error();
  }

  test::TempFolder folder_;
};

TEST_F(Transfer, a_database_comes_back_from_postgres_as_it_was) {
  const std::string path = generate("source.db", 200);
  const test::PostgresDatabase database;
  const Copied there = to_postgres(path, database);
  EXPECT_EQ(there.rows, 200 * std::ssize(tables()));
  EXPECT_EQ(there.rows_before, 0);
  to_sqlite(database, file("back.db"));

  auto before = must(sqlite::open_source(path));
  auto between = must(postgres::open_source(database.url()));
  auto after = must(sqlite::open_source(file("back.db")));
  EXPECT_EQ(everything(*before), everything(*between));
  EXPECT_EQ(everything(*before), everything(*after));
  EXPECT_NE(before->epoch(), between->epoch()) << "what clients remember is no longer good";
  EXPECT_NE(between->epoch(), after->epoch());
  EXPECT_FALSE(fs::exists(file("back.db.copying")));
  EXPECT_EQ(fs::status(file("back.db")).permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Transfer, a_copy_that_breaks_off_anywhere_goes_on_where_it_was) {
  const std::string path = generate("source.db", 150);
  const test::PostgresDatabase database;
  std::mt19937 random(7);
  const auto broken_off = [&](Reader& source, Writer& target, int calls) {
    BreakingWriter breaking(target, calls);
    EXPECT_THROW(copy(source, breaking, nobody), Broken);
  };
  std::int64_t rows_before = -1;
  for (int calls = 0; calls < 24; calls += 1 + static_cast<int>(random() % 4)) {
    auto source = must(sqlite::open_source(path));
    auto target = must(postgres::open_target(database.url(), source->epoch()));
    broken_off(*source, *target, calls);
    std::int64_t rows = 0;
    auto again = must(postgres::open_target(database.url(), source->epoch()));
    for (const Position& position : again->positions()) rows += position.rows;
    EXPECT_GE(rows, rows_before) << "nothing that was committed is lost";
    rows_before = rows;
  }
  EXPECT_GT(rows_before, 0);
  const Copied there = to_postgres(path, database);
  EXPECT_EQ(there.rows_before, rows_before);
  EXPECT_FALSE(there.began_anew);

  {
    auto source = must(postgres::open_source(database.url()));
    auto target =
        must(sqlite::open_target(file("back.db"), source->epoch(), sqlite::Leftover::go_on));
    broken_off(*source, *target, 9);
  }
  EXPECT_GT(to_sqlite(database, file("back.db")).rows_before, 0);
  EXPECT_EQ(everything(*must(sqlite::open_source(path))),
            everything(*must(sqlite::open_source(file("back.db")))));
}

TEST_F(Transfer, a_copy_begins_anew_where_the_source_has_changed) {
  const std::string path = generate("source.db", 50);
  const test::PostgresDatabase database;
  {
    auto source = must(sqlite::open_source(path));
    auto target = must(postgres::open_target(database.url(), source->epoch()));
    BreakingWriter breaking(*target, 9);
    EXPECT_THROW(copy(*source, breaking, nobody), Broken);
  }
  sqlite::Connection(path, sqlite::Access::read_write)
      .execute("UPDATE users SET timezone = 'Europe/Rome' WHERE id = (SELECT min(id) FROM users)");
  const Copied copied = to_postgres(path, database);
  EXPECT_TRUE(copied.began_anew);
  EXPECT_EQ(copied.rows_before, 0);
  EXPECT_EQ(everything(*must(sqlite::open_source(path))),
            everything(*must(postgres::open_source(database.url()))));
}

TEST_F(Transfer, what_arrived_otherwise_than_it_was_is_noticed) {
  const std::string path = generate("source.db", 20);
  const test::PostgresDatabase database;
  auto source = must(sqlite::open_source(path));
  auto target = must(postgres::open_target(database.url(), source->epoch()));
  const Copied copied = copy(*source, *target, nobody);
  EXPECT_NO_THROW(compare(*target->read_back(), copied.positions, nobody));
  for (const char* change :
       {"UPDATE tasks SET due_on = due_on + 1 WHERE id = (SELECT id FROM tasks "
        "WHERE due_on IS NOT NULL LIMIT 1)",
        "DELETE FROM sessions WHERE id = (SELECT min(id::text)::uuid FROM sessions)"}) {
    database.execute(change);
    EXPECT_THROW(compare(*target->read_back(), copied.positions, nobody), std::runtime_error);
  }
}

TEST_F(Transfer, a_target_that_holds_something_else_is_refused) {
  const std::string path = generate("source.db", 2);
  const std::string epoch = must(sqlite::open_source(path))->epoch();
  const auto says = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };

  const test::PostgresDatabase foreign;
  foreign.execute("CREATE TABLE invoices (number integer)");
  says(refusal(foreign, epoch), "invoices");
  EXPECT_EQ(foreign.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");

  const test::PostgresDatabase used;
  to_postgres(path, used);
  says(refusal(used, epoch), "users");

  const test::PostgresDatabase begun;
  must(postgres::open_target(begun.url(), epoch));
  says(refusal(begun, "another"), "another database");
  EXPECT_EQ(refusal(begun, epoch), "");

  says(sqlite::open_target(path, epoch, sqlite::Leftover::go_on).error(), "exists already");
  must(sqlite::open_target(file("new.db"), epoch, sqlite::Leftover::go_on));
  says(sqlite::open_target(file("new.db"), "another", sqlite::Leftover::go_on).error(),
       "another database");
}

TEST_F(Transfer, a_source_that_is_no_whole_database_is_refused) {
  EXPECT_FALSE(sqlite::open_source(file("missing")));
  std::ofstream(file("text")) << std::string(10'000, 'x');
  EXPECT_FALSE(sqlite::open_source(file("text")));
  const std::string path = generate("source.db", 2);
  const std::string epoch = must(sqlite::open_source(path))->epoch();
  must(sqlite::open_target(file("new.db"), epoch, sqlite::Leftover::go_on));
  EXPECT_FALSE(sqlite::open_source(file("new.db.copying")));
  const test::PostgresDatabase begun;
  EXPECT_FALSE(postgres::open_source(begun.url())) << "without a schema";
  must(postgres::open_target(begun.url(), epoch));
  EXPECT_FALSE(postgres::open_source(begun.url())) << "a copy that is not whole";
}

TEST_F(Transfer, no_program_starts_on_a_copy_until_it_is_whole) {
  const std::string path = generate("source.db", 2);
  const test::PostgresDatabase database;
  const auto is_usable = [&] {
    postgres::ConnectionOptions options;
    options.url = database.url();
    postgres::Connection c(options);
    c.begin(postgres::Access::read);
    return postgres::check_schema(must(postgres::read_schema(c))).has_value();
  };
  auto source = must(sqlite::open_source(path));
  auto target = must(postgres::open_target(database.url(), source->epoch()));
  EXPECT_FALSE(is_usable());
  copy(*source, *target, nobody);
  EXPECT_FALSE(is_usable());
  target->finish();
  EXPECT_TRUE(is_usable());
}

TEST_F(Transfer, positions_of_keys_count_on_behind_those_copied) {
  const std::string path = generate("source.db", 5);
  const test::PostgresDatabase database;
  to_postgres(path, database);
  EXPECT_EQ(database.execute("INSERT INTO idempotency_keys (user_id, created_at, status, "
                             "request_hash, key, headers, body) VALUES (gen_random_uuid(), now(), "
                             "0, '', 'new', '', '') RETURNING position"),
            "16");
}

}  // namespace
}  // namespace todo::storage::transfer
