#include "storage/postgres/migrations.h"

namespace todo::storage::postgres {

// docs/data-model.md explains every table; what differs from SQLite's is PostgreSQL's own: types,
// `deleted` as a generated column, the heads of the audit chains apart from the counters (so that a
// user's writes and the recording of them do not wait for each other), the outbox by its id alone.
//
// The indexes on tasks: each order of a list begins in one. Where the rest of the order is the
// ties', rows of one millisecond or title are few and sorted as they come, in both directions;
// priorities have many rows each, and so may a day on which much is due, or none at all: their
// indexes hold the ties.
const char* const schema_1 = R"sql(
CREATE TABLE schema_info (
  version integer NOT NULL,
  min_app integer NOT NULL,
  epoch   text COLLATE "C" NOT NULL
);

CREATE TABLE users (
  id                      uuid NOT NULL CONSTRAINT users_by_id PRIMARY KEY,
  email                   text COLLATE "C" NOT NULL,
  email_folded            text COLLATE "C" CONSTRAINT users_by_email UNIQUE,
  password_hash           text COLLATE "C" NOT NULL,
  display_name            text COLLATE "C",
  timezone                text COLLATE "C" NOT NULL,
  reminders_enabled       boolean NOT NULL,
  reminder_minutes_before integer NOT NULL,
  toast_notifications     boolean NOT NULL,
  missed_occurrences      smallint NOT NULL,
  recompute               boolean NOT NULL,
  recompute_shift         boolean NOT NULL,
  recompute_zone_changed  boolean NOT NULL,
  recompute_from_zone     text COLLATE "C" NOT NULL,
  recompute_started_at    timestamptz NOT NULL,
  recompute_after         uuid,
  disabled                boolean NOT NULL,
  created_at              timestamptz NOT NULL,
  deleted_at              timestamptz
);
CREATE INDEX users_recomputing ON users (id) WHERE recompute;
CREATE INDEX users_deleted ON users (id) WHERE deleted_at IS NOT NULL;

CREATE TABLE user_state (
  user_id         uuid NOT NULL CONSTRAINT user_state_by_user PRIMARY KEY,
  changes         bigint NOT NULL,
  living_tasks    bigint NOT NULL,
  completed_tasks bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE audit_heads (
  user_id uuid NOT NULL CONSTRAINT audit_heads_by_user PRIMARY KEY,
  seq     bigint NOT NULL,
  hash    bytea NOT NULL,
  seal    bytea NOT NULL,
  key_id  bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE sessions (
  id         uuid NOT NULL CONSTRAINT sessions_by_id PRIMARY KEY,
  user_id    uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at, id);

CREATE TABLE api_tokens (
  id           uuid NOT NULL CONSTRAINT api_tokens_by_id PRIMARY KEY,
  user_id      uuid NOT NULL,
  name         text COLLATE "C" NOT NULL,
  scope        smallint NOT NULL,
  secret_hash  bytea NOT NULL CONSTRAINT api_tokens_by_secret UNIQUE,
  expires_at   timestamptz,
  created_at   timestamptz NOT NULL,
  last_used_at timestamptz
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id, id);

CREATE TABLE tasks (
  user_id             uuid NOT NULL,
  id                  uuid NOT NULL,
  created_at          timestamptz NOT NULL,
  updated_at          timestamptz NOT NULL,
  due_at              timestamptz,
  completed_at        timestamptz,
  remind_at           timestamptz,
  deleted_at          timestamptz,
  anchor_local        timestamp,
  anchor_step         bigint,
  occurrence          bigint NOT NULL,
  version             bigint NOT NULL,
  series_id           uuid NOT NULL,
  parent_task_id      uuid,
  due_on              date,
  priority_rank       smallint NOT NULL,
  recurrence_rule     smallint NOT NULL,
  recurrence_interval smallint NOT NULL,
  recurrence_weekdays smallint,
  recurrence_from     smallint NOT NULL,
  deleted             boolean NOT NULL GENERATED ALWAYS AS (deleted_at IS NOT NULL) STORED,
  anchor_zone         text COLLATE "C",
  category            text COLLATE "C",
  title               text COLLATE "C" NOT NULL,
  title_folded        text COLLATE "C" NOT NULL,
  description         text COLLATE "C",
  description_folded  text COLLATE "C",
  CONSTRAINT tasks_by_id PRIMARY KEY (user_id, id)
);
CREATE INDEX tasks_by_created ON tasks (user_id, deleted, created_at DESC, priority_rank, id DESC);
CREATE INDEX tasks_by_updated ON tasks (user_id, deleted, updated_at);
CREATE INDEX tasks_by_due ON tasks
  (user_id, deleted, due_at, priority_rank, created_at DESC, id DESC) INCLUDE (completed_at);
CREATE INDEX tasks_by_priority ON tasks (user_id, deleted, priority_rank, created_at DESC, id DESC);
CREATE INDEX tasks_by_title ON tasks (user_id, deleted, left(title_folded, 128));
CREATE INDEX tasks_by_category ON tasks (user_id, category, created_at DESC, priority_rank, id DESC)
  WHERE NOT deleted AND category IS NOT NULL;
CREATE UNIQUE INDEX tasks_by_occurrence ON tasks (user_id, series_id, occurrence)
  WHERE NOT deleted AND occurrence > 1;
CREATE INDEX tasks_by_remind_at ON tasks (remind_at, user_id, id) WHERE remind_at IS NOT NULL;

CREATE TABLE promised_occurrences (
  id         uuid NOT NULL CONSTRAINT promised_by_id PRIMARY KEY,
  user_id    uuid NOT NULL,
  task_id    uuid NOT NULL,
  series_id  uuid NOT NULL,
  occurrence bigint NOT NULL,
  task       text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX promised_by_task ON promised_occurrences (user_id, task_id);
CREATE UNIQUE INDEX promised_by_occurrence ON promised_occurrences (user_id, series_id, occurrence);

CREATE TABLE reminders (
  user_id         uuid NOT NULL,
  task_id         uuid NOT NULL,
  due_at          timestamptz NOT NULL,
  id              uuid NOT NULL,
  claim_id        uuid NOT NULL,
  state           smallint NOT NULL,
  reason          smallint,
  remind_at       timestamptz,
  delivered_at    timestamptz,
  notification_id uuid,
  CONSTRAINT reminders_by_task PRIMARY KEY (user_id, task_id, due_at)
);

CREATE TABLE notifications (
  user_id    uuid NOT NULL,
  id         uuid NOT NULL,
  created_at timestamptz NOT NULL,
  read_at    timestamptz,
  task_id    uuid,
  type       smallint NOT NULL,
  title      text COLLATE "C" NOT NULL,
  message    text COLLATE "C" NOT NULL,
  data       text COLLATE "C" NOT NULL,
  CONSTRAINT notifications_by_id PRIMARY KEY (user_id, id)
);
CREATE INDEX notifications_by_created ON notifications (user_id, created_at DESC, id DESC);
CREATE INDEX notifications_unread ON notifications (user_id, created_at DESC, id DESC)
  WHERE read_at IS NULL;

CREATE TABLE audit_entries (
  user_id        uuid NOT NULL,
  seq            bigint NOT NULL,
  id             uuid NOT NULL,
  entity_id      uuid NOT NULL,
  entity_version bigint NOT NULL,
  timestamp      timestamptz NOT NULL,
  key_id         bigint NOT NULL,
  action         smallint NOT NULL,
  entity_type    text COLLATE "C" NOT NULL,
  prev_hash      bytea NOT NULL,
  hash           bytea NOT NULL,
  canonical      text COLLATE "C" NOT NULL,
  CONSTRAINT audit_by_seq PRIMARY KEY (user_id, seq)
);
CREATE UNIQUE INDEX audit_by_entity ON audit_entries (user_id, entity_id, entity_version);
CREATE INDEX audit_by_action ON audit_entries (user_id, action, seq, timestamp);
CREATE INDEX audit_by_time ON audit_entries (user_id, timestamp, seq);

CREATE TABLE audit_segments (
  user_id   uuid NOT NULL,
  first_seq bigint NOT NULL,
  last_seq  bigint NOT NULL,
  manifest  text COLLATE "C" NOT NULL,
  data      bytea NOT NULL,
  CONSTRAINT audit_segments_by_seq PRIMARY KEY (user_id, first_seq)
);
ALTER TABLE audit_segments ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE outbox (
  id         uuid NOT NULL CONSTRAINT outbox_by_id PRIMARY KEY,
  user_id    uuid NOT NULL,
  not_before timestamptz,
  attempts   integer NOT NULL,
  topic      smallint NOT NULL,
  event      text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX outbox_retries ON outbox (not_before) WHERE not_before IS NOT NULL;

CREATE TABLE dead_letters (
  id       uuid NOT NULL CONSTRAINT dead_letters_by_id PRIMARY KEY,
  user_id  uuid NOT NULL,
  died_at  timestamptz NOT NULL,
  attempts integer NOT NULL,
  topic    smallint NOT NULL,
  event    text COLLATE "C" NOT NULL,
  reason   text COLLATE "C" NOT NULL
);

CREATE TABLE idempotency_keys (
  position     bigint GENERATED BY DEFAULT AS IDENTITY CONSTRAINT idempotency_keys_by_use PRIMARY KEY,
  user_id      uuid NOT NULL,
  created_at   timestamptz NOT NULL,
  status       integer NOT NULL,
  request_hash bytea NOT NULL,
  key          text COLLATE "C" NOT NULL,
  headers      text COLLATE "C" NOT NULL,
  body         bytea NOT NULL,
  CONSTRAINT idempotency_keys_by_key UNIQUE (user_id, key)
);

INSERT INTO schema_info (version, min_app, epoch) VALUES (0, 0, '');
)sql";

}  // namespace todo::storage::postgres
