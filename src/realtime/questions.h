#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "realtime/presence.h"
#include "storage/store.h"

namespace todo::realtime {

// What has to be looked up before it can be told, and what was found.
struct Questions {
  std::vector<std::pair<Uuid, Uuid>> notifications;  // user, notification
  std::vector<CredentialPtr> credentials;
  std::vector<Look> looks;

  bool empty() const { return notifications.empty() && credentials.empty() && looks.empty(); }
  // So many of them, off these.
  Questions take(std::size_t count_max);
};

struct Answers {
  struct Told {
    Uuid user_id;
    std::string message;
  };
  std::vector<Told> notifications;
  std::vector<CredentialPtr> ended;          // credentials that let nobody in any more
  std::vector<storage::Announcement> found;  // by looking; some may have been told
  std::vector<Look> looked;
};

Answers answer(storage::ReadTx& tx, const Questions& questions, Instant now);

}  // namespace todo::realtime
