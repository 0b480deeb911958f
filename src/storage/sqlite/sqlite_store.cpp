#include "storage/sqlite/sqlite_store.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/time_text.h"
#include "observability/log.h"
#include "storage/deliveries.h"
#include "storage/listening.h"
#include "storage/sqlite/connection.h"
#include "storage/sqlite/files.h"
#include "storage/sqlite/relay.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

// A checkpoint is due once the WAL has grown by this many pages: 4 MB when there is time for it, 32
// MB under load, where each page is written back once for many changes of it.
constexpr int checkpoint_pages_idle = 1'024;
constexpr int checkpoint_pages_busy = 8'192;
// Reads that waited together share one snapshot, as long as the other readers have work too.
constexpr std::size_t reads_per_snapshot_max = 8;
// No wait trusts the steady clock for longer: a machine that slept has other ideas of now.
constexpr std::chrono::seconds wait_max{30};
constexpr std::chrono::seconds bus_pause{1};
// After a failure the disk is tried this often, until it takes a write again.
constexpr std::chrono::seconds probe_interval{1};

struct WriteJob {
  WriteUnit unit;
  Executor* executor;
  Done done;
};

struct ReadJob {
  ReadUnit unit;
  Executor* executor;
  Done done;
};

struct Probe {
  metrics::Counter& commits;
  metrics::Counter& units;
  metrics::Counter& failures;
  metrics::Counter& checkpoints;
  metrics::Histogram& commit_seconds;
  metrics::Gauge& writer_queue;
  metrics::Gauge& reader_queue;
  metrics::Gauge& wal_bytes;

  explicit Probe(metrics::Registry& m)
      : commits(m.counter("todo_storage_commits_total", "Transactions committed")),
        units(m.counter("todo_storage_units_total", "Units of work committed")),
        failures(m.counter("todo_storage_failures_total", "Units that the database could not do")),
        checkpoints(m.counter("todo_storage_checkpoints_total", "WAL checkpoints")),
        commit_seconds(m.histogram("todo_storage_commit_seconds", "COMMIT with its fsync",
                                   metrics::latency_buckets())),
        writer_queue(m.gauge("todo_storage_writer_queue", "Units waiting for the writer")),
        reader_queue(m.gauge("todo_storage_reader_queue", "Reads waiting for a reader")),
        wal_bytes(
            m.gauge("todo_storage_wal_bytes", "Size of the write-ahead log at the last commit")) {}
};

// An fsync that failed leaves unknown pages behind: what was not synced may be dropped silently.
// Only a restart, which reads what the disk really has, is safe.
void end_process_if_sync_failed(int code, const char* text) {
  if (code != SQLITE_IOERR_FSYNC && code != SQLITE_IOERR_DIR_FSYNC) return;
  log::error("the disk could not sync: the process ends, a restart recovers", {{"error", text}});
  log::flush();
  std::_Exit(EXIT_FAILURE);
}

class SqliteStore final : public Store {
 public:
  SqliteStore(const Options& options, const Clock& clock, metrics::Registry& metrics)
      : path_(options.path),
        clock_(clock),
        probe_(metrics),
        writer_connection_(options.path, Access::serve) {
    sqlite3_wal_hook(writer_connection_.handle(), &SqliteStore::on_wal, this);
    for (int i = 0; i < std::max(1, options.readers); ++i) {
      reader_connections_.push_back(std::make_unique<Connection>(options.path, Access::read_only));
    }
    metrics.on_scrape([this] {
      const QueueDepths depths = queue_depths();
      probe_.writer_queue.set(static_cast<double>(depths.writer));
      probe_.reader_queue.set(static_cast<double>(depths.readers));
      probe_.wal_bytes.set(static_cast<double>(wal_pages_.load()) * page_bytes_);
    });
    page_bytes_ = static_cast<double>(writer_connection_.scalar("PRAGMA page_size"));
    writer_ = std::thread([this] { run_writer(); });
    for (const auto& connection : reader_connections_) {
      readers_.emplace_back([this, c = connection.get()] { run_reader(*c); });
    }
  }

  ~SqliteStore() override { SqliteStore::stop(); }

  bool write(WriteUnit unit, Executor& executor, Done done) override {
    return enqueue({std::move(unit), &executor, std::move(done)}, limits::writer_queue_max);
  }

  bool read(ReadUnit unit, Executor& executor, Done done) override {
    {
      const std::lock_guard lock(read_mutex_);
      if (stopping_reads_ || read_queue_.size() >= limits::reader_queue_max) return false;
      read_queue_.push_back({std::move(unit), &executor, std::move(done)});
    }
    read_ready_.notify_one();
    return true;
  }

  Outcome write_and_wait(WriteUnit unit) override {
    InlineExecutor here;
    std::promise<Outcome> promise;
    auto future = promise.get_future();
    const bool queued = enqueue(
        {std::move(unit), &here, [&promise](Outcome outcome) { promise.set_value(outcome); }},
        SIZE_MAX);
    return queued ? future.get() : Outcome::failed;
  }

  Outcome read_and_wait(ReadUnit unit) override {
    InlineExecutor here;
    std::promise<Outcome> promise;
    auto future = promise.get_future();
    {
      const std::lock_guard lock(read_mutex_);
      if (stopping_reads_) return Outcome::failed;
      read_queue_.push_back(
          {std::move(unit), &here, [&promise](Outcome outcome) { promise.set_value(outcome); }});
    }
    read_ready_.notify_one();
    return future.get();
  }

  void start_bus(BusStep step) override {
    {
      const std::lock_guard lock(write_mutex_);
      bus_ = std::move(step);
      bus_waiting_ = true;
    }
    write_ready_.notify_one();
  }

  void set_audience(Audience* audience) override { listening_.set(audience); }
  void start_relay(RelayStep step, std::vector<RelayStep> /*helpers*/) override {
    relay_.start(std::move(step));
  }

  StoreHealth health() override {
    StoreHealth health;
    health.reachable = reachable_.load();
    if (!health.reachable) health.detail = "nothing can be written";
    return health;
  }

  QueueDepths queue_depths() const override {
    QueueDepths depths;
    {
      const std::lock_guard lock(write_mutex_);
      depths.writer = write_queue_.size();
    }
    const std::lock_guard lock(read_mutex_);
    depths.readers = read_queue_.size();
    return depths;
  }

  std::expected<void, std::string> backup_to(const std::string& path) override {
    return copy_database(path_, path);
  }

  std::expected<void, std::string> restore_from(const std::string& path) override {
    // What is read from the backup is brought to this schema beside the database first; the
    // database itself changes in one transaction on the writer's thread.
    const std::string prepared = path_ + ".restore";
    if (auto made = prepare_restore(path, prepared); !made) return made;
    std::promise<std::expected<void, std::string>> promise;
    auto future = promise.get_future();
    {
      const std::lock_guard lock(write_mutex_);
      if (stopping_) {
        remove_database(prepared);
        return std::unexpected("the server is stopping");
      }
      between_cycles_.emplace_back([&] {
        auto replaced = replace_contents(writer_connection_, prepared);
        wake_bus();
        listening_.tell_missed();
        promise.set_value(std::move(replaced));
      });
    }
    write_ready_.notify_one();
    auto result = future.get();
    remove_database(prepared);
    return result;
  }

  void stop() override {
    relay_.stop();
    {
      const std::lock_guard lock(write_mutex_);
      if (stopping_) return;
      stopping_ = true;
    }
    write_ready_.notify_all();
    {
      const std::lock_guard lock(read_mutex_);
      stopping_reads_ = true;
    }
    read_ready_.notify_all();
    for (std::thread& reader : readers_) reader.join();
    writer_.join();
    reader_connections_.clear();
    try {
      checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
    } catch (const std::exception& error) {
      log::warning("the last checkpoint failed; the next start reads the log instead",
                   {{"error", error.what()}});
    }
  }

 private:
  static int on_wal(void* self, sqlite3*, const char*, int pages) {
    auto* store = static_cast<SqliteStore*>(self);
    store->wal_pages_ = pages;
    // Something was written, and synced.
    if (!store->reachable_.exchange(true)) log::info("the database can be written again");
    return SQLITE_OK;
  }

  bool enqueue(WriteJob job, std::size_t queue_max) {
    {
      const std::lock_guard lock(write_mutex_);
      if (stopping_ || write_queue_.size() >= queue_max) return false;
      write_queue_.push_back(std::move(job));
    }
    write_ready_.notify_one();
    return true;
  }

  // --- the writer's thread ---

  void run_writer() {
    for (;;) {
      std::vector<WriteJob> jobs;
      std::vector<std::move_only_function<void()>> chores;
      bool bus_due = false;
      {
        std::unique_lock lock(write_mutex_);
        wait_for_work(lock);
        chores.swap(between_cycles_);
        while (!write_queue_.empty() && jobs.size() < limits::units_per_cycle_max) {
          jobs.push_back(std::move(write_queue_.front()));
          write_queue_.pop_front();
        }
        bus_due = bus_is_due();
        if (jobs.empty() && chores.empty() && !bus_due && stopping_) return;
      }
      for (auto& chore : chores) chore();
      if (!jobs.empty() || bus_due) run_cycle(jobs, bus_due);
      if (!reachable_) probe_disk();
      if (wal_pages_ < checkpointed_pages_) checkpointed_pages_ = 0;  // the log began anew
      const int grown = wal_pages_ - checkpointed_pages_;
      if (grown > (jobs.size() > 1 ? checkpoint_pages_busy : checkpoint_pages_idle))
        checkpoint(SQLITE_CHECKPOINT_PASSIVE);
    }
  }

  bool bus_is_due() const {
    return bus_ && (bus_waiting_ || is_bus_time(clock_.now())) && !stopping_;
  }

  // Also when the clock was set back: no retry is as far ahead.
  bool is_bus_time(Instant now) const {
    return bus_at_ && (*bus_at_ <= now || *bus_at_ > now + limits::event_retry_delay_max);
  }

  void wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto ready = [this] {
      return stopping_ || !write_queue_.empty() || !between_cycles_.empty() || bus_is_due();
    };
    if (ready()) return;
    std::chrono::milliseconds wait = reachable_ ? wait_max : probe_interval;
    if (bus_ && bus_at_)
      wait = std::clamp<std::chrono::milliseconds>(*bus_at_ - clock_.now(),
                                                   std::chrono::milliseconds{1}, wait);
    write_ready_.wait_for(lock, wait, ready);
  }

  void run_cycle(std::vector<WriteJob>& jobs, bool bus_due) {
    std::vector<Outcome> outcomes(jobs.size(), Outcome::failed);
    bool together = false;
    try {
      together = run_together(jobs, outcomes, bus_due);
    } catch (const std::exception& lost) {
      abandon(lost);
    }
    // One unit can take its neighbours' transaction with it (a full disk, an I/O error): then each
    // runs for itself, and only those fail that must.
    if (!together) {
      for (std::size_t i = 0; i < jobs.size(); ++i) outcomes[i] = run_alone(jobs[i]);
      if (jobs.empty()) pause_bus();
    }
    Deliveries deliveries;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (outcomes[i] == Outcome::committed) probe_.units.add();
      if (outcomes[i] == Outcome::failed) probe_.failures.add();
      deliveries.add(*jobs[i].executor, std::move(jobs[i].done), outcomes[i]);
    }
    // The units go before their answers: what they hold may be the last thing that keeps a request
    // alive.
    for (WriteJob& job : jobs) job.unit = nullptr;
    deliveries.post();
    listening_.tell(std::exchange(announcements_, {}));
  }

  // True when the transaction ended as meant; false when it is gone and nothing of it happened.
  bool run_together(std::vector<WriteJob>& jobs, std::vector<Outcome>& outcomes, bool bus_due) {
    writer_connection_.execute("BEGIN IMMEDIATE");
    Transaction tx(writer_connection_);
    for (std::size_t i = 0; i < jobs.size(); ++i) outcomes[i] = run_unit(tx, jobs[i]);
    if (bus_ && (bus_due || tx.events_inserted() > 0)) {
      // As many as came in, so that consumption keeps pace with units that make many events.
      const int came = std::max(static_cast<int>(jobs.size()), tx.events_inserted());
      step_bus(tx, std::clamp(came, limits::events_per_cycle_min, limits::events_per_cycle_max));
    }
    if (commit()) {
      take_announcements(tx);
      if (tx.events_inserted() > 0) relay_.wake();
      return true;
    }
    // Also what a unit that rolled itself back has answered from: its neighbours' writes are gone.
    std::ranges::fill(outcomes, Outcome::failed);
    pause_bus();
    return true;
  }

  Outcome run_unit(Transaction& tx, WriteJob& job) {
    Verdict verdict = Verdict::roll_back;
    const std::size_t announced_before = tx.announcements().size();
    savepoint("SAVEPOINT unit");
    Outcome outcome = Outcome::rolled_back;
    try {
      verdict = job.unit(tx);
    } catch (const TransactionLost&) {
      throw;
    } catch (const std::exception& error) {
      log::error("a unit of work failed", {{"error", error.what()}});
      outcome = Outcome::failed;
    }
    if (!writer_connection_.in_transaction())
      throw TransactionLost("the transaction ended within a unit");
    if (verdict == Verdict::commit) {
      savepoint("RELEASE unit");
      return Outcome::committed;
    }
    tx.keep_announcements(announced_before);
    savepoint("ROLLBACK TO unit");
    savepoint("RELEASE unit");
    return outcome;
  }

  void savepoint(const char* sql) { Query(writer_connection_, sql).run(); }

  Outcome run_alone(WriteJob& job) {
    try {
      writer_connection_.execute("BEGIN IMMEDIATE");
      Transaction tx(writer_connection_);
      const Outcome outcome = run_unit(tx, job);
      if (!commit()) return Outcome::failed;
      if (tx.events_inserted() > 0) wake_bus();
      take_announcements(tx);
      return outcome;
    } catch (const std::exception& lost) {
      abandon(lost);
      return Outcome::failed;
    }
  }

  void take_announcements(const Transaction& tx) {
    announcements_.insert(announcements_.end(), tx.announcements().begin(),
                          tx.announcements().end());
  }

  void step_bus(Transaction& tx, int events_max) {
    BusProgress progress;
    const Instant now = clock_.now();
    const auto stepped = tx.nested([&] { progress = bus_(tx, events_max); });
    const std::lock_guard lock(write_mutex_);
    if (!stepped) {
      log::error("the embedded bus failed; it goes on in a second", {{"error", stepped.error()}});
      bus_waiting_ = false;
      bus_at_ = now + bus_pause;
      return;
    }
    bus_waiting_ = progress.events >= events_max;
    bus_at_ = progress.next_retry_at;
  }

  void wake_bus() {
    {
      const std::lock_guard lock(write_mutex_);
      bus_waiting_ = true;
    }
    relay_.wake();
  }

  void pause_bus() {
    const std::lock_guard lock(write_mutex_);
    bus_waiting_ = false;
    bus_at_ = clock_.now() + bus_pause;
  }

  bool commit() {
    const auto began = std::chrono::steady_clock::now();
    const int code = sqlite3_exec(writer_connection_.handle(), "COMMIT", nullptr, nullptr, nullptr);
    probe_.commit_seconds.observe(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    if (code == SQLITE_OK) {
      probe_.commits.add();
      return true;
    }
    const std::string text = sqlite3_errmsg(writer_connection_.handle());
    end_process_if_sync_failed(code, text.c_str());
    lost("a transaction could not be committed", text);
    return false;
  }

  void abandon(const std::exception& error) {
    end_process_if_sync_failed(sqlite3_extended_errcode(writer_connection_.handle()), error.what());
    lost("the database lost a transaction", error.what());
  }

  // Said once, until something is written again: every request that fails would say it anew.
  void lost(std::string_view message, std::string_view why) {
    if (reachable_.exchange(false)) log::error(message, {{"error", why}});
    if (writer_connection_.in_transaction())
      sqlite3_exec(writer_connection_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

  void checkpoint(int mode) {
    int log_pages = 0;
    int done_pages = 0;
    const int code = sqlite3_wal_checkpoint_v2(writer_connection_.handle(), nullptr, mode,
                                               &log_pages, &done_pages);
    end_process_if_sync_failed(code, "checkpoint");
    if (code == SQLITE_OK) {
      probe_.checkpoints.add();
      checkpointed_pages_ = std::max(done_pages, 0);
    } else if (code != SQLITE_BUSY && code != SQLITE_LOCKED) {
      log::warning("a checkpoint failed; it is tried again",
                   {{"error", sqlite3_errmsg(writer_connection_.handle())}});
      checkpointed_pages_ = wal_pages_;
    }
  }

  // Nobody may write while the server is not ready: it has to find out for itself.
  void probe_disk() {
    const auto now = std::chrono::steady_clock::now();
    if (now < probe_at_) return;
    probe_at_ = now + probe_interval;
    try {
      // SQLite writes no page for an UPDATE that changes nothing, but always for this.
      writer_connection_.execute("BEGIN IMMEDIATE; PRAGMA user_version = 0; COMMIT");
    } catch (const std::exception& error) {
      abandon(error);
    }
  }

  // --- the readers' threads ---

  void run_reader(Connection& connection) {
    for (;;) {
      std::vector<ReadJob> jobs;
      {
        std::unique_lock lock(read_mutex_);
        read_ready_.wait(lock, [this] { return stopping_reads_ || !read_queue_.empty(); });
        if (read_queue_.empty()) return;
        const std::size_t share = (read_queue_.size() + readers_count() - 1) / readers_count();
        while (!read_queue_.empty() && jobs.size() < std::min(share, reads_per_snapshot_max)) {
          jobs.push_back(std::move(read_queue_.front()));
          read_queue_.pop_front();
        }
      }
      run_reads(connection, jobs);
    }
  }

  std::size_t readers_count() const { return reader_connections_.size(); }

  void run_reads(Connection& connection, std::vector<ReadJob>& jobs) {
    Deliveries deliveries;
    bool begun = begin_read(connection);
    for (ReadJob& job : jobs) {
      Outcome outcome = Outcome::failed;
      if (begun) {
        try {
          Transaction tx(connection);
          job.unit(tx);
          outcome = Outcome::committed;
        } catch (const std::exception& error) {
          log::error("a read failed", {{"error", error.what()}});
          probe_.failures.add();
          if (!connection.in_transaction()) begun = begin_read(connection);
        }
      }
      job.unit = nullptr;
      deliveries.add(*job.executor, std::move(job.done), outcome);
    }
    if (connection.in_transaction())
      sqlite3_exec(connection.handle(), "COMMIT", nullptr, nullptr, nullptr);
    deliveries.post();
  }

  static bool begin_read(Connection& connection) {
    try {
      Query(connection, "BEGIN").run();
      return true;
    } catch (const std::exception& error) {
      log::error("a read could not begin", {{"error", error.what()}});
      return false;
    }
  }

  const std::string path_;
  const Clock& clock_;
  Probe probe_;
  double page_bytes_ = 0;
  Connection writer_connection_;
  std::vector<std::unique_ptr<Connection>> reader_connections_;

  mutable std::mutex write_mutex_;
  std::condition_variable write_ready_;
  std::deque<WriteJob> write_queue_;
  std::vector<std::move_only_function<void()>> between_cycles_;
  std::atomic<bool> stopping_ = false;
  BusStep bus_;
  bool bus_waiting_ = false;
  std::optional<Instant> bus_at_;
  std::vector<Announcement> announcements_;  // of the cycle, committed; the writer's
  Listening listening_;
  Relay relay_{*this, clock_};

  std::atomic<bool> reachable_ = true;
  std::chrono::steady_clock::time_point probe_at_;  // the writer's
  std::atomic<int> wal_pages_ = 0;
  int checkpointed_pages_ = 0;

  mutable std::mutex read_mutex_;
  std::condition_variable read_ready_;
  std::deque<ReadJob> read_queue_;
  bool stopping_reads_ = false;

  std::thread writer_;
  std::vector<std::thread> readers_;
};

std::string backup_path(const Options& options, int version) {
  std::string stamp = format_instant(SystemClock().now()).substr(0, 19);
  std::erase(stamp, ':');
  return fmt::format("{}/before-schema-{}-from-{}-{}.db", options.backup_directory, schema_version,
                     version, stamp);
}

// Looked at before anything is written: a file that is not ours stays as it is.
std::expected<int, std::string> version_of(const std::string& path) {
  std::error_code none;
  if (!std::filesystem::exists(path) || std::filesystem::file_size(path, none) == 0) return 0;
  Connection connection(path, Access::read_only);
  return read_schema_version(connection);
}

std::expected<Migrated, std::string> open_and_migrate(const Options& options) {
  const auto version = version_of(options.path);
  if (!version) return std::unexpected(options.path + ": " + version.error());
  // A newer release's that only adds to ours, too.
  if (*version >= schema_version) return Migrated{*version, *version};
  if (!options.migrate && *version > 0) {
    return std::unexpected(
        fmt::format("{} has schema {}, this program needs {}: run `todo-backend migrate`",
                    options.path, *version, schema_version));
  }
  if (*version > 0) {
    std::filesystem::create_directories(options.backup_directory);
    const std::string copy = backup_path(options, *version);
    if (auto copied = copy_database(options.path, copy); !copied)
      return std::unexpected("before the migration: " + copied.error());
    log::info("the database was copied before its migration", {{"backup", copy}});
  }
  Connection connection(options.path, Access::read_write);
  migrate_schema(connection, *version);
  return Migrated{*version, schema_version};
}

}  // namespace

std::expected<Migrated, std::string> migrate(const Options& options) {
  try {
    return open_and_migrate(options);
  } catch (const std::exception& error) {
    return std::unexpected(options.path + ": " + error.what());
  }
}

std::expected<std::unique_ptr<Store>, std::string> open(const Options& options, const Clock& clock,
                                                        metrics::Registry& metrics) {
  if (auto migrated = migrate(options); !migrated) return std::unexpected(migrated.error());
  try {
    return std::make_unique<SqliteStore>(options, clock, metrics);
  } catch (const std::exception& error) {
    return std::unexpected(options.path + ": " + error.what());
  }
}

}  // namespace todo::storage::sqlite
