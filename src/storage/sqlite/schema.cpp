#include "storage/sqlite/schema.h"

#include <sodium.h>

#include <array>

#include <fmt/format.h>

#include "base/text.h"

namespace todo::storage::sqlite {
namespace {

// "todo" in ASCII: tells our files from others (PRAGMA application_id).
constexpr std::int64_t application_id = 0x746f646f;

// docs/data-model.md explains every table. Ids are BLOB(16), instants milliseconds since 1970.
// Tables that are read by user and time are clustered so; those that only grow at the end keep
// their rowid.
constexpr const char* version_1 = R"sql(
CREATE TABLE schema_info (
  version INTEGER NOT NULL,
  min_app INTEGER NOT NULL,
  epoch   TEXT    NOT NULL
) STRICT;

CREATE TABLE users (
  id                      BLOB    NOT NULL PRIMARY KEY,
  email                   TEXT    NOT NULL,
  email_folded            TEXT    UNIQUE,
  password_hash           TEXT    NOT NULL,
  display_name            TEXT,
  timezone                TEXT    NOT NULL,
  reminders_enabled       INTEGER NOT NULL,
  reminder_minutes_before INTEGER NOT NULL,
  toast_notifications     INTEGER NOT NULL,
  missed_occurrences      INTEGER NOT NULL,
  recompute               INTEGER NOT NULL,
  recompute_shift         INTEGER NOT NULL,
  recompute_zone_changed  INTEGER NOT NULL,
  recompute_from_zone     TEXT    NOT NULL,
  recompute_started_at    INTEGER NOT NULL,
  recompute_after         BLOB,
  disabled                INTEGER NOT NULL,
  created_at              INTEGER NOT NULL,
  deleted_at              INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX users_recomputing ON users (id) WHERE recompute = 1;
CREATE INDEX users_deleted ON users (id) WHERE deleted_at IS NOT NULL;

CREATE TABLE user_state (
  user_id         BLOB    NOT NULL PRIMARY KEY,
  changes         INTEGER NOT NULL,
  living_tasks    INTEGER NOT NULL,
  completed_tasks INTEGER NOT NULL,
  audit_seq       INTEGER NOT NULL,
  audit_hash      BLOB    NOT NULL,
  audit_seal      BLOB    NOT NULL,
  audit_key_id    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id         BLOB    NOT NULL PRIMARY KEY,
  user_id    BLOB    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE api_tokens (
  id           BLOB    NOT NULL PRIMARY KEY,
  user_id      BLOB    NOT NULL,
  name         TEXT    NOT NULL,
  scope        INTEGER NOT NULL,
  secret_hash  BLOB    NOT NULL UNIQUE,
  expires_at   INTEGER,
  created_at   INTEGER NOT NULL,
  last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_tokens_by_user ON api_tokens (user_id, id);

CREATE TABLE tasks (
  user_id             BLOB    NOT NULL,
  deleted             INTEGER NOT NULL,
  created_at          INTEGER NOT NULL,
  priority_rank       INTEGER NOT NULL,
  id                  BLOB    NOT NULL,
  title               TEXT    NOT NULL,
  description         TEXT,
  due_at              INTEGER,
  due_on              INTEGER,
  completed_at        INTEGER,
  category            TEXT,
  recurrence_rule     INTEGER NOT NULL,
  recurrence_interval INTEGER NOT NULL,
  recurrence_weekdays INTEGER,
  recurrence_from     INTEGER NOT NULL,
  anchor_local        INTEGER,
  anchor_zone         TEXT,
  anchor_step         INTEGER,
  parent_task_id      BLOB,
  series_id           BLOB    NOT NULL,
  occurrence          INTEGER NOT NULL,
  version             INTEGER NOT NULL,
  updated_at          INTEGER NOT NULL,
  remind_at           INTEGER,
  deleted_at          INTEGER,
  title_folded        TEXT    NOT NULL,
  description_folded  TEXT,
  PRIMARY KEY (user_id, deleted, created_at DESC, priority_rank, id DESC)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tasks_by_id ON tasks (user_id, id);
CREATE UNIQUE INDEX tasks_by_occurrence ON tasks (user_id, series_id, occurrence) WHERE deleted = 0 AND occurrence > 1;
CREATE INDEX tasks_by_due ON tasks (user_id, deleted, due_at, priority_rank, created_at DESC, id DESC, completed_at);
CREATE INDEX tasks_by_category ON tasks (user_id, category) WHERE deleted = 0 AND category IS NOT NULL;
CREATE INDEX tasks_by_remind_at ON tasks (remind_at, user_id, id) WHERE remind_at IS NOT NULL;

CREATE TABLE promised_occurrences (
  id         BLOB    NOT NULL PRIMARY KEY,
  user_id    BLOB    NOT NULL,
  task_id    BLOB    NOT NULL,
  series_id  BLOB    NOT NULL,
  occurrence INTEGER NOT NULL,
  task       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX promised_by_task ON promised_occurrences (user_id, task_id);
CREATE UNIQUE INDEX promised_by_occurrence ON promised_occurrences (user_id, series_id, occurrence);

CREATE TABLE reminders (
  user_id         BLOB    NOT NULL,
  task_id         BLOB    NOT NULL,
  due_at          INTEGER NOT NULL,
  id              BLOB    NOT NULL,
  claim_id        BLOB    NOT NULL,
  state           INTEGER NOT NULL,
  reason          INTEGER,
  remind_at       INTEGER,
  delivered_at    INTEGER,
  notification_id BLOB,
  PRIMARY KEY (user_id, task_id, due_at)
) STRICT, WITHOUT ROWID;

CREATE TABLE notifications (
  user_id    BLOB    NOT NULL,
  created_at INTEGER NOT NULL,
  id         BLOB    NOT NULL,
  type       INTEGER NOT NULL,
  title      TEXT    NOT NULL,
  message    TEXT    NOT NULL,
  data       TEXT    NOT NULL,
  task_id    BLOB,
  read_at    INTEGER,
  PRIMARY KEY (user_id, created_at DESC, id DESC)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX notifications_by_id ON notifications (user_id, id);
CREATE INDEX notifications_unread ON notifications (user_id, created_at DESC, id DESC) WHERE read_at IS NULL;

CREATE TABLE audit_entries (
  position       INTEGER PRIMARY KEY,
  user_id        BLOB    NOT NULL,
  seq            INTEGER NOT NULL,
  id             BLOB    NOT NULL,
  entity_type    TEXT    NOT NULL,
  entity_id      BLOB    NOT NULL,
  entity_version INTEGER NOT NULL,
  action         INTEGER NOT NULL,
  timestamp      INTEGER NOT NULL,
  key_id         INTEGER NOT NULL,
  prev_hash      BLOB    NOT NULL,
  hash           BLOB    NOT NULL,
  canonical      TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX audit_by_seq ON audit_entries (user_id, seq);
CREATE UNIQUE INDEX audit_by_entity ON audit_entries (user_id, entity_id, entity_version);
CREATE INDEX audit_by_action ON audit_entries (user_id, action, seq, timestamp);
CREATE INDEX audit_by_time ON audit_entries (user_id, timestamp, seq);

CREATE TABLE audit_segments (
  user_id   BLOB    NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq  INTEGER NOT NULL,
  manifest  TEXT    NOT NULL,
  data      BLOB    NOT NULL,
  PRIMARY KEY (user_id, first_seq)
) STRICT;

CREATE TABLE outbox (
  position   INTEGER PRIMARY KEY,
  id         BLOB    NOT NULL UNIQUE,
  topic      INTEGER NOT NULL,
  user_id    BLOB    NOT NULL,
  event      TEXT    NOT NULL,
  attempts   INTEGER NOT NULL,
  not_before INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_retries ON outbox (not_before) WHERE not_before > 0;

CREATE TABLE dead_letters (
  id       BLOB    NOT NULL PRIMARY KEY,
  topic    INTEGER NOT NULL,
  user_id  BLOB    NOT NULL,
  event    TEXT    NOT NULL,
  reason   TEXT    NOT NULL,
  attempts INTEGER NOT NULL,
  died_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency_keys (
  position     INTEGER PRIMARY KEY,
  user_id      BLOB    NOT NULL,
  key          TEXT    NOT NULL,
  request_hash BLOB    NOT NULL,
  status       INTEGER NOT NULL,
  headers      TEXT    NOT NULL,
  body         BLOB    NOT NULL,
  created_at   INTEGER NOT NULL,
  UNIQUE (user_id, key)
) STRICT;

INSERT INTO schema_info (version, min_app, epoch) VALUES (0, 0, '');
)sql";

// Step n leads from schema n to n + 1.
constexpr std::array<const char*, schema_version> steps{version_1};

}  // namespace

std::expected<int, std::string> read_schema_version(Connection& connection) {
  const std::int64_t tables = connection.scalar("SELECT count(*) FROM sqlite_master");
  if (tables == 0) return 0;
  if (connection.scalar("PRAGMA application_id") != application_id) {
    return std::unexpected("the file is an SQLite database, but not one of todo-app");
  }
  const auto version = static_cast<int>(connection.scalar("SELECT version FROM schema_info"));
  const auto min_app = static_cast<int>(connection.scalar("SELECT min_app FROM schema_info"));
  if (min_app > schema_version) {
    return std::unexpected(fmt::format(
        "the file has schema {}, which programs that know schema {} can use; this one knows {}: "
        "start the newer program, or restore a backup made by this one",
        version, min_app, schema_version));
  }
  return version;
}

void migrate_schema(Connection& connection, int from) {
  connection.execute("BEGIN IMMEDIATE");
  try {
    for (int version = from; version < schema_version; ++version)
      connection.execute(steps.at(static_cast<std::size_t>(version)));
    connection.execute(
        fmt::format("UPDATE schema_info SET version = {}, min_app = {}; PRAGMA application_id = {}",
                    schema_version, schema_min_app, application_id)
            .c_str());
    if (from == 0) renew_epoch(connection);
    connection.execute("COMMIT");
  } catch (...) {
    if (connection.in_transaction()) connection.execute("ROLLBACK");
    throw;
  }
}

void renew_epoch(Connection& connection) {
  std::array<char, 8> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  connection.execute(
      fmt::format("UPDATE schema_info SET epoch = '{}'", to_hex({bytes.data(), bytes.size()}))
          .c_str());
}

}  // namespace todo::storage::sqlite
