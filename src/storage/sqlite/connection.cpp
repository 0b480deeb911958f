#include "storage/sqlite/connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <mutex>

#include "storage/sqlite/gathering_vfs.h"
#include "storage/store.h"

namespace todo::storage::sqlite {
namespace {

// Savepoints keep the pages they changed in memory: a unit is small, and a temporary file for it
// would cost more than the unit.
void configure_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
  });
}

constexpr int busy_timeout_ms = 5'000;

}  // namespace

void throw_error(sqlite3* handle, int code) {
  std::string text = sqlite3_errstr(code);
  if (handle != nullptr && text != sqlite3_errmsg(handle)) {
    text += ": ";
    text += sqlite3_errmsg(handle);
  }
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
    case SQLITE_MISUSE:
    case SQLITE_ERROR:
      throw StatementRefused(text);
    default:
      throw TransactionLost(text);
  }
}

Connection::Connection(const std::string& path, Access access) {
  configure_library();
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (access == Access::read_only ? 0 : SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &handle_, flags,
                                   access == Access::serve ? gathering_vfs() : nullptr);
  try {
    if (code != SQLITE_OK) throw_error(handle_, code);
    sqlite3_busy_timeout(handle_, busy_timeout_ms);
    // Only the writer checkpoints (SQLite 3.40 can lose a WAL that two connections reset at once).
    sqlite3_wal_autocheckpoint(handle_, 0);
    if (access == Access::read_only) {
      sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
      execute("PRAGMA query_only = ON; PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY");
    } else {
      execute(
          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA "
          "cache_size = -16000; "
          "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864");
    }
  } catch (...) {
    sqlite3_close_v2(handle_);
    throw;
  }
}

Connection::~Connection() {
  for (const auto& [key, statement] : by_literal_) sqlite3_finalize(statement);
  for (const auto& [key, statement] : by_text_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

void Connection::execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) throw_error(handle_, code);
}

std::int64_t Connection::scalar(const std::string& sql) {
  Query query(*this, sql);
  return query.step() ? query.integer() : 0;
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

int Connection::changes() const { return sqlite3_changes(handle_); }

sqlite3_stmt* Connection::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) throw_error(handle_, code);
  return statement;
}

sqlite3_stmt* Connection::prepared(const char* literal) {
  sqlite3_stmt*& statement = by_literal_[literal];
  if (statement == nullptr) statement = prepare(literal);
  return statement;
}

sqlite3_stmt* Connection::prepared(const std::string& sql) {
  sqlite3_stmt*& statement = by_text_[sql];
  if (statement == nullptr) statement = prepare(sql);
  return statement;
}

Query::Query(Connection& connection, const char* literal)
    : connection_(connection), statement_(connection.prepared(literal)) {}

Query::Query(Connection& connection, const std::string& sql)
    : connection_(connection), statement_(connection.prepared(sql)) {}

Query::~Query() {
  sqlite3_reset(statement_);
  // Bound texts are not copied: none may be left behind.
  sqlite3_clear_bindings(statement_);
}

void Query::fail(int code) { throw_error(connection_.handle_, code); }

void Query::check(int code) {
  if (code != SQLITE_OK) fail(code);
}

Query& Query::bind(std::int64_t value) {
  check(sqlite3_bind_int64(statement_, ++parameter_, value));
  return *this;
}

Query& Query::bind(std::string_view text) {
  // A null pointer would bind NULL where an empty text is meant.
  const char* data = text.data() == nullptr ? "" : text.data();
  check(sqlite3_bind_text(statement_, ++parameter_, data, static_cast<int>(text.size()),
                          SQLITE_STATIC));
  return *this;
}

Query& Query::bind(const Uuid& id) {
  check(sqlite3_bind_blob(statement_, ++parameter_, id.bytes.data(),
                          static_cast<int>(id.bytes.size()), SQLITE_STATIC));
  return *this;
}

Query& Query::bind_blob(std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  check(sqlite3_bind_blob(statement_, ++parameter_, data, static_cast<int>(bytes.size()),
                          SQLITE_STATIC));
  return *this;
}

Query& Query::bind_null() {
  check(sqlite3_bind_null(statement_, ++parameter_));
  return *this;
}

bool Query::step() {
  column_ = 0;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fail(code);
}

void Query::run() {
  while (step()) {
  }
}

namespace {

// A text as it lies in the page: asked for as a blob it is neither copied nor ended with NUL.
std::string_view bytes_of(sqlite3_value* value) {
  const auto* data = static_cast<const char*>(sqlite3_value_blob(value));
  return data == nullptr
             ? std::string_view{}
             : std::string_view{data, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool is_null(sqlite3_value* value) { return sqlite3_value_type(value) == SQLITE_NULL; }

}  // namespace

// One look-up of the column, and then its value's own functions: half the price of asking for type
// and content by the column's number. Not thread-safe without SQLite's mutex, says its manual: a
// connection is used by one thread at a time.
sqlite3_value* Query::next() { return sqlite3_column_value(statement_, column_++); }

bool Query::null() {
  if (!is_null(next())) {
    --column_;
    return false;
  }
  return true;
}

std::int64_t Query::integer() { return sqlite3_value_int64(next()); }

std::string_view Query::text() { return bytes_of(next()); }

std::string_view Query::blob() { return bytes_of(next()); }

Uuid Query::id() {
  Uuid id;
  const std::string_view bytes = blob().substr(0, id.bytes.size());
  std::ranges::copy(bytes, reinterpret_cast<char*>(id.bytes.data()));
  return id;
}

std::optional<std::int64_t> Query::optional_integer() {
  sqlite3_value* value = next();
  return is_null(value) ? std::nullopt : std::optional(sqlite3_value_int64(value));
}

std::optional<std::string> Query::optional_text() {
  sqlite3_value* value = next();
  return is_null(value) ? std::nullopt : std::optional<std::string>(bytes_of(value));
}

std::optional<Uuid> Query::optional_id() { return null() ? std::nullopt : std::optional(id()); }

std::optional<Instant> Query::optional_instant() {
  const auto ms = optional_integer();
  return ms ? std::optional(instant_from_ms(*ms)) : std::nullopt;
}

}  // namespace todo::storage::sqlite
