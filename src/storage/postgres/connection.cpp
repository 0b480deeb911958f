#include "storage/postgres/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/text.h"
#include "storage/postgres/url.h"

namespace todo::storage::postgres {
namespace {

using std::chrono::milliseconds;

// A text that was put together is named from this use on: most of the many shapes that a list's
// filters can take are seen once. Each name costs the server memory, so their number is bounded.
constexpr int uses_before_name = 3;
constexpr int texts_named_max = 512;
constexpr std::size_t texts_known_max = 2'048;
constexpr milliseconds cancel_max{1'000};
constexpr int connects_max = 3;
constexpr milliseconds at_once_max{500};
// What takes longer is unusual; from then on it is asked whether there is any use in waiting.
constexpr milliseconds patience{700};
constexpr milliseconds ask_interval{100};
// With TLS, what the socket gave may still lie in the library's buffer, where poll() sees nothing.
constexpr milliseconds tls_look_again{10};
constexpr int binary = 1;
// SQLSTATE 53300, as libpq puts it into its message.
constexpr std::string_view too_many_connections = " 53300: ";

std::string trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

// Without where in its sources the server made it.
std::string connect_error(const char* text) {
  std::string out = trimmed(text);
  const auto location = out.find("\nLOCATION:");
  return out.substr(0, location);
}

std::string field(const PGresult& result, int code) {
  const char* text = PQresultErrorField(&result, code);
  return text == nullptr ? "" : text;
}

// The detail is left out: it may quote what a user wrote.
std::string what_failed(const PGresult& result) {
  std::string text = field(result, PG_DIAG_MESSAGE_PRIMARY);
  return text.empty() ? trimmed(PQresultErrorMessage(&result)) : text;
}

int wait_ms(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

}  // namespace

std::unique_ptr<Connection> connect(const ConnectionOptions& options) {
  for (int attempt = 1;; ++attempt) {
    const auto began = std::chrono::steady_clock::now();
    try {
      return std::make_unique<Connection>(options);
    } catch (const TooManyConnections&) {
      throw;
    } catch (const ConnectionLost&) {
      const bool at_once = std::chrono::steady_clock::now() - began < at_once_max;
      if (attempt == connects_max || !at_once) throw;
    }
  }
}

void Connection::ResultDeleter::operator()(pg_result* result) const { PQclear(result); }

Connection::Connection(ConnectionOptions options) : options_(std::move(options)) {
  try {
    connect();
  } catch (...) {
    PQfinish(handle_);
    throw;
  }
}

Connection::~Connection() { PQfinish(handle_); }

void Connection::connect() {
  const auto parameters = parse_url(options_.url);
  if (!parameters) throw ConnectionLost(parameters.error());
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters->pairs) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  const Deadline until = std::chrono::steady_clock::now() + options_.connect_max;
  handle_ = PQconnectStartParams(keywords.data(), values.data(), 0);
  if (handle_ == nullptr) throw std::bad_alloc();
  // The message then holds the SQLSTATE, which is not to be had otherwise here.
  PQsetErrorVerbosity(handle_, PQERRORS_VERBOSE);
  PQsetNoticeReceiver(handle_, [](void*, const PGresult*) {}, nullptr);
  ask_at_ = std::chrono::steady_clock::now() + patience;
  // libpq's manual, PQconnectStartParams: as if PQconnectPoll had just said "writing".
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (PQstatus(handle_) != CONNECTION_BAD && status != PGRES_POLLING_OK &&
         status != PGRES_POLLING_FAILED) {
    const short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (!wait_for_socket(PQsocket(handle_), events, until))
      throw ConnectionLost("the database did not answer in time");
    status = PQconnectPoll(handle_);
  }
  if (PQstatus(handle_) != CONNECTION_OK) {
    const std::string text = connect_error(PQerrorMessage(handle_));
    if (text.find(too_many_connections) != std::string::npos) throw TooManyConnections(text);
    throw ConnectionLost(text);
  }
  PQsetErrorVerbosity(handle_, PQERRORS_DEFAULT);
  if (PQsetnonblocking(handle_, 1) != 0 || PQenterPipelineMode(handle_) != 1)
    throw ConnectionLost(trimmed(PQerrorMessage(handle_)));
}

// --- the transaction ---

void Connection::begin(Access access) {
  if (phase_ != Phase::idle) throw std::logic_error("a transaction within a transaction");
  settle();
  forget_texts();
  phase_ = Phase::begun;
  access_ = access;
  savepoints_ = 0;
}

// What the transaction before still has to answer is of interest to nobody, as long as it ends:
// only then may the next begin, since a pooler may give each its own session.
void Connection::settle() {
  const Deadline until = deadline();
  while (!pending_.empty()) {
    try {
      receive_until(pending_.back().number, until);
    } catch (const std::exception&) {
      if (lost_) throw;
    }
  }
  failure_.reset();
}

void Connection::commit() {
  throw_if_failed();
  if (phase_ != Phase::open) {
    phase_ = Phase::idle;
    return;
  }
  lose_if_closed();
  commit_sent_ = true;
  commit_ = queued_ + 1;
  try {
    queue("COMMIT");
    queue_sync();
    wait_for(queued_);
  } catch (const ConnectionLost&) {
    // Its own answer came; only what follows was lost.
    if (answered_ < commit_ || failure_) throw;
  } catch (...) {
    commit_sent_ = false;  // refused, by an answer
    throw;
  }
  commit_sent_ = false;
  phase_ = Phase::idle;
}

// A connection that the server has closed is noticed before COMMIT is sent, while nothing is
// unknown.
void Connection::lose_if_closed() {
  pollfd socket{.fd = PQsocket(handle_), .events = POLLRDHUP, .revents = 0};
  if (poll(&socket, 1, 0) > 0) lose("the server closed the connection");
}

void Connection::end_read() { end_without_waiting("COMMIT"); }

void Connection::roll_back() noexcept { end_without_waiting("ROLLBACK"); }

void Connection::end_without_waiting(const char* sql) noexcept {
  const bool is_open = phase_ == Phase::open;
  phase_ = Phase::idle;
  commit_sent_ = false;
  if (!is_open || lost_) return;
  failure_.reset();
  try {
    // Should one of those under way fail, the server skips to the next Sync: that is not to be the
    // one behind the end.
    if (!pending_.empty() && pending_.back().step != Step::sync) queue_sync();
    queue(sql);
    queue_sync();
    PQflush(handle_);
  } catch (const std::exception&) {
    close();
  }
}

std::expected<void, std::string> Connection::nested(const std::function<void()>& work) {
  if (phase_ == Phase::idle) throw std::logic_error("a savepoint outside of a transaction");
  throw_if_failed();
  queue_begin();
  const std::string name = fmt::format("s{}", ++savepoints_);
  const std::uint64_t from = queue("SAVEPOINT " + name);
  try {
    work();
    if (queued_ > from) wait();
  } catch (const TransactionLost&) {
    throw;
  } catch (const std::exception& error) {
    undo(name, from);
    --savepoints_;
    return std::unexpected(std::string(error.what()));
  }
  queue("RELEASE SAVEPOINT " + name);
  --savepoints_;
  return {};
}

void Connection::undo(const std::string& savepoint, std::uint64_t from) {
  try {
    // What is under way may have failed too, before the savepoint or behind it.
    if (!failure_ && queued_ > from) wait();
  } catch (const TransactionLost&) {
    throw;
  } catch (const std::exception&) {
    if (!failure_) throw;
  }
  if (failure_ && failure_->number < from) throw_if_failed();
  failure_.reset();
  queue("ROLLBACK TO SAVEPOINT " + savepoint);
  queue("RELEASE SAVEPOINT " + savepoint);
}

void Connection::wait() {
  throw_if_failed();
  wait_for(queued_);
}

// --- queueing ---

// 80 bits of the BLAKE2b of its text and types: sessions that are shared know the same text by the
// same name.
void Connection::name_statement(Statement& statement) {
  std::string text = statement.sql;
  for (const std::uint32_t type : statement.types) text += fmt::format(" {}", type);
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  statement.name = "todo_" + to_hex({reinterpret_cast<const char*>(hash.data()), 10});
}

// The same text in two places is one statement, since it has one name.
Connection::Statement& Connection::statement_of(const char* literal) {
  Statement*& statement = by_literal_[literal];
  if (statement == nullptr) {
    statement = &statement_of(std::string(literal));
    statement->is_literal = true;
  }
  return *statement;
}

Connection::Statement& Connection::statement_of(const std::string& sql) {
  Statement& statement = by_text_[sql];
  if (statement.sql.empty()) statement.sql = sql;
  return statement;
}

// There is no end to the shapes that a list's filters can take. Only between transactions: queries
// point to their statements.
void Connection::forget_texts() {
  if (by_text_.size() <= texts_known_max) return;
  std::erase_if(by_text_, [](const auto& entry) {
    return !entry.second.is_literal && entry.second.name.empty();
  });
}

bool Connection::is_named(Statement& statement) {
  if (!options_.named_statements) return false;
  if (!statement.name.empty()) return true;
  if (!statement.is_literal) {
    if (statement.uses < uses_before_name || texts_named_ >= texts_named_max) return false;
    ++texts_named_;
  }
  name_statement(statement);
  return true;
}

std::uint64_t Connection::send(Statement& statement, Parameters& parameters, Query* query) {
  if (phase_ == Phase::idle) throw std::logic_error("a statement outside of a transaction");
  throw_if_failed();
  if (statement.uses++ == 0) statement.types = parameters.types();
  if (statement.types != parameters.types())
    throw std::logic_error("other types of parameters than before: " + statement.sql);
  queue_begin();
  int sent = 0;
  const int size = parameters.size();
  if (is_named(statement)) {
    if (!statement.prepared) send_prepare(statement);
    sent = PQsendQueryPrepared(handle_, statement.name.c_str(), size, parameters.values(),
                               parameters.lengths(), parameters.formats(), binary);
  } else {
    sent =
        PQsendQueryParams(handle_, statement.sql.c_str(), size, statement.types.data(),
                          parameters.values(), parameters.lengths(), parameters.formats(), binary);
  }
  if (sent != 1) lose("");
  return push(Step::statement, nullptr, query);
}

void Connection::send_prepare(Statement& statement) {
  if (PQsendPrepare(handle_, statement.name.c_str(), statement.sql.c_str(),
                    static_cast<int>(statement.types.size()), statement.types.data()) != 1) {
    lose("");
  }
  push(Step::prepare, &statement, nullptr);
  statement.prepared = true;
}

// Always by its text: what begins and ends transactions must work in any session.
std::uint64_t Connection::queue(const std::string& sql) {
  if (lost_) throw ConnectionLost("the connection is closed");
  if (PQsendQueryParams(handle_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, binary) != 1)
    lose("");
  return push(Step::statement, nullptr, nullptr);
}

void Connection::queue_begin() {
  if (phase_ != Phase::begun) return;
  phase_ = Phase::open;
  if (access_ == Access::read) {
    queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return;
  }
  queue("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
  // Should this process be lost between two statements without its connection being closed, the
  // server ends the transaction, and with it the locks that others wait for.
  queue("SET LOCAL idle_in_transaction_session_timeout = '15s'");
}

void Connection::queue_sync() {
  if (PQpipelineSync(handle_) != 1) lose("");
  flushed_ = push(Step::sync, nullptr, nullptr);
}

std::uint64_t Connection::push(Step step, Statement* statement, Query* query) {
  pending_.push_back({.number = ++queued_, .step = step, .statement = statement, .query = query});
  return queued_;
}

void Connection::forget(const Query* query) {
  const auto found = std::ranges::find(pending_.rbegin(), pending_.rend(), query, &Pending::query);
  if (found != pending_.rend()) found->query = nullptr;
}

// --- waiting ---

void Connection::wait_for(std::uint64_t number) {
  if (answered_ >= number) return;
  if (flushed_ < number) {
    // Only behind a Sync does the server count a transaction as idle, and limit that.
    if (access_ == Access::write) {
      queue_sync();
    } else {
      if (PQsendFlushRequest(handle_) != 1) lose("");
      flushed_ = queued_;
    }
  }
  const Deadline until = deadline();
  ask_at_ = std::chrono::steady_clock::now() + patience;
  flush(until);
  ++round_trips_;
  receive_until(number, until);
}

void Connection::receive_until(std::uint64_t number, Deadline deadline) {
  while (answered_ < number) receive_one(deadline);
}

void Connection::receive_one(Deadline deadline) {
  Result result = next_result(deadline);
  if (!result) lose("an answer is missing");
  const Pending pending = pending_.front();
  pending_.pop_front();
  answered_ = pending.number;
  // Each answer but a Sync's is followed by an end.
  if (pending.step != Step::sync && next_result(deadline) && PQstatus(handle_) == CONNECTION_OK)
    lose("more than one answer");
  switch (PQresultStatus(result.get())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
      if (pending.query != nullptr) pending.query->result_ = std::move(result);
      return;
    case PGRES_PIPELINE_SYNC:
      return;
    case PGRES_PIPELINE_ABORTED:
      skip(pending);
      return;
    default:
      skip(pending);
      fail(pending.number, *result, deadline);
  }
}

void Connection::skip(const Pending& pending) {
  if (pending.statement != nullptr) pending.statement->prepared = false;
  if (pending.query != nullptr) pending.query->aborted_ = true;
}

// Leaves the server's skipping behind, up to the Sync, then throws.
void Connection::fail(std::uint64_t number, const pg_result& result, Deadline deadline) {
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  try {
    throw_error(field(result, PG_DIAG_SEVERITY_NONLOCALIZED), sqlstate, what_failed(result));
  } catch (const ConnectionLost&) {
    // Whether COMMIT was done stays unknown where it was sent, whatever is said about the
    // statements before it: a pooler that loses the server answers in its place, and all answers of
    // a pipeline come at its end.
    failure_ = {.number = number, .error = std::current_exception()};
    close();
    throw;
  } catch (const SessionShared&) {
    failure_ = {.number = number, .error = std::current_exception()};
    options_.named_statements = false;
  } catch (...) {
    failure_ = {.number = number, .error = std::current_exception()};
  }
  auto sync = std::ranges::find(pending_, Step::sync, &Pending::step);
  if (sync == pending_.end()) {
    queue_sync();
    sync = std::prev(pending_.end());
    ++round_trips_;
  }
  flush(deadline);
  receive_until(sync->number, deadline);
  throw_if_failed();
}

Connection::Result Connection::next_result(Deadline deadline) {
  while (PQisBusy(handle_) != 0) {
    const int left = PQflush(handle_);
    if (left < 0) break;
    wait_socket(left > 0, deadline);
    // When that fails, what had come before is still read, and then libpq says why.
    if (PQconsumeInput(handle_) == 0) break;
  }
  return Result(PQgetResult(handle_));
}

void Connection::flush(Deadline deadline) {
  for (;;) {
    const int left = PQflush(handle_);
    if (left == 0) return;
    if (left < 0) lose("");
    // The server may be waiting for us to read before it reads on.
    wait_socket(true, deadline);
    if (PQconsumeInput(handle_) == 0) return;
  }
}

void Connection::wait_socket(bool write, Deadline deadline) {
  const int socket = PQsocket(handle_);
  if (socket < 0) lose("");
  if (wait_for_socket(socket, static_cast<short>(write ? POLLIN | POLLOUT : POLLIN), deadline))
    return;
  cancel();
  close();
  throw AnsweredTooLate("the database did not answer in time");
}

// false: the time is over. With TLS it may return too early.
bool Connection::wait_for_socket(int socket, short events, Deadline deadline) {
  const bool is_tls = PQsslInUse(handle_) != 0;
  for (;;) {
    const Deadline now = std::chrono::steady_clock::now();
    if (now >= deadline) return false;
    if (is_hopeless(now)) lose("the database cannot be reached");
    Deadline until = deadline;
    if (options_.is_hopeless) until = std::min(until, ask_at_);
    if (is_tls) until = std::min(until, now + tls_look_again);
    pollfd wait{.fd = socket, .events = events, .revents = 0};
    const int ready = poll(&wait, 1, wait_ms(until));
    if (ready > 0 || (ready == 0 && is_tls)) return true;
  }
}

bool Connection::is_hopeless(Deadline now) {
  if (!options_.is_hopeless || now < ask_at_) return false;
  ask_at_ = now + ask_interval;
  return options_.is_hopeless();
}

void Connection::throw_if_failed() const {
  if (lost_) throw ConnectionLost("the connection is closed");
  if (failure_) std::rethrow_exception(failure_->error);
}

void Connection::close() {
  lost_ = true;
  for (const Pending& pending : pending_) skip(pending);
  pending_.clear();
}

void Connection::lose(std::string_view why) {
  const std::string text = why.empty() ? trimmed(PQerrorMessage(handle_)) : std::string(why);
  close();
  throw ConnectionLost(text.empty() ? "the connection is closed" : text);
}

// Tells the server to give up what it does for us. libpq's way to do so blocks for as long as the
// network pleases, so a thread of its own does it, which may outlive the wait: it owns all that it
// touches.
void Connection::cancel() {
  PGcancel* request = PQgetCancel(handle_);
  if (request == nullptr) return;
  std::promise<void> promise;
  const auto done = promise.get_future();
  std::thread([request, promise = std::move(promise)]() mutable {
    std::array<char, 256> error{};
    PQcancel(request, error.data(), static_cast<int>(error.size()));
    PQfreeCancel(request);
    promise.set_value();
  }).detach();
  done.wait_for(cancel_max);
}

// --- outside of pipelines ---

void Connection::execute(const std::string& sql, milliseconds answer_max) {
  if (phase_ == Phase::idle) settle();
  throw_if_failed();
  queue_begin();
  leave_pipeline();
  const std::uint64_t number = ++queued_;
  const Deadline until = std::chrono::steady_clock::now() + answer_max;
  ask_at_ = std::chrono::steady_clock::now() + patience;
  if (PQsendQuery(handle_, sql.c_str()) != 1) lose("");
  flush(until);
  ++round_trips_;
  Result failed;
  while (Result result = next_result(until)) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_FATAL_ERROR && !failed) failed = std::move(result);
  }
  answered_ = number;
  flushed_ = number;
  if (PQstatus(handle_) == CONNECTION_OK && PQenterPipelineMode(handle_) != 1) lose("");
  if (!failed) return;
  try {
    throw_error(field(*failed, PG_DIAG_SEVERITY_NONLOCALIZED), field(*failed, PG_DIAG_SQLSTATE),
                what_failed(*failed));
  } catch (const ConnectionLost&) {
    close();
    throw;
  } catch (...) {
    if (phase_ != Phase::idle) failure_ = {.number = number, .error = std::current_exception()};
    throw;
  }
}

void Connection::leave_pipeline() {
  queue_sync();
  wait_for(queued_);
  if (PQexitPipelineMode(handle_) != 1) lose("");
}

std::int64_t Connection::scalar(const std::string& sql) {
  const bool alone = phase_ == Phase::idle;
  if (alone) begin(Access::read);
  std::int64_t value = 0;
  try {
    Query query(*this, sql);
    if (query.step() && !query.null()) value = query.integer();
  } catch (...) {
    if (alone) roll_back();
    throw;
  }
  if (alone) end_read();
  return value;
}

std::vector<std::string> Connection::wait_for_notifications(int wake_fd, milliseconds wait_max) {
  settle();
  const Deadline until = std::chrono::steady_clock::now() + wait_max;
  for (std::vector<std::string> came;;) {
    if (PQconsumeInput(handle_) == 0) lose("");
    while (PGnotify* notification = PQnotifies(handle_)) {
      if (notification->be_pid != PQbackendPID(handle_)) came.emplace_back(notification->extra);
      PQfreemem(notification);
    }
    if (!came.empty()) return came;
    std::array<pollfd, 2> sockets{{{.fd = PQsocket(handle_), .events = POLLIN, .revents = 0},
                                   {.fd = wake_fd, .events = POLLIN, .revents = 0}}};
    if (poll(sockets.data(), sockets.size(), wait_ms(until)) == 0 || sockets[1].revents != 0)
      return {};
  }
}

// --- queries ---

Query::Query(Connection& connection, const char* literal)
    : Query(connection, connection.statement_of(literal)) {}

Query::Query(Connection& connection, const std::string& sql)
    : Query(connection, connection.statement_of(sql)) {}

Query::Query(Connection& connection, Connection::Statement& statement)
    : connection_(connection),
      statement_(statement),
      parameters_(std::exchange(connection.spare_, Parameters{})) {
  parameters_.clear();
}

Query::~Query() {
  if (number_ != 0 && !result_) connection_.forget(this);
  connection_.spare_ = std::move(parameters_);
}

void Query::run() {
  if (number_ != 0) throw std::logic_error("a query runs once: " + statement_.sql);
  number_ = connection_.send(statement_, parameters_, this);
}

void Query::wait() {
  if (number_ == 0) run();
  if (result_) return;
  if (!aborted_) connection_.wait_for(number_);
  if (result_) {
    rows_ = PQntuples(result_.get());
    return;
  }
  connection_.throw_if_failed();
  throw TransactionLost("the statement was skipped");
}

bool Query::step() {
  wait();
  rows_ = PQntuples(result_.get());
  column_ = 0;
  return ++row_ < rows_;
}

int Query::changes() {
  wait();
  const std::string_view text = PQcmdTuples(result_.get());
  int changes = 0;
  std::from_chars(text.data(), text.data() + text.size(), changes);
  return changes;
}

bool Query::null() {
  if (PQgetisnull(result_.get(), row_, column_) == 0) return false;
  ++column_;
  return true;
}

std::string_view Query::column() {
  if (row_ < 0 || row_ >= rows_ || column_ >= PQnfields(result_.get()) ||
      PQgetisnull(result_.get(), row_, column_) != 0) {
    throw std::logic_error(
        fmt::format("column {} is null or not there: {}", column_, statement_.sql));
  }
  const char* bytes = PQgetvalue(result_.get(), row_, column_);
  const int size = PQgetlength(result_.get(), row_, column_);
  ++column_;
  return {bytes, static_cast<std::size_t>(size)};
}

std::string_view Query::column(Type type) {
  if (PQftype(result_.get(), column_) != static_cast<Oid>(type))
    throw std::logic_error(
        fmt::format("column {} is of another type: {}", column_, statement_.sql));
  return column();
}

std::int64_t Query::integer() {
  constexpr Oid int8 = 20;
  constexpr Oid int2 = 21;
  constexpr Oid int4 = 23;
  const Oid type = PQftype(result_.get(), column_);
  if (type != int8 && type != int4 && type != int2)
    throw std::logic_error(fmt::format("column {} is no integer: {}", column_, statement_.sql));
  return read_integer(column());
}

bool Query::boolean() { return column(Type::boolean) == std::string_view{"\1", 1}; }

std::string_view Query::text() { return column(); }

std::string_view Query::blob() { return column(Type::blob); }

Uuid Query::id() {
  Uuid id;
  std::ranges::copy(column(Type::id), reinterpret_cast<char*>(id.bytes.data()));
  return id;
}

Instant Query::instant() { return read_instant(column(Type::instant)); }

LocalTime Query::local() { return read_local(column(Type::local)); }

Date Query::date() { return read_date(column(Type::date)); }

std::optional<std::int64_t> Query::optional_integer() {
  return null() ? std::nullopt : std::optional(integer());
}

std::optional<std::string> Query::optional_text() {
  return null() ? std::nullopt : std::optional<std::string>(text());
}

std::optional<Uuid> Query::optional_id() { return null() ? std::nullopt : std::optional(id()); }

std::optional<Instant> Query::optional_instant() {
  return null() ? std::nullopt : std::optional(instant());
}

std::optional<LocalTime> Query::optional_local() {
  return null() ? std::nullopt : std::optional(local());
}

std::optional<Date> Query::optional_date() { return null() ? std::nullopt : std::optional(date()); }

}  // namespace todo::storage::postgres
