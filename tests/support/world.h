#pragma once

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "domain/audit_entry.h"
#include "observability/metrics.h"
#include "service/accounts.h"
#include "service/audit.h"
#include "service/call.h"
#include "service/consumers.h"
#include "service/tasks.h"
#include "storage/sqlite/sqlite_store.h"
#include "support/fakes.h"
#include "support/temp_folder.h"
#include "support/transactions.h"

namespace todo::test {

inline service::TaskInput input_of(std::string title) {
  service::TaskInput input;
  input.title = {true, std::move(title)};
  return input;
}
inline service::TaskInput due_input(std::string title, service::DueInput due,
                                    RecurrenceRule rule = RecurrenceRule::none) {
  service::TaskInput input = input_of(std::move(title));
  input.due_date = {true, due};
  if (rule != RecurrenceRule::none) input.recurrence_rule = {true, rule};
  return input;
}

// The use cases on a real store, with a clock and ids of the test's own. Events wait in the outbox
// until the test delivers them.
class World {
 public:
  World() {
    auto opened = storage::sqlite::open({.path = folder_.file("todo.db"),
                                         .readers = 1,
                                         .migrate = true,
                                         .backup_directory = folder_.file("backups")},
                                        clock, metrics);
    if (!opened) throw std::runtime_error(opened.error());
    store = std::move(*opened);
    ann = add_user("ann@example.com");
  }
  ~World() { store->stop(); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Uuid add_user(const std::string& email, const std::string& timezone = "UTC") {
    return write(*store, [&](storage::Tx& tx) {
      const auto user = service::register_user(tx, keys, ids, clock.now(),
                                               {email, "hash", std::nullopt, timezone});
      EXPECT_TRUE(user);
      return user ? user->id : Uuid{};
    });
  }
  service::Call call_of(const Uuid& user_id) {
    service::Call call;
    call.user_id = user_id;
    call.origin.actor = "web";
    call.now = clock.now();
    call.ids = &ids;
    return call;
  }

  Task create(const service::TaskInput& input) { return create(ann, input); }
  Task create(const Uuid& user_id, const service::TaskInput& input) {
    return must<Task>(
        [&](storage::Tx& tx) { return service::create_task(tx, call_of(user_id), input); });
  }
  // Many of a kind, in one transaction.
  std::vector<Task> create_many(const Uuid& user_id, const service::TaskInput& input, int count) {
    return write(*store, [&](storage::Tx& tx) {
      std::vector<Task> tasks;
      for (int i = 0; i < count; ++i)
        tasks.push_back(service::create_task(tx, call_of(user_id), input).value());
      return tasks;
    });
  }
  Task update(const Task& task, const service::TaskInput& input, bool this_only = false) {
    return must<Task>([&](storage::Tx& tx) {
      return service::update_task(tx, call_of(task.user_id), task.id, input, {}, this_only);
    });
  }
  service::Completion complete(const Task& task) {
    return must<service::Completion>([&](storage::Tx& tx) {
      return service::complete_task(tx, call_of(task.user_id), task.id, {});
    });
  }
  service::Reopening reopen(const Task& task) {
    return must<service::Reopening>([&](storage::Tx& tx) {
      return service::reopen_task(tx, call_of(task.user_id), task.id, {});
    });
  }
  void remove(const Task& task) {
    write(*store, [&](storage::Tx& tx) {
      EXPECT_TRUE(service::delete_task(tx, call_of(task.user_id), task.id, {}));
    });
  }
  Task restore(const Task& task) {
    return must<Task>([&](storage::Tx& tx) {
      return service::restore_task(tx, call_of(task.user_id), task.id, {});
    });
  }
  void set_preferences(const Uuid& user_id, const service::PreferencesInput& input) {
    write(*store, [&](storage::Tx& tx) {
      EXPECT_TRUE(service::update_preferences(tx, call_of(user_id), input));
    });
  }

  std::optional<Task> stored(const Task& task) {
    return read(*store, [&](storage::ReadTx& tx) { return tx.find_task(task.user_id, task.id); });
  }
  std::vector<Task> tasks_of(const Uuid& user_id) {
    return read(*store,
                [&](storage::ReadTx& tx) { return tx.tasks_after(user_id, std::nullopt, 10'000); });
  }
  std::vector<Notification> notifications_of(const Uuid& user_id) {
    storage::NotificationQuery query;
    query.user_id = user_id;
    query.limit = 10'000;
    return read(*store, [&](storage::ReadTx& tx) { return tx.list_notifications(query); });
  }
  std::vector<AuditEntry> audit_of(const Uuid& user_id) {
    return read(*store, [&](storage::ReadTx& tx) { return tx.audit_after(user_id, 0, 100'000); });
  }
  service::VerifyReport verify(const Uuid& user_id) {
    return read(*store, [&](storage::ReadTx& tx) {
      return service::verify_chain(tx, keys, user_id, clock.now());
    });
  }
  std::optional<ReminderRow> ledger(const Task& task) {
    return read(*store, [&](storage::ReadTx& tx) {
      return tx.find_reminder(task.user_id, task.id, task.due.value().at);
    });
  }

  // --- events ---

  std::vector<OutboxEvent> waiting() {
    return read(*store, [&](storage::ReadTx& tx) {
      std::vector<OutboxEvent> events;
      for (auto& row : tx.list_outbox(clock.now(), 100'000)) events.push_back(row.event);
      return events;
    });
  }
  std::vector<OutboxEvent> waiting(Topic topic) {
    auto events = waiting();
    std::erase_if(events, [topic](const OutboxEvent& event) { return event.topic != topic; });
    return events;
  }
  // As any bus would: the effect and nothing else in a transaction.
  void deliver(const OutboxEvent& event) {
    write(*store, [&](storage::Tx& tx) { consumers.consume(tx, event); });
  }
  void forget(const OutboxEvent& event) {
    write(*store, [&](storage::Tx& tx) { tx.delete_outbox({event.id}); });
  }
  // Delivers what waits, and what that causes, until nothing does.
  void settle() {
    for (auto events = waiting(); !events.empty(); events = waiting()) {
      write(*store, [&](storage::Tx& tx) {
        for (const OutboxEvent& event : events) {
          consumers.consume(tx, event);
          tx.delete_outbox({event.id});
        }
      });
    }
  }

  FakeClock clock;
  SequentialIds ids{clock};
  AuditKeys keys{{std::string(32, 'k')}};
  service::Consumers consumers{clock, ids, keys, nullptr};
  metrics::Registry metrics;
  std::unique_ptr<storage::Store> store;
  Uuid ann;

 private:
  template <class T, class Work>
  T must(Work work) {
    std::optional<T> made;
    write(*store, [&](storage::Tx& tx) {
      auto result = work(tx);
      EXPECT_TRUE(result) << (result ? "" : result.error().detail);
      if (result) made = std::move(*result);
    });
    if (!made) throw std::runtime_error("the use case was refused");
    return std::move(*made);
  }

  TempFolder folder_;
};

}  // namespace todo::test
