#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/uuid.h"
#include "storage/announcement.h"
#include "storage/rows.h"

// The store interface: what services say to a database. Each database has its own honest SQL behind
// it (storage/sqlite; PostgreSQL later), and one conformance suite that each must pass.
namespace todo::storage {

// Thrown by a transaction's functions when the database could not do it: the whole transaction is
// gone. It ends the unit: services let it pass.
class TransactionLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Thrown when one statement was refused though the database is well (a constraint that the service
// should have seen to): the unit's savepoint is gone, its neighbours' are not.
class StatementRefused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What only one of several processes needs to do at a time.
enum class SingleWork : std::uint8_t { reminder_check = 1, retention };

// Reads of one consistent snapshot, begun after the request arrived. Every query is scoped by the
// user id in SQL where the parameters have one. Used by one thread at a time; not to be kept beyond
// the unit.
class ReadTx {
 public:
  using TakeTask = std::function<void(const Task&)>;

  virtual ~ReadTx() = default;

  // Users who are there: not deleted. Disabled ones are.
  virtual std::optional<User> find_user(const Uuid& user_id) = 0;
  virtual std::optional<User> find_user_by_email(std::string_view email_folded) = 0;
  virtual std::optional<Credentials> find_credentials(std::string_view email_folded) = 0;
  virtual std::optional<Credentials> find_credentials(const Uuid& user_id) = 0;
  virtual UserCounters counters(const Uuid& user_id) = 0;
  virtual std::optional<Session> find_session(const Uuid& session_id) = 0;
  virtual std::vector<ApiToken> list_api_tokens(const Uuid& user_id) = 0;  // newest first
  virtual std::optional<ApiToken> find_api_token(std::string_view secret_hash) = 0;
  virtual std::vector<Uuid> users_with_recompute_job(int limit) = 0;
  virtual std::vector<Uuid> users_to_purge(int limit) = 0;  // marked deleted, rows left

  // Living and deleted alike: look at deleted_at.
  virtual std::optional<Task> find_task(const Uuid& user_id, const Uuid& task_id) = 0;
  // The members that the API answers (domain/task_json.h); the others are as in a new Task. `take`
  // is called for each in turn, with a task that is only good until it returns.
  virtual void list_tasks(const TaskQuery& query, const TakeTask& take) = 0;
  virtual Count count_tasks(const Uuid& user_id, const TaskFilter& filter) = 0;
  virtual TaskStats task_stats(const Uuid& user_id, Instant now) = 0;
  virtual std::vector<std::string> list_categories(
      const Uuid& user_id) = 0;  // of the living, sorted
  // The living task of an occurrence.
  virtual std::optional<Task> find_occurrence(const Uuid& user_id, const Uuid& series_id,
                                              std::int64_t occurrence) = 0;
  // Living tasks in id order, for work in units.
  virtual std::vector<Task> tasks_after(const Uuid& user_id, std::optional<Uuid> after,
                                        int limit) = 0;
  // Also the deleted, in id order: (id, version, updated_at) as Task with only these members set.
  virtual std::vector<Task> task_versions_after(const Uuid& user_id, std::optional<Uuid> after,
                                                int limit) = 0;

  virtual std::optional<Promise> find_promise(const Uuid& user_id, const Uuid& promised_id) = 0;
  virtual std::optional<Promise> find_promise_of(const Uuid& user_id,
                                                 const Uuid& completed_task_id) = 0;
  virtual std::optional<Promise> find_promise_at(const Uuid& user_id, const Uuid& series_id,
                                                 std::int64_t occurrence) = 0;

  virtual std::vector<TaskKey> due_reminders(Instant now,
                                             int limit) = 0;  // remind_at ≤ now, earliest first
  virtual std::optional<Instant> next_reminder_at() = 0;
  virtual std::optional<ReminderRow> find_reminder(const Uuid& user_id, const Uuid& task_id,
                                                   Instant due_date) = 0;
  virtual std::vector<ReminderRow> list_reminders(const Uuid& user_id,
                                                  const Uuid& task_id) = 0;  // by due date

  virtual std::vector<Notification> list_notifications(const NotificationQuery& query) = 0;
  virtual Count count_notifications(
      const NotificationQuery& query) = 0;  // limit, offset, after unheeded
  virtual std::int64_t count_unread(const Uuid& user_id, Instant archived_before) = 0;
  virtual std::optional<Notification> find_notification(const Uuid& user_id,
                                                        const Uuid& notification_id) = 0;

  virtual AuditHead audit_head(const Uuid& user_id) = 0;
  virtual bool has_audit_entry(const Uuid& user_id, const Uuid& entity_id,
                               std::int64_t entity_version) = 0;
  virtual std::vector<AuditEntry> list_audit(const AuditQuery& query) = 0;
  virtual Count count_audit(const AuditQuery& query) = 0;
  // Ascending seq, for verification, archive and export.
  virtual std::vector<AuditEntry> audit_after(const Uuid& user_id, std::int64_t seq, int limit) = 0;
  virtual std::vector<AuditChain> audit_chains(std::optional<Uuid> after_user, int limit) = 0;
  virtual std::vector<AuditSegment> audit_segments(const Uuid& user_id, std::int64_t after_last_seq,
                                                   int limit) = 0;  // by first_seq
  virtual std::optional<AuditSegment> newest_audit_segment(const Uuid& user_id) = 0;

  // Waiting events by position, due at `now`; one put off for longer than any retry is (the clock
  // was set back) is due too.
  virtual std::vector<OutboxRow> list_outbox(Instant now, int limit) = 0;
  // A user's waiting events of a topic, by id.
  virtual std::vector<OutboxEvent> list_outbox_of(const Uuid& user_id, Topic topic,
                                                  std::optional<Uuid> after, int limit) = 0;
  virtual std::optional<Instant> next_outbox_retry_at(Instant now) = 0;
  virtual OutboxDepth outbox_depth() = 0;
  virtual std::vector<DeadLetter> list_dead(std::optional<Uuid> after,
                                            int limit) = 0;  // by event id
  virtual std::int64_t count_dead() = 0;

  virtual std::string epoch() = 0;  // changes when the database is restored from a backup
};

// Reads and writes of one transaction. All or nothing.
class Tx : public ReadTx {
 public:
  // Tells that this user and this task are looked up next: a database across a network answers both
  // at once.
  virtual void expect_task(const Uuid& /*user_id*/, const Uuid& /*task_id*/) {}
  // Tells, before anything else of theirs is touched, that these users' own rows are worked on: a
  // database of several writers makes sure that two such units do not wait for each other.
  virtual void expect_users(const std::vector<Uuid>& /*user_ids*/) {}

  // Runs `work` in a savepoint. A StatementRefused or std::exception other than TransactionLost
  // undoes what it did and comes back as its text; TransactionLost passes.
  virtual std::expected<void, std::string> nested(std::function<void()> work) = 0;

  // false: the email is taken.
  virtual bool insert_user(const User& user, std::string_view email_folded,
                           std::string_view password_hash) = 0;
  virtual void update_user(const User& user) = 0;  // all but email and password
  virtual void set_password_hash(const Uuid& user_id, std::string_view password_hash) = 0;
  virtual void mark_user_deleted(const Uuid& user_id, Instant now) = 0;  // frees the email
  // Deletes up to `limit` rows of a user who is marked deleted; true when nothing is left (the
  // user's row included).
  virtual bool purge_user(const Uuid& user_id, int limit) = 0;

  // Ends the user's oldest sessions beyond limits::sessions_per_user_max.
  virtual void insert_session(const Session& session) = 0;
  virtual void delete_session(const Uuid& user_id, const Uuid& session_id) = 0;
  virtual void delete_sessions(const Uuid& user_id, std::optional<Uuid> except) = 0;
  virtual bool insert_api_token(
      const ApiToken& token) = 0;  // false: limits::api_tokens_per_user_max reached
  virtual bool delete_api_token(const Uuid& user_id, const Uuid& token_id) = 0;
  virtual void touch_api_token(const Uuid& token_id, Instant now) = 0;

  virtual void insert_task(const Task& task) = 0;
  // `before` is the row as it was read in this transaction.
  virtual void update_task(const Task& before, const Task& after) = 0;
  // Only remind_at: no version, no change counted.
  virtual void set_remind_at(const Uuid& user_id, const Uuid& task_id,
                             std::optional<Instant> remind_at) = 0;

  virtual void insert_promise(const Promise& promise) = 0;
  // Deletes and returns.
  virtual std::optional<Promise> take_promise(const Uuid& user_id, const Uuid& promised_id) = 0;
  virtual bool delete_promise(const Uuid& user_id, const Uuid& promised_id) = 0;

  // Inserts, or makes a skipped row of the same task and due date pending again (new claim, id
  // kept).
  virtual void claim_reminder(const ReminderRow& row) = 0;
  // Writes state, reason, delivered_at and notification_id of the ledger row of the task and due
  // date where that is pending under the same claim_id; false when there is none.
  virtual bool settle_reminder(const ReminderRow& row) = 0;
  // An all-day task's instant moved with the zone while its date stayed: the ledger row that is not
  // pending follows it, where no other stands there.
  virtual void move_reminder(const Uuid& user_id, const Uuid& task_id, Instant from,
                             Instant to) = 0;

  virtual void insert_notification(const Notification& notification) = 0;
  // The notification as it is now; none when it is not the user's. Reading twice keeps the first
  // read_at.
  virtual std::optional<Notification> read_notification(const Uuid& user_id,
                                                        const Uuid& notification_id,
                                                        Instant now) = 0;
  virtual bool delete_notification(const Uuid& user_id, const Uuid& notification_id) = 0;
  // Up to `limit` of those not made after `until`; how many.
  virtual int read_notifications(const Uuid& user_id, Instant until, Instant now, int limit) = 0;
  virtual int delete_notifications(const Uuid& user_id, Instant until, int limit) = 0;

  // The chains of those users who are there, by user id (as `user_ids` are given). Until the end of
  // the transaction nobody else appends to them.
  virtual std::vector<AuditChain> lock_audit_heads(const std::vector<Uuid>& user_ids) = 0;
  // false, and nothing is written, when a version of one of them is recorded already.
  virtual bool append_audit(const std::vector<AuditEntry>& entries) = 0;
  virtual void set_audit_heads(const std::vector<AuditChain>& chains) = 0;
  virtual void insert_audit_segment(const AuditSegment& segment) = 0;
  virtual bool delete_audit_segment(const Uuid& user_id, std::int64_t first_seq) = 0;
  virtual int delete_audit_entries(const Uuid& user_id, std::int64_t first_seq,
                                   std::int64_t last_seq) = 0;

  // As list_outbox, for a relay: until the end of the transaction nobody else takes them, and
  // nothing else is locked.
  virtual std::vector<OutboxRow> take_to_publish(Instant now, int limit) = 0;
  virtual void insert_outbox(const OutboxEvent& event) = 0;
  virtual void delete_outbox(const std::vector<Uuid>& event_ids) = 0;
  virtual void retry_outbox(const Uuid& event_id, int attempts, Instant not_before) = 0;
  // Out of the outbox, into the dead letters.
  virtual void bury(const DeadLetter& letter) = 0;
  virtual bool retry_dead(const Uuid& event_id) = 0;  // back into the outbox, attempts 0
  virtual bool drop_dead(const Uuid& event_id) = 0;

  // The key's first use (none), or what its first use stored.
  virtual std::optional<IdempotentResponse> insert_idempotency_key(const Uuid& user_id,
                                                                   std::string_view key,
                                                                   std::string_view request_hash,
                                                                   Instant now) = 0;
  virtual void store_idempotent_response(const Uuid& user_id, std::string_view key,
                                         const IdempotentResponse& response) = 0;

  // Locks a work of which one at a time is enough, until the end of the transaction; false: another
  // process is at it.
  virtual bool try_single(SingleWork work) = 0;

  // Retention, at most `limit` rows a call; how many went.
  virtual int purge_deleted_tasks(Instant deleted_before, int limit) = 0;  // with their ledger rows
  virtual int purge_notifications(Instant created_before, int limit) = 0;
  virtual int purge_sessions(Instant expired_before, int limit) = 0;
  virtual int purge_idempotency_keys(Instant created_before, int limit) = 0;

  // Tells the audience, once this is committed. What ends credentials announces that by itself.
  void announce(const Announcement& announcement) { announcements_.push_back(announcement); }

 protected:
  std::vector<Announcement> announcements_;  // without what was undone
};

enum class Verdict { commit, roll_back };

enum class Outcome {
  committed,    // of a read: done
  rolled_back,  // the unit said so
  failed,       // the database could not: nothing was written
  unknown,      // the connection was lost during COMMIT
};

// A unit of work may run more than once (after a failure of its neighbours): it has no effect
// outside its Tx but setting its own results anew, and takes ids and the clock from before.
using WriteUnit = std::move_only_function<Verdict(Tx&)>;
using ReadUnit = std::move_only_function<void(ReadTx&)>;
using Done = std::move_only_function<void(Outcome)>;

// What the embedded bus did in a cycle.
struct BusProgress {
  int events = 0;                        // taken from the outbox: applied, put off or buried
  std::optional<Instant> next_retry_at;  // when an event that was put off is due
  // Nothing is tried before this has passed, whoever wakes the bus.
  std::chrono::milliseconds pause{0};
};
// Applies up to `events_max` waiting events in the transaction it is given.
using BusStep = std::move_only_function<BusProgress(Tx&, int events_max)>;

// What a relay made of the events it was given.
struct Relayed {
  struct PutOff {
    Uuid event_id;
    int attempts = 0;
    Instant not_before{};
  };
  std::vector<Uuid> acknowledged;      // they leave the outbox
  std::vector<PutOff> put_off;         // refused while others were taken
  std::chrono::milliseconds pause{0};  // before the others are tried again
};
// Publishes waiting events, up to limits::events_per_publish_max. `depth` is counted now and then.
using RelayStep = std::move_only_function<Relayed(const std::vector<OutboxRow>& rows,
                                                  const std::optional<OutboxDepth>& depth)>;

struct StoreHealth {
  bool reachable = true;
  bool schema_ready = true;
  bool clock_agrees = true;  // the database's clock is within 30 s of ours
  std::string detail;
};

struct QueueDepths {
  std::size_t writer = 0;
  std::size_t readers = 0;
};

// A database. `write` and `read` may be called from any thread and return at once: false when the
// queue is full (nothing will run then). `done` runs on the executor after COMMIT, or after the
// failure; one post per batch and executor.
class Store {
 public:
  virtual ~Store() = default;

  virtual bool write(WriteUnit unit, Executor& executor, Done done) = 0;
  virtual bool read(ReadUnit unit, Executor& executor, Done done) = 0;

  // The same, waiting: for the start, subcommands, timers and tests; never on an I/O thread.
  virtual Outcome write_and_wait(WriteUnit unit) = 0;
  virtual Outcome read_and_wait(ReadUnit unit) = 0;

  // The embedded bus: from now on the store runs `step` wherever that is cheapest (SQLite: in the
  // writer's cycle before COMMIT, max(32, units of the cycle) events; and at once when a commit
  // left events waiting).
  virtual void start_bus(BusStep step) = 0;

  // Instead of the embedded bus, the relay to another one: from now on a thread of the store's
  // takes waiting events, oldest first, hands them to `step`, which may take seconds, and deletes
  // what was acknowledged. Commits that insert events wake it; besides it looks by itself, the more
  // seldom the less it finds. The helpers do the same, each on a thread of its own, while more
  // waits than a batch; a database of one process needs none.
  virtual void start_relay(RelayStep step, std::vector<RelayStep> helpers) = 0;

  // Called, on a thread of the store's, whenever other processes on the database may have left
  // work: events, reminders planned. A database of one process has none.
  virtual void on_remote_work(const std::function<void()>& /*callback*/) {}

  // From now on this is who listens; null: nobody, and nobody is being told any more.
  virtual void set_audience(Audience* audience) = 0;
  // Whether the audience is told of what other processes do. Without, it has to look now and then.
  virtual bool hears_others() const { return true; }

  virtual StoreHealth health() = 0;
  virtual QueueDepths queue_depths() const = 0;

  // A consistent copy as one file, while everything goes on. Fails with a sentence for the
  // operator.
  virtual std::expected<void, std::string> backup_to(const std::string& path) = 0;
  // Replaces everything by a backup, while running: readers see the old or the new. Older schemas
  // are migrated.
  virtual std::expected<void, std::string> restore_from(const std::string& path) = 0;

  // Finishes what is queued, commits, checkpoints, closes. Idempotent.
  virtual void stop() = 0;
};

}  // namespace todo::storage
