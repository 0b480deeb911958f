#include "realtime/presence.h"

#include <algorithm>

#include "base/limits.h"

namespace todo::realtime {
namespace {

constexpr int retry_after_s = 5;
// Of each user: what one unit of work may change, so that what is looked up is not told again.
constexpr std::size_t told_max = limits::rows_per_unit_max;

}  // namespace

Result<CredentialPtr> Presence::enter(const service::Credential& credential, std::size_t room,
                                      Instant now) {
  const std::scoped_lock lock(mutex_);
  if (closed_ || sockets_ >= limits_.all) {
    return std::unexpected(
        Error{ErrorCode::unavailable, "Too many WebSockets are open here", {}, retry_after_s});
  }
  User& user = users_[credential.user_id];
  if (user.sockets >= limits_.per_user) {
    if (user.sockets == 0) users_.erase(credential.user_id);
    return std::unexpected(
        Error{ErrorCode::rate_limited, "You have too many WebSockets open", {}, retry_after_s});
  }
  if (user.sockets == 0) {
    user.entered_at = now;
    user.by_room.resize(rooms_);
  }
  ++user.by_room.at(room);
  ++user.sockets;
  ++sockets_;
  auto shown = std::ranges::find_if(user.by_credential,
                                    [&](const auto& known) { return *known.first == credential; });
  if (shown == user.by_credential.end()) {
    shown = user.by_credential.insert(shown,
                                      {std::make_shared<const service::Credential>(credential), 0});
  }
  ++shown->second;
  return shown->first;
}

void Presence::leave(const CredentialPtr& credential, std::size_t room) {
  const std::scoped_lock lock(mutex_);
  const auto found = users_.find(credential->user_id);
  User& user = found->second;
  --user.by_room.at(room);
  std::erase_if(user.by_credential,
                [&](auto& known) { return known.first == credential && --known.second == 0; });
  if (--user.sockets == 0) users_.erase(found);
  if (--sockets_ == 0) emptied_.notify_all();
}

void Presence::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
}

std::size_t Presence::sockets() const {
  const std::scoped_lock lock(mutex_);
  return sockets_;
}

bool Presence::wait_empty(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, limit, [this] { return sockets_ == 0; });
}

std::vector<std::size_t> Presence::rooms_of(const Uuid& user_id) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::size_t> rooms;
  const auto found = users_.find(user_id);
  if (found == users_.end()) return rooms;
  for (std::size_t room = 0; room < rooms_; ++room) {
    if (found->second.by_room.at(room) > 0) rooms.push_back(room);
  }
  return rooms;
}

bool Presence::is_news(const storage::Announcement& announcement) {
  const std::scoped_lock lock(mutex_);
  const auto found = users_.find(announcement.user_id);
  if (found == users_.end()) return false;
  if (announcement.kind == storage::Announcement::Kind::credentials) return true;
  User& user = found->second;
  const Told told{announcement.entity_id, announcement.version};
  const auto known = std::ranges::find(user.told, announcement.entity_id, &Told::first);
  if (known != user.told.end()) {
    // An older version is what somebody read before the newer one was written.
    if (known->second >= announcement.version) return false;
    known->second = announcement.version;
  } else if (user.told.size() < told_max) {
    user.told.push_back(told);
  } else {
    user.told.at(user.told_next) = told;
    user.told_next = (user.told_next + 1) % told_max;
  }
  return true;
}

std::vector<Look> Presence::looks(Instant since) const {
  const std::scoped_lock lock(mutex_);
  std::vector<Look> looks;
  looks.reserve(users_.size());
  for (const auto& [id, user] : users_)
    looks.push_back({id, std::max(since, user.entered_at), user.changes});
  return looks;
}

void Presence::looked(const Uuid& user_id, std::int64_t changes) {
  const std::scoped_lock lock(mutex_);
  const auto found = users_.find(user_id);
  if (found != users_.end()) found->second.changes = changes;
}

std::vector<CredentialPtr> Presence::credentials_of(const Uuid& user_id) const {
  const std::scoped_lock lock(mutex_);
  std::vector<CredentialPtr> found;
  const auto user = users_.find(user_id);
  if (user == users_.end()) return found;
  found.reserve(user->second.by_credential.size());
  for (const auto& [credential, sockets] : user->second.by_credential) found.push_back(credential);
  return found;
}

std::vector<CredentialPtr> Presence::credentials() const {
  const std::scoped_lock lock(mutex_);
  std::vector<CredentialPtr> found;
  for (const auto& [id, user] : users_) {
    for (const auto& [credential, sockets] : user.by_credential) found.push_back(credential);
  }
  return found;
}

}  // namespace todo::realtime
