#include "storage/postgres/postgres_store.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "storage/deliveries.h"
#include "storage/listening.h"
#include "storage/postgres/bus.h"
#include "storage/postgres/jobs.h"
#include "storage/postgres/listener.h"
#include "storage/postgres/runner.h"
#include "storage/postgres/url.h"
#include "storage/relaying.h"

namespace todo::storage::postgres {
namespace {

// While the database takes no more connections, the others' do.
constexpr std::chrono::seconds connection_pause{1};
constexpr const char* use_its_tools =
    "a PostgreSQL database is backed up and restored with its own tools: pg_dump and pg_restore, "
    "or "
    "what its provider offers";

ConnectionOptions connection_options(const Options& options, const std::string& url) {
  const auto parsed = parse_url(url);
  return {.url = url,
          .connect_max =
              parsed && parsed->connect_timeout ? *parsed->connect_timeout : options.connect_max,
          .answer_max = options.answer_max,
          .named_statements = true,
          .is_hopeless = nullptr};
}

const std::string& direct_url(const Options& options) {
  return options.direct_url.empty() ? options.url : options.direct_url;
}

class PostgresStore final : public Store {
 public:
  PostgresStore(const Options& options, const Clock& clock, metrics::Registry& metrics,
                SchemaState schema)
      : back_up_(options.back_up),
        restore_(options.restore),
        shared_(connection_options(options, options.url), clock, metrics),
        jobs_(options.pool, options.queue_max),
        bus_(shared_, [this](const Effects& effects) { tell(effects); }) {
    shared_.watch.take_schema(schema);
    metrics.on_scrape([this] {
      const QueueDepths depths = queue_depths();
      shared_.probe.writer_queue.set(static_cast<double>(depths.writer));
      shared_.probe.reader_queue.set(static_cast<double>(depths.readers));
    });
    if (!options.direct_url.empty()) {
      listener_.emplace(
          connection_options(options, options.direct_url), shared_.probe,
          Listener::Ears{.work = [this] { hear(); },
                         .announced = [this](const auto& all) { listening_.tell(all); },
                         .missed = [this] { listening_.tell_missed(); }});
    }
    for (int i = 0; i < std::max(1, options.pool); ++i)
      threads_.emplace_back([this] { run_thread(); });
  }

  ~PostgresStore() override { PostgresStore::stop(); }

  bool write(WriteUnit unit, Executor& executor, Done done) override {
    return jobs_.push(WriteJob{.unit = std::move(unit),
                               .executor = &executor,
                               .done = std::move(done),
                               .queued_at = std::chrono::steady_clock::now()},
                      limits::writer_queue_max);
  }

  bool read(ReadUnit unit, Executor& executor, Done done) override {
    return jobs_.push(ReadJob{.unit = std::move(unit),
                              .executor = &executor,
                              .done = std::move(done),
                              .queued_at = std::chrono::steady_clock::now()},
                      limits::reader_queue_max);
  }

  Outcome write_and_wait(WriteUnit unit) override {
    return wait_for([&](InlineExecutor& here, Done done) {
      return jobs_.push(WriteJob{.unit = std::move(unit),
                                 .executor = &here,
                                 .done = std::move(done),
                                 .queued_at = std::chrono::steady_clock::now()},
                        SIZE_MAX);
    });
  }

  Outcome read_and_wait(ReadUnit unit) override {
    return wait_for([&](InlineExecutor& here, Done done) {
      return jobs_.push(ReadJob{.unit = std::move(unit),
                                .executor = &here,
                                .done = std::move(done),
                                .queued_at = std::chrono::steady_clock::now()},
                        SIZE_MAX);
    });
  }

  void start_bus(BusStep step) override { bus_.start(std::move(step)); }

  void start_relay(RelayStep step, std::vector<RelayStep> helpers) override {
    // All are there before one of them wakes the others.
    for (std::size_t i = 0; i < helpers.size(); ++i) {
      helpers_.push_back(
          std::make_unique<Bus>(shared_, [this](const Effects& effects) { tell(effects); }, true));
    }
    for (std::size_t i = 0; i < helpers.size(); ++i)
      helpers_[i]->start(relaying(std::move(helpers[i])));
    bus_.start(relaying(std::move(step)));
  }

  void on_remote_work(const std::function<void()>& callback) override {
    const std::lock_guard lock(callback_mutex_);
    callback_ = callback;
  }

  void set_audience(Audience* audience) override { listening_.set(audience); }
  bool hears_others() const override { return listener_.has_value(); }

  // Asks nothing of the database: what was asked last tells.
  StoreHealth health() override {
    StoreHealth health;
    health.reachable = shared_.gate.is_open();
    if (!health.reachable) health.detail = "the database cannot be reached";
    const auto schema = shared_.watch.schema();
    health.schema_ready = schema.has_value();
    if (!schema) health.detail = schema.error();
    const auto clock = shared_.watch.clock();
    health.clock_agrees = clock.has_value();
    if (!clock) health.detail = clock.error();
    return health;
  }

  QueueDepths queue_depths() const override { return jobs_.depths(); }

  std::expected<void, std::string> backup_to(const std::string& path) override {
    if (!back_up_) return std::unexpected(use_its_tools);
    return back_up_(path);
  }
  std::expected<void, std::string> restore_from(const std::string& path) override {
    if (!restore_) return std::unexpected(use_its_tools);
    auto restored = restore_(path);
    if (!restored) return restored;
    // Events that waited in the backup wait again, and so do reminders.
    hear();
    listening_.tell_missed();
    if (listener_) listener_->notify(true, {});
    return {};
  }

  void stop() override {
    if (stopped_.exchange(true)) return;
    jobs_.stop();
    for (std::thread& thread : threads_) thread.join();
    bus_.stop();
    for (const auto& helper : helpers_) helper->stop();
    if (listener_) listener_->stop();
    shared_.gate.stop();
  }

 private:
  BusStep relaying(RelayStep step) {
    return [this, step = std::move(step), counter = DepthCounter()](Tx& tx, int) mutable {
      const Instant now = shared_.clock.now();
      BusProgress progress;
      const auto rows = tx.take_to_publish(now, limits::events_per_publish_max);
      if (!rows.empty()) {
        const Relayed relayed = step(rows, counter.count(tx, rows.size()));
        settle(tx, relayed);
        progress.events = static_cast<int>(relayed.acknowledged.size());
        progress.pause = relayed.pause;
      }
      // As many as can be taken, and they could all be published: there is more to do.
      if (progress.events == limits::events_per_publish_max) {
        for (const auto& helper : helpers_) helper->wake();
      }
      progress.next_retry_at = tx.next_outbox_retry_at(now);
      return progress;
    };
  }

  template <class Push>
  static Outcome wait_for(Push push) {
    InlineExecutor here;
    std::promise<Outcome> promise;
    auto future = promise.get_future();
    const bool queued = push(here, [&promise](Outcome outcome) { promise.set_value(outcome); });
    return queued ? future.get() : Outcome::failed;
  }

  // --- the pool's threads ---

  void run_thread() {
    Runner runner(shared_);
    for (;;) {
      Jobs::Taken taken = jobs_.take();
      if (taken.empty()) return;
      if (listener_) listener_->keep_open();
      Deliveries deliveries;
      if (taken.expired) {
        fail_expired(taken, deliveries);
      } else if (!run(runner, taken, deliveries)) {
        jobs_.give_back(std::move(taken));
        jobs_.pause(connection_pause);
        continue;
      }
      jobs_.finish(taken);
      deliveries.post();
    }
  }

  // false: no connection is to be had.
  bool run(Runner& runner, Jobs::Taken& taken, Deliveries& deliveries) {
    if (!taken.reads.empty()) {
      std::vector<Outcome> outcomes;
      if (!runner.read(taken.reads, outcomes)) return false;
      for (std::size_t i = 0; i < outcomes.size(); ++i)
        deliver(taken.reads[i], outcomes[i], deliveries);
      return true;
    }
    WriteJob& job = taken.writes.front();
    Effects effects;
    const auto outcome = runner.write(job.unit, effects);
    if (!outcome) return false;
    if (outcome == Outcome::committed) shared_.probe.units.add();
    if (outcome == Outcome::committed || outcome == Outcome::unknown) {
      effects.events_inserted > 0 ? bus_.wake() : bus_.look();
      tell(effects);
    }
    deliver(job, *outcome, deliveries);
    return true;
  }

  template <class Job>
  void deliver(Job& job, Outcome outcome, Deliveries& deliveries) {
    if (outcome == Outcome::failed) shared_.probe.failures.add();
    // The unit goes before its answer: what it holds may be the last thing that keeps a request
    // alive.
    job.unit = nullptr;
    deliveries.add(*job.executor, std::move(job.done), outcome);
  }

  void fail_expired(Jobs::Taken& taken, Deliveries& deliveries) {
    for (WriteJob& job : taken.writes) deliver(job, Outcome::failed, deliveries);
    for (ReadJob& job : taken.reads) deliver(job, Outcome::failed, deliveries);
    shared_.probe.expired.add(static_cast<double>(taken.writes.size() + taken.reads.size()));
  }

  // --- other processes ---

  void tell(const Effects& effects) {
    listening_.tell(effects.announcements);
    const bool is_work = effects.events_inserted > 0 || effects.reminders_planned;
    if (listener_ && (is_work || !effects.announcements.empty()))
      listener_->notify(is_work, effects.announcements);
  }

  void hear() {
    bus_.wake();
    const std::lock_guard lock(callback_mutex_);
    if (callback_) callback_();
  }

  const FileWork back_up_;
  const FileWork restore_;
  Shared shared_;
  Jobs jobs_;
  Bus bus_;
  std::vector<std::unique_ptr<Bus>> helpers_;
  std::mutex callback_mutex_;
  std::function<void()> callback_;
  Listening listening_;
  std::optional<Listener> listener_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopped_ = false;
};

std::string told(const Options& options, const std::string& why) {
  return without_password(options.url) + ": " + why;
}

std::expected<SchemaState, std::string> look_at_schema(const Options& options) {
  try {
    Connection connection(unnamed(connection_options(options, options.url)));
    connection.begin(Access::read);
    auto state = read_schema(connection);
    connection.end_read();
    return state;
  } catch (const std::exception& error) {
    return std::unexpected(std::string(error.what()));
  }
}

}  // namespace

std::expected<Migrated, std::string> migrate(const Options& options) {
  auto migrated =
      migrate_schema({.connection = unnamed(connection_options(options, direct_url(options))),
                      .lock_max = std::chrono::seconds{5},
                      .attempts_max = 60});
  if (!migrated) return std::unexpected(told(options, migrated.error()));
  return migrated;
}

std::expected<std::unique_ptr<Store>, std::string> open(const Options& options, const Clock& clock,
                                                        metrics::Registry& metrics) {
  if (options.migrate) {
    if (const auto migrated = migrate(options); !migrated) return std::unexpected(migrated.error());
  }
  const auto schema = look_at_schema(options);
  if (!schema) return std::unexpected(told(options, schema.error()));
  if (const auto good = check_schema(*schema); !good)
    return std::unexpected(told(options, good.error()));
  return std::make_unique<PostgresStore>(options, clock, metrics, *schema);
}

}  // namespace todo::storage::postgres
