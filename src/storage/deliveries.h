#pragma once

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "storage/store.h"

namespace todo::storage {

// Answers to hand back, one post for each executor.
class Deliveries {
 public:
  void add(Executor& executor, Done done, Outcome outcome) {
    auto found = std::ranges::find(by_executor_, &executor, &Entry::executor);
    if (found == by_executor_.end()) {
      by_executor_.emplace_back().executor = &executor;
      found = std::prev(by_executor_.end());
    }
    found->functions.emplace_back([done = std::move(done), outcome]() mutable { done(outcome); });
  }
  void post() {
    for (Entry& entry : by_executor_) entry.executor->post(std::move(entry.functions));
    by_executor_.clear();
  }

 private:
  struct Entry {
    Executor* executor = nullptr;
    std::vector<Executor::Function> functions;
  };
  std::vector<Entry> by_executor_;
};

// Runs what is posted on the posting thread: for those who wait.
class InlineExecutor final : public Executor {
 public:
  void post(std::vector<Function> functions) override {
    for (Function& function : functions) function();
  }
};

}  // namespace todo::storage
