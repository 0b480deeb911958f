#include "storage/postgres/transaction.h"

#include <algorithm>

namespace todo::storage::postgres {
namespace {

// "todo" in ASCII: the first half of the keys of what only one process does at a time.
constexpr int single_work_class = 0x746f646f;

// The random half of a version 7 id.
std::int64_t lock_key(const Uuid& user_id) {
  std::uint64_t key = 0;
  for (std::size_t i = 8; i < user_id.bytes.size(); ++i) key = key << 8 | user_id.bytes.at(i);
  return static_cast<std::int64_t>(key);
}

}  // namespace

// Nothing waits here: the lock is taken on the server before the statement that comes next begins,
// and with it that statement's view of the data.
void Transaction::lock(const Uuid& user_id) {
  if (access_ == Access::read) return;
  const std::int64_t key = lock_key(user_id);
  if (std::ranges::find(locked_, key) != locked_.end()) return;
  Query q(c_, "SELECT pg_advisory_xact_lock($1)");
  q.bind(key).run();
  locked_.push_back(key);
}

void Transaction::lock_all(const std::vector<Uuid>& user_ids) {
  std::vector<std::int64_t> keys;
  keys.reserve(user_ids.size());
  for (const Uuid& user_id : user_ids) keys.push_back(lock_key(user_id));
  std::ranges::sort(keys);
  const auto twins = std::ranges::unique(keys);
  keys.erase(twins.begin(), twins.end());
  std::erase_if(
      keys, [this](std::int64_t key) { return std::ranges::find(locked_, key) != locked_.end(); });
  if (keys.empty()) return;
  Query q(c_, "SELECT pg_advisory_xact_lock(key) FROM unnest($1) AS key");
  q.bind_array(keys).run();
  locked_.insert(locked_.end(), keys.begin(), keys.end());
}

void Transaction::expect_users(const std::vector<Uuid>& user_ids) {
  if (user_ids.empty()) return;
  lock_all(user_ids);
  know_users(user_ids);
}

bool Transaction::try_single(SingleWork work) {
  Query q(c_, "SELECT pg_try_advisory_xact_lock($1::integer, $2::integer)");
  q.bind(single_work_class).bind(static_cast<int>(work));
  return q.step() && q.boolean();
}

Transaction::Mark Transaction::mark() const {
  return {events_inserted_,   reminders_planned_, announcements_.size(),
          taken_.has_value(), locked_.size(),     settled_.size()};
}

// The locks of a savepoint that is rolled back are gone with it, and what was read since may be
// what it had written.
void Transaction::go_back_to(const Mark& mark) {
  events_inserted_ = mark.events_inserted;
  reminders_planned_ = mark.reminders_planned;
  announcements_.resize(mark.announced);
  locked_.resize(mark.locked);
  settled_.resize(mark.settled);
  if (!mark.has_taken) taken_.reset();
  known_users_.clear();
  known_tasks_.clear();
  known_promise_.reset();
  known_entries_.clear();
  next_retry_.reset();
}

std::expected<void, std::string> Transaction::nested(std::function<void()> work) {
  const Mark before = mark();
  auto done = c_.nested(work);
  if (!done) go_back_to(before);
  return done;
}

std::string Transaction::epoch() {
  if (!epoch_) {
    Query q(c_, "SELECT epoch FROM schema_info");
    epoch_ = q.step() ? std::string(q.text()) : std::string();
  }
  return *epoch_;
}

}  // namespace todo::storage::postgres
