#include "storage/postgres/postgres_store.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "black_hole.h"
#include "fixture.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

class PostgresStore : public PostgresStoreTest {
 protected:
  Process process_{options(), clock_};
  const Uuid ann_ = add_user(process_, "ann@example.com");
  const Uuid bob_ = add_user(process_, "bob@example.com");
};

// --- lost connections ---

TEST_F(PostgresStore, connections_cut_while_idle_are_nothing_to_speak_of) {
  EXPECT_EQ(living(process_, ann_), 0);
  database_.cut_connections();
  test::write(*process_, [&](Tx& tx) { tx.insert_task(new_task(ann_)); });
  database_.cut_connections();
  EXPECT_EQ(living(process_, ann_), 1);
  EXPECT_TRUE(process_->health().reachable);
}

TEST_F(PostgresStore, a_unit_cut_off_before_its_commit_runs_again) {
  int runs = 0;
  const Task task = new_task(ann_);
  test::write(*process_, [&](Tx& tx) {
    tx.insert_task(task);
    EXPECT_TRUE(tx.find_task(ann_, task.id));
    if (++runs == 1) database_.cut_connections();
  });
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(process_.metric("todo_storage_retries_total{class=\"08\"}"), 1);
  EXPECT_EQ(living(process_, ann_), 1);
}

TEST_F(PostgresStore, a_unit_that_is_cut_off_each_time_fails) {
  int runs = 0;
  EXPECT_EQ(process_->write_and_wait([&](Tx& tx) {
    ++runs;
    tx.insert_task(new_task(ann_));
    database_.cut_connections();
    return Verdict::commit;
  }),
            Outcome::failed);
  EXPECT_EQ(runs, 4);
  EXPECT_EQ(living(process_, ann_), 0);
}

TEST_F(PostgresStore, reads_cut_off_run_again_from_where_they_were) {
  Options narrow = options();
  narrow.pool = 1;
  Process process(narrow, clock_);
  test::QueueExecutor executor;
  test::HeldWriter writer(*process, executor);
  // Both wait meanwhile, and are done on one snapshot.
  int first = 0;
  int second = 0;
  const auto committed = [](Outcome outcome) { EXPECT_EQ(outcome, Outcome::committed); };
  EXPECT_TRUE(process->read(
      [&](ReadTx& tx) {
        ++first;
        tx.find_user(ann_);
      },
      executor, committed));
  EXPECT_TRUE(process->read(
      [&](ReadTx& tx) {
        tx.list_api_tokens(ann_);
        if (++second == 1) database_.cut_connections();
        tx.list_api_tokens(bob_);
      },
      executor, committed));
  writer.release();
  ASSERT_TRUE(executor.run(3));
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 2);
}

TEST_F(PostgresStore, a_connection_lost_during_commit_leaves_it_unknown) {
  // What is deferred runs within COMMIT.
  database_.execute(
      "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
      "pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$; CREATE CONSTRAINT TRIGGER cut "
      "AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cut()");
  int runs = 0;
  EXPECT_EQ(process_->write_and_wait([&](Tx& tx) {
    ++runs;
    tx.insert_task(new_task(ann_));
    return Verdict::commit;
  }),
            Outcome::unknown);
  EXPECT_EQ(runs, 1) << "it might have happened";
  EXPECT_EQ(process_.metric("todo_storage_unknown_total"), 1);
}

// --- outages ---

class PostgresOutage : public PostgresStore {
 protected:
  void begin_outage() {
    elsewhere_.execute("ALTER DATABASE " + database_.name() + " ALLOW_CONNECTIONS false");
    database_.cut_connections();
  }
  void end_outage() {
    elsewhere_.execute("ALTER DATABASE " + database_.name() + " ALLOW_CONNECTIONS true");
  }
  Outcome try_to_write() {
    return process_->write_and_wait([&](Tx& tx) {
      tx.insert_task(new_task(ann_));
      return Verdict::commit;
    });
  }

  const test::PostgresDatabase elsewhere_;
};

TEST_F(PostgresOutage, everybody_is_told_at_once_and_again_when_it_is_over) {
  begin_outage();
  const auto began = steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(try_to_write(), Outcome::failed);
  EXPECT_EQ(process_->read_and_wait([&](ReadTx& tx) { tx.counters(ann_); }), Outcome::failed);
  EXPECT_LT(steady_clock::now() - began, seconds{2});
  EXPECT_FALSE(process_->health().reachable);
  EXPECT_FALSE(process_->health().detail.empty());
  end_outage();
  const auto ended = steady_clock::now();
  EXPECT_TRUE(test::eventually([&] { return process_->health().reachable; }));
  EXPECT_EQ(try_to_write(), Outcome::committed);
  EXPECT_LT(steady_clock::now() - ended, seconds{2});
  EXPECT_TRUE(process_->health().detail.empty());
}

TEST_F(PostgresOutage, a_store_stops_during_one) {
  begin_outage();
  EXPECT_EQ(try_to_write(), Outcome::failed);
  process_->stop();
  EXPECT_EQ(try_to_write(), Outcome::failed);
  end_outage();
}

TEST_F(PostgresOutage, the_bus_goes_on_after_one) {
  std::atomic<int> events = 0;
  const test::RunningBus bus(*process_, [&](Tx& tx, int events_max) {
    BusProgress progress;
    std::vector<Uuid> ids;
    for (const OutboxRow& row : tx.list_outbox(clock_.now(), events_max))
      ids.push_back(row.event.id);
    tx.delete_outbox(ids);
    progress.events = static_cast<int>(ids.size());
    events += progress.events;
    return progress;
  });
  test::write(*process_, [&](Tx& tx) { tx.insert_outbox(new_event(ann_)); });
  EXPECT_TRUE(test::eventually([&] { return events == 1; }));
  begin_outage();
  EXPECT_EQ(try_to_write(), Outcome::failed);
  end_outage();
  EXPECT_TRUE(test::eventually([&] { return try_to_write() == Outcome::committed; }));
  test::write(*process_, [&](Tx& tx) { tx.insert_outbox(new_event(ann_)); });
  EXPECT_TRUE(test::eventually([&] { return events == 2; }));
}

TEST_F(PostgresStore, a_network_that_swallows_everything_is_an_outage_within_two_seconds) {
  test::BlackHole network(database_.url());
  Options far = options();
  far.url = network.url();
  Process process(far, clock_);
  EXPECT_EQ(living(process, ann_), 0);
  network.swallow(true);
  const auto began = steady_clock::now();
  const auto add = [&](Tx& tx) {
    const Task task = new_task(ann_);
    tx.insert_task(task);
    EXPECT_TRUE(tx.find_task(ann_, task.id));
    return Verdict::commit;
  };
  EXPECT_EQ(process->write_and_wait(add), Outcome::failed);
  EXPECT_LT(steady_clock::now() - began, seconds{2});
  EXPECT_FALSE(process->health().reachable);
  EXPECT_EQ(process->write_and_wait(add), Outcome::failed);
  EXPECT_LT(steady_clock::now() - began, seconds{2});
  network.swallow(false);
  const auto ended = steady_clock::now();
  EXPECT_TRUE(test::eventually([&] { return process->health().reachable; }));
  EXPECT_EQ(process->write_and_wait(add), Outcome::committed);
  EXPECT_LT(steady_clock::now() - ended, seconds{4}) << "what was swallowed is not sent again";
}

TEST_F(PostgresStore, a_database_with_much_to_do_is_waited_for) {
  // It holds the lock of the user for longer than is usual.
  test::Signal has;
  std::thread other([&] {
    Connection slow({.url = database_.url()});
    slow.begin(Access::write);
    Query(slow, "LOCK TABLE tasks").run();
    slow.wait();
    has.give();
    Query(slow, "SELECT pg_sleep(1.5)").run();
    slow.commit();
  });
  EXPECT_TRUE(has.wait());
  test::write(*process_, [&](Tx& tx) { tx.insert_task(new_task(ann_)); });
  EXPECT_TRUE(process_->health().reachable);
  other.join();
}

// --- conflicts ---

TEST_F(PostgresStore, a_deadlock_is_resolved_and_counted) {
  test::Signal first_has;
  test::Signal second_has;
  std::atomic<int> runs = 0;
  const auto cross = [&](const Uuid& mine, const Uuid& theirs, test::Signal& has,
                         test::Signal& other_has) {
    const Task task = new_task(mine);
    const Task other_task = new_task(theirs);
    test::write(*process_, [&](Tx& tx) {
      ++runs;
      tx.insert_task(task);
      EXPECT_TRUE(tx.find_task(mine, task.id));
      has.give();
      EXPECT_TRUE(other_has.wait());
      tx.insert_task(other_task);
    });
  };
  std::thread other([&] { cross(bob_, ann_, second_has, first_has); });
  cross(ann_, bob_, first_has, second_has);
  other.join();
  EXPECT_EQ(living(process_, ann_), 2);
  EXPECT_EQ(living(process_, bob_), 2);
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(process_.metric("todo_storage_retries_total{class=\"40\"}"), 1);
}

TEST_F(PostgresStore, a_session_shared_by_a_pooler_is_used_without_names) {
  // As if each statement were sent to another session.
  database_.execute(
      "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE 'DEALLOCATE "
      "ALL'; RETURN NULL; END$$; CREATE TRIGGER forget AFTER INSERT ON tasks FOR EACH STATEMENT "
      "EXECUTE FUNCTION forget()");
  for (int i = 0; i < 3; ++i) {
    test::write(*process_, [&](Tx& tx) {
      tx.insert_task(new_task(ann_));
      EXPECT_TRUE(tx.find_user(ann_));
      tx.insert_task(new_task(ann_));
    });
  }
  EXPECT_EQ(living(process_, ann_), 6);
  EXPECT_EQ(process_.metric("todo_storage_retries_total{class=\"26\"}"), 1) << "once, for good";
}

// --- the queue ---

TEST_F(PostgresStore, what_waited_too_long_fails_without_being_begun) {
  Options impatient = options();
  impatient.pool = 1;
  impatient.queue_max = milliseconds{50};
  Process process(impatient, clock_);
  test::QueueExecutor executor;
  test::HeldWriter writer(*process, executor);
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(process->write([](Tx&) -> Verdict { throw std::logic_error("begun"); }, executor,
                               [&](Outcome outcome) { outcomes.push_back(outcome); }));
  }
  const auto until = steady_clock::now() + milliseconds{60};
  EXPECT_TRUE(test::eventually([&] { return steady_clock::now() > until; }));
  writer.release();
  ASSERT_TRUE(executor.run(4));
  EXPECT_EQ(outcomes, (std::vector<Outcome>(3, Outcome::failed)));
  EXPECT_EQ(process.metric("todo_storage_expired_total"), 3);
  EXPECT_EQ(process.metric("todo_storage_units_total"), 1);
}

TEST_F(PostgresStore, writes_that_wait_leave_reads_a_thread) {
  test::QueueExecutor executor;
  test::Signal go;
  constexpr int writes = 20;
  for (int i = 0; i < writes; ++i) {
    EXPECT_TRUE(process_->write(
        [&](Tx&) {
          EXPECT_TRUE(go.wait());
          return Verdict::commit;
        },
        executor, [](Outcome) {}));
  }
  EXPECT_EQ(living(process_, ann_), 0);
  go.give();
  ASSERT_TRUE(executor.run(writes));
}

TEST_F(PostgresStore, a_database_with_few_connections_is_shared_among_the_threads) {
  const std::string role = "few_" + database_.name();
  database_.execute("CREATE ROLE " + role +
                    " LOGIN CONNECTION LIMIT 2; GRANT ALL ON ALL TABLES IN " + "SCHEMA public TO " +
                    role);
  {
    Options few = options();
    few.url.replace(few.url.find("postgres@"), 8, role);
    few.pool = 8;
    Process process(few, clock_);
    test::QueueExecutor executor;
    std::atomic<int> committed = 0;
    constexpr int writes = 100;
    for (int i = 0; i < writes; ++i) {
      EXPECT_TRUE(process->write(
          [task = new_task(i % 2 == 0 ? ann_ : bob_)](Tx& tx) {
            tx.insert_task(task);
            return Verdict::commit;
          },
          executor, [&](Outcome outcome) { committed += outcome == Outcome::committed ? 1 : 0; }));
    }
    ASSERT_TRUE(executor.run(writes));
    EXPECT_EQ(committed, writes);
    EXPECT_TRUE(process->health().reachable);
  }
  database_.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

// --- health ---

TEST_F(PostgresStore, clocks_that_agree_are_good) {
  test::write(*process_, [&](Tx& tx) { tx.insert_task(new_task(ann_)); });
  EXPECT_TRUE(process_->health().clock_agrees);
  EXPECT_LT(std::abs(process_.metric("todo_storage_clock_skew_seconds")), 2);
}

TEST_F(PostgresStore, clocks_that_differ_are_told_with_the_first_transactions) {
  const test::FakeClock ahead{clock_.now() + seconds{40}};
  Process process(options(), ahead);
  test::write(*process, [&](Tx& tx) { tx.insert_task(new_task(ann_)); });
  EXPECT_FALSE(process->health().clock_agrees);
  EXPECT_NE(process->health().detail.find("behind ours"), std::string::npos)
      << process->health().detail;
  EXPECT_NEAR(process.metric("todo_storage_clock_skew_seconds"), -40, 5);
}

TEST_F(PostgresStore, a_database_that_is_not_there_fails_the_start_without_the_password) {
  Options bad = options();
  bad.url = "postgres://ann:secret@127.0.0.1:1/todo";
  metrics::Registry metrics;
  const auto opened = open(bad, clock_, metrics);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().find("secret"), std::string::npos) << opened.error();
  EXPECT_NE(opened.error().find("postgres://ann@127.0.0.1:1/todo"), std::string::npos);
}

TEST_F(PostgresStore, a_schema_that_left_this_program_behind_fails_the_start) {
  database_.execute("UPDATE schema_info SET version = version + 5, min_app = min_app + 5");
  metrics::Registry metrics;
  const auto opened = open(options(), clock_, metrics);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().find("newer program"), std::string::npos) << opened.error();
}

// --- many processes ---

class PostgresProcesses : public PostgresStoreTest {
 protected:
  // Takes all events; tells how many.
  BusStep taker(std::atomic<int>& taken) {
    return [&](Tx& tx, int events_max) {
      std::vector<Uuid> ids;
      for (const OutboxRow& row : tx.list_outbox(clock_.now(), events_max))
        ids.push_back(row.event.id);
      if (!ids.empty()) tx.delete_outbox(ids);
      taken += static_cast<int>(ids.size());
      BusProgress progress;
      progress.events = static_cast<int>(ids.size());
      return progress;
    };
  }
};

TEST_F(PostgresProcesses, events_of_one_are_heard_by_another_at_once) {
  Process maker(options_with_listen(), clock_);
  Process hearer(options_with_listen(), clock_);
  const Uuid ann = add_user(maker, "ann@example.com");
  EXPECT_EQ(living(hearer, ann), 0) << "it is active";
  std::atomic<int> heard = 0;
  hearer->on_remote_work([&] { ++heard; });
  std::atomic<int> taken = 0;
  const test::RunningBus bus(*hearer, taker(taken));
  // Until it listens, what it hears is that it may have missed something.
  EXPECT_TRUE(test::eventually([&] {
    test::write(*maker, [&](Tx& tx) { tx.insert_outbox(new_event(ann)); });
    return hearer.metric("todo_storage_notifications_received_total") > 0;
  }));
  EXPECT_TRUE(test::eventually([&] { return heard > 0 && taken > 0; }));
  EXPECT_GT(maker.metric("todo_storage_notifications_sent_total"), 0);
}

TEST_F(PostgresProcesses, many_commits_make_few_notifications) {
  Process maker(options_with_listen(), clock_);
  const Uuid ann = add_user(maker, "ann@example.com");
  const auto began = steady_clock::now();
  for (int i = 0; i < 200; ++i)
    test::write(*maker, [&](Tx& tx) { tx.insert_outbox(new_event(ann)); });
  EXPECT_TRUE(
      test::eventually([&] { return maker.metric("todo_storage_notifications_sent_total") > 0; }));
  const auto intervals = (steady_clock::now() - began) / milliseconds{50};
  EXPECT_LE(maker.metric("todo_storage_notifications_sent_total"), intervals + 2);
}

TEST_F(PostgresProcesses, without_listen_events_are_found_by_looking) {
  Process maker(options(), clock_);
  Process looker(options(), clock_);
  const Uuid ann = add_user(maker, "ann@example.com");
  std::atomic<int> taken = 0;
  const test::RunningBus bus(*looker, taker(taken));
  test::write(*maker, [&](Tx& tx) { tx.insert_outbox(new_event(ann)); });
  EXPECT_TRUE(test::eventually([&] { return taken == 1; }));
}

TEST_F(PostgresProcesses, a_listener_cut_off_listens_again) {
  Process maker(options_with_listen(), clock_);
  Process hearer(options_with_listen(), clock_);
  const Uuid ann = add_user(maker, "ann@example.com");
  EXPECT_EQ(living(hearer, ann), 0);
  const auto hears = [&] {
    const double before = hearer.metric("todo_storage_notifications_received_total");
    return test::eventually([&] {
      test::write(*maker, [&](Tx& tx) { tx.insert_outbox(new_event(ann)); });
      return hearer.metric("todo_storage_notifications_received_total") > before;
    });
  };
  EXPECT_TRUE(hears());
  database_.cut_connections();
  EXPECT_TRUE(hears());
}

}  // namespace
}  // namespace todo::storage::postgres
