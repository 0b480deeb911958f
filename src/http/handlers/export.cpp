#include <functional>
#include <utility>

#include "base/json_writer.h"
#include "base/limits.h"
#include "domain/notification_json.h"
#include "domain/task_json.h"
#include "http/handlers/account_json.h"
#include "http/handlers/handlers.h"
#include "http/unit_route.h"
#include "observability/log.h"
#include "service/audit.h"

namespace todo::http {
namespace {

constexpr int rows_per_piece = 200;

void line(std::string& out, std::string_view type,
          const std::function<void(JsonWriter&)>& write_data) {
  JsonWriter json(out);
  json.begin_object().member("type", type).key("data");
  write_data(json);
  json.end_object();
  out += '\n';
}

// Everything of one user, stage by stage, a page a piece: each in its own read unit, so that a long
// download holds no transaction open.
class Export final : public net::BodySource, public std::enable_shared_from_this<Export> {
 public:
  explicit Export(const ExchangePtr& exchange)
      : store_(exchange->app().with.store),
        executor_(exchange->executor()),
        user_id_(exchange->caller().user_id),
        now_(exchange->now()) {}

  void next(std::move_only_function<void(std::optional<std::string>)> reply) override {
    if (stage_ == Stage::end) return reply(std::nullopt);
    auto waiting = std::make_shared<std::move_only_function<void(std::optional<std::string>)>>(
        std::move(reply));
    const bool queued = store_.read(
        [self = shared_from_this()](storage::ReadTx& tx) { self->make_piece(tx); }, executor_,
        [self = shared_from_this(), waiting](storage::Outcome outcome) {
          // Not answered, the stream breaks off: an export that lacks something must not look
          // whole.
          if (outcome == storage::Outcome::committed) (*waiting)(std::move(self->piece_));
        });
    if (!queued) log::warning("an export was broken off: too much to do");
  }

 private:
  enum class Stage { account, tasks, notifications, archived_notifications, audit, end };

  // At least one line, unless everything is told.
  void make_piece(storage::ReadTx& tx) {
    piece_.clear();
    while (piece_.empty() && stage_ != Stage::end) {
      switch (stage_) {
        case Stage::account:
          write_account(tx);
          break;
        case Stage::tasks:
          write_tasks(tx);
          break;
        case Stage::notifications:
        case Stage::archived_notifications:
          write_notifications(tx);
          break;
        case Stage::audit:
          write_audit(tx);
          break;
        case Stage::end:
          break;
      }
    }
  }

  void write_account(storage::ReadTx& tx) {
    stage_ = Stage::tasks;
    const auto user = tx.find_user(user_id_);
    if (!user) return;
    line(piece_, "user", [&](JsonWriter& json) { write_user(json, *user); });
    line(piece_, "preferences",
         [&](JsonWriter& json) { write_preferences(json, user->preferences); });
    for (const storage::ApiToken& token : tx.list_api_tokens(user_id_)) {
      line(piece_, "api_token", [&](JsonWriter& json) {
        json.begin_object().member("id", token.id).member("name", token.name);
        json.member("scope", token.scope == storage::TokenScope::read ? "read" : "write")
            .member("expires_at", token.expires_at);
        json.member("created_at", token.created_at)
            .member("last_used_at", token.last_used_at)
            .end_object();
      });
    }
  }

  void write_tasks(storage::ReadTx& tx) {
    const auto versions = tx.task_versions_after(user_id_, after_, rows_per_piece);
    for (const Task& row : versions) {
      if (const auto task = tx.find_task(user_id_, row.id)) {
        line(piece_, task->deleted_at ? "deleted_task" : "task",
             [&](JsonWriter& json) { write_task(json, *task); });
      }
      for (const ReminderRow& reminder : tx.list_reminders(user_id_, row.id)) {
        line(piece_, "reminder", [&](JsonWriter& json) { write_reminder(json, reminder); });
      }
    }
    if (versions.size() < rows_per_piece) {
      stage_ = Stage::notifications;
    } else {
      after_ = versions.back().id;
    }
  }

  static void write_reminder(JsonWriter& json, const ReminderRow& row) {
    json.begin_object()
        .member("id", row.id)
        .member("task_id", row.task_id)
        .member("due_date", row.due_date);
    json.member("state", to_string(row.state)).key("reason");
    row.reason ? json.value(to_string(*row.reason)) : json.null();
    json.member("remind_at", row.remind_at).member("delivered_at", row.delivered_at);
    json.member("notification_id", row.notification_id).end_object();
  }

  void write_notifications(storage::ReadTx& tx) {
    storage::NotificationQuery query;
    query.user_id = user_id_;
    query.archived = stage_ == Stage::archived_notifications;
    query.archived_before = now_ - limits::notification_archived_after;
    query.limit = limits::page_max;
    query.after = after_notification_;
    auto notifications = tx.list_notifications(query);
    for (Notification& notification : notifications) {
      if (query.archived)
        notification.archived_at = notification.created_at + limits::notification_archived_after;
      line(piece_, "notification",
           [&](JsonWriter& json) { write_notification(json, notification); });
    }
    if (static_cast<int>(notifications.size()) < query.limit) {
      stage_ = query.archived ? Stage::audit : Stage::archived_notifications;
      after_notification_.reset();
    } else {
      after_notification_ = {notifications.back().created_at, notifications.back().id};
    }
  }

  void write_entry(const AuditEntry& entry) {
    line(piece_, "audit_entry", [&](JsonWriter& json) {
      std::string text;
      append_audit_entry_json(text, entry);
      json.raw(text);
    });
  }

  // Segments first, each time: entries may be archived between two pieces.
  void write_audit(storage::ReadTx& tx) {
    const auto segments = tx.audit_segments(user_id_, seq_, 1);
    const auto entries = segments.empty() ? tx.audit_after(user_id_, seq_, rows_per_piece)
                                          : service::read_segment(segments.front());
    for (const AuditEntry& entry : entries) {
      if (entry.seq > seq_) write_entry(entry);
    }
    if (entries.empty()) {
      stage_ = Stage::end;
    } else {
      seq_ = entries.back().seq;
    }
  }

  storage::Store& store_;
  Executor& executor_;
  Uuid user_id_;
  Instant now_;
  Stage stage_ = Stage::account;
  std::optional<Uuid> after_;
  std::optional<std::pair<Instant, Uuid>> after_notification_;
  std::int64_t seq_ = 0;
  std::string piece_;
};

void run_export(const ExchangePtr& exchange) {
  if (auto checked = exchange->query().finish(); !checked) return exchange->refuse(checked.error());
  net::Response response;
  response.with("Content-Type", "application/x-ndjson");
  response.with("Content-Disposition", "attachment; filename=\"todo-app-export.ndjson\"");
  response.stream = std::make_shared<Export>(exchange);
  exchange->respond(std::move(response));
}

}  // namespace

void add_export_routes(std::vector<Route>& routes) {
  routes.push_back({net::Method::get, "/api/v1/auth/me/export", Access::read, run_export});
}

}  // namespace todo::http
