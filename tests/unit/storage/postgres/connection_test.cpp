#include "storage/postgres/connection.h"

#include <array>
#include <atomic>
#include <limits>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/executors.h"
#include "support/fakes.h"
#include "support/postgres.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;
using namespace std::literals;

class PostgresConnection : public testing::Test {
 protected:
  PostgresConnection() {
    c_.execute("CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL CHECK (text <> ''))");
  }

  ConnectionOptions options() const { return {.url = database_.url()}; }

  void insert(int id, const std::string& text = "note") {
    Query(c_, "INSERT INTO notes (id, text) VALUES ($1, $2)").bind(id).bind(text).run();
  }
  void refuse() { insert(-1, ""); }
  std::int64_t count() { return c_.scalar("SELECT count(*) FROM notes"); }
  // As others see it.
  std::string stored() const {
    return database_.execute(
        "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM notes");
  }

  test::PostgresDatabase database_;
  Connection c_{options()};
};

// --- values ---

TEST_F(PostgresConnection, values_come_back_as_they_were_bound) {
  const Uuid id = test::id_made_at(test::noon, 7);
  const Instant instant = test::noon + milliseconds{123};
  const LocalTime local{milliseconds{951'782'400'999}};
  const Date date = std::chrono::year{2024} / 2 / 29;
  const std::string blob = "a\0b\xff"s;
  c_.begin(Access::read);
  Query q(c_, "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9");
  q.bind(std::numeric_limits<std::int64_t>::min()).bind(true).bind("ä\n").bind(id).bind(instant);
  q.bind(local).bind(date).bind_blob(blob).bind(-1);
  ASSERT_TRUE(q.step());
  EXPECT_EQ(q.integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(q.boolean());
  EXPECT_EQ(q.text(), "ä\n");
  EXPECT_EQ(q.id(), id);
  EXPECT_EQ(q.instant(), instant);
  EXPECT_EQ(q.local(), local);
  EXPECT_EQ(q.date(), date);
  EXPECT_EQ(q.blob(), blob);
  EXPECT_EQ(q.integer(), -1);
  EXPECT_FALSE(q.step());
}

TEST_F(PostgresConnection, the_server_understands_them_as_we_mean_them) {
  c_.begin(Access::read);
  Query q(c_,
          "SELECT ($1 AT TIME ZONE 'UTC')::text, $2::text, $3::text, $4::text, $5::text, "
          "($6 AT TIME ZONE 'UTC')::text");
  q.bind(instant_from_ms(0)).bind(LocalTime{milliseconds{1'500}});
  q.bind(std::chrono::year{9999} / 12 / 31).bind(Uuid{}).bind_blob("\x01\xab");
  q.bind(instant_from_ms(-1)).step();
  EXPECT_EQ(q.text(), "1970-01-01 00:00:00");
  EXPECT_EQ(q.text(), "1970-01-01 00:00:01.5");
  EXPECT_EQ(q.text(), "9999-12-31");
  EXPECT_EQ(q.text(), "00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(q.text(), "\\x01ab");
  EXPECT_EQ(q.text(), "1969-12-31 23:59:59.999");
}

TEST_F(PostgresConnection, milliseconds_are_kept_exactly_over_the_whole_range) {
  for (const std::int64_t ms : {-210'866'803'200'000, -62'135'596'800'001, -1L, 0L, 1L,
                                946'684'799'999, 253'402'300'799'999, 9'224'318'015'999'999}) {
    c_.begin(Access::read);
    Query q(c_, "SELECT $1");
    q.bind(instant_from_ms(ms)).step();
    EXPECT_EQ(to_ms(q.instant()), ms);
    c_.end_read();
  }
}

TEST_F(PostgresConnection, instants_beyond_the_range_are_infinite) {
  c_.begin(Access::read);
  Query q(c_, "SELECT $1::text, $2::text, $1");
  q.bind(Instant::max()).bind(Instant::min()).step();
  EXPECT_EQ(q.text(), "infinity");
  EXPECT_EQ(q.text(), "-infinity");
  EXPECT_EQ(q.instant(), Instant::max());
}

TEST_F(PostgresConnection, nulls_are_of_a_type_and_are_told_from_values) {
  c_.begin(Access::read);
  Query q(c_, "SELECT $1, $2, $3, $4, $5, $6, 5");
  q.bind(std::optional<std::int64_t>{}).bind(std::optional<std::string>{});
  q.bind(std::optional<Uuid>{}).bind(std::optional<Instant>{}).bind(std::optional<Date>{});
  q.bind_null(Type::local);
  ASSERT_TRUE(q.step());
  EXPECT_EQ(q.optional_integer(), std::nullopt);
  EXPECT_EQ(q.optional_text(), std::nullopt);
  EXPECT_EQ(q.optional_id(), std::nullopt);
  EXPECT_EQ(q.optional_instant(), std::nullopt);
  EXPECT_EQ(q.optional_date(), std::nullopt);
  EXPECT_EQ(q.optional_local(), std::nullopt);
  EXPECT_EQ(q.optional_integer(), 5);
}

TEST_F(PostgresConnection, arrays_are_unnested_side_by_side) {
  const std::vector<std::int64_t> numbers{1, -2, 3};
  const std::vector<std::optional<std::string>> texts{"a", std::nullopt, ""};
  const std::array<Uuid, 3> ids{Uuid{}, test::id_made_at(test::noon, 1), Uuid{}};
  const std::vector<std::optional<Instant>> instants{test::noon, std::nullopt, test::noon};
  const std::vector<std::string_view> blobs{"x\0y"sv, "", "z"};
  c_.begin(Access::read);
  Query q(c_, "SELECT * FROM unnest($1, $2, $3, $4, $5) AS r(number, text, id, instant, blob)");
  q.bind_array(numbers).bind_array(texts).bind_array(ids).bind_array(instants);
  q.bind_blob_array(blobs);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ASSERT_TRUE(q.step());
    EXPECT_EQ(q.integer(), numbers[i]);
    EXPECT_EQ(q.optional_text(), texts[i]);
    EXPECT_EQ(q.id(), ids[i]);
    EXPECT_EQ(q.optional_instant(), instants[i]);
    EXPECT_EQ(q.blob(), blobs[i]);
  }
  EXPECT_FALSE(q.step());
}

TEST_F(PostgresConnection, arrays_are_compared_with_any_also_empty_ones) {
  c_.begin(Access::write);
  for (int i = 1; i <= 4; ++i) insert(i);
  Query some(c_, "SELECT count(*) FROM notes WHERE id = ANY($1)");
  some.bind_array(std::vector<int>{2, 4, 9}).step();
  EXPECT_EQ(some.integer(), 2);
  Query none(c_, "SELECT count(*) FROM notes WHERE id = ANY($1)");
  none.bind_array(std::vector<int>{}).step();
  EXPECT_EQ(none.integer(), 0);
}

TEST_F(PostgresConnection, a_column_read_as_something_else_is_a_bug) {
  c_.begin(Access::read);
  Query q(c_, "SELECT now(), 1::numeric, 'x', NULL::int8");
  ASSERT_TRUE(q.step());
  EXPECT_THROW(q.integer(), std::logic_error);
  q.instant();
  EXPECT_THROW(q.integer(), std::logic_error);
  q.text();
  EXPECT_THROW(q.blob(), std::logic_error);
  q.text();
  EXPECT_THROW(q.integer(), std::logic_error) << "null";
  EXPECT_TRUE(q.null());
  EXPECT_THROW(q.integer(), std::logic_error) << "no such column";
}

TEST_F(PostgresConnection, parameters_of_other_types_than_before_are_a_bug) {
  const char* sql = "SELECT $1";
  c_.begin(Access::read);
  Query(c_, sql).bind(1).step();
  EXPECT_THROW(Query(c_, sql).bind("1").step(), std::logic_error);
  EXPECT_THROW(Query(c_, sql).bind(1).bind(1).step(), std::logic_error);
}

// --- what goes out when ---

TEST_F(PostgresConnection, what_nobody_waits_for_goes_out_with_commit) {
  const auto before = c_.round_trips();
  c_.begin(Access::write);
  insert(1);
  insert(2);
  EXPECT_EQ(c_.round_trips(), before);
  c_.commit();
  EXPECT_EQ(c_.round_trips(), before + 1);
  EXPECT_EQ(stored(), "1,2");
  EXPECT_FALSE(c_.in_transaction());
}

TEST_F(PostgresConnection, a_read_then_writes_take_two_round_trips) {
  const auto before = c_.round_trips();
  c_.begin(Access::write);
  insert(1);
  Query q(c_, "SELECT count(*) FROM notes");
  ASSERT_TRUE(q.step());
  EXPECT_EQ(q.integer(), 1) << "what was queued before comes first";
  insert(2);
  insert(3);
  c_.commit();
  EXPECT_EQ(c_.round_trips(), before + 2);
}

TEST_F(PostgresConnection, several_reads_share_a_round_trip) {
  c_.begin(Access::read);
  const auto before = c_.round_trips();
  Query first(c_, "SELECT 1");
  Query second(c_, "SELECT 2 UNION ALL SELECT 3 ORDER BY 1");
  first.run();
  second.run();
  ASSERT_TRUE(second.step());
  EXPECT_EQ(second.integer(), 2);
  ASSERT_TRUE(first.step());
  EXPECT_EQ(first.integer(), 1);
  ASSERT_TRUE(second.step());
  EXPECT_EQ(second.integer(), 3);
  EXPECT_EQ(c_.round_trips(), before + 1);
}

TEST_F(PostgresConnection, a_transaction_without_a_statement_costs_nothing) {
  const auto before = c_.round_trips();
  c_.begin(Access::write);
  c_.commit();
  c_.begin(Access::read);
  c_.end_read();
  c_.begin(Access::write);
  c_.roll_back();
  EXPECT_EQ(c_.round_trips(), before);
}

TEST_F(PostgresConnection, the_end_of_a_read_is_not_waited_for) {
  c_.begin(Access::read);
  Query(c_, "SELECT 1").step();
  const auto before = c_.round_trips();
  c_.end_read();
  EXPECT_EQ(c_.round_trips(), before);
  c_.begin(Access::write);
  insert(1);
  c_.commit();
  EXPECT_EQ(stored(), "1");
}

TEST_F(PostgresConnection, a_query_given_up_leaves_its_answer_behind) {
  c_.begin(Access::read);
  {
    Query(c_, "SELECT 1").run();
  }
  Query q(c_, "SELECT 2");
  ASSERT_TRUE(q.step());
  EXPECT_EQ(q.integer(), 2);
  c_.end_read();
  c_.begin(Access::read);
  {
    Query(c_, "SELECT 1/0").run();
  }
  c_.end_read();
  EXPECT_EQ(count(), 0) << "an error that nobody waited for is nobody's";
}

TEST_F(PostgresConnection, changes_tell_what_was_written) {
  c_.begin(Access::write);
  for (int i = 1; i <= 3; ++i) insert(i);
  Query q(c_, "DELETE FROM notes WHERE id < $1");
  q.bind(3).run();
  EXPECT_EQ(q.changes(), 2);
  Query none(c_, "DELETE FROM notes WHERE id > $1");
  none.bind(3);
  EXPECT_EQ(none.changes(), 0);
}

TEST_F(PostgresConnection, many_and_large_statements_go_out_while_answers_come_in) {
  const std::string text(100'000, 'x');
  c_.begin(Access::write);
  for (int i = 0; i < 300; ++i) {
    Query(c_, "INSERT INTO notes (id, text) VALUES ($1, $2) RETURNING text")
        .bind(i)
        .bind(text)
        .run();
  }
  c_.commit();
  EXPECT_EQ(count(), 300);
}

// --- snapshots ---

TEST_F(PostgresConnection, a_read_sees_one_snapshot_and_writes_nothing) {
  c_.begin(Access::read);
  Query(c_, "SELECT 1 FROM notes").step();
  database_.execute("INSERT INTO notes VALUES (1, 'other')");
  Query q(c_, "SELECT count(*) FROM notes");
  q.step();
  EXPECT_EQ(q.integer(), 0);
  c_.end_read();
  EXPECT_EQ(count(), 1);
}

TEST_F(PostgresConnection, a_write_sees_what_others_commit_meanwhile) {
  c_.begin(Access::write);
  Query(c_, "SELECT 1 FROM notes").step();
  database_.execute("INSERT INTO notes VALUES (1, 'other')");
  Query q(c_, "SELECT count(*) FROM notes");
  q.step();
  EXPECT_EQ(q.integer(), 1);
  c_.roll_back();
}

// --- errors ---

TEST_F(PostgresConnection, a_refused_statement_is_told_at_the_next_wait) {
  c_.begin(Access::write);
  insert(1);
  refuse();
  insert(2);
  EXPECT_THROW(c_.commit(), StatementRefused);
  EXPECT_FALSE(c_.commit_sent());
  c_.roll_back();
  EXPECT_EQ(stored(), "");
  c_.begin(Access::write);
  insert(3);
  c_.commit();
  EXPECT_EQ(stored(), "3");
}

TEST_F(PostgresConnection, a_failed_transaction_says_so_without_asking_the_server) {
  c_.begin(Access::write);
  refuse();
  Query skipped(c_, "SELECT 1");
  EXPECT_THROW(skipped.step(), StatementRefused);
  const auto before = c_.round_trips();
  EXPECT_THROW(insert(1), StatementRefused);
  EXPECT_THROW(skipped.step(), StatementRefused);
  EXPECT_THROW(c_.wait(), StatementRefused);
  EXPECT_THROW(c_.commit(), StatementRefused);
  EXPECT_EQ(c_.round_trips(), before);
  c_.roll_back();
  EXPECT_EQ(count(), 0);
}

TEST_F(PostgresConnection, a_text_that_is_no_sql_is_refused_each_time) {
  for (int i = 0; i < 3; ++i) {
    c_.begin(Access::read);
    EXPECT_THROW(Query(c_, "SELEC 1").step(), StatementRefused);
    c_.roll_back();
  }
  EXPECT_EQ(count(), 0);
}

TEST_F(PostgresConnection, a_statement_first_skipped_is_prepared_later) {
  const char* sql = "SELECT count(*) FROM notes WHERE text = $1";
  c_.begin(Access::write);
  refuse();
  EXPECT_THROW(Query(c_, sql).bind("a").step(), StatementRefused);
  c_.roll_back();
  c_.begin(Access::write);
  EXPECT_TRUE(Query(c_, sql).bind("a").step());
}

TEST_F(PostgresConnection, rolling_back_over_a_statement_that_fails_ends_the_transaction) {
  c_.begin(Access::write);
  insert(1);
  refuse();
  c_.roll_back();
  c_.begin(Access::write);
  insert(2);
  c_.commit();
  EXPECT_EQ(stored(), "2");
  EXPECT_EQ(database_.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                              "current_database() AND state LIKE 'idle in%'"),
            "0");
}

// So is a process that was lost between two statements while its connection stayed.
TEST_F(PostgresConnection, a_transaction_that_is_left_idle_is_ended_with_its_locks) {
  c_.begin(Access::write);
  Query limit(c_, "SHOW idle_in_transaction_session_timeout");
  limit.step();
  EXPECT_EQ(limit.text(), "15s");
  Query(c_, "SELECT pg_advisory_xact_lock(1)").step();
  c_.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'");
  Query(c_, "SELECT 1").step();

  Connection other(options());
  other.begin(Access::write);
  Query(other, "SELECT pg_advisory_xact_lock(1)").step();
  other.commit();
  EXPECT_THROW(Query(c_, "SELECT 1").step(), ConnectionLost);
  EXPECT_FALSE(c_.commit_sent());
}

TEST_F(PostgresConnection, a_lock_not_given_in_time_is_a_conflict) {
  Connection other(options());
  other.begin(Access::write);
  Query(other, "SELECT pg_advisory_xact_lock(1)").step();
  c_.begin(Access::write);
  c_.execute("SET LOCAL lock_timeout = '20ms'");
  try {
    Query(c_, "SELECT pg_advisory_xact_lock(1)").step();
    ADD_FAILURE() << "two have the lock";
  } catch (const TransactionConflict& conflict) {
    EXPECT_EQ(conflict.sqlstate(), "55P03");
  }
  c_.roll_back();
  EXPECT_EQ(count(), 0);
}

TEST_F(PostgresConnection, a_deadlock_is_a_conflict) {
  Connection other(options());
  const auto lock = [](Connection& c, int key) {
    return [&c, key] { Query(c, "SELECT pg_advisory_xact_lock($1)").bind(key).step(); };
  };
  c_.begin(Access::write);
  lock(c_, 1)();
  other.begin(Access::write);
  lock(other, 2)();
  std::atomic<int> conflicts = 0;
  const auto cross = [&](Connection& c, int key) {
    try {
      lock(c, key)();
    } catch (const TransactionConflict&) {
      ++conflicts;
      c.roll_back();
      c.begin(Access::write);
      Query(c, "SELECT 1").step();
    }
  };
  std::thread thread([&] { cross(other, 1); });
  cross(c_, 2);
  thread.join();
  EXPECT_EQ(conflicts, 1);
}

// --- savepoints ---

TEST_F(PostgresConnection, nested_work_that_is_refused_leaves_what_was_before) {
  c_.begin(Access::write);
  insert(1);
  const auto refused = c_.nested([&] {
    insert(2);
    refuse();
    insert(3);
  });
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("check"), std::string::npos) << refused.error();
  insert(4);
  EXPECT_TRUE(c_.nested([&] { insert(5); }));
  c_.commit();
  EXPECT_EQ(stored(), "1,4,5");
}

TEST_F(PostgresConnection, nested_work_may_notice_its_refusal_itself) {
  c_.begin(Access::write);
  insert(1);
  EXPECT_FALSE(c_.nested([&] {
    refuse();
    EXPECT_THROW(c_.wait(), StatementRefused);
    EXPECT_THROW(insert(2), StatementRefused) << "still within the savepoint that failed";
  }));
  insert(3);
  c_.commit();
  EXPECT_EQ(stored(), "1,3");
}

TEST_F(PostgresConnection, nested_work_that_throws_is_undone) {
  c_.begin(Access::write);
  insert(1);
  const auto thrown = c_.nested([&] {
    insert(2);
    throw std::runtime_error("changed my mind");
  });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error(), "changed my mind");
  c_.commit();
  EXPECT_EQ(stored(), "1");
}

TEST_F(PostgresConnection, nested_work_that_throws_over_a_refusal_is_undone) {
  c_.begin(Access::write);
  insert(1);
  EXPECT_FALSE(c_.nested([&] {
    refuse();
    throw std::runtime_error("changed my mind");
  }));
  insert(2);
  c_.commit();
  EXPECT_EQ(stored(), "1,2");
}

TEST_F(PostgresConnection, a_refusal_from_before_the_savepoint_is_not_the_nested_works) {
  for (const bool waits : {true, false}) {
    c_.begin(Access::write);
    refuse();
    const auto work = [&] {
      insert(2);
      if (waits) c_.wait();
    };
    EXPECT_THROW(EXPECT_FALSE(c_.nested(work)), StatementRefused);
    EXPECT_THROW(c_.commit(), StatementRefused);
    c_.roll_back();
  }
  EXPECT_EQ(stored(), "");
}

TEST_F(PostgresConnection, savepoints_within_savepoints_fail_one_by_one) {
  c_.begin(Access::write);
  EXPECT_TRUE(c_.nested([&] {
    insert(1);
    EXPECT_FALSE(c_.nested([&] {
      insert(2);
      refuse();
    }));
    EXPECT_TRUE(c_.nested([&] { insert(3); }));
    insert(4);
  }));
  EXPECT_FALSE(c_.nested([&] {
    insert(5);
    EXPECT_TRUE(c_.nested([&] { insert(6); }));
    refuse();
  }));
  c_.commit();
  EXPECT_EQ(stored(), "1,3,4");
}

TEST_F(PostgresConnection, nested_work_without_a_statement_costs_no_round_trip) {
  c_.begin(Access::write);
  insert(1);
  const auto before = c_.round_trips();
  EXPECT_TRUE(c_.nested([] {}));
  EXPECT_EQ(c_.round_trips(), before);
  c_.commit();
  EXPECT_EQ(stored(), "1");
}

// --- lost connections ---

TEST_F(PostgresConnection, a_connection_cut_is_lost_for_good) {
  c_.begin(Access::write);
  insert(1);
  database_.cut_connections();
  EXPECT_THROW(c_.wait(), ConnectionLost);
  EXPECT_TRUE(c_.lost());
  EXPECT_FALSE(c_.commit_sent());
  EXPECT_THROW(insert(2), ConnectionLost);
  EXPECT_THROW(c_.commit(), ConnectionLost);
  EXPECT_FALSE(c_.commit_sent());
  c_.roll_back();
  EXPECT_THROW(count(), ConnectionLost);
}

TEST_F(PostgresConnection, a_connection_cut_before_commit_is_sent_has_committed_nothing) {
  c_.begin(Access::write);
  insert(1);
  c_.wait();
  database_.cut_connections();
  insert(2);
  EXPECT_THROW(c_.commit(), ConnectionLost);
  EXPECT_FALSE(c_.commit_sent());
  EXPECT_EQ(stored(), "");
}

TEST_F(PostgresConnection, a_connection_cut_while_idle_is_noticed_by_the_next_transaction) {
  c_.begin(Access::read);
  Query(c_, "SELECT 1").step();
  c_.end_read();
  database_.cut_connections();
  EXPECT_THROW(count(), ConnectionLost);
  EXPECT_TRUE(c_.lost());
}

TEST_F(PostgresConnection, an_answer_that_does_not_come_in_time_is_a_lost_connection) {
  Connection impatient({.url = database_.url(), .answer_max = milliseconds{100}});
  impatient.begin(Access::write);
  EXPECT_THROW(Query(impatient, "SELECT pg_sleep(1000)").step(), ConnectionLost);
  EXPECT_TRUE(impatient.lost());
  EXPECT_TRUE(test::eventually([&] {
    return c_.scalar(
               "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND "
               "datname = current_database()") == 0;
  })) << "the server goes on with it";
}

TEST_F(PostgresConnection, commit_without_an_answer_leaves_it_unknown) {
  // A deferred trigger makes COMMIT itself take long.
  c_.execute(
      "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(1000); "
      "RETURN NULL; END$$; CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON notes DEFERRABLE "
      "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()");
  Connection impatient({.url = database_.url(), .answer_max = milliseconds{100}});
  impatient.begin(Access::write);
  Query(impatient, "INSERT INTO notes VALUES (1, 'x')").run();
  EXPECT_THROW(impatient.commit(), ConnectionLost);
  EXPECT_TRUE(impatient.commit_sent());
}

TEST_F(PostgresConnection, nobody_listening_is_said_at_once_without_the_password) {
  try {
    const Connection connection({.url = "postgres://ann:secret@127.0.0.1:1/db"});
    ADD_FAILURE() << "connected";
  } catch (const ConnectionLost& lost) {
    EXPECT_EQ(std::string(lost.what()).find("secret"), std::string::npos) << lost.what();
    EXPECT_NE(std::string(lost.what()).find("refused"), std::string::npos) << lost.what();
  }
}

// --- named statements ---

TEST_F(PostgresConnection, a_session_that_lost_our_statements_is_shared) {
  const char* sql = "SELECT count(*) FROM notes WHERE id > $1";
  c_.begin(Access::read);
  Query(c_, sql).bind(1).step();
  c_.end_read();
  c_.execute("DEALLOCATE ALL");
  c_.begin(Access::read);
  EXPECT_THROW(Query(c_, sql).bind(1).step(), SessionShared);
  c_.roll_back();
  c_.begin(Access::read);
  EXPECT_TRUE(Query(c_, sql).bind(1).step()) << "from now on by its text";
  c_.end_read();
  EXPECT_EQ(c_.scalar("SELECT count(*) FROM pg_prepared_statements"), 0);
}

TEST_F(PostgresConnection, a_session_that_has_our_statement_from_another_is_shared) {
  const char* sql = "SELECT count(*) FROM notes WHERE id > $1";
  c_.begin(Access::read);
  Query(c_, sql).bind(1).step();
  Query names(c_, "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%FROM notes%'");
  ASSERT_TRUE(names.step());
  const std::string name{names.text()};
  c_.end_read();
  Connection other(options());
  other.execute("PREPARE " + name + " AS SELECT 1");
  other.begin(Access::read);
  EXPECT_THROW(Query(other, sql).bind(1).step(), SessionShared);
  other.roll_back();
  other.begin(Access::read);
  EXPECT_TRUE(Query(other, sql).bind(1).step());
}

TEST_F(PostgresConnection, the_same_text_has_the_same_name_in_every_session) {
  const auto names = [](Connection& c) {
    c.begin(Access::read);
    Query(c, "SELECT $1, 'named'").bind(1).step();
    Query q(c, "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%named%' ORDER BY 1");
    std::set<std::string> found;
    while (q.step()) found.emplace(q.text());
    c.end_read();
    return found;
  };
  Connection other(options());
  EXPECT_EQ(names(c_), names(other));
}

TEST_F(PostgresConnection, without_names_everything_works_too) {
  Connection c({.url = database_.url(), .named_statements = false});
  for (int i = 1; i <= 3; ++i) {
    c.begin(Access::write);
    Query(c, "INSERT INTO notes VALUES ($1, $2)").bind(i).bind("x").run();
    c.commit();
  }
  EXPECT_EQ(c.scalar("SELECT count(*) FROM pg_prepared_statements"), 0);
  EXPECT_EQ(stored(), "1,2,3");
}

TEST_F(PostgresConnection, the_same_text_in_several_places_is_one_statement) {
  const std::string text = "SELECT $1, 'in several places'";
  const std::string copy = text;
  c_.begin(Access::read);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(Query(c_, text.c_str()).bind(1).step());
    EXPECT_TRUE(Query(c_, copy.c_str()).bind(1).step());
    EXPECT_TRUE(Query(c_, text).bind(1).step());
  }
}

TEST_F(PostgresConnection, a_text_put_together_is_named_once_it_is_seen_again) {
  const std::string sql = "SELECT 'put together' FROM pg_class WHERE oid = $1 LIMIT 0";
  const auto named = [&] {
    return c_.scalar(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%put "
        "together%LIMIT 0'");
  };
  const auto use = [&] {
    c_.begin(Access::read);
    Query(c_, sql).bind(1).step();
    c_.end_read();
  };
  use();
  use();
  EXPECT_EQ(named(), 0);
  use();
  use();
  EXPECT_EQ(named(), 1);
}

TEST_F(PostgresConnection, texts_that_are_not_seen_again_are_forgotten) {
  for (int transaction = 0; transaction < 50; ++transaction) {
    c_.begin(Access::read);
    for (int i = 0; i < 100; ++i) Query(c_, fmt::format("SELECT {}", transaction * 100 + i)).run();
    Query(c_, "SELECT 'a literal'").run();
    c_.end_read();
    EXPECT_LT(c_.statements(), 2'500U);
  }
}

// --- outside of pipelines ---

TEST_F(PostgresConnection, a_script_is_one_transaction) {
  EXPECT_THROW(c_.execute("INSERT INTO notes VALUES (1, 'a'); INSERT INTO notes VALUES (1, 'b')"),
               StatementRefused);
  EXPECT_EQ(stored(), "");
  c_.execute("INSERT INTO notes VALUES (1, 'a'); INSERT INTO notes VALUES (2, 'b')");
  EXPECT_EQ(stored(), "1,2");
}

TEST_F(PostgresConnection, a_script_within_a_transaction_is_part_of_it) {
  c_.begin(Access::write);
  insert(1);
  c_.execute("INSERT INTO notes VALUES (2, 'a'); INSERT INTO notes VALUES (3, 'b')");
  c_.roll_back();
  EXPECT_EQ(stored(), "");
  c_.begin(Access::write);
  c_.execute("INSERT INTO notes VALUES (4, 'a')");
  insert(5);
  c_.commit();
  EXPECT_EQ(stored(), "4,5");
  c_.begin(Access::write);
  EXPECT_THROW(c_.execute("SELECT 1/0"), StatementRefused);
  EXPECT_THROW(insert(6), StatementRefused);
  c_.roll_back();
  EXPECT_EQ(count(), 2);
}

TEST_F(PostgresConnection, notifications_are_waited_for) {
  Connection listener(options());
  listener.execute("LISTEN todo");
  const std::vector<std::string> none;
  EXPECT_EQ(listener.wait_for_notifications(-1, milliseconds{0}), none);
  database_.execute("NOTIFY todo; NOTIFY todo, 'milk'");
  EXPECT_EQ(listener.wait_for_notifications(-1, test::deadline),
            (std::vector<std::string>{"", "milk"}));
  EXPECT_EQ(listener.wait_for_notifications(-1, milliseconds{0}), none);
  database_.cut_connections();
  EXPECT_THROW(listener.wait_for_notifications(-1, test::deadline), ConnectionLost);
}

}  // namespace
}  // namespace todo::storage::postgres
