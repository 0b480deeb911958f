#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/uuid.h"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_value;

namespace todo::storage::sqlite {

// serve: read_write, by the VFS that gathers what goes to the log (gathering_vfs.h).
enum class Access { read_write, read_only, serve };

// One SQLite connection with its prepared statements. Used by one thread at a time. Every function
// throws TransactionLost or StatementRefused (storage/store.h).
class Connection {
 public:
  // Opens (unless read_only: makes) the file. read_only connections never write and never
  // checkpoint.
  Connection(const std::string& path, Access access);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void execute(const char* sql);  // any number of statements, no parameters
  std::int64_t scalar(
      const std::string& sql);  // the first column of the first row; 0 without a row
  bool in_transaction() const;
  int changes() const;
  sqlite3* handle() const { return handle_; }

 private:
  friend class Query;
  sqlite3_stmt* prepared(const char* literal);
  sqlite3_stmt* prepared(const std::string& sql);
  sqlite3_stmt* prepare(std::string_view sql);

  sqlite3* handle_ = nullptr;
  // Literals are found by their address, which spares hashing long texts on the hot path.
  std::unordered_map<const void*, sqlite3_stmt*> by_literal_;
  std::unordered_map<std::string, sqlite3_stmt*> by_text_;
};

// One execution of a statement: bind in order, step, read columns in order. Resets itself at its
// end.
class Query {
 public:
  // `literal` is a string literal: its address names it.
  Query(Connection& connection, const char* literal);
  Query(Connection& connection, const std::string& sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::int64_t value);
  Query& bind(int value) { return bind(static_cast<std::int64_t>(value)); }
  Query& bind(bool value) { return bind(static_cast<std::int64_t>(value)); }
  Query& bind(std::string_view text);  // the text must outlive the query
  Query& bind(const std::string& text) { return bind(std::string_view{text}); }
  Query& bind(std::string&& text) = delete;
  Query& bind(const char* text) { return bind(std::string_view{text}); }
  Query& bind(const Uuid& id);  // must outlive the query
  Query& bind(Uuid&& id) = delete;
  Query& bind(Instant instant) { return bind(to_ms(instant)); }
  Query& bind_blob(std::string_view bytes);  // must outlive the query
  Query& bind_null();
  template <class T>
  Query& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null();
  }

  bool step();  // true: a row
  void run();   // no row is expected

  bool null();  // the next column is null: it is skipped then
  std::int64_t integer();
  bool boolean() { return integer() != 0; }
  std::string_view text();  // as stored, not ended with NUL; until the next step
  std::string_view blob();
  Uuid id();
  Instant instant() { return instant_from_ms(integer()); }
  std::optional<std::int64_t> optional_integer();
  std::optional<std::string> optional_text();
  std::optional<Uuid> optional_id();
  std::optional<Instant> optional_instant();

 private:
  [[noreturn]] void fail(int code);
  void check(int code);
  sqlite3_value* next();
  Connection& connection_;
  sqlite3_stmt* statement_;
  int parameter_ = 0;
  int column_ = 0;
};

// Throws what `code` (an extended result code) means for the transaction.
[[noreturn]] void throw_error(sqlite3* handle, int code);

}  // namespace todo::storage::sqlite
