#pragma once

#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include "storage/store.h"
#include "support/executors.h"

namespace todo::test {

// Work in a transaction of its own, done when the call returns; it answers what the work answers.
template <class Work>
std::invoke_result_t<Work&, storage::Tx&> write(storage::Store& store, Work work) {
  using Result = std::invoke_result_t<Work&, storage::Tx&>;
  if constexpr (std::is_void_v<Result>) {
    EXPECT_EQ(store.write_and_wait([&](storage::Tx& tx) {
      work(tx);
      return storage::Verdict::commit;
    }),
              storage::Outcome::committed);
  } else {
    Result result{};
    write(store, [&](storage::Tx& tx) { result = work(tx); });
    return result;
  }
}

template <class Work>
std::invoke_result_t<Work&, storage::ReadTx&> read(storage::Store& store, Work work) {
  using Result = std::invoke_result_t<Work&, storage::ReadTx&>;
  if constexpr (std::is_void_v<Result>) {
    EXPECT_EQ(store.read_and_wait([&](storage::ReadTx& tx) { work(tx); }),
              storage::Outcome::committed);
  } else {
    Result result{};
    read(store, [&](storage::ReadTx& tx) { result = work(tx); });
    return result;
  }
}

// Holds up whatever would take units, until it is released: those written meanwhile wait together,
// for one cycle of a store that commits in groups.
class HeldWriter {
 public:
  HeldWriter(storage::Store& store, Executor& executor) {
    EXPECT_TRUE(store.write(
        [this](storage::Tx&) {
          running_.give();
          EXPECT_TRUE(released_.wait());
          return storage::Verdict::commit;
        },
        executor, [](storage::Outcome) {}));
    EXPECT_TRUE(running_.wait());
  }
  void release() { released_.give(); }

 private:
  Signal running_;
  Signal released_;
};

// A bus that runs as long as what a test's step counts into: declared after it, it stops the store
// before that goes.
class RunningBus {
 public:
  RunningBus(storage::Store& store, storage::BusStep step) : store_(store) {
    store_.start_bus(std::move(step));
  }
  ~RunningBus() { store_.stop(); }
  RunningBus(const RunningBus&) = delete;
  RunningBus& operator=(const RunningBus&) = delete;

 private:
  storage::Store& store_;
};

}  // namespace todo::test
