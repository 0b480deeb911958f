// bench_bare_loop FILE SECONDS: what SQLite itself can do of a create on this disk: with the
// program's schema and its settings, 64 creates to a commit, each a task and its outbox row, then
// the hashed audit entry, the chain head and the outbox row's deletion. Statements are prepared,
// texts are made beforehand; only ids, numbers and hashes differ from row to row. Prints one JSON
// object.
#include <sodium.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "domain/audit_entry.h"
#include "domain/task_json.h"
#include "events/event.h"
#include "storage/sqlite/sqlite_store.h"

namespace {

using namespace todo;

constexpr int users = 64;
constexpr int creates_per_commit = 64;
constexpr int checkpoint_pages = 1'024;

void check(int code, sqlite3* database) {
  if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
    throw std::runtime_error(sqlite3_errmsg(database));
}

class Statement {
 public:
  Statement(sqlite3* database, const char* sql) : database_(database) {
    check(sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr),
          database);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& number(int at, std::int64_t value) {
    sqlite3_bind_int64(statement_, at, value);
    return *this;
  }
  Statement& text(int at, std::string_view value) {
    sqlite3_bind_text(statement_, at, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
    return *this;
  }
  template <class Bytes>
  Statement& blob(int at, const Bytes& bytes) {
    sqlite3_bind_blob(statement_, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    return *this;
  }
  void run() {
    check(sqlite3_step(statement_), database_);
    sqlite3_reset(statement_);
  }

 private:
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
};

struct Texts {
  std::string event;      // of the outbox
  std::string canonical;  // of the audit entry
};

// As long as what the program writes for the same create.
Texts make_texts(IdGenerator& ids, Instant now) {
  Task task;
  task.id = ids.next();
  task.user_id = ids.next();
  task.series_id = ids.next();
  task.title = "Buy milk";
  task.created_at = task.updated_at = now;
  AuditEvent event;
  event.id = ids.next();
  event.user_id = task.user_id;
  event.entity_type = "task";
  event.entity_id = task.id;
  event.entity_version = 1;
  event.timestamp = now;
  event.after = task_json(task);
  event.metadata = R"({"actor":"web","request_id":")" + ids.next().to_string() + "\"}";
  Origin origin;
  origin.trace = {std::string(32, 'a'), std::string(16, 'b')};
  AuditEntry entry;
  entry.id = ids.next();
  entry.user_id = task.user_id;
  entry.seq = 1'000;
  entry.entity_id = task.id;
  entry.entity_version = 1;
  entry.timestamp = now;
  return {make_event(event, origin).event,
          canonical_entry(entry, "null", event.after, event.metadata)};
}

struct User {
  Uuid id;
  std::int64_t seq = 0;
  AuditHash head{};
};

class Loop {
 public:
  explicit Loop(const std::string& path)
      : database_(open(path)),
        texts_(make_texts(ids_, clock_.now())),
        keys_({std::string(32, 'k')}),
        users_(users) {
    for (User& user : users_) {
      user.id = ids_.next();
      const AuditHead head = keys_.seal(user.id, 0, {});
      Statement(database_,
                "INSERT INTO user_state (user_id, changes, living_tasks, completed_tasks, "
                "audit_seq, audit_hash, audit_seal, audit_key_id) VALUES (?1,0,0,0,0,?2,?3,?4)")
          .blob(1, user.id.bytes)
          .blob(2, head.hash)
          .blob(3, head.seal)
          .number(4, head.key_id)
          .run();
    }
  }
  ~Loop() { sqlite3_close_v2(database_); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void commit_once() {
    std::array<Uuid, creates_per_commit> tasks;
    std::array<Uuid, creates_per_commit> events;
    begin_.run();
    const std::int64_t now = to_ms(clock_.now());
    for (std::size_t i = 0; i < creates_per_commit; ++i) {
      tasks.at(i) = ids_.next();
      events.at(i) = ids_.next();
      create(users_.at(i % users_.size()).id, tasks.at(i), events.at(i), now);
    }
    for (std::size_t i = 0; i < creates_per_commit; ++i)
      record(users_.at(i % users_.size()), tasks.at(i), events.at(i), now);
    commit_.run();
    if (wal_pages_ < checkpointed_) checkpointed_ = 0;
    if (wal_pages_ <= checkpointed_ + checkpoint_pages) return;
    sqlite3_wal_checkpoint_v2(database_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                              &checkpointed_);
  }

 private:
  sqlite3* open(const std::string& path) {
    storage::sqlite::Options options;
    options.path = path;
    if (auto migrated = storage::sqlite::migrate(options); !migrated)
      throw std::runtime_error(migrated.error());
    sqlite3* database = nullptr;
    check(sqlite3_open(path.c_str(), &database), database);
    check(sqlite3_exec(database,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                       "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -16000; "
                       "PRAGMA journal_size_limit = 67108864",
                       nullptr, nullptr, nullptr),
          database);
    sqlite3_wal_hook(
        database,
        [](void* self, sqlite3*, const char*, int pages) {
          static_cast<Loop*>(self)->wal_pages_ = pages;
          return SQLITE_OK;
        },
        this);
    return database;
  }

  void create(const Uuid& user, const Uuid& task, const Uuid& event, std::int64_t now) {
    task_.blob(1, user.bytes).number(2, now).blob(3, task.bytes).blob(4, task.bytes);
    task_.number(5, now).run();
    outbox_.blob(1, event.bytes).blob(2, user.bytes).text(3, texts_.event).run();
  }

  void record(User& user, const Uuid& task, const Uuid& event, std::int64_t now) {
    const AuditHash before = user.head;
    user.head = keys_.sign(before, texts_.canonical);
    const Uuid id = ids_.next();
    entry_.blob(1, user.id.bytes).number(2, ++user.seq).blob(3, id.bytes).blob(4, task.bytes);
    entry_.number(5, now).number(6, keys_.signing_key_id());
    entry_.blob(7, before).blob(8, user.head).text(9, texts_.canonical).run();
    const AuditHead head = keys_.seal(user.id, user.seq, user.head);
    head_.number(1, head.seq).blob(2, head.hash).blob(3, head.seal);
    head_.blob(4, user.id.bytes).run();
    delete_.blob(1, event.bytes).run();
  }

  SystemClock clock_;
  Uuid7Generator ids_{clock_};
  int wal_pages_ = 0;
  int checkpointed_ = 0;
  sqlite3* database_;
  Texts texts_;
  AuditKeys keys_;
  std::vector<User> users_;
  Statement begin_{database_, "BEGIN IMMEDIATE"};
  Statement commit_{database_, "COMMIT"};
  Statement task_{database_,
                  "INSERT INTO tasks (user_id, deleted, created_at, priority_rank, id, title, "
                  "recurrence_rule, recurrence_interval, recurrence_from, series_id, occurrence, "
                  "version, updated_at, title_folded) "
                  "VALUES (?1,0,?2,5,?3,'Buy milk',0,1,0,?4,1,1,?5,'buy milk')"};
  Statement outbox_{database_,
                    "INSERT INTO outbox (id, topic, user_id, event, attempts, not_before) "
                    "VALUES (?1,0,?2,?3,0,0)"};
  Statement entry_{database_,
                   "INSERT INTO audit_entries (user_id, seq, id, entity_type, entity_id, "
                   "entity_version, action, timestamp, key_id, prev_hash, hash, canonical) "
                   "VALUES (?1,?2,?3,'task',?4,1,0,?5,?6,?7,?8,?9)"};
  Statement head_{database_,
                  "UPDATE user_state SET audit_seq = ?1, audit_hash = ?2, audit_seal = ?3 "
                  "WHERE user_id = ?4"};
  Statement delete_{database_, "DELETE FROM outbox WHERE id = ?1"};
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int start(const std::string& path, double length) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium could not start");
  Loop loop(path);
  const double cpu_before = cpu_seconds();
  const auto began = std::chrono::steady_clock::now();
  long long creates = 0;
  double seconds = 0;
  while (seconds < length) {
    loop.commit_once();
    creates += creates_per_commit;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  std::printf("{\"creates\": %lld, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", creates, seconds,
              cpu_seconds() - cpu_before);
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3) return start(argv[1], std::atof(argv[2]));
    std::fputs("usage: bench_bare_loop FILE SECONDS\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_bare_loop: %s\n", error.what());
  }
  return EXIT_FAILURE;
}
