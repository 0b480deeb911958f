#pragma once

#include <algorithm>
#include <mutex>
#include <vector>

#include "storage/announcement.h"
#include "support/executors.h"

namespace todo::test {

// Keeps what it is told.
class KeepingAudience final : public storage::Audience {
 public:
  void announced(const std::vector<storage::Announcement>& announcements) override {
    const std::scoped_lock lock(mutex_);
    heard_.insert(heard_.end(), announcements.begin(), announcements.end());
  }
  void missed() override {
    const std::scoped_lock lock(mutex_);
    ++misses_;
  }

  std::vector<storage::Announcement> heard() const {
    const std::scoped_lock lock(mutex_);
    return heard_;
  }
  int misses() const {
    const std::scoped_lock lock(mutex_);
    return misses_;
  }
  // True once it was told, the others' before included.
  bool hears(const storage::Announcement& announcement) const {
    return eventually([&] {
      const auto all = heard();
      return std::ranges::find(all, announcement) != all.end();
    });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<storage::Announcement> heard_;
  int misses_ = 0;
};

}  // namespace todo::test
