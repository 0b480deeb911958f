#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "storage/store.h"

// What the server's errors mean for a transaction. What is not here is storage/store.h's
// StatementRefused (a constraint, a bad value: the database is well) or TransactionLost.
namespace todo::storage::postgres {

// The connection is gone, or it did not answer in time and was closed.
class ConnectionLost : public TransactionLost {
 public:
  using TransactionLost::TransactionLost;
};

// It was closed because an answer took longer than answers may: asked again, it would be no sooner.
class AnsweredTooLate : public ConnectionLost {
 public:
  using ConnectionLost::ConnectionLost;
};

// The server takes no more connections (53300), though it is well.
class TooManyConnections : public ConnectionLost {
 public:
  using ConnectionLost::ConnectionLost;
};

// Another transaction was in the way (40001, 40P01, 55P03): nothing was written, and the same unit
// may go through when it runs again.
class TransactionConflict : public TransactionLost {
 public:
  TransactionConflict(const std::string& text, std::string sqlstate)
      : TransactionLost(text), sqlstate_(std::move(sqlstate)) {}
  const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

// The session does not know our prepared statements, or knows them from somebody else (26000,
// 42P05): it is not ours alone. Without named statements the same unit goes through.
class SessionShared : public TransactionLost {
 public:
  using TransactionLost::TransactionLost;
};

// `severity` as the server says it, untranslated: FATAL and PANIC end the session.
[[noreturn]] void throw_error(std::string_view severity, const std::string& sqlstate,
                              const std::string& text);

}  // namespace todo::storage::postgres
