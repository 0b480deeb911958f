#include "storage/postgres/runner.h"

#include <chrono>
#include <optional>
#include <thread>

#include "observability/log.h"
#include "storage/postgres/transaction.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;

constexpr int attempts_max = 4;  // the first, and three more
// Two that were in each other's way do not meet again; doubled with each attempt.
constexpr milliseconds conflict_pause_max{10};

// Observes the time from its making to its end.
class Stopwatch {
 public:
  explicit Stopwatch(metrics::Histogram& histogram) : histogram_(histogram) {}
  ~Stopwatch() {
    const auto time = std::chrono::steady_clock::now() - began_;
    histogram_.observe(std::chrono::duration<double>(time).count());
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  metrics::Histogram& histogram_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace

void Shared::check(Connection& made) {
  made.begin(Access::read);
  const auto state = read_schema(made);
  if (!state) throw TransactionLost(state.error());
  watch.take_schema(*state);
  made.end_read();
}

void Runner::connect() {
  if (connection_ && connection_->lost()) disconnect();
  if (connection_) {
    if (!shared_.named_statements) connection_->use_no_names();
    return;
  }
  if (!shared_.gate.is_open()) throw ConnectionLost(shared_.gate.why());
  ConnectionOptions options = shared_.connection;
  options.named_statements = shared_.named_statements;
  options.is_hopeless = [this] {
    return connection_ ? shared_.gate.suspect() : shared_.gate.suspect_connecting();
  };
  // Counted from its beginning: who is refused meanwhile sees that others may have one.
  const int connections = ++shared_.connections;
  try {
    const auto began = std::chrono::steady_clock::now();
    connection_ = postgres::connect(options);
    shared_.gate.took(std::chrono::ceil<milliseconds>(std::chrono::steady_clock::now() - began));
  } catch (const ConnectionLost& lost) {
    const bool have_others = --shared_.connections > 0;
    const bool is_refused = dynamic_cast<const TooManyConnections*>(&lost) != nullptr;
    if (!is_refused || !have_others) shared_.gate.close(lost.what());
    throw;
  }
  shared_.probe.connections.set(connections);
}

void Runner::disconnect() {
  if (!connection_) return;
  connection_.reset();
  shared_.probe.connections.set(--shared_.connections);
}

std::optional<Outcome> Runner::write(WriteUnit& unit, Effects& effects) {
  for (attempts_ = 1;; ++attempts_) {
    Next next = Next::give_up;
    try {
      connect();
      return write_once(unit, effects);
    } catch (const TooManyConnections&) {
      return shared_.gate.is_open() ? std::nullopt : std::optional(Outcome::failed);
    } catch (const ConnectionLost& lost) {
      if (connection_ && connection_->commit_sent()) {
        log::warning("the connection was lost during COMMIT", {{"error", lost.what()}});
        shared_.probe.unknown.add();
        disconnect();
        return Outcome::unknown;
      }
      next = after(lost);
    } catch (const TransactionConflict& conflict) {
      next = after(conflict);
    } catch (const SessionShared& shared) {
      next = after(shared);
    } catch (const std::exception& error) {
      log::error("a unit of work failed", {{"error", error.what()}});
      if (connection_) connection_->roll_back();
    }
    if (next == Next::give_up) return Outcome::failed;
  }
}

Outcome Runner::write_once(WriteUnit& unit, Effects& effects) {
  const Stopwatch transaction_time(shared_.probe.transaction_seconds);
  Connection& c = *connection_;
  c.begin(Access::write);
  std::optional<Query> question;
  const Instant before = shared_.clock.now();
  if (shared_.watch.is_due()) question.emplace(c, Watch::question).run();
  Transaction tx(c, Access::write);
  if (unit(tx) == Verdict::roll_back) {
    c.roll_back();
    return Outcome::rolled_back;
  }
  {
    const Stopwatch commit_time(shared_.probe.commit_seconds);
    // Whatever becomes of it, the events may be there.
    effects = {.events_inserted = tx.events_inserted(),
               .reminders_planned = tx.reminders_planned(),
               .announcements = tx.take_announcements()};
    c.commit();
  }
  shared_.probe.commits.add();
  shared_.gate.answered();
  if (question) shared_.watch.take(*question, before);
  return Outcome::committed;
}

bool Runner::read(std::span<ReadJob> jobs, std::vector<Outcome>& outcomes) {
  outcomes.clear();
  attempts_ = 1;
  while (outcomes.size() < jobs.size()) {
    Next next = Next::give_up;
    try {
      connect();
      read_once(jobs, outcomes);
      continue;
    } catch (const TooManyConnections&) {
      if (shared_.gate.is_open() && outcomes.empty()) return false;
    } catch (const ConnectionLost& lost) {
      next = after(lost);
    } catch (const TransactionConflict& conflict) {
      next = after(conflict);
    } catch (const SessionShared& shared) {
      next = after(shared);
    } catch (const std::exception& error) {
      log::error("a read failed", {{"error", error.what()}});
      if (connection_) connection_->roll_back();
    }
    if (next == Next::again) {
      ++attempts_;
      continue;
    }
    outcomes.push_back(Outcome::failed);
    attempts_ = 1;
  }
  return true;
}

// From the first that has no outcome yet.
void Runner::read_once(std::span<ReadJob> jobs, std::vector<Outcome>& outcomes) {
  const Stopwatch transaction_time(shared_.probe.transaction_seconds);
  Connection& c = *connection_;
  c.begin(Access::read);
  std::optional<Query> question;
  const Instant before = shared_.clock.now();
  if (shared_.watch.is_due()) question.emplace(c, Watch::question).run();
  while (outcomes.size() < jobs.size()) {
    Transaction tx(c, Access::read);
    jobs[outcomes.size()].unit(tx);
    outcomes.push_back(Outcome::committed);
  }
  if (question) shared_.watch.take(*question, before);
  shared_.gate.answered();
  c.end_read();
}

Runner::Next Runner::after(const ConnectionLost& lost) {
  const bool was_connected = connection_ != nullptr;
  disconnect();
  if (!was_connected) return Next::give_up;  // whoever could not connect has closed the gate
  if (dynamic_cast<const AnsweredTooLate*>(&lost) != nullptr) {
    log::warning("a transaction waited too long for the database", {{"error", lost.what()}});
    return Next::give_up;
  }
  log::debug("a connection was lost", {{"error", lost.what()}});
  return try_again("08");
}

Runner::Next Runner::after(const TransactionConflict& conflict) {
  connection_->roll_back();
  const Next next = try_again(conflict.sqlstate().substr(0, 2));
  if (next == Next::again) {
    const auto pause_max = conflict_pause_max.count() << (attempts_ - 1);
    std::this_thread::sleep_for(
        milliseconds{std::uniform_int_distribution<std::int64_t>(1, pause_max)(random_)});
  } else {
    log::warning("a transaction met others too often", {{"error", conflict.what()}});
  }
  return next;
}

Runner::Next Runner::after(const SessionShared& shared) {
  disconnect();
  if (shared_.named_statements.exchange(false)) {
    log::info("the database's sessions are shared with others: statements are sent unnamed",
              {{"reason", shared.what()}});
  }
  return try_again("26");
}

Runner::Next Runner::try_again(std::string_view sqlstate_class) {
  if (attempts_ >= attempts_max) return Next::give_up;
  shared_.probe.count_retry(std::string(sqlstate_class));
  return Next::again;
}

}  // namespace todo::storage::postgres
