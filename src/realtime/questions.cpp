#include "realtime/questions.h"

#include <algorithm>
#include <iterator>

#include "base/limits.h"
#include "realtime/messages.h"

namespace todo::realtime {
namespace {

// What is found of a user by looking; who missed more reads again what is shown sooner or later.
constexpr int found_max = 64;
constexpr int notifications_found_max = 8;

// Moves up to `count_max` from the front of one to the other, which is empty.
template <class T>
void move_front(std::vector<T>& from, std::vector<T>& to, std::size_t count_max) {
  const auto end = from.begin() + static_cast<std::ptrdiff_t>(std::min(count_max, from.size()));
  to.assign(std::make_move_iterator(from.begin()), std::make_move_iterator(end));
  from.erase(from.begin(), end);
}

storage::Announcement::Kind kind_of(const Task& task, bool is_deleted) {
  using enum storage::Announcement::Kind;
  if (is_deleted) return task_deleted;
  if (task.version == 1) return task_created;
  return task.completed_at == task.updated_at ? task_completed : task_updated;
}

void look_at_tasks(storage::ReadTx& tx, const Look& look, bool deleted, Answers& answers) {
  storage::TaskQuery query;
  query.user_id = look.user_id;
  query.sort = storage::TaskSort::updated_at;
  query.limit = found_max;
  query.filter.deleted = deleted;
  tx.list_tasks(query, [&](const Task& task) {
    if (task.updated_at < look.since) return;
    answers.found.push_back({kind_of(task, deleted), task.user_id, task.id, task.version});
  });
}

void look_at_notifications(storage::ReadTx& tx, const Look& look, Answers& answers) {
  storage::NotificationQuery query;
  query.user_id = look.user_id;
  query.limit = notifications_found_max;
  for (const Notification& notification : tx.list_notifications(query)) {
    if (notification.created_at < look.since) break;
    answers.found.push_back(
        {storage::Announcement::Kind::notification, notification.user_id, notification.id, 0});
  }
}

void look_at(storage::ReadTx& tx, const Look& look, Answers& answers) {
  const auto changes = tx.counters(look.user_id).changes;
  if (changes != look.changes) {
    look_at_tasks(tx, look, false, answers);
    look_at_tasks(tx, look, true, answers);
  }
  look_at_notifications(tx, look, answers);
  answers.looked.push_back({look.user_id, look.since, changes});
}

}  // namespace

Questions Questions::take(std::size_t count_max) {
  Questions taken;
  move_front(notifications, taken.notifications, count_max);
  move_front(credentials, taken.credentials, count_max);
  move_front(looks, taken.looks, count_max);
  return taken;
}

Answers answer(storage::ReadTx& tx, const Questions& questions, Instant now) {
  Answers answers;
  for (const auto& [user_id, notification_id] : questions.notifications) {
    const auto notification = tx.find_notification(user_id, notification_id);
    if (!notification) continue;  // deleted meanwhile
    const auto unread = tx.count_unread(user_id, now - limits::notification_archived_after);
    answers.notifications.push_back({user_id, notification_message(*notification, unread)});
  }
  for (const CredentialPtr& credential : questions.credentials) {
    if (!service::is_good(tx, *credential, now)) answers.ended.push_back(credential);
  }
  for (const Look& look : questions.looks) look_at(tx, look, answers);
  return answers;
}

}  // namespace todo::realtime
