#include "storage/postgres/errors.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

namespace todo::storage::postgres {
namespace {

// PostgreSQL's manual, appendix A.
constexpr std::array<std::string_view, 3> conflicts{"40001", "40P01", "55P03"};
constexpr std::array<std::string_view, 2> foreign_statements{"26000", "42P05"};
// The server goes down, comes up, has become a standby, or has a plan that a migration outdated: a
// new connection is what helps.
constexpr std::array<std::string_view, 7> needs_connection{"57P01", "57P02", "57P03", "57P04",
                                                           "57P05", "25006", "0A000"};
// Data, constraints, syntax and access, limits of the program, a transaction that failed before.
constexpr std::array<std::string_view, 8> refusals{"21", "22", "23", "42", "44", "54", "P0", "25"};

bool is_one_of(std::string_view code, std::span<const std::string_view> codes) {
  return std::ranges::find(codes, code) != codes.end();
}

}  // namespace

void throw_error(std::string_view severity, const std::string& sqlstate, const std::string& text) {
  const std::string what = fmt::format("{} ({})", text, sqlstate.empty() ? "libpq" : sqlstate);
  const std::string_view code = sqlstate;
  const std::string_view code_class = code.substr(0, 2);
  if (severity == "FATAL" || severity == "PANIC" || code_class == "08" || code.empty() ||
      is_one_of(code, needs_connection)) {
    throw ConnectionLost(what);
  }
  if (is_one_of(code, conflicts)) throw TransactionConflict(what, sqlstate);
  if (is_one_of(code, foreign_statements)) throw SessionShared(what);
  if (is_one_of(code_class, refusals)) throw StatementRefused(what);
  throw TransactionLost(what);
}

}  // namespace todo::storage::postgres
