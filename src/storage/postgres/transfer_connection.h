#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace todo::storage::postgres {

// A libpq connection that is not in pipeline mode, in which there is no COPY. It blocks; a peer
// that is gone is noticed by TCP's own limits (url.cpp). Used by one thread. Every function throws
// TransactionLost (or one of errors.h) or StatementRefused. Nothing is left in the server's
// session.
class TransferConnection {
 public:
  // Connects.
  explicit TransferConnection(const std::string& url);
  ~TransferConnection();
  TransferConnection(const TransferConnection&) = delete;
  TransferConnection& operator=(const TransferConnection&) = delete;

  // Any number of statements; how many rows the last one wrote.
  std::int64_t execute(const std::string& sql);
  // One statement with text parameters.
  std::int64_t execute(const std::string& sql, const std::vector<std::string>& parameters);
  // The first column of the first row; empty without one.
  std::string text(const std::string& sql);
  // The types, by their object ids, of what a SELECT answers with.
  std::vector<std::uint32_t> column_types(const std::string& sql);

  // COPY … FROM STDIN: bytes in pieces of any size, then the end, which says what was refused.
  void begin_copy(const std::string& sql);
  void put(std::string_view bytes);
  void end_copy();
  bool in_copy() const { return in_copy_; }

 private:
  void connect(const std::string& url);
  void check(const pg_result* result, int expected);
  [[noreturn]] void fail(const pg_result* result);
  pg_conn* handle_ = nullptr;
  bool in_copy_ = false;
};

}  // namespace todo::storage::postgres
