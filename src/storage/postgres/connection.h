#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "storage/postgres/errors.h"
#include "storage/postgres/value.h"

struct pg_conn;
struct pg_result;

namespace todo::storage::postgres {

// read: one snapshot (REPEATABLE READ, READ ONLY). write: READ COMMITTED.
enum class Access { read, write };

class Query;

struct ConnectionOptions {
  std::string url;
  std::chrono::milliseconds connect_max{5'000};
  std::chrono::milliseconds answer_max{10'000};  // for an answer that somebody waits for
  // Named statements live in a server session: a transaction pooler that hands sessions around
  // knows none.
  bool named_statements = true;
  // Asked again and again while something is waited for unusually long; true: it will not come.
  std::function<bool()> is_hopeless = nullptr;
};

// The same for a connection that asks each thing once: what it would name could be somebody else's
// name in a session that a pooler shares.
inline ConnectionOptions unnamed(ConnectionOptions options) {
  options.named_statements = false;
  return options;
}

class Connection;

// A connection. What fails at once is tried twice more: one that was cut while it was being made
// says nothing yet about the database. Throws ConnectionLost.
std::unique_ptr<Connection> connect(const ConnectionOptions& options);

// One libpq connection, always in pipeline mode, never blocking beyond its time limits. Used by one
// thread at a time. Every function throws TransactionLost (or one of errors.h) or StatementRefused.
//
// What is queued and when it goes out. A statement that nobody waits for (Query::run) is only
// queued; so are BEGIN, SAVEPOINT and RELEASE. They go out together with the first thing that waits
// (Query::step, Query::changes, wait, commit), in one flush and one round trip, and their errors
// surface there.
//
// Waiting within a transaction asks for a Flush, not for a Sync: the server answers what it has.
// The one Sync of a transaction goes with its COMMIT or ROLLBACK. After an error the server skips
// everything up to the next Sync; so the connection sends one at once, reads up to it, and only
// then throws. The transaction is `failed` from then on: every further statement throws the same
// error without asking the server, until a savepoint made before the failed statement is rolled
// back to (`nested` does) or the transaction ends. A Sync within BEGIN … COMMIT ends nothing on the
// server, so savepoints outlive it.
//
// Nothing is left in the server's session but prepared statements.
class Connection {
 public:
  // Connects.
  explicit Connection(ConnectionOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // --- the transaction ---

  // Sends nothing yet: BEGIN is queued with the first statement, and a transaction without a
  // statement costs nothing. Reads first what a transaction before still has to answer.
  void begin(Access access);
  // Everything queued, COMMIT and Sync in one flush; waits. Throws what was refused (then nothing
  // is committed); after ConnectionLost `commit_sent` tells whether the outcome is known.
  void commit();
  // Ends a transaction without waiting for the answer, which the next `begin` reads.
  void end_read();
  void roll_back() noexcept;
  bool in_transaction() const { return phase_ != Phase::idle; }
  // From the first byte of COMMIT on, until its answer is known.
  bool commit_sent() const { return commit_sent_; }
  // From now on statements are sent with their texts.
  void use_no_names() { options_.named_statements = false; }
  // Nothing can be done with it any more.
  bool lost() const { return lost_; }

  // Runs `work` in a savepoint and waits for all its statements. A StatementRefused or
  // std::exception other than TransactionLost undoes what it did and comes back as its text;
  // TransactionLost passes, and so does a refusal of a statement queued before the savepoint.
  std::expected<void, std::string> nested(const std::function<void()>& work);
  // Flushes, and waits for everything queued.
  void wait();

  // --- outside of pipelines ---

  // Any number of statements without parameters, in one message that is waited for: inside a
  // transaction of this connection, or as a transaction of their own (one statement alone: in none,
  // as CREATE INDEX CONCURRENTLY wants it).
  void execute(const std::string& sql) { execute(sql, options_.answer_max); }
  void execute(const std::string& sql, std::chrono::milliseconds answer_max);
  // The first column of the first row of a statement in the current transaction, or in one of its
  // own; 0 without a row.
  std::int64_t scalar(const std::string& sql);

  // LISTEN connections: waits until notifications of other sessions came, whose payloads it
  // answers; none when `wake_fd` is readable or `wait_max` has passed.
  std::vector<std::string> wait_for_notifications(int wake_fd, std::chrono::milliseconds wait_max);

  // Round trips waited for since it was opened: what tests count.
  std::int64_t round_trips() const { return round_trips_; }
  // Statements whose texts it keeps.
  std::size_t statements() const { return by_text_.size(); }

 private:
  friend class Query;
  using Deadline = std::chrono::steady_clock::time_point;

  // A statement's text under its name in the server's session.
  struct Statement {
    std::string sql;
    std::string name;                  // empty: sent with its text each time
    std::vector<std::uint32_t> types;  // of its parameters, from its first use on
    bool is_literal = false;
    bool prepared = false;  // on the server, or on its way there
    int uses = 0;
  };
  enum class Step : std::uint8_t { prepare, statement, sync };
  // Something queued that has not been answered.
  struct Pending {
    std::uint64_t number;
    Step step;
    Statement* statement;  // of prepare
    Query* query;          // who wants the result; none: nobody
  };
  enum class Phase : std::uint8_t { idle, begun, open };  // begun: BEGIN is not queued yet
  struct Failure {
    std::uint64_t number;  // of what failed
    std::exception_ptr error;
  };
  struct ResultDeleter {
    void operator()(pg_result* result) const;
  };
  using Result = std::unique_ptr<pg_result, ResultDeleter>;

  void connect();
  void settle();
  void lose_if_closed();
  void end_without_waiting(const char* sql) noexcept;
  void undo(const std::string& savepoint, std::uint64_t from);

  Statement& statement_of(const char* literal);
  Statement& statement_of(const std::string& sql);
  static void name_statement(Statement& statement);
  bool is_named(Statement& statement);
  void forget_texts();

  std::uint64_t send(Statement& statement, Parameters& parameters, Query* query);
  void send_prepare(Statement& statement);
  std::uint64_t queue(const std::string& sql);  // no parameters, nobody waits
  void queue_begin();
  void queue_sync();
  std::uint64_t push(Step step, Statement* statement, Query* query);
  void forget(const Query* query);

  void wait_for(std::uint64_t number);
  void receive_until(std::uint64_t number, Deadline deadline);
  void receive_one(Deadline deadline);
  static void skip(const Pending& pending);
  void fail(std::uint64_t number, const pg_result& result, Deadline deadline);
  Result next_result(Deadline deadline);
  void flush(Deadline deadline);
  void wait_socket(bool write, Deadline deadline);
  bool wait_for_socket(int socket, short events, Deadline deadline);
  bool is_hopeless(Deadline now);
  void throw_if_failed() const;
  void close();
  [[noreturn]] void lose(std::string_view why);
  void cancel();
  void leave_pipeline();
  Deadline deadline() const { return std::chrono::steady_clock::now() + options_.answer_max; }

  ConnectionOptions options_;
  pg_conn* handle_ = nullptr;
  Phase phase_ = Phase::idle;
  Access access_ = Access::read;
  bool lost_ = false;
  bool commit_sent_ = false;
  std::optional<Failure> failure_;
  std::uint64_t queued_ = 0;    // the number of the newest that was queued
  std::uint64_t flushed_ = 0;   // … of the newest whose answer the server was told to send
  std::uint64_t answered_ = 0;  // … of the newest that was answered
  std::uint64_t commit_ = 0;    // … of COMMIT
  int savepoints_ = 0;
  std::int64_t round_trips_ = 0;
  Deadline ask_at_{};  // options_.is_hopeless
  std::deque<Pending> pending_;
  std::unordered_map<std::string, Statement> by_text_;
  // Literals are found by their address, which spares hashing long texts on the hot path.
  std::unordered_map<const void*, Statement*> by_literal_;
  int texts_named_ = 0;
  Parameters spare_;  // buffers of a query that ended, for the next one
};

// One execution of a statement: bind in order; `run` where nobody needs its rows, or `step` from
// row to row and read the columns in order. Parameters are $1, $2 … of exactly the type bound:
// int64 bool text bytea uuid timestamptz timestamp date and arrays of these. Values are copied.
//
// Several queries may be under way at once: `run` them all, then `step` through each; that is one
// round trip. A query that ends before its answer came gives that up.
class Query {
 public:
  // `literal` is a string literal: its address names it.
  Query(Connection& connection, const char* literal);
  Query(Connection& connection, const std::string& sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& bind(std::int64_t value) { return add(value); }
  Query& bind(int value) { return add(std::int64_t{value}); }
  Query& bind(bool value) { return add(value); }
  Query& bind(std::string_view text) { return add(text); }
  Query& bind(const std::string& text) { return add(std::string_view{text}); }
  Query& bind(const char* text) { return add(std::string_view{text}); }
  Query& bind(const Uuid& id) { return add(id); }
  Query& bind(Instant instant) { return add(instant); }  // out of range: 'infinity', '-infinity'
  Query& bind(LocalTime local) { return add(local); }    // timestamp
  Query& bind(Date date) { return add(date); }
  Query& bind_blob(std::string_view bytes) {
    parameters_.add_blob(bytes);
    return *this;
  }
  Query& bind_null(Type type) {
    parameters_.add_null(type);
    return *this;
  }
  template <class T>
  Query& bind(const std::optional<T>& value) {
    return value ? bind(*value) : bind_null(type_of<T>());
  }

  // An array of what bind() takes, for = ANY($1) and unnest($1, $2 …). Optionals may be null.
  template <std::ranges::input_range Range>
  Query& bind_array(const Range& values) {
    parameters_.begin_array(element_type<std::ranges::range_value_t<Range>>());
    for (const auto& value : values) parameters_.add_element(value);
    parameters_.end_array();
    return *this;
  }
  template <std::ranges::input_range Range>
  Query& bind_blob_array(const Range& values) {  // of string_views
    parameters_.begin_array(Type::blob);
    for (const auto& value : values) parameters_.add_element(std::string_view{value});
    parameters_.end_array();
    return *this;
  }

  // Queues it; the transaction's next wait brings its answer or its error.
  void run();
  // The next row; the first call queues it (where `run` has not) and waits for its answer.
  bool step();
  // How many rows it wrote, or answered with; waits for its answer.
  int changes();

  bool null();             // the next column is null: it is skipped then
  std::int64_t integer();  // int2, int4, int8
  bool boolean();
  std::string_view text();  // until the query's end
  std::string_view blob();
  Uuid id();
  Instant instant();
  LocalTime local();
  Date date();
  std::optional<std::int64_t> optional_integer();
  std::optional<std::string> optional_text();
  std::optional<Uuid> optional_id();
  std::optional<Instant> optional_instant();
  std::optional<LocalTime> optional_local();
  std::optional<Date> optional_date();

 private:
  friend class Connection;
  Query(Connection& connection, Connection::Statement& statement);
  template <class T>
  Query& add(const T& value) {
    parameters_.add(value);
    return *this;
  }
  void wait();
  std::string_view column();
  std::string_view column(Type type);

  Connection& connection_;
  Connection::Statement& statement_;
  Parameters parameters_;
  Connection::Result result_;
  std::uint64_t number_ = 0;  // 0: not queued
  bool aborted_ = false;      // skipped, since one before it failed
  int row_ = -1;
  int rows_ = 0;
  int column_ = 0;
};

}  // namespace todo::storage::postgres
