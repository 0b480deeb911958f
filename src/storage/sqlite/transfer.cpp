#include "storage/sqlite/transfer.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "storage/sqlite/connection.h"
#include "storage/sqlite/files.h"
#include "storage/sqlite/schema.h"
#include "storage/sqlite/transaction.h"

namespace todo::storage::sqlite {
namespace {

using transfer::Cells;
using transfer::Column;
using transfer::Page;
using transfer::Position;
using transfer::Positions;
using transfer::Table;
using transfer::Type;

// How this database says a table.
struct Statements {
  std::string count;
  std::string first;   // the first page
  std::string behind;  // the page behind a key
  std::string insert;
};

// The heads of the chains are columns of user_state, whose rows are there before them.
Statements audit_heads_statements(const Table& table) {
  const std::string select =
      "SELECT user_id, audit_seq, audit_hash, audit_seal, audit_key_id FROM user_state ";
  const std::string page = fmt::format("ORDER BY user_id LIMIT {}", table.page_rows);
  return {.count = "SELECT count(*) FROM user_state",
          .first = select + page,
          .behind = select + "WHERE user_id > ?1 " + page,
          .insert =
              "UPDATE user_state SET audit_seq = ?2, audit_hash = ?3, audit_seal = ?4, "
              "audit_key_id = ?5 WHERE user_id = ?1"};
}

// "Now" is 0 here, and null elsewhere.
std::string selected(const Table& table, const Column& column) {
  const std::string_view name = column.name;
  const bool is_outbox = std::string_view(table.name) == "outbox";
  return is_outbox && name == "not_before" ? "nullif(not_before, 0)" : std::string(name);
}

Statements statements_of(const Table& table) {
  const std::string_view name = table.name;
  if (name == "audit_heads") return audit_heads_statements(table);
  std::vector<std::string> columns;
  std::vector<std::string> expressions;
  std::vector<std::string> values;
  for (const Column& column : table.columns) {
    columns.emplace_back(column.name);
    expressions.push_back(selected(table, column));
    const std::string parameter = fmt::format("?{}", values.size() + 1);
    values.push_back(expressions.back() == columns.back() ? parameter
                                                          : "coalesce(" + parameter + ", 0)");
  }
  const std::vector<std::string> key(
      columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(table.key_columns));
  std::vector<std::string> after;
  for (std::size_t i = 1; i <= key.size(); ++i) after.push_back(fmt::format("?{}", i));
  const std::string select = fmt::format("SELECT {} FROM {} ", fmt::join(expressions, ", "), name);
  const std::string page =
      fmt::format("ORDER BY {} LIMIT {}", fmt::join(key, ", "), table.page_rows);
  if (name == "tasks") {
    // What PostgreSQL derives.
    const auto deleted_at = std::ranges::find(columns, "deleted_at");
    values.push_back(fmt::format("?{} IS NOT NULL", deleted_at - columns.begin() + 1));
    columns.emplace_back("deleted");
  } else if (name == "user_state") {
    for (const char* head : {"audit_seq", "audit_hash", "audit_seal", "audit_key_id"})
      columns.emplace_back(head);
    values.insert(values.end(), {"0", "zeroblob(32)", "zeroblob(32)", "0"});
  }
  return {.count = fmt::format("SELECT count(*) FROM {}", name),
          .first = select + page,
          .behind = fmt::format("{}WHERE ({}) > ({}) {}", select, fmt::join(key, ", "),
                                fmt::join(after, ", "), page),
          .insert = fmt::format("INSERT INTO {} ({}) VALUES ({})", name, fmt::join(columns, ", "),
                                fmt::join(values, ", "))};
}

const Statements& known_statements(const Table& table) {
  static const std::vector<Statements> all = [] {
    std::vector<Statements> made;
    for (const Table& each : transfer::tables()) made.push_back(statements_of(each));
    return made;
  }();
  return all.at(static_cast<std::size_t>(&table - transfer::tables().data()));
}

void bind_cell(Query& q, Type type, std::optional<std::string_view> cell) {
  if (!cell) {
    q.bind_null();
  } else if (is_number(type)) {
    q.bind(transfer::number_of(*cell));
  } else if (type == Type::text) {
    q.bind(*cell);
  } else {
    q.bind_blob(*cell);
  }
}

void bind_cells(Query& q, std::span<const Column> columns, std::string_view row) {
  Cells cells(row);
  for (const Column& column : columns) bind_cell(q, column.type, cells.next());
}

bool has_table(Connection& connection, const char* name) {
  Query q(connection, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?");
  q.bind(name);
  return q.step();
}

class FileReader final : public transfer::Reader {
 public:
  explicit FileReader(const std::string& path) : c_(path, Access::read_only), tx_(c_) {
    c_.execute("BEGIN");
  }

  Connection& connection() { return c_; }

  std::string epoch() override { return tx_.epoch(); }

  std::int64_t count(const Table& table) override {
    return c_.scalar(known_statements(table).count);
  }

  void read(const Table& table, std::string_view after_key, Page& page) override {
    const Statements& statements = known_statements(table);
    Query q(c_, after_key.empty() ? statements.first : statements.behind);
    if (!after_key.empty()) bind_cells(q, table.key(), after_key);
    page.clear();
    while (q.step()) {
      for (const Column& column : table.columns) {
        if (q.null()) {
          page.add_null();
        } else if (is_number(column.type)) {
          page.add_number(q.integer());
        } else {
          page.add_bytes(q.blob());
        }
      }
      page.end_row();
    }
  }

  ReadTx& tx() override { return tx_; }

 private:
  Connection c_;
  Transaction tx_;
};

// How far a copy is, in the file that it makes.
constexpr const char* make_progress = R"sql(
CREATE TABLE copy_progress (
  name     TEXT    NOT NULL PRIMARY KEY,
  source   TEXT    NOT NULL,
  rows     INTEGER NOT NULL,
  last_key BLOB    NOT NULL,
  digest   BLOB    NOT NULL
) STRICT, WITHOUT ROWID)sql";

class FileWriter final : public transfer::Writer {
 public:
  FileWriter(std::string path, std::string working, std::string source)
      : path_(std::move(path)), working_(std::move(working)), source_(std::move(source)) {
    open();
    if (!has_table(*c_, "copy_progress")) begin();
  }

  // Of the copy that the file is.
  std::string begun_source() {
    Query q(*c_, "SELECT source FROM copy_progress");
    return q.step() ? std::string(q.text()) : std::string();
  }

  Positions positions() override {
    Positions all(transfer::tables().size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      Query q(*c_, "SELECT rows, last_key, digest FROM copy_progress WHERE name = ?");
      q.bind(transfer::tables()[i].name);
      if (!q.step()) throw std::runtime_error(working_ + " lacks a part of what it knows");
      all[i].rows = q.integer();
      all[i].last_key = q.blob();
      std::ranges::copy(q.blob().substr(0, all[i].digest.size()), all[i].digest.begin());
    }
    return all;
  }

  void write(const Table& table, const Page& page) override {
    if (!c_->in_transaction()) c_->execute("BEGIN IMMEDIATE");
    const std::string& insert = known_statements(table).insert;
    for (std::size_t i = 0; i < page.rows(); ++i) {
      Query q(*c_, insert);
      bind_cells(q, table.columns, page.row(i));
      q.run();
    }
  }

  void commit(const Table& table, const Position& before, const Position& now) override {
    {
      Query q(*c_,
              "UPDATE copy_progress SET rows = ?, last_key = ?, digest = ? "
              "WHERE name = ? AND rows = ?");
      q.bind(now.rows).bind_blob(now.last_key);
      q.bind_blob({reinterpret_cast<const char*>(now.digest.data()), now.digest.size()});
      q.bind(table.name).bind(before.rows).run();
    }
    if (c_->changes() != 1) throw std::runtime_error("another copy writes " + working_ + " too");
    c_->execute("COMMIT");
    c_->execute("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  void clear() override {
    c_.reset();
    remove_database(working_);
    open();
    begin();
  }

  std::unique_ptr<transfer::Reader> read_back() override {
    return std::make_unique<FileReader>(working_);
  }

  void finish() override {
    c_->execute("DROP TABLE copy_progress");
    renew_epoch(*c_);
    c_->execute("PRAGMA wal_checkpoint(TRUNCATE)");
    c_.reset();
    if (auto placed = put_in_place(working_, path_); !placed)
      throw std::runtime_error(placed.error());
  }

 private:
  // A crash of the machine may cost the last batches, which are copied again; the file stays whole.
  void open() {
    c_.emplace(working_, Access::read_write);
    c_->execute("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -64000");
  }

  void begin() {
    migrate_schema(*c_, 0);
    c_->execute("BEGIN IMMEDIATE");
    c_->execute(make_progress);
    for (const Table& table : transfer::tables()) {
      Query q(*c_, "INSERT INTO copy_progress VALUES (?, ?, 0, x'', zeroblob(32))");
      q.bind(table.name).bind(source_).run();
    }
    c_->execute("COMMIT");
  }

  std::string path_;
  std::string working_;
  std::string source_;
  std::optional<Connection> c_;
};

// A copy that was broken off before it had begun is of no use.
bool is_begun(const std::string& working) {
  try {
    Connection connection(working, Access::read_write);
    return has_table(connection, "copy_progress");
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

std::expected<std::unique_ptr<transfer::Reader>, std::string> open_source(const std::string& path) {
  if (!std::filesystem::is_regular_file(path))
    return std::unexpected(path + ": there is no such file");
  try {
    auto reader = std::make_unique<FileReader>(path);
    const auto version = read_schema_version(reader->connection());
    if (!version) return std::unexpected(path + ": " + version.error());
    if (*version == 0) return std::unexpected(path + ": the file is empty");
    if (*version != schema_version) {
      return std::unexpected(fmt::format(
          "{} has schema {}, and this program copies schema {}: {}", path, *version, schema_version,
          *version < schema_version ? "run `todo-backend migrate` on it first"
                                    : "take the newer program"));
    }
    if (has_table(reader->connection(), "copy_progress"))
      return std::unexpected(path + " is a copy that was broken off");
    return reader;
  } catch (const std::exception& error) {
    return std::unexpected(path + ": " + error.what());
  }
}

std::expected<std::unique_ptr<transfer::Writer>, std::string> open_target(
    const std::string& path, const std::string& source_epoch, Leftover leftover) {
  namespace fs = std::filesystem;
  if (fs::exists(path)) return std::unexpected(path + " exists already: name another file");
  const std::string working = path + ".copying";
  if (fs::exists(working) && (leftover == Leftover::forget || !is_begun(working)))
    remove_database(working);
  try {
    auto writer = std::make_unique<FileWriter>(path, working, source_epoch);
    if (writer->begun_source() == source_epoch) return writer;
    return std::unexpected(working +
                           " is a copy of another database that was broken off: go on with that "
                           "one, or delete the file");
  } catch (const std::exception& error) {
    return std::unexpected(fmt::format("cannot make {}: {}", working, error.what()));
  }
}

}  // namespace todo::storage::sqlite
