#include "storage/postgres/schema.h"

#include <sodium.h>

#include <array>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"
#include "observability/log.h"
#include "storage/postgres/migrations.h"

namespace todo::storage::postgres {
namespace {

const std::array<Migration, schema_version> all_migrations{{
    {.script = schema_1, .min_app = 1, .indexes = {}},
}};

// Advisory locks, the first half of whose keys is "todo" in ASCII: one process at a time migrates,
// and one makes indexes.
constexpr std::int64_t migration_lock = 0x746f646f'00010000;
constexpr std::int64_t index_lock = 0x746f646f'00010001;

// A script works on as many rows as there are.
constexpr std::chrono::minutes script_max{30};
constexpr std::chrono::hours index_max{12};
constexpr int attempts_per_message = 12;

void begin_limited(Connection& connection, std::chrono::milliseconds lock_max) {
  connection.begin(Access::write);
  connection.execute(fmt::format("SET LOCAL lock_timeout = '{}ms'", lock_max.count()));
}

// Repeats work that waits for locks; each attempt is a transaction that it begins itself.
template <class Work>
void with_attempts(const MigrationOptions& options, Connection& connection, Work work) {
  for (int attempt = 1;; ++attempt) {
    try {
      work();
      return;
    } catch (const TransactionConflict& conflict) {
      connection.roll_back();
      if (attempt >= options.attempts_max) {
        throw TransactionLost(
            fmt::format("the migration got no lock in {} attempts: {}", attempt, conflict.what()));
      }
      if (attempt == 1 || attempt % attempts_per_message == 0) {
        log::info("the migration waits for another process or a long transaction",
                  {{"attempt", attempt}, {"reason", conflict.what()}});
      }
    }
  }
}

// One step, in a transaction; false when there is none left.
bool step_forward(Connection& connection, const MigrationOptions& options,
                  std::span<const Migration> steps) {
  begin_limited(connection, options.lock_max);
  connection.execute(fmt::format("SELECT pg_advisory_xact_lock({})", migration_lock));
  const auto state = read_schema(connection);
  if (!state) throw TransactionLost(state.error());
  if (std::cmp_greater_equal(state->version, steps.size())) {
    connection.roll_back();
    return false;
  }
  const Migration& step = steps[static_cast<std::size_t>(state->version)];
  connection.execute(step.script, script_max);
  Query q(connection, "UPDATE schema_info SET version = $1, min_app = $2");
  q.bind(state->version + 1).bind(step.min_app).run();
  if (state->version == 0) renew_epoch(connection);
  connection.commit();
  log::info("the database was migrated", {{"schema", state->version + 1}});
  return true;
}

struct IndexState {
  bool exists = false;
  bool valid = false;
};

IndexState find_index(Connection& connection, const char* name) {
  connection.begin(Access::read);
  Query q(connection,
          "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
          "WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = $1");
  q.bind(name);
  IndexState state;
  state.exists = q.step();
  state.valid = state.exists && q.boolean();
  connection.end_read();
  return state;
}

std::vector<ConcurrentIndex> missing_indexes(Connection& connection,
                                             std::span<const Migration> steps) {
  std::vector<ConcurrentIndex> missing;
  for (const Migration& step : steps) {
    for (const ConcurrentIndex& index : step.indexes) {
      if (!find_index(connection, index.name).valid) missing.push_back(index);
    }
  }
  return missing;
}

// Neither the one who has the lock nor those who want it may have a snapshot meanwhile: an index
// made concurrently waits for all that are older than itself. A statement that waits for a lock has
// one, and so has one that was answered, until the next takes its place.
void lock_indexes(Connection& holder, const MigrationOptions& options) {
  holder.begin(Access::write);
  bool locked = false;
  {
    Query q(holder, "SELECT pg_try_advisory_xact_lock($1)");
    locked = q.bind(index_lock).step() && q.boolean();
  }
  holder.execute("SELECT 1");
  if (locked) return;
  holder.roll_back();
  std::this_thread::sleep_for(options.lock_max);
  throw TransactionConflict("another process makes indexes", "55P03");
}

// A transaction of a second connection holds the lock meanwhile: what is made concurrently cannot
// be in one, and the server's session may not be ours alone.
void make_indexes(Connection& connection, const MigrationOptions& options,
                  std::span<const Migration> steps) {
  if (missing_indexes(connection, steps).empty()) return;
  Connection holder(options.connection);
  with_attempts(options, holder, [&] { lock_indexes(holder, options); });
  for (const ConcurrentIndex& index : missing_indexes(connection, steps)) {
    log::info("an index is made; this may take minutes", {{"index", index.name}});
    // A process that ended while it made it left it behind, not valid.
    if (find_index(connection, index.name).exists)
      connection.execute(fmt::format("DROP INDEX CONCURRENTLY {}", index.name), index_max);
    connection.execute(index.sql, index_max);
  }
  holder.roll_back();
}

Migrated migrate(const MigrationOptions& options, std::span<const Migration> steps) {
  Connection connection(options.connection);
  connection.begin(Access::read);
  const auto before = read_schema(connection);
  if (!before) throw TransactionLost(before.error());
  connection.end_read();
  if (std::cmp_greater(before->version, steps.size())) return {before->version, before->version};
  if (std::cmp_less(before->version, steps.size())) {
    with_attempts(options, connection, [&] {
      while (step_forward(connection, options, steps)) {
      }
    });
  }
  make_indexes(connection, options, steps);
  return {before->version, static_cast<int>(steps.size())};
}

}  // namespace

std::span<const Migration> migrations() { return all_migrations; }

std::expected<SchemaState, std::string> read_schema(Connection& connection) {
  // Asked of the table itself: to_regclass() may answer from what the session knew before it waited
  // for another process.
  Query table(connection,
              "SELECT FROM pg_class WHERE relname = 'schema_info' AND relnamespace = "
              "current_schema()::regnamespace");
  if (!table.step()) return SchemaState{};
  SchemaState state;
  const auto read = connection.nested([&] {
    Query q(connection, "SELECT version, min_app FROM schema_info");
    if (!q.step()) throw StatementRefused("schema_info is empty");
    state.version = static_cast<int>(q.integer());
    state.min_app = static_cast<int>(q.integer());
  });
  if (!read) return std::unexpected("its tables are not those of todo-app: " + read.error());
  return state;
}

std::expected<void, std::string> check_schema(SchemaState state, int known) {
  if (state.version < known) {
    return std::unexpected(
        fmt::format("the database has schema {}, this program needs {}: run `todo-backend migrate`",
                    state.version, known));
  }
  if (state.min_app == min_app_never) {
    return std::unexpected(
        "a copy into the database is under way or was broken off: the same `todo-backend copy` "
        "goes "
        "on with it");
  }
  if (state.min_app > known) {
    return std::unexpected(
        fmt::format("the database has schema {}, which programs that know schema {} can use; this "
                    "one knows {}: start the newer program",
                    state.version, state.min_app, known));
  }
  return {};
}

std::expected<Migrated, std::string> migrate_schema(const MigrationOptions& options,
                                                    std::span<const Migration> steps) {
  try {
    return migrate(options, steps);
  } catch (const std::exception& error) {
    return std::unexpected(std::string(error.what()));
  }
}

void renew_epoch(Connection& connection) {
  std::array<char, 8> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  Query q(connection, "UPDATE schema_info SET epoch = $1");
  q.bind(to_hex({bytes.data(), bytes.size()})).run();
}

}  // namespace todo::storage::postgres
