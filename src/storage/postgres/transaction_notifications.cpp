#include <algorithm>

#include <fmt/format.h>

#include "base/limits.h"
#include "storage/postgres/transaction.h"
#include "storage/postgres/transaction_page.h"

namespace todo::storage::postgres {
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
  std::string where = "user_id = $1 AND created_at ";
  where += query.archived ? "< $2" : ">= $2";
  if (query.unread_only) where += " AND read_at IS NULL";
  return where;
}

}  // namespace

std::vector<Notification> Transaction::list_notifications(const NotificationQuery& query) {
  lock(query.user_id);
  Query q(c_, fmt::format("SELECT " TODO_NOTIFICATION_COLUMNS
                          "FROM notifications WHERE {}{} ORDER BY created_at DESC, id DESC "
                          "LIMIT {} OFFSET $3",
                          conditions(query), query.after ? " AND (created_at, id) < ($4, $5)" : "",
                          page_rows(query.limit)));
  q.bind(query.user_id).bind(query.archived_before).bind(query.offset);
  if (query.after) q.bind(query.after->first).bind(query.after->second);
  std::vector<Notification> notifications;
  for (int left = query.limit; left > 0 && q.step(); --left)
    notifications.push_back(read_notification_row(q));
  return notifications;
}

Count Transaction::count_notifications(const NotificationQuery& query) {
  lock(query.user_id);
  static_assert(limits::exact_count_max == 10'000);
  Query q(c_, "SELECT count(*) FROM (SELECT FROM notifications WHERE " + conditions(query) +
                  " LIMIT 10001) AS found");
  q.bind(query.user_id).bind(query.archived_before).step();
  const std::int64_t found = q.integer();
  return {std::min<std::int64_t>(found, limits::exact_count_max), found > limits::exact_count_max};
}

std::int64_t Transaction::count_unread(const Uuid& user_id, Instant archived_before) {
  lock(user_id);
  Query q(c_,
          "SELECT count(*) FROM notifications "
          "WHERE user_id = $1 AND created_at >= $2 AND read_at IS NULL");
  q.bind(user_id).bind(archived_before).step();
  return q.integer();
}

std::optional<Notification> Transaction::find_notification(const Uuid& user_id,
                                                           const Uuid& notification_id) {
  lock(user_id);
  Query q(c_,
          "SELECT " TODO_NOTIFICATION_COLUMNS "FROM notifications WHERE user_id = $1 AND id = $2");
  q.bind(user_id).bind(notification_id);
  return q.step() ? std::optional(read_notification_row(q)) : std::nullopt;
}

void Transaction::insert_notification(const Notification& notification) {
  lock(notification.user_id);
  Query q(c_, "INSERT INTO notifications (" TODO_NOTIFICATION_COLUMNS
              ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
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
  lock(user_id);
  Query q(c_,
          "UPDATE notifications SET read_at = coalesce(read_at, $1) WHERE user_id = $2 AND id = $3 "
          "RETURNING " TODO_NOTIFICATION_COLUMNS);
  q.bind(now).bind(user_id).bind(notification_id);
  return q.step() ? std::optional(read_notification_row(q)) : std::nullopt;
}

bool Transaction::delete_notification(const Uuid& user_id, const Uuid& notification_id) {
  lock(user_id);
  Query q(c_, "DELETE FROM notifications WHERE user_id = $1 AND id = $2");
  return q.bind(user_id).bind(notification_id).changes() > 0;
}

int Transaction::read_notifications(const Uuid& user_id, Instant until, Instant now, int limit) {
  lock(user_id);
  Query q(c_, R"sql(
UPDATE notifications SET read_at = $1 WHERE user_id = $2 AND id = ANY(ARRAY(
  SELECT id FROM notifications WHERE user_id = $2 AND created_at <= $3 AND read_at IS NULL
  ORDER BY created_at DESC LIMIT $4)))sql");
  return q.bind(now).bind(user_id).bind(until).bind(limit).changes();
}

int Transaction::delete_notifications(const Uuid& user_id, Instant until, int limit) {
  lock(user_id);
  Query q(c_, R"sql(
DELETE FROM notifications WHERE user_id = $1 AND id = ANY(ARRAY(
  SELECT id FROM notifications WHERE user_id = $1 AND created_at <= $2
  ORDER BY created_at DESC LIMIT $3)))sql");
  return q.bind(user_id).bind(until).bind(limit).changes();
}

int Transaction::purge_notifications(Instant created_before, int limit) {
  // From each user to the oldest, which stand together in the index.
  Query q(c_, R"sql(
DELETE FROM notifications WHERE ctid = ANY(ARRAY(
  SELECT n.ctid FROM users u CROSS JOIN LATERAL (
    SELECT ctid FROM notifications WHERE user_id = u.id AND created_at < $1
    ORDER BY created_at DESC LIMIT $2 FOR UPDATE SKIP LOCKED) n
  LIMIT $2)))sql");
  return q.bind(created_before).bind(limit).changes();
}

}  // namespace todo::storage::postgres
