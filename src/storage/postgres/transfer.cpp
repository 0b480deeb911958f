#include "storage/postgres/transfer.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "storage/postgres/connection.h"
#include "storage/postgres/copy_format.h"
#include "storage/postgres/schema.h"
#include "storage/postgres/transaction.h"
#include "storage/postgres/transfer_connection.h"
#include "storage/postgres/url.h"

namespace todo::storage::postgres {
namespace {

using transfer::Cells;
using transfer::Column;
using transfer::Page;
using transfer::Position;
using transfer::Positions;
using transfer::Table;

constexpr std::chrono::minutes page_max{2};
constexpr int lock_attempts_max = 12;

// "todo" in ASCII is the first half: one copy at a time begins in a database.
constexpr std::int64_t begin_lock = 0x746f646f'00010002;

// Without named statements: each is used by few, and a pooler may hand sessions around.
ConnectionOptions options_of(const std::string& url) {
  ConnectionOptions options;
  options.url = url;
  options.answer_max = page_max;
  options.named_statements = false;
  return options;
}

std::string names_of(std::span<const Column> columns) {
  std::vector<const char*> names;
  for (const Column& column : columns) names.push_back(column.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string names_of_tables() {
  std::vector<const char*> names;
  for (const Table& table : transfer::tables()) names.push_back(table.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::size_t index_of(const Table& table) {
  return static_cast<std::size_t>(&table - transfer::tables().data());
}

std::string new_epoch() {
  std::array<char, 8> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  return to_hex({bytes.data(), bytes.size()});
}

// --- reading ---

std::int64_t read_number(Query& q, transfer::Type type) {
  switch (type) {
    case transfer::Type::boolean:
      return q.boolean() ? 1 : 0;
    case transfer::Type::instant:
      return to_ms(q.instant());
    case transfer::Type::local:
      return q.local().time_since_epoch().count();
    case transfer::Type::date:
      return std::chrono::sys_days{q.date()}.time_since_epoch().count();
    case transfer::Type::integer:
    case transfer::Type::id:
    case transfer::Type::text:
    case transfer::Type::bytes:
      break;
  }
  return q.integer();
}

// Of a key, so never null, a boolean, a date or bytes.
void bind_key(Query& q, const Column& column, std::string_view cell) {
  if (column.type == transfer::Type::id) {
    Uuid id;
    std::ranges::copy(cell, reinterpret_cast<char*>(id.bytes.data()));
    q.bind(id);
  } else if (column.type == transfer::Type::instant) {
    q.bind(instant_from_ms(transfer::number_of(cell)));
  } else if (column.type == transfer::Type::integer) {
    q.bind(transfer::number_of(cell));
  } else {
    throw std::logic_error(fmt::format("{} in a key", column.name));
  }
}

class DatabaseReader final : public transfer::Reader {
 public:
  explicit DatabaseReader(const std::string& url)
      : c_({.url = url, .answer_max = page_max, .named_statements = false}), tx_(c_, Access::read) {
    c_.begin(Access::read);
  }
  ~DatabaseReader() override { c_.roll_back(); }
  DatabaseReader(const DatabaseReader&) = delete;
  DatabaseReader& operator=(const DatabaseReader&) = delete;

  Connection& connection() { return c_; }

  std::string epoch() override { return tx_.epoch(); }

  std::int64_t count(const Table& table) override {
    Query q(c_, fmt::format("SELECT count(*) FROM {}", table.name));
    q.step();
    return q.integer();
  }

  void read(const Table& table, std::string_view after_key, Page& page) override {
    const std::string key = names_of(table.key());
    std::string sql = fmt::format("SELECT {} FROM {} ", names_of(table.columns), table.name);
    if (!after_key.empty()) {
      std::vector<std::string> parameters;
      for (std::size_t i = 1; i <= table.key_columns; ++i)
        parameters.push_back(fmt::format("${}", i));
      sql += fmt::format("WHERE ({}) > ({}) ", key, fmt::join(parameters, ", "));
    }
    sql += fmt::format("ORDER BY {} LIMIT {}", key, table.page_rows);
    Query q(c_, sql);
    if (!after_key.empty()) {
      Cells cells(after_key);
      for (const Column& column : table.key()) bind_key(q, column, cells.next().value());
    }
    page.clear();
    while (q.step()) {
      for (const Column& column : table.columns) add_cell(page, q, column);
      page.end_row();
    }
  }

  ReadTx& tx() override { return tx_; }

 private:
  static void add_cell(Page& page, Query& q, const Column& column) {
    if (q.null()) {
      page.add_null();
    } else if (is_number(column.type)) {
      page.add_number(read_number(q, column.type));
    } else if (column.type == transfer::Type::id) {
      const Uuid id = q.id();
      page.add_bytes({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
    } else {
      page.add_bytes(column.type == transfer::Type::text ? q.text() : q.blob());
    }
  }

  Connection c_;
  Transaction tx_;
};

// --- writing ---

// COPY into one table after the other.
class Copier {
 public:
  explicit Copier(TransferConnection& connection) : c_(connection) {
    for (const Table& table : transfer::tables())
      types_.push_back(c_.column_types(
          fmt::format("SELECT {} FROM {} LIMIT 0", names_of(table.columns), table.name)));
  }

  void write(const Table& table, const Page& page) {
    buffer_.clear();
    if (!c_.in_copy()) {
      c_.begin_copy(fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", table.name,
                                names_of(table.columns)));
      append_copy_header(buffer_);
    }
    for (std::size_t i = 0; i < page.rows(); ++i)
      append_copy_row(buffer_, table, types_[index_of(table)], page.row(i));
    c_.put(buffer_);
  }

  void end(const Table& table) {
    if (!c_.in_copy()) return;
    buffer_.clear();
    append_copy_end(buffer_);
    c_.put(buffer_);
    try {
      c_.end_copy();
    } catch (const StatementRefused& refused) {
      throw StatementRefused(fmt::format("{}: {}", table.name, refused.what()));
    }
  }

 private:
  TransferConnection& c_;
  std::vector<std::vector<std::uint32_t>> types_;  // of each table's columns
  std::string buffer_;
};

// Behind the positions that were copied, new ones are counted on.
constexpr const char* count_on_positions =
    "SELECT setval(pg_get_serial_sequence('idempotency_keys', 'position'), "
    "(SELECT coalesce(max(position), 0) + 1 FROM idempotency_keys), false)";

// How far a copy is, in the database that it fills.
constexpr const char* make_progress = R"sql(
CREATE TABLE copy_progress (
  name     text COLLATE "C" NOT NULL PRIMARY KEY,
  source   text COLLATE "C" NOT NULL,
  rows     bigint NOT NULL,
  last_key bytea NOT NULL,
  digest   bytea NOT NULL
))sql";

class DatabaseWriter final : public transfer::Writer {
 public:
  DatabaseWriter(std::string url, Positions positions)
      : url_(std::move(url)), positions_(std::move(positions)), c_(url_), copier_(c_) {}

  Positions positions() override { return positions_; }

  void write(const Table& table, const Page& page) override {
    if (!in_batch_) {
      // Should the server lose this commit, it loses the new position with it.
      c_.execute("BEGIN; SET LOCAL synchronous_commit = off");
      in_batch_ = true;
    }
    copier_.write(table, page);
  }

  void commit(const Table& table, const Position& before, const Position& now) override {
    copier_.end(table);
    const std::int64_t changed = c_.execute(
        "UPDATE copy_progress SET rows = $1::bigint, last_key = decode($2, 'hex'), "
        "digest = decode($3, 'hex') WHERE name = $4 AND rows = $5::bigint",
        {std::to_string(now.rows), to_hex(now.last_key),
         to_hex({reinterpret_cast<const char*>(now.digest.data()), now.digest.size()}), table.name,
         std::to_string(before.rows)});
    if (changed != 1) throw std::runtime_error("another copy writes into the same database");
    c_.execute("COMMIT");
    in_batch_ = false;
  }

  void clear() override {
    c_.execute(
        fmt::format("TRUNCATE {}; UPDATE copy_progress SET rows = 0, last_key = '', digest = "
                    "decode(repeat('00', 32), 'hex')",
                    names_of_tables()));
    positions_ = Positions(transfer::tables().size());
  }

  std::unique_ptr<transfer::Reader> read_back() override {
    return std::make_unique<DatabaseReader>(url_);
  }

  void finish() override {
    // The first lists are read with good plans, not when autovacuum has come by.
    c_.execute("ANALYZE " + names_of_tables());
    c_.execute(fmt::format(
        "BEGIN; {}; UPDATE schema_info SET min_app = {}, epoch = '{}'; DROP TABLE copy_progress; "
        "COMMIT",
        count_on_positions, migrations().back().min_app, new_epoch()));
  }

 private:
  std::string url_;
  Positions positions_;
  TransferConnection c_;
  Copier copier_;
  bool in_batch_ = false;
};

class Replacement final : public transfer::Writer {
 public:
  explicit Replacement(const std::string& url) : c_(url), copier_(c_) {
    for (int attempt = 1;; ++attempt) {
      try {
        begin();
        return;
      } catch (const TransactionConflict&) {
        c_.execute("ROLLBACK");
        if (attempt >= lock_attempts_max) throw;
      }
    }
  }

  Positions positions() override { return Positions(transfer::tables().size()); }
  void write(const Table& table, const Page& page) override { copier_.write(table, page); }
  void commit(const Table& table, const Position& /*before*/, const Position& /*now*/) override {
    copier_.end(table);
  }
  void clear() override { throw std::logic_error("there is nothing to go on with"); }
  std::unique_ptr<transfer::Reader> read_back() override {
    throw std::logic_error("nobody sees it before it is finished");
  }
  void finish() override {
    c_.execute(fmt::format("{}; UPDATE schema_info SET epoch = '{}'; COMMIT", count_on_positions,
                           new_epoch()));
  }

 private:
  // Rows are deleted, not truncated: whoever reads an older snapshot still sees them.
  void begin() {
    c_.execute(fmt::format("BEGIN; SET LOCAL lock_timeout = '5s'; LOCK TABLE {} IN EXCLUSIVE MODE",
                           names_of_tables()));
    for (const Table& table : transfer::tables())
      c_.execute(fmt::format("DELETE FROM {}", table.name));
  }

  TransferConnection c_;
  Copier copier_;
};

// --- opening ---

std::string where(const std::string& url, std::string_view sentence) {
  return fmt::format("{}: {}", without_password(url), sentence);
}

bool has_progress(Connection& connection) {
  Query q(connection,
          "SELECT FROM pg_class WHERE relname = 'copy_progress' AND relnamespace = "
          "current_schema()::regnamespace");
  return q.step();
}

// The first table that is not empty; none: all are.
std::optional<std::string> find_data(Connection& connection) {
  for (const Table& table : transfer::tables()) {
    Query q(connection, fmt::format("SELECT FROM {} LIMIT 1", table.name));
    if (q.step()) return table.name;
  }
  return std::nullopt;
}

// A database without our schema may be another program's.
std::expected<void, std::string> prepare_schema(const std::string& url) {
  Connection c(options_of(url));
  c.begin(Access::read);
  const auto state = read_schema(c);
  if (!state) return std::unexpected(state.error());
  if (state->version == 0) {
    Query q(c,
            "SELECT relname::text FROM pg_class WHERE relnamespace = "
            "current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') LIMIT 1");
    if (q.step())
      return std::unexpected(fmt::format(
          "it holds tables of another program ({}): copy into an empty database", q.text()));
  } else if (state->version > schema_version) {
    return std::unexpected(
        fmt::format("it has schema {}, and this program fills schema {}: take the newer program",
                    state->version, schema_version));
  } else if (has_progress(c)) {
    return {};
  }
  c.end_read();
  MigrationOptions migration;
  migration.connection = options_of(url);
  const auto migrated = migrate_schema(migration);
  if (!migrated) return std::unexpected(migrated.error());
  return {};
}

std::expected<Positions, std::string> begin_or_go_on(const std::string& url,
                                                     const std::string& source_epoch) {
  Connection c(options_of(url));
  c.begin(Access::write);
  c.execute(fmt::format("SELECT pg_advisory_xact_lock({})", begin_lock));
  Positions positions(transfer::tables().size());
  if (!has_progress(c)) {
    if (const auto table = find_data(c)) {
      return std::unexpected(fmt::format(
          "the database holds data of its own (in {}): copy into an empty one", *table));
    }
    c.execute(make_progress);
    for (const Table& table : transfer::tables()) {
      Query q(c,
              "INSERT INTO copy_progress VALUES ($1, $2, 0, '', decode(repeat('00', 32), 'hex'))");
      q.bind(table.name).bind(source_epoch).run();
    }
    Query q(c, "UPDATE schema_info SET min_app = $1");
    q.bind(min_app_never).run();
    c.commit();
    return positions;
  }
  for (std::size_t i = 0; i < positions.size(); ++i) {
    Query q(c, "SELECT source, rows, last_key, digest FROM copy_progress WHERE name = $1");
    q.bind(transfer::tables()[i].name);
    if (!q.step()) return std::unexpected("a copy was broken off in it, whose state is damaged");
    if (q.text() != source_epoch) {
      return std::unexpected(
          "a copy of another database was broken off in it: go on with that one, or make the "
          "database anew");
    }
    positions[i].rows = q.integer();
    positions[i].last_key = q.blob();
    std::ranges::copy(q.blob().substr(0, positions[i].digest.size()), positions[i].digest.begin());
  }
  c.roll_back();
  return positions;
}

}  // namespace

std::expected<std::unique_ptr<transfer::Reader>, std::string> open_source(const std::string& url) {
  try {
    auto reader = std::make_unique<DatabaseReader>(url);
    const auto state = read_schema(reader->connection());
    if (!state) return std::unexpected(where(url, state.error()));
    if (state->version > 0 && has_progress(reader->connection()))
      return std::unexpected(where(url, "it is a copy that was broken off"));
    if (auto good = check_schema(*state); !good) return std::unexpected(where(url, good.error()));
    return reader;
  } catch (const std::exception& error) {
    return std::unexpected(where(url, error.what()));
  }
}

std::expected<std::unique_ptr<transfer::Writer>, std::string> open_target(
    const std::string& url, const std::string& source_epoch) {
  try {
    if (auto prepared = prepare_schema(url); !prepared)
      return std::unexpected(where(url, prepared.error()));
    auto positions = begin_or_go_on(url, source_epoch);
    if (!positions) return std::unexpected(where(url, positions.error()));
    return std::make_unique<DatabaseWriter>(url, std::move(*positions));
  } catch (const std::exception& error) {
    return std::unexpected(where(url, error.what()));
  }
}

std::expected<std::unique_ptr<transfer::Writer>, std::string> open_replacement(
    const std::string& url) {
  try {
    return std::make_unique<Replacement>(url);
  } catch (const std::exception& error) {
    return std::unexpected(where(url, error.what()));
  }
}

}  // namespace todo::storage::postgres
