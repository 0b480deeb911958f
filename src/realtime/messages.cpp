#include "realtime/messages.h"

#include <boost/json/value.hpp>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "domain/notification_json.h"

namespace todo::realtime {
namespace {

std::string_view action_of(storage::Announcement::Kind kind) {
  using enum storage::Announcement::Kind;
  switch (kind) {
    case task_created:
      return "created";
    case task_completed:
      return "completed";
    case task_deleted:
      return "deleted";
    case task_updated:
    case notification:
    case credentials:
      return "updated";
  }
  return "updated";
}

}  // namespace

std::string hello_message(Instant now) {
  std::string out;
  JsonWriter(out).begin_object().member("type", "hello").member("server_time", now).end_object();
  return out;
}

std::string task_message(const storage::Announcement& announcement) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member("type", "task")
      .member("action", action_of(announcement.kind))
      .member("task_id", announcement.entity_id)
      .member("version", announcement.version)
      .end_object();
  return out;
}

std::string notification_message(const Notification& notification, std::int64_t unread_count) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("type", "notification").key("notification");
  write_notification(json, notification);
  json.member("unread_count", unread_count).end_object();
  return out;
}

std::string pong_message() { return R"({"type":"pong"})"; }

Said understand(std::string_view text) {
  const auto value = parse_json(text);
  if (!value || !value->is_object()) return Said::nonsense;
  const auto& object = value->get_object();
  const auto* type = object.size() == 1 ? object.if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string()) return Said::nonsense;
  if (type->get_string() == "ping") return Said::ping;
  return type->get_string() == "pong" ? Said::pong : Said::nonsense;
}

}  // namespace todo::realtime
