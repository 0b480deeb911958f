#pragma once

#include <mutex>
#include <vector>

#include "storage/announcement.h"

namespace todo::storage {

// Who listens to a store, if anybody does. Once `set` has returned, who listened before is not
// being told anything any more. Safe from any thread.
class Listening {
 public:
  void set(Audience* audience) {
    const std::scoped_lock lock(mutex_);
    audience_ = audience;
  }
  void tell(const std::vector<Announcement>& announcements) {
    if (announcements.empty()) return;
    const std::scoped_lock lock(mutex_);
    if (audience_ != nullptr) audience_->announced(announcements);
  }
  void tell_missed() {
    const std::scoped_lock lock(mutex_);
    if (audience_ != nullptr) audience_->missed();
  }

 private:
  std::mutex mutex_;
  Audience* audience_ = nullptr;
};

}  // namespace todo::storage
