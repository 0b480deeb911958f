#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "storage/postgres/connection.h"
#include "storage/postgres/gate.h"
#include "storage/postgres/jobs.h"
#include "storage/postgres/probe.h"
#include "storage/postgres/watch.h"
#include "storage/store.h"

namespace todo::storage::postgres {

// What the threads of a store have in common.
struct Shared {
  const ConnectionOptions connection;
  const Clock& clock;
  const Probe probe;
  Watch watch;
  std::atomic<bool> named_statements = true;
  std::atomic<int> connections = 0;
  Gate gate;

  Shared(const ConnectionOptions& options, const Clock& c, metrics::Registry& registry)
      : connection(options),
        clock(c),
        probe(registry),
        watch(c, probe),
        gate(unnamed(options), [this](Connection& made) { check(made); }) {}

 private:
  void check(Connection& made);
};

// What a transaction that was committed leaves for others to do.
struct Effects {
  int events_inserted = 0;
  bool reminders_planned = false;
  std::vector<Announcement> announcements;
};

// One thread's connection, opened when it is first needed and again when it was lost; and the units
// that run on it, again where nothing speaks against it. Used by one thread.
class Runner {
 public:
  explicit Runner(Shared& shared) : shared_(shared) {}
  ~Runner() { disconnect(); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Runs it in a transaction, up to four times. none: it was not begun, since the database takes no
  // more connections while others of ours have theirs.
  std::optional<Outcome> write(WriteUnit& unit, Effects& effects);
  // Runs them on one snapshot, in their order, as far as that lives; an outcome for each. false: as
  // above.
  bool read(std::span<ReadJob> jobs, std::vector<Outcome>& outcomes);
  // Until the next of them.
  void disconnect();

 private:
  enum class Next { again, give_up };
  void connect();
  Outcome write_once(WriteUnit& unit, Effects& effects);
  void read_once(std::span<ReadJob> jobs, std::vector<Outcome>& outcomes);
  Next after(const ConnectionLost& lost);
  Next after(const TransactionConflict& conflict);
  Next after(const SessionShared& shared);
  Next try_again(std::string_view sqlstate_class);

  Shared& shared_;
  std::unique_ptr<Connection> connection_;
  int attempts_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace todo::storage::postgres
