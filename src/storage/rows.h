#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "domain/audit_entry.h"
#include "domain/notification.h"
#include "domain/task.h"
#include "domain/user.h"
#include "events/event.h"

// The rows and queries of the store interface that are not domain types themselves.
namespace todo::storage {

// --- accounts ---

struct Credentials {
  Uuid user_id;
  std::string password_hash;
  bool disabled = false;
};

struct Session {
  Uuid id;  // the JWT's jti
  Uuid user_id;
  Instant created_at{};
  Instant expires_at{};
};

enum class TokenScope : std::uint8_t { read = 0, write };

struct ApiToken {
  Uuid id;
  Uuid user_id;
  std::string name;
  TokenScope scope = TokenScope::read;
  std::string secret_hash;  // 32 raw bytes
  std::optional<Instant> expires_at;
  Instant created_at{};
  std::optional<Instant> last_used_at;
};

// Kept per user in the transaction of each mutation. `changes` counts every change of the user's
// tasks and zone: two reads with the same count saw the same tasks.
struct UserCounters {
  std::int64_t changes = 0;
  std::int64_t living_tasks = 0;     // not deleted
  std::int64_t completed_tasks = 0;  // of the living
};

// --- tasks ---

struct TaskFilter {
  bool deleted = false;                  // deleted ones instead of the living
  std::optional<Instant> deleted_after;  // with deleted: only those deleted later than this
  std::optional<std::string> category;   // exactly
  std::optional<Priority> priority;
  std::optional<bool> completed;
  std::optional<bool> overdue;  // pending with a due date before `now`; false: everything else
  std::optional<Instant> due_before;       // due_date < this
  std::optional<Instant> due_after;        // due_date > this
  std::optional<std::string> text_folded;  // a substring of the folded title or description
  Instant now{};                           // what overdue compares with

  // True when it selects all living tasks.
  bool selects_all() const {
    return !deleted && !category && !priority && !completed && !overdue && !due_before &&
           !due_after && !text_folded;
  }
};

enum class TaskSort : std::uint8_t { created_at = 0, updated_at, due_date, priority, title };

// A list by title is ordered by so much of the folded title, so that a position in it stays short.
inline constexpr std::size_t sort_title_code_points = 128;

// The sort key of the last task of a page, from which the next page goes on.
struct TaskPosition {
  // created_at, updated_at, due_date as ms; none where due_date is null (and for priority and
  // title).
  std::optional<std::int64_t> instant_ms;
  std::string title_folded;  // with sort by title: its first sort_title_code_points
  int priority_rank = priority_rank_unset;
  std::int64_t created_at_ms = 0;
  Uuid id;
};

// Order: the sort member in the direction asked (due_date: null last in both; priority: descending
// is urgent first, unset last in both; title by its folded form, byte order), ties urgent first,
// then newest, then greatest id.
struct TaskQuery {
  Uuid user_id;
  TaskFilter filter;
  TaskSort sort = TaskSort::created_at;
  bool descending = true;
  int limit = limits::task_page_default;
  std::optional<TaskPosition> after;
};

// What a filter selects, exact to `limits::exact_count_max`; that number and capped beyond it.
struct Count {
  std::int64_t value = 0;
  bool capped = false;
};

struct TaskStats {
  std::int64_t total = 0;
  std::int64_t completed = 0;
  std::int64_t overdue = 0;
};

struct Promise {
  Uuid id;  // the id of the task it promises
  Uuid user_id;
  Uuid task_id;  // the completed one
  Uuid series_id;
  std::int64_t occurrence = 0;
  std::string task;  // domain's task_record
};

struct TaskKey {
  Uuid user_id;
  Uuid task_id;
};

// --- notifications ---

struct NotificationQuery {
  Uuid user_id;
  bool unread_only = false;
  bool archived = false;  // those created before `archived_before` instead of the others
  Instant archived_before{};
  int limit = limits::page_default;
  int offset = 0;
  std::optional<std::pair<Instant, Uuid>> after;  // (created_at, id) of the last one; newest first
};

// --- audit ---

struct AuditQuery {
  Uuid user_id;
  std::optional<std::string> entity_type;
  std::optional<Uuid> entity_id;
  std::optional<AuditAction> action;
  std::optional<Instant> from;  // timestamp ≥
  std::optional<Instant> to;    // timestamp ≤
  int limit = limits::page_default;
  int offset = 0;
  std::optional<std::int64_t> before_seq;  // seq < this; descending seq
};

struct AuditSegment {
  Uuid user_id;
  std::int64_t first_seq = 0;
  std::int64_t last_seq = 0;
  std::string manifest;  // JSON
  std::string data;      // zstd-compressed NDJSON
};

struct AuditChain {
  Uuid user_id;
  AuditHead head;
};

// --- events ---

struct OutboxRow {
  OutboxEvent event;
  int attempts = 0;
};

struct DeadLetter {
  Uuid id;  // the event's
  Topic topic = Topic::audit;
  Uuid user_id;
  std::string event;
  std::string reason;
  int attempts = 0;
  Instant died_at{};
};

struct OutboxDepth {
  std::int64_t rows = 0;       // counted to 100,000
  std::optional<Uuid> oldest;  // its id tells its age
};

// --- idempotency ---

struct IdempotentResponse {
  std::string request_hash;  // 32 raw bytes: of method, path and body
  int status = 0;            // 0: not stored yet
  std::string headers;       // as http writes them
  std::string body;
};

}  // namespace todo::storage
