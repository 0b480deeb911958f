#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "observability/metrics.h"
#include "storage/postgres/postgres_store.h"
#include "support/executors.h"
#include "support/fakes.h"
#include "support/postgres.h"
#include "support/rows.h"
#include "support/transactions.h"

namespace todo::storage::postgres {

// A database that is migrated already: migrating one for each test would take four times as long.
inline test::PostgresDatabase migrated_database() {
  static const test::PostgresDatabase migrated;
  static const bool done = [] {
    if (const auto good = migrate_schema({.connection = {.url = migrated.url()}}); !good)
      throw std::runtime_error(good.error());
    return true;
  }();
  static_cast<void>(done);
  return migrated.copy();
}

// A process on a database: a store with what it needs.
class Process {
 public:
  Process(const Options& options, const Clock& clock) {
    auto store = open(options, clock, metrics_);
    if (!store) throw std::runtime_error(store.error());
    store_ = std::move(*store);
  }
  ~Process() { store_->stop(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  Store& operator*() { return *store_; }
  Store* operator->() { return store_.get(); }

  // The value of a metric, with its labels where it has some.
  double metric(const std::string& name) {
    const std::string text = "\n" + metrics_.text();
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

 private:
  metrics::Registry metrics_;
  std::unique_ptr<Store> store_;
};

class PostgresStoreTest : public testing::Test {
 protected:
  Options options() const {
    return {.url = database_.url(), .direct_url = "", .pool = 4, .migrate = false};
  }
  Options options_with_listen() const {
    Options options = this->options();
    options.direct_url = database_.url();
    return options;
  }

  Uuid add_user(Process& process, const std::string& email) {
    const User user = test::make_user(ids_, email, clock_.now());
    test::write(*process, [&](Tx& tx) { EXPECT_TRUE(tx.insert_user(user, email, "hash")); });
    return user.id;
  }
  Task new_task(const Uuid& user_id) {
    return test::make_task(ids_, user_id, "task", clock_.now());
  }
  OutboxEvent new_event(const Uuid& user_id) {
    return test::make_raw_event(ids_, user_id, "event", Topic::task_completed);
  }
  static std::int64_t living(Process& process, const Uuid& user_id) {
    return test::read(*process, [&](ReadTx& tx) { return tx.counters(user_id).living_tasks; });
  }

  const test::PostgresDatabase database_ = migrated_database();
  SystemClock clock_;
  Uuid7Generator ids_{clock_};
};

}  // namespace todo::storage::postgres
