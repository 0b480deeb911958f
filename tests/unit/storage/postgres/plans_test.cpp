// What the server reads for each query of the API, by its own count: every one begins in an index,
// and no page reads more than the first one, however deep it lies.
#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/postgres/schema.h"
#include "storage/postgres/transaction.h"
#include "support/fakes.h"
#include "support/postgres.h"

namespace todo::storage::postgres {
namespace {

// 2,000 users with a few rows of each kind; the first one has 5,000 tasks, entries and
// notifications more. No text and no instant is alike in many rows.
constexpr const char* fill = R"sql(
CREATE FUNCTION user_id(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
  RETURN ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid;
CREATE FUNCTION owner(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql
  RETURN user_id(CASE WHEN n <= 5000 THEN 1 ELSE 1 + n % 2000 END);
CREATE FUNCTION at(n bigint) RETURNS timestamptz IMMUTABLE LANGUAGE sql
  RETURN '2031-01-01Z'::timestamptz + n * interval '1 minute';
INSERT INTO users SELECT user_id(n), n || '@x', n || '@x', 'h', NULL, 'UTC', true, 60, true, 0,
  false, false, false, '', at(0), NULL, false, at(n), NULL FROM generate_series(1, 2000) n;
INSERT INTO user_state SELECT id, 0, 0, 0 FROM users;
INSERT INTO audit_heads SELECT id, 0, '', '', 0 FROM users;
INSERT INTO sessions SELECT gen_random_uuid(), id, created_at, at(1000000) FROM users;
INSERT INTO api_tokens SELECT gen_random_uuid(), id, 'n', 0, decode(md5(email), 'hex'), NULL,
  created_at, NULL FROM users;
INSERT INTO tasks (user_id, id, created_at, updated_at, due_at, completed_at, remind_at, deleted_at,
  occurrence, version, series_id, priority_rank, recurrence_rule, recurrence_interval,
  recurrence_from, category, title, title_folded)
SELECT owner(n), gen_random_uuid(), at(n), at(n * 7919 % 30000),
  CASE WHEN n % 3 > 0 THEN at(n * 6007 % 30000) END, CASE WHEN n % 2 = 0 THEN at(n) END,
  CASE WHEN n % 7 = 0 THEN at(n) END, CASE WHEN n % 20 = 0 THEN at(n) END, 1 + n % 4, 1,
  gen_random_uuid(), n % 5, 0, 1, 0, 'category ' || n % 11, md5(n::text), md5(n::text)
FROM generate_series(1, 30000) n;
INSERT INTO promised_occurrences SELECT gen_random_uuid(), user_id, id, series_id, 2, '{}'
FROM tasks WHERE NOT deleted LIMIT 5000;
INSERT INTO reminders SELECT user_id, id, at(0), gen_random_uuid(), gen_random_uuid(), 0 FROM tasks;
INSERT INTO notifications SELECT owner(n), gen_random_uuid(), at(n),
  CASE WHEN n % 3 > 0 THEN at(n) END, NULL, 0, 't', 'm', '{}' FROM generate_series(1, 20000) n;
INSERT INTO audit_entries SELECT owner(n), n, gen_random_uuid(), gen_random_uuid(), 1, at(n), 7,
  n % 4, 'task', '', '', repeat('x', 200) FROM generate_series(1, 30000) n;
INSERT INTO audit_segments SELECT user_id, seq, seq, '{}', '' FROM audit_entries;
INSERT INTO idempotency_keys (user_id, created_at, status, request_hash, key, headers, body)
SELECT id, created_at, 0, '', 'key', '', '' FROM users;
VACUUM ANALYZE;
)sql";

constexpr const char* seq_scans = R"sql(
SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_stat_user_tables
WHERE seq_scan > 0 AND relname <> 'schema_info')sql";
constexpr const char* all_rows_read = R"sql(
SELECT ((SELECT sum(idx_tup_read) FROM pg_stat_user_indexes) +
        (SELECT sum(seq_tup_read) FROM pg_stat_user_tables))::bigint)sql";

constexpr std::array all_sorts{TaskSort::created_at, TaskSort::updated_at, TaskSort::due_date,
                               TaskSort::priority, TaskSort::title};

Uuid user_id(std::uint8_t number) {
  Uuid id;
  id.bytes[6] = 0x70;
  id.bytes[8] = 0x80;
  id.bytes[15] = number;
  return id;
}

// Filled once for all tests, which only read.
class PostgresPlans : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    database_ = std::make_unique<test::PostgresDatabase>();
    const auto migrated = migrate_schema({.connection = {.url = database_->url()}});
    ASSERT_TRUE(migrated) << migrated.error();
    for (std::string_view left = fill; !left.empty();) {
      const std::size_t end = left.find(";\n");
      if (end == std::string_view::npos) break;
      database_->execute(std::string(left.substr(0, end)));
      left.remove_prefix(end + 2);
    }
  }
  static void TearDownTestSuite() { database_.reset(); }

  PostgresPlans() { database_->execute("SELECT pg_stat_reset()"); }

  // Often enough for the server to settle on a plan for any values.
  template <class Work>
  void read(Work work, int times = 12) {
    for (int i = 0; i < times; ++i) {
      c_.begin(Access::read);
      Transaction tx(c_, Access::read);
      work(tx);
      c_.end_read();
    }
  }
  std::string scanned() {
    c_.execute("SELECT pg_stat_force_next_flush()");
    return database_->execute(seq_scans);
  }
  std::int64_t rows_read() {
    c_.execute("SELECT pg_stat_force_next_flush()");
    return counter_.scalar(all_rows_read);
  }
  std::int64_t rows_read_by(const std::function<void(ReadTx&)>& work) {
    read(work, 8);
    const std::int64_t before = rows_read();
    read(work, 1);
    return rows_read() - before;
  }

  static TaskQuery query_of(const Uuid& user_id, TaskSort sort, bool descending) {
    TaskQuery query;
    query.user_id = user_id;
    query.sort = sort;
    query.descending = descending;
    query.limit = 50;
    query.filter.now = test::noon;
    return query;
  }
  // The position that lies so far down a list.
  TaskPosition position_at(TaskQuery query, double part) {
    TaskPosition last;
    read(
        [&](ReadTx& tx) {
          query.limit = 500;
          const std::int64_t count = tx.count_tasks(query.user_id, query.filter).value;
          const auto depth = static_cast<std::int64_t>(static_cast<double>(count) * part);
          for (std::int64_t done = 0; done < depth; done += query.limit) {
            tx.list_tasks(query, [&](const Task& task) { last = position_of(query.sort, task); });
            query.after = last;
          }
        },
        1);
    return last;
  }
  static TaskPosition position_of(TaskSort sort, const Task& task) {
    TaskPosition position;
    if (sort == TaskSort::created_at) position.instant_ms = to_ms(task.created_at);
    if (sort == TaskSort::updated_at) position.instant_ms = to_ms(task.updated_at);
    if (sort == TaskSort::due_date && task.due) position.instant_ms = to_ms(task.due->at);
    position.title_folded = task.title;  // of lower case already
    position.priority_rank = priority_rank(task.priority);
    position.created_at_ms = to_ms(task.created_at);
    position.id = task.id;
    return position;
  }

  static std::unique_ptr<test::PostgresDatabase> database_;
  Connection c_{ConnectionOptions{.url = database_->url()}};
  Connection counter_{ConnectionOptions{.url = database_->url()}};
};
std::unique_ptr<test::PostgresDatabase> PostgresPlans::database_;

std::vector<TaskFilter> some_filters() {
  std::vector<TaskFilter> filters(8);
  filters[1].completed = false;
  filters[2].category = "category 3";
  filters[3].priority = Priority::high;
  filters[4].overdue = true;
  filters[5].overdue = false;
  filters[6].deleted = true;
  filters[6].deleted_after = test::noon;
  filters[7].due_after = test::noon;
  filters[7].due_before = test::noon + std::chrono::hours{24};
  filters[7].text_folded = "a";
  for (TaskFilter& filter : filters) filter.now = test::noon;
  return filters;
}

TEST_F(PostgresPlans, lists_of_tasks_begin_in_an_index) {
  for (const TaskFilter& filter : some_filters()) {
    for (const TaskSort sort : all_sorts) {
      for (const bool descending : {false, true}) {
        for (const Uuid& user : {user_id(1), user_id(2)}) {
          TaskQuery query = query_of(user, sort, descending);
          query.filter = filter;
          read([&](ReadTx& tx) { tx.list_tasks(query, [](const Task&) {}); });
        }
      }
    }
    read([&](ReadTx& tx) { tx.count_tasks(user_id(1), filter); });
  }
  EXPECT_EQ(scanned(), "");
}

TEST_F(PostgresPlans, other_queries_of_a_user_begin_in_an_index) {
  const Uuid user = user_id(1);
  const Instant now = test::noon;
  std::array<NotificationQuery, 2> notifications;
  for (NotificationQuery& query : notifications) query.user_id = user;
  notifications[0].unread_only = true;
  notifications[0].after = {now, user};
  notifications[1].archived = true;
  notifications[1].archived_before = now;
  std::array<AuditQuery, 5> entries;
  for (AuditQuery& query : entries) query.user_id = user;
  entries[1].entity_type = "task";
  entries[1].before_seq = 300;
  entries[2].entity_id = user;
  entries[3].action = AuditAction::create;
  entries[3].offset = 100;
  entries[4].from = now;
  entries[4].to = now + std::chrono::hours{9};
  read([&](Transaction& tx) {
    tx.find_user(user);
    tx.find_user_by_email("7@x");
    tx.find_credentials("7@x");
    tx.find_credentials(user);
    tx.counters(user_id(9));
    tx.find_session(user);
    tx.list_api_tokens(user);
    tx.find_api_token("hash");
    tx.users_with_recompute_job(10);
    tx.users_to_purge(10);
    tx.find_task(user, user);
    tx.task_stats(user, now);
    tx.list_categories(user);
    tx.find_occurrence(user, user, 2);
    tx.tasks_after(user, user, 100);
    tx.task_versions_after(user, user, 100);
    tx.find_promise(user, user);
    tx.find_promise_of(user, user);
    tx.find_promise_at(user, user, 2);
    tx.due_reminders(now, 100);
    tx.next_reminder_at();
    tx.find_reminder(user, user, now);
    tx.list_reminders(user, user);
    for (const NotificationQuery& query : notifications) {
      tx.list_notifications(query);
      tx.count_notifications(query);
    }
    tx.count_unread(user, now);
    tx.find_notification(user, user);
    tx.audit_head(user);
    tx.has_audit_entry(user, user, 1);
    for (const AuditQuery& query : entries) {
      tx.list_audit(query);
      tx.count_audit(query);
    }
    tx.audit_after(user, 100, 100);
    tx.audit_chains(user, 100);
    tx.audit_segments(user, 100, 1);
    tx.newest_audit_segment(user);
  });
  EXPECT_EQ(scanned(), "");
}

TEST_F(PostgresPlans, changes_of_a_user_begin_in_an_index) {
  const Uuid user = user_id(1);
  const Uuid nobody = user_id(0);
  const Instant now = test::noon;
  Task task;
  task.user_id = nobody;
  ReminderRow reminder;
  reminder.user_id = nobody;
  User changed;
  changed.id = nobody;
  for (int i = 0; i < 8; ++i) {
    c_.begin(Access::write);
    Transaction tx(c_, Access::write);
    tx.update_user(changed);
    tx.set_password_hash(nobody, "h");
    tx.mark_user_deleted(nobody, now);
    tx.insert_session({user, nobody, now, now});
    tx.delete_session(user, user);
    tx.delete_sessions(nobody, user);
    tx.delete_api_token(nobody, user);
    tx.touch_api_token(user, now);
    tx.insert_task(task);
    tx.update_task(task, task);
    tx.set_remind_at(user, user, now);
    tx.take_promise(user, user);
    tx.delete_promise(user, user);
    tx.claim_reminder(reminder);
    tx.settle_reminder(reminder);
    tx.move_reminder(user, user, now, now + std::chrono::hours{1});
    tx.read_notification(user, user, now);
    tx.delete_notification(user, user);
    tx.read_notifications(user, now, now, 100);
    tx.delete_notifications(user, now - std::chrono::hours{24}, 100);
    tx.lock_audit_heads({user, nobody});
    tx.set_audit_heads({{nobody, {}}});
    tx.delete_audit_segment(user, 1'000'000);
    tx.delete_audit_entries(user, 1'000'000, 2'000'000);
    tx.insert_idempotency_key(user, "another key", "hash", now);
    tx.store_idempotent_response(user, "another key", {});
    c_.roll_back();
  }
  EXPECT_EQ(scanned(), "");
}

TEST_F(PostgresPlans, no_page_of_tasks_reads_more_than_the_first) {
  TaskFilter by_category;
  by_category.category = "category 3";
  TaskFilter pending;
  pending.completed = false;
  for (const TaskFilter& filter : {TaskFilter{}, pending, by_category}) {
    for (const TaskSort sort : all_sorts) {
      for (const bool descending : {false, true}) {
        TaskQuery query = query_of(user_id(1), sort, descending);
        query.filter = filter;
        const auto page = [&](ReadTx& tx) { tx.list_tasks(query, [](const Task&) {}); };
        const std::int64_t first = rows_read_by(page);
        for (const double part : {0.4, 0.9}) {
          query.after.reset();
          query.after = position_at(query, part);
          EXPECT_LE(rows_read_by(page), 2 * first + 100)
              << "sort " << static_cast<int>(sort) << " descending " << descending << " completed "
              << filter.completed.has_value() << " category " << filter.category.has_value()
              << " part " << part << " first " << first;
        }
      }
    }
  }
}

TEST_F(PostgresPlans, no_page_of_notifications_or_entries_reads_more_than_the_first) {
  NotificationQuery notifications;
  notifications.user_id = user_id(1);
  AuditQuery entries;
  entries.user_id = user_id(1);
  const auto page = [&](ReadTx& tx) {
    EXPECT_EQ(tx.list_notifications(notifications).size(), 50U);
    EXPECT_EQ(tx.list_audit(entries).size(), 50U);
  };
  const std::int64_t first = rows_read_by(page);
  notifications.after = {test::noon + std::chrono::minutes{1'000}, user_id(1)};
  entries.before_seq = 1'000;
  EXPECT_LE(rows_read_by(page), first + 10);
}

}  // namespace
}  // namespace todo::storage::postgres
