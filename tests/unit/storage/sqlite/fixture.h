#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "observability/metrics.h"
#include "storage/sqlite/sqlite_store.h"
#include "support/executors.h"
#include "support/fakes.h"
#include "support/rows.h"
#include "support/temp_folder.h"
#include "support/transactions.h"

namespace todo::storage::sqlite {

class SqliteTest : public testing::Test {
 protected:
  ~SqliteTest() override {
    if (store_) store_->stop();
  }

  Options options() const {
    return {.path = path_, .readers = 2, .migrate = true, .backup_directory = folder_.file("kept")};
  }
  // With metrics of its own: a registry asks the stores it knows, and must not outlive them.
  void open_store() {
    metrics_ = std::make_unique<metrics::Registry>();
    auto store = open(options(), clock_, *metrics_);
    if (!store) throw std::runtime_error(store.error());
    store_ = std::move(*store);
  }
  void close_store() {
    store_->stop();
    store_.reset();
  }
  Uuid add_user(const std::string& email) {
    const User user = test::make_user(ids_, email, clock_.now());
    test::write(*store_, [&](Tx& tx) { EXPECT_TRUE(tx.insert_user(user, email, "hash")); });
    return user.id;
  }
  bool exists(const Task& task) {
    return test::read(*store_,
                      [&](ReadTx& tx) { return tx.find_task(task.user_id, task.id).has_value(); });
  }
  // The value of a metric without labels.
  double metric(const std::string& name) {
    const std::string text = "\n" + metrics_->text();
    const auto at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }

  test::TempFolder folder_;
  const std::string path_ = folder_.file("todo.db");
  test::FakeClock clock_;
  test::SequentialIds ids_{clock_};
  std::unique_ptr<metrics::Registry> metrics_ = std::make_unique<metrics::Registry>();
  std::unique_ptr<Store> store_;
};

using test::HeldWriter;

}  // namespace todo::storage::sqlite
