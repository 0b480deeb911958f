#include <algorithm>

#include "base/limits.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

#define TODO_NOTIFICATION_COLUMNS \
  "user_id, created_at, id, type, title, message, data, task_id, read_at "

Notification read_notification_row(Query& q) {
  Notification notification;
  notification.user_id = q.id();
  notification.created_at = q.instant();
  notification.id = q.id();
  notification.type = static_cast<NotificationType>(q.integer());
  notification.title = q.text();
  notification.message = q.text();
  notification.data = q.text();
  notification.task_id = q.optional_id();
  notification.read_at = q.optional_instant();
  return notification;
}

std::string conditions(const NotificationQuery& query) {
  std::string where = "user_id = ?";
  where += query.archived ? " AND created_at < ?" : " AND created_at >= ?";
  if (query.unread_only) where += " AND read_at IS NULL";
  return where;
}

}  // namespace

std::vector<Notification> Transaction::list_notifications(const NotificationQuery& query) {
  std::string sql =
      "SELECT " TODO_NOTIFICATION_COLUMNS "FROM notifications WHERE " + conditions(query);
  if (query.after) sql += " AND created_at <= ? AND (created_at < ? OR id < ?)";
  sql += " ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?";
  Query q(c_, sql);
  q.bind(query.user_id).bind(query.archived_before);
  if (query.after) q.bind(query.after->first).bind(query.after->first).bind(query.after->second);
  q.bind(query.limit).bind(query.offset);
  std::vector<Notification> notifications;
  while (q.step()) notifications.push_back(read_notification_row(q));
  return notifications;
}

Count Transaction::count_notifications(const NotificationQuery& query) {
  Query q(c_, "SELECT count(*) FROM (SELECT 1 FROM notifications WHERE " + conditions(query) +
                  " LIMIT ?)");
  q.bind(query.user_id).bind(query.archived_before).bind(limits::exact_count_max + 1).step();
  const std::int64_t found = q.integer();
  return {std::min<std::int64_t>(found, limits::exact_count_max), found > limits::exact_count_max};
}

std::int64_t Transaction::count_unread(const Uuid& user_id, Instant archived_before) {
  Query q(c_,
          "SELECT count(*) FROM notifications INDEXED BY notifications_unread "
          "WHERE user_id = ? AND created_at >= ? AND read_at IS NULL");
  q.bind(user_id).bind(archived_before).step();
  return q.integer();
}

std::optional<Notification> Transaction::find_notification(const Uuid& user_id,
                                                           const Uuid& notification_id) {
  Query q(c_,
          "SELECT " TODO_NOTIFICATION_COLUMNS "FROM notifications WHERE user_id = ? AND id = ?");
  q.bind(user_id).bind(notification_id);
  return q.step() ? std::optional(read_notification_row(q)) : std::nullopt;
}

void Transaction::insert_notification(const Notification& notification) {
  Query q(c_, R"sql(
INSERT INTO notifications (user_id, created_at, id, type, title, message, data, task_id, read_at) VALUES (?,?,?,?,?,?,?,?,?))sql");
  q.bind(notification.user_id)
      .bind(notification.created_at)
      .bind(notification.id)
      .bind(static_cast<int>(notification.type));
  q.bind(notification.title)
      .bind(notification.message)
      .bind(notification.data)
      .bind(notification.task_id)
      .bind(notification.read_at)
      .run();
}

std::optional<Notification> Transaction::read_notification(const Uuid& user_id,
                                                           const Uuid& notification_id,
                                                           Instant now) {
  {
    Query q(
        c_,
        "UPDATE notifications SET read_at = ? WHERE user_id = ? AND id = ? AND read_at IS NULL");
    q.bind(now).bind(user_id).bind(notification_id).run();
  }
  return find_notification(user_id, notification_id);
}

bool Transaction::delete_notification(const Uuid& user_id, const Uuid& notification_id) {
  Query q(c_, "DELETE FROM notifications WHERE user_id = ? AND id = ?");
  q.bind(user_id).bind(notification_id).run();
  return c_.changes() > 0;
}

int Transaction::read_notifications(const Uuid& user_id, Instant until, Instant now, int limit) {
  Query q(c_, R"sql(
UPDATE notifications SET read_at = ?1 WHERE (user_id, created_at, id) IN
  (SELECT user_id, created_at, id FROM notifications
   WHERE user_id = ?2 AND created_at <= ?3 AND read_at IS NULL ORDER BY created_at DESC LIMIT ?4))sql");
  q.bind(now).bind(user_id).bind(until).bind(limit).run();
  return c_.changes();
}

int Transaction::delete_notifications(const Uuid& user_id, Instant until, int limit) {
  Query q(c_, R"sql(
DELETE FROM notifications WHERE (user_id, created_at, id) IN
  (SELECT user_id, created_at, id FROM notifications WHERE user_id = ? AND created_at <= ? LIMIT ?))sql");
  q.bind(user_id).bind(until).bind(limit).run();
  return c_.changes();
}

int Transaction::purge_notifications(Instant created_before, int limit) {
  Query q(c_, R"sql(
DELETE FROM notifications WHERE (user_id, created_at, id) IN
  (SELECT n.user_id, n.created_at, n.id FROM users u CROSS JOIN notifications n ON n.user_id = u.id
   WHERE n.created_at < ? LIMIT ?))sql");
  q.bind(created_before).bind(limit).run();
  return c_.changes();
}

}  // namespace todo::storage::sqlite
