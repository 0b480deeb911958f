#include "domain/notification_json.h"

namespace todo {

void write_notification(JsonWriter& json, const Notification& notification) {
  json.begin_object().member("id", notification.id).member("user_id", notification.user_id);
  json.member("type", to_string(notification.type)).member("title", notification.title);
  json.member("message", notification.message)
      .key("data")
      .raw(notification.data.empty() ? "{}" : notification.data);
  json.member("task_id", notification.task_id).member("read", notification.read_at.has_value());
  json.member("read_at", notification.read_at)
      .member("created_at", notification.created_at)
      .key("archived_at");
  notification.archived_at ? json.value(*notification.archived_at) : json.null();
  json.end_object();
}

}  // namespace todo
