#include "storage/postgres/transfer_connection.h"

#include <libpq-fe.h>

#include <charconv>
#include <memory>
#include <new>

#include <fmt/format.h>

#include "storage/postgres/errors.h"
#include "storage/postgres/url.h"

namespace todo::storage::postgres {
namespace {

constexpr int binary = 1;
constexpr const char* connect_timeout_s = "10";

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

Result owned(PGresult* result) { return {result, &PQclear}; }

std::string trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

std::int64_t rows_of(PGresult* result) {
  const std::string_view text = PQcmdTuples(result);
  std::int64_t rows = 0;
  std::from_chars(text.data(), text.data() + text.size(), rows);
  return rows;
}

}  // namespace

TransferConnection::TransferConnection(const std::string& url) {
  try {
    connect(url);
  } catch (...) {
    PQfinish(handle_);
    throw;
  }
}

TransferConnection::~TransferConnection() { PQfinish(handle_); }

void TransferConnection::connect(const std::string& url) {
  const auto parameters = parse_url(url);
  if (!parameters) throw ConnectionLost(parameters.error());
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters->pairs) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  if (!parameters->connect_timeout) {
    keywords.push_back("connect_timeout");
    values.push_back(connect_timeout_s);
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  handle_ = PQconnectdbParams(keywords.data(), values.data(), 0);
  if (handle_ == nullptr) throw std::bad_alloc();
  if (PQstatus(handle_) != CONNECTION_OK) throw ConnectionLost(trimmed(PQerrorMessage(handle_)));
  PQsetNoticeReceiver(handle_, [](void*, const PGresult*) {}, nullptr);
}

// The server's detail and context are left out: they may quote what a user wrote.
void TransferConnection::fail(const PGresult* result) {
  std::string text = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (text.empty()) text = trimmed(PQerrorMessage(handle_));
  throw_error(field(result, PG_DIAG_SEVERITY_NONLOCALIZED), field(result, PG_DIAG_SQLSTATE), text);
}

void TransferConnection::check(const PGresult* result, int expected) {
  if (result == nullptr || PQresultStatus(result) != expected) fail(result);
}

std::int64_t TransferConnection::execute(const std::string& sql) {
  const Result result = owned(PQexec(handle_, sql.c_str()));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) check(result.get(), PGRES_COMMAND_OK);
  return rows_of(result.get());
}

std::int64_t TransferConnection::execute(const std::string& sql,
                                         const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
  const Result result = owned(PQexecParams(handle_, sql.c_str(), static_cast<int>(values.size()),
                                           nullptr, values.data(), nullptr, nullptr, binary));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) check(result.get(), PGRES_COMMAND_OK);
  return rows_of(result.get());
}

std::string TransferConnection::text(const std::string& sql) {
  const Result result = owned(PQexec(handle_, sql.c_str()));
  check(result.get(), PGRES_TUPLES_OK);
  return PQntuples(result.get()) == 0 ? "" : PQgetvalue(result.get(), 0, 0);
}

std::vector<std::uint32_t> TransferConnection::column_types(const std::string& sql) {
  const Result result = owned(PQexec(handle_, sql.c_str()));
  check(result.get(), PGRES_TUPLES_OK);
  const int columns = PQnfields(result.get());
  std::vector<std::uint32_t> types;
  types.reserve(static_cast<std::size_t>(columns));
  for (int i = 0; i < columns; ++i) types.push_back(PQftype(result.get(), i));
  return types;
}

void TransferConnection::begin_copy(const std::string& sql) {
  const Result result = owned(PQexec(handle_, sql.c_str()));
  check(result.get(), PGRES_COPY_IN);
  in_copy_ = true;
}

void TransferConnection::put(std::string_view bytes) {
  if (PQputCopyData(handle_, bytes.data(), static_cast<int>(bytes.size())) == 1) return;
  in_copy_ = false;
  fail(owned(PQgetResult(handle_)).get());
}

void TransferConnection::end_copy() {
  in_copy_ = false;
  if (PQputCopyEnd(handle_, nullptr) != 1) fail(nullptr);
  // The first answer is COPY's; a null one ends them.
  const Result copied = owned(PQgetResult(handle_));
  while (owned(PQgetResult(handle_))) {
  }
  check(copied.get(), PGRES_COMMAND_OK);
}

}  // namespace todo::storage::postgres
