#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "storage/store.h"
#include "support/executors.h"
#include "support/fakes.h"
#include "support/rows.h"
#include "support/temp_folder.h"
#include "support/transactions.h"

// The suite that every store must pass, whatever database is behind it. A new database is one more
// entry of all_databases(), and nothing else.
namespace todo::storage::conformance {

// A database of its own for one test.
class Database {
 public:
  virtual ~Database() = default;
  // Opens it; again after the store was stopped, with what it held.
  virtual std::unique_ptr<Store> open(const Clock& clock) = 0;
};

struct DatabaseKind {
  std::string name;
  bool is_shared = false;  // several stores, of one process or many, may be open on it at once
  std::function<std::unique_ptr<Database>()> make;
};
const std::vector<DatabaseKind>& all_databases();

inline auto databases() { return testing::ValuesIn(all_databases()); }
inline auto shared_databases() {
  std::vector<DatabaseKind> shared;
  std::ranges::copy_if(all_databases(), std::back_inserter(shared), &DatabaseKind::is_shared);
  return testing::ValuesIn(shared);
}
inline std::string name_of(const testing::TestParamInfo<DatabaseKind>& info) {
  return info.param.name;
}

// The first page of a user's tasks, in the default order.
inline TaskQuery tasks_of(const Uuid& user_id, TaskFilter filter = {}) {
  TaskQuery query;
  query.user_id = user_id;
  query.filter = std::move(filter);
  return query;
}

inline std::vector<Task> list_tasks(ReadTx& tx, const TaskQuery& query) {
  std::vector<Task> tasks;
  tx.list_tasks(query, [&](const Task& task) { tasks.push_back(task); });
  return tasks;
}

// The task as a list gives it: without what the API does not answer.
inline Task listed(Task task) {
  if (task.due) task.due->anchor = {};
  task.remind_at.reset();
  task.deleted_at.reset();
  return task;
}

class StoreTest : public testing::TestWithParam<DatabaseKind> {
 public:
  ~StoreTest() override {
    if (store_) store_->stop();
  }

 protected:
  StoreTest() : database_(GetParam().make()), store_(database_->open(clock_)) {
    ann_ = add_user("ann@example.com");
    bob_ = add_user("bob@example.com");
  }

  // Runs work in a transaction of its own and answers what it answers.
  template <class Work>
  std::invoke_result_t<Work&, Tx&> write(Work work) {
    return test::write(*store_, std::move(work));
  }
  template <class Work>
  std::invoke_result_t<Work&, ReadTx&> read(Work work) {
    return test::read(*store_, std::move(work));
  }

  Uuid add_user(const std::string& email) {
    const User user = test::make_user(ids_, email, clock_.now());
    write([&](Tx& tx) { EXPECT_TRUE(tx.insert_user(user, email, "hash of " + email)); });
    return user.id;
  }

  Task new_task(const Uuid& user_id, const std::string& title) {
    return test::make_task(ids_, user_id, title, clock_.now());
  }
  Task add_task(const Uuid& user_id, const std::string& title) {
    const Task task = new_task(user_id, title);
    write([&](Tx& tx) { tx.insert_task(task); });
    return task;
  }
  // Writes the change of a task that is as `before`, as a service would.
  Task change(const Task& before, const std::function<void(Task&)>& edit) {
    Task after = before;
    edit(after);
    ++after.version;
    after.updated_at = clock_.now();
    write([&](Tx& tx) { tx.update_task(before, after); });
    return after;
  }
  std::optional<Task> stored(const Task& task) {
    return read([&](ReadTx& tx) { return tx.find_task(task.user_id, task.id); });
  }

  void reopen() {
    store_->stop();
    store_.reset();
    store_ = database_->open(clock_);
  }

  test::FakeClock clock_;
  test::SequentialIds ids_{clock_};
  test::TempFolder folder_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Store> store_;
  Uuid ann_;
  Uuid bob_;
};

}  // namespace todo::storage::conformance
