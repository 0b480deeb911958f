#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/uuid.h"
#include "service/credential.h"
#include "storage/announcement.h"

namespace todo::realtime {

using CredentialPtr = std::shared_ptr<const service::Credential>;

struct SocketLimits {
  std::size_t all = 0;
  std::size_t per_user = 0;
};

// A user whose rows are looked at for what was not heard of.
struct Look {
  Uuid user_id;
  Instant since{};            // not before this
  std::int64_t changes = -1;  // the user's count when it was last looked; -1: never
};

// Who has sockets here, in which rooms, what let them in, and what they were told last. Safe from
// any thread.
class Presence {
 public:
  Presence(std::size_t rooms, SocketLimits limits) : rooms_(rooms), limits_(limits) {}

  // One more socket, at `now`. Fails: rate_limited (the user has too many), unavailable (there are
  // too many). The credential is the one that all of its sockets share.
  Result<CredentialPtr> enter(const service::Credential& credential, std::size_t room, Instant now);
  void leave(const CredentialPtr& credential, std::size_t room);
  // From now on nobody enters.
  void close();

  std::size_t sockets() const;
  // True when none is left; waits at most `limit`.
  bool wait_empty(std::chrono::milliseconds limit);

  // The rooms with sockets of the user's.
  std::vector<std::size_t> rooms_of(const Uuid& user_id) const;
  // True when its user is here and has not been told of it lately.
  bool is_news(const storage::Announcement& announcement);
  std::vector<CredentialPtr> credentials_of(const Uuid& user_id) const;
  std::vector<CredentialPtr> credentials() const;
  // Everybody, since `since` or their first socket.
  std::vector<Look> looks(Instant since) const;
  void looked(const Uuid& user_id, std::int64_t changes);

 private:
  using Told = std::pair<Uuid, std::int64_t>;  // of what, its version
  struct User {
    std::size_t sockets = 0;
    std::vector<std::size_t> by_room;
    std::vector<std::pair<CredentialPtr, std::size_t>> by_credential;
    Instant entered_at{};
    std::int64_t changes = -1;
    std::vector<Told> told;  // the latest, each id once, in no order
    std::size_t told_next = 0;
  };

  const std::size_t rooms_;
  const SocketLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable emptied_;
  std::unordered_map<Uuid, User> users_;
  std::size_t sockets_ = 0;
  bool closed_ = false;
};

}  // namespace todo::realtime
