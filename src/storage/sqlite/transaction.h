#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/sqlite/connection.h"
#include "storage/store.h"

namespace todo::storage::sqlite {

// The store's reads and writes on one connection that is inside a transaction. On a read-only
// connection only the reads work.
class Transaction final : public Tx {
 public:
  explicit Transaction(Connection& connection) : c_(connection) {}

  // How many events this transaction has put into the outbox: the writer then lets the bus look.
  int events_inserted() const { return events_inserted_; }
  const std::vector<Announcement>& announcements() const { return announcements_; }
  // A unit is undone: its neighbours' announcements, the first ones, stay.
  void keep_announcements(std::size_t count) { announcements_.resize(count); }

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

  std::vector<OutboxRow> list_outbox(Instant now, int limit) override;
  std::vector<OutboxEvent> list_outbox_of(const Uuid& user_id, Topic topic,
                                          std::optional<Uuid> after, int limit) override;
  std::optional<Instant> next_outbox_retry_at(Instant now) override;
  OutboxDepth outbox_depth() override;
  std::vector<DeadLetter> list_dead(std::optional<Uuid> after, int limit) override;
  std::int64_t count_dead() override;
  std::string epoch() override;

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

  // The file has one writer.
  std::vector<OutboxRow> take_to_publish(Instant now, int limit) override {
    return list_outbox(now, limit);
  }
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

  bool try_single(SingleWork /*work*/) override { return true; }

  int purge_deleted_tasks(Instant deleted_before, int limit) override;
  int purge_notifications(Instant created_before, int limit) override;
  int purge_sessions(Instant expired_before, int limit) override;
  int purge_idempotency_keys(Instant created_before, int limit) override;

 private:
  void count_change(const Uuid& user_id, int living, int completed);
  bool insert_audit_entry(const AuditEntry& entry);
  Connection& c_;
  int events_inserted_ = 0;
};

}  // namespace todo::storage::sqlite
