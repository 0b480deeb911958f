#pragma once

#include <cstdint>
#include <vector>

#include "base/uuid.h"

namespace todo::storage {

// What a unit of work tells whoever listens, once it is committed: which row it changed, and no
// more. Who wants to know more reads it.
struct Announcement {
  enum class Kind : std::uint8_t {
    task_created = 1,
    task_updated,
    task_completed,
    task_deleted,
    notification,  // a new one
    credentials,   // of the user: some may have ended
  };

  Kind kind = Kind::task_updated;
  Uuid user_id;
  Uuid entity_id;            // of the task or the notification
  std::int64_t version = 0;  // of the task

  bool operator==(const Announcement&) const = default;
};

// Who listens. Called on threads of the store's, which wait for it: it hands over and returns.
class Audience {
 public:
  virtual ~Audience() = default;
  // After a COMMIT, here or as far as they are heard in other processes, and in their order as far
  // as there is one.
  virtual void announced(const std::vector<Announcement>& announcements) = 0;
  // Other processes were not heard for a while.
  virtual void missed() = 0;
};

}  // namespace todo::storage
