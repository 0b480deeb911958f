#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/postgres/connection.h"
#include "storage/store.h"

namespace todo::storage::postgres {

// The store's reads and writes in one transaction of a connection; the store begins and ends it.
//
// Who waits for whom. A write transaction takes a user's lock before the first statement that reads
// or writes what is that user's own, so that two units of one user run one after the other and
// every check that decides a write still holds when it is written. Several users' locks are taken
// together and in one order (due_reminders, list_outbox, purge_deleted_tasks); a unit holds none
// before. After them, and only then, come the heads of audit chains, by user id. Whatever else
// touches many users' rows passes over those that somebody has locked (SKIP LOCKED). So nobody
// waits in a circle.
//
// Round trips. What answers nothing is queued and goes out with what has to be waited for, or with
// COMMIT; what is surely asked for next is asked along: a user comes with the counters.
class Transaction final : public Tx {
 public:
  // read: takes no locks.
  Transaction(Connection& connection, Access access) : c_(connection), access_(access) {}

  // How many events this transaction has put into the outbox, without what `nested` undid.
  int events_inserted() const { return events_inserted_; }
  // Whether a time to remind was written: a timer, of whatever process, may have to look earlier.
  bool reminders_planned() const { return reminders_planned_; }
  std::vector<Announcement> take_announcements() { return std::move(announcements_); }

  std::optional<User> find_user(const Uuid& user_id) override;
  std::optional<User> find_user_by_email(std::string_view email_folded) override;
  std::optional<Credentials> find_credentials(std::string_view email_folded) override;
  std::optional<Credentials> find_credentials(const Uuid& user_id) override;
  UserCounters counters(const Uuid& user_id) override;
  std::optional<Session> find_session(const Uuid& session_id) override;
  std::vector<ApiToken> list_api_tokens(const Uuid& user_id) override;
  std::optional<ApiToken> find_api_token(std::string_view secret_hash) override;
  std::vector<Uuid> users_with_recompute_job(int limit) override;
  std::vector<Uuid> users_to_purge(int limit) override;

  std::optional<Task> find_task(const Uuid& user_id, const Uuid& task_id) override;
  void list_tasks(const TaskQuery& query, const TakeTask& take) override;
  Count count_tasks(const Uuid& user_id, const TaskFilter& filter) override;
  TaskStats task_stats(const Uuid& user_id, Instant now) override;
  std::vector<std::string> list_categories(const Uuid& user_id) override;
  std::optional<Task> find_occurrence(const Uuid& user_id, const Uuid& series_id,
                                      std::int64_t occurrence) override;
  std::vector<Task> tasks_after(const Uuid& user_id, std::optional<Uuid> after, int limit) override;
  std::vector<Task> task_versions_after(const Uuid& user_id, std::optional<Uuid> after,
                                        int limit) override;
  std::optional<Promise> find_promise(const Uuid& user_id, const Uuid& promised_id) override;
  std::optional<Promise> find_promise_of(const Uuid& user_id,
                                         const Uuid& completed_task_id) override;
  std::optional<Promise> find_promise_at(const Uuid& user_id, const Uuid& series_id,
                                         std::int64_t occurrence) override;

  // In a write transaction: locks their users, and answers with those that are due then.
  std::vector<TaskKey> due_reminders(Instant now, int limit) override;
  std::optional<Instant> next_reminder_at() override;
  std::optional<ReminderRow> find_reminder(const Uuid& user_id, const Uuid& task_id,
                                           Instant due_date) override;
  std::vector<ReminderRow> list_reminders(const Uuid& user_id, const Uuid& task_id) override;

  std::vector<Notification> list_notifications(const NotificationQuery& query) override;
  Count count_notifications(const NotificationQuery& query) override;
  std::int64_t count_unread(const Uuid& user_id, Instant archived_before) override;
  std::optional<Notification> find_notification(const Uuid& user_id,
                                                const Uuid& notification_id) override;

  AuditHead audit_head(const Uuid& user_id) override;
  bool has_audit_entry(const Uuid& user_id, const Uuid& entity_id,
                       std::int64_t entity_version) override;
  std::vector<AuditEntry> list_audit(const AuditQuery& query) override;
  Count count_audit(const AuditQuery& query) override;
  std::vector<AuditEntry> audit_after(const Uuid& user_id, std::int64_t seq, int limit) override;
  std::vector<AuditChain> audit_chains(std::optional<Uuid> after_user, int limit) override;
  std::vector<AuditSegment> audit_segments(const Uuid& user_id, std::int64_t after_last_seq,
                                           int limit) override;
  std::optional<AuditSegment> newest_audit_segment(const Uuid& user_id) override;

  // In a write transaction: takes events that nobody else has taken, and locks the users of those
  // that are applied to a user's own rows. Once it has taken some, it lists what is left of them
  // and nothing else: a second batch could wait for somebody who waits for the first.
  std::vector<OutboxRow> list_outbox(Instant now, int limit) override;
  std::vector<OutboxEvent> list_outbox_of(const Uuid& user_id, Topic topic,
                                          std::optional<Uuid> after, int limit) override;
  std::optional<Instant> next_outbox_retry_at(Instant now) override;
  OutboxDepth outbox_depth() override;
  std::vector<DeadLetter> list_dead(std::optional<Uuid> after, int limit) override;
  std::int64_t count_dead() override;
  std::string epoch() override;

  void expect_task(const Uuid& user_id, const Uuid& task_id) override;
  void expect_users(const std::vector<Uuid>& user_ids) override;
  std::expected<void, std::string> nested(std::function<void()> work) override;

  bool insert_user(const User& user, std::string_view email_folded,
                   std::string_view password_hash) override;
  void update_user(const User& user) override;
  void set_password_hash(const Uuid& user_id, std::string_view password_hash) override;
  void mark_user_deleted(const Uuid& user_id, Instant now) override;
  bool purge_user(const Uuid& user_id, int limit) override;
  void insert_session(const Session& session) override;
  void delete_session(const Uuid& user_id, const Uuid& session_id) override;
  void delete_sessions(const Uuid& user_id, std::optional<Uuid> except) override;
  bool insert_api_token(const ApiToken& token) override;
  bool delete_api_token(const Uuid& user_id, const Uuid& token_id) override;
  void touch_api_token(const Uuid& token_id, Instant now) override;

  void insert_task(const Task& task) override;
  void update_task(const Task& before, const Task& after) override;
  void set_remind_at(const Uuid& user_id, const Uuid& task_id,
                     std::optional<Instant> remind_at) override;
  void insert_promise(const Promise& promise) override;
  std::optional<Promise> take_promise(const Uuid& user_id, const Uuid& promised_id) override;
  bool delete_promise(const Uuid& user_id, const Uuid& promised_id) override;
  void claim_reminder(const ReminderRow& row) override;
  bool settle_reminder(const ReminderRow& row) override;
  void move_reminder(const Uuid& user_id, const Uuid& task_id, Instant from, Instant to) override;

  void insert_notification(const Notification& notification) override;
  std::optional<Notification> read_notification(const Uuid& user_id, const Uuid& notification_id,
                                                Instant now) override;
  bool delete_notification(const Uuid& user_id, const Uuid& notification_id) override;
  int read_notifications(const Uuid& user_id, Instant until, Instant now, int limit) override;
  int delete_notifications(const Uuid& user_id, Instant until, int limit) override;

  std::vector<AuditChain> lock_audit_heads(const std::vector<Uuid>& user_ids) override;
  bool append_audit(const std::vector<AuditEntry>& entries) override;
  void set_audit_heads(const std::vector<AuditChain>& chains) override;
  void insert_audit_segment(const AuditSegment& segment) override;
  bool delete_audit_segment(const Uuid& user_id, std::int64_t first_seq) override;
  int delete_audit_entries(const Uuid& user_id, std::int64_t first_seq,
                           std::int64_t last_seq) override;

  std::vector<OutboxRow> take_to_publish(Instant now, int limit) override;
  void insert_outbox(const OutboxEvent& event) override;
  void delete_outbox(const std::vector<Uuid>& event_ids) override;
  void retry_outbox(const Uuid& event_id, int attempts, Instant not_before) override;
  void bury(const DeadLetter& letter) override;
  bool retry_dead(const Uuid& event_id) override;
  bool drop_dead(const Uuid& event_id) override;

  std::optional<IdempotentResponse> insert_idempotency_key(const Uuid& user_id,
                                                           std::string_view key,
                                                           std::string_view request_hash,
                                                           Instant now) override;
  void store_idempotent_response(const Uuid& user_id, std::string_view key,
                                 const IdempotentResponse& response) override;

  bool try_single(SingleWork work) override;

  int purge_deleted_tasks(Instant deleted_before, int limit) override;
  int purge_notifications(Instant created_before, int limit) override;
  int purge_sessions(Instant expired_before, int limit) override;
  int purge_idempotency_keys(Instant created_before, int limit) override;

 private:
  // A user as this transaction sees it: nobody else can change it while its lock, or the snapshot,
  // is held.
  struct KnownUser {
    User user;
    UserCounters counters;
  };
  // What is promised of a series, and that nothing is.
  struct KnownPromise {
    Uuid user_id;
    Uuid series_id;
    std::int64_t occurrence = 0;
    std::optional<Promise> promise;
    bool is_of(const Uuid& user, const Uuid& series, std::int64_t number) const {
      return user_id == user && series_id == series && occurrence == number;
    }
  };
  // Whether a version of an entity is recorded, of those that could not be appended.
  struct KnownEntry {
    Uuid user_id;
    Uuid entity_id;
    std::int64_t entity_version = 0;
    bool recorded = false;
  };
  // When the next event is due that was put off, as it was at `now`.
  struct NextRetry {
    Instant now{};
    std::optional<Instant> at;
  };
  // What a savepoint goes back to.
  struct Mark {
    int events_inserted;
    bool reminders_planned;
    std::size_t announced;
    bool has_taken;
    std::size_t locked;
    std::size_t settled;
  };
  Mark mark() const;
  void go_back_to(const Mark& mark);

  void lock(const Uuid& user_id);
  void lock_all(const std::vector<Uuid>& user_ids);

  static KnownUser read_known_user(Query& q);
  KnownUser* find_known_user(const Uuid& user_id);
  void forget_user(const Uuid& user_id);
  void know_users(const std::vector<Uuid>& user_ids);
  void know_change(const Uuid& user_id, int living, int completed);

  std::optional<Task> take_known_task(const Uuid& user_id, const Uuid& task_id);
  void forget_task(const Uuid& user_id, const Uuid& task_id);
  std::vector<TaskKey> still_due(const std::vector<TaskKey>& keys, Instant now);

  std::vector<OutboxRow> take_outbox(Instant now, int limit);
  std::vector<OutboxRow> list_taken(Instant now, int limit);
  void undo_append(Query& appended, const std::vector<AuditEntry>& entries);

  Connection& c_;
  Access access_;
  int events_inserted_ = 0;
  bool reminders_planned_ = false;
  std::vector<std::int64_t> locked_;  // users, by their locks' keys
  std::vector<KnownUser> known_users_;
  std::vector<Task> known_tasks_;  // read ahead, each for one question
  std::optional<KnownPromise> known_promise_;
  std::vector<KnownEntry> known_entries_;
  std::optional<std::vector<Uuid>> taken_;  // events, by list_outbox
  std::vector<Uuid> settled_;               // those of them that were deleted or put off
  std::optional<NextRetry> next_retry_;
  std::optional<std::string> epoch_;
};

}  // namespace todo::storage::postgres
