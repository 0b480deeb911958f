#pragma once

#include <string>
#include <utility>

#include "domain/audit_entry.h"
#include "domain/notification.h"
#include "domain/task.h"
#include "domain/user.h"
#include "events/event.h"

// Rows as tests need them: valid, with nothing set that is not asked for.
namespace todo::test {

inline User make_user(IdGenerator& ids, std::string email, Instant now) {
  User user;
  user.id = ids.next();
  user.email = std::move(email);
  user.created_at = now;
  return user;
}

inline Task make_task(IdGenerator& ids, const Uuid& user_id, std::string title, Instant now) {
  Task task;
  task.id = ids.next();
  task.series_id = ids.next();
  task.user_id = user_id;
  task.title = std::move(title);
  task.created_at = now;
  task.updated_at = now;
  return task;
}

// Due at an instant, on the wall clock of UTC.
inline Due due_utc(Instant at) {
  return {at, std::nullopt, {LocalTime{at.time_since_epoch()}, "UTC", 0}};
}

inline Notification make_notification(IdGenerator& ids, const Uuid& user_id, std::string title,
                                      Instant now) {
  Notification notification;
  notification.id = ids.next();
  notification.user_id = user_id;
  notification.title = std::move(title);
  notification.message = "message";
  notification.data = R"({"kind":"due"})";
  notification.created_at = now;
  return notification;
}

inline OutboxEvent make_raw_event(IdGenerator& ids, const Uuid& user_id, std::string text,
                                  Topic topic = Topic::audit) {
  return {ids.next(), topic, user_id, std::move(text)};
}

// An entry whose hashes are only distinct; the store does not look at them.
inline AuditEntry make_entry(IdGenerator& ids, const Uuid& user_id, std::int64_t seq,
                             const Uuid& entity_id, std::int64_t version, Instant now) {
  AuditEntry entry;
  entry.id = ids.next();
  entry.user_id = user_id;
  entry.seq = seq;
  entry.entity_id = entity_id;
  entry.entity_version = version;
  entry.action = version == 1 ? AuditAction::create : AuditAction::update;
  entry.timestamp = now;
  entry.canonical = "{\"seq\":" + std::to_string(seq) + "}";
  entry.prev_hash.fill(static_cast<std::uint8_t>(seq - 1));
  entry.hash.fill(static_cast<std::uint8_t>(seq));
  entry.key_id = 0xfedcba98;
  return entry;
}

}  // namespace todo::test
