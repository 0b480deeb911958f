#include "pipeline/housekeeping.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "base/text.h"
#include "observability/log.h"
#include "service/accounts.h"
#include "service/audit.h"

namespace todo::pipeline {
namespace {

// Between two looks for work that nobody told of. It is told of where it arises: what is left to
// find is what a process that died, or another one, left behind.
constexpr std::chrono::minutes tick{15};
constexpr std::chrono::seconds retry_after_failure{30};
constexpr std::chrono::hours hour{1};
constexpr std::chrono::hours day{24};
constexpr std::size_t users_per_round = 100;
constexpr int heads_per_line = 50;
// Small enough not to hold up the requests that wait behind it.
constexpr int purge_rows_per_unit = limits::rows_per_unit_max / 2;

// Now and then, and at once when the clock was set back.
bool is_due(Instant now, Instant& at, std::chrono::minutes every) {
  if (now < at && at <= now + every) return false;
  at = now + every;
  return true;
}

}  // namespace

Housekeeping::Housekeeping(storage::Store& store, const Clock& clock, IdGenerator& ids,
                           const AuditKeys& keys, service::ReminderHint& hint,
                           std::chrono::seconds audit_retention, metrics::Registry& metrics)
    : store_(store),
      clock_(clock),
      ids_(ids),
      keys_(keys),
      hint_(hint),
      audit_retention_(audit_retention),
      dead_letters_(metrics.gauge("todo_dead_letters", "Events that wait for `events dead`")) {}

void Housekeeping::start() {
  worker_.start([this] { return round(); });
}

std::chrono::milliseconds Housekeeping::round() {
  const Instant now = clock_.now();
  const bool asked = asked_.exchange(false);
  if (is_due(now, tick_at_, tick) || asked) {
    failed_ = false;
    work(now);
    if (failed_) tick_at_ = now + retry_after_failure;
  }
  return asked_ && !failed_ ? std::chrono::milliseconds{0} : tick_at_ - now;
}

void Housekeeping::work(Instant now) {
  recompute();
  purge_users();
  read([&](storage::ReadTx& tx) { dead_letters_.set(static_cast<double>(tx.count_dead())); });
  if (is_due(now, hourly_at_, hour)) retain();
  if (is_due(now, daily_at_, day)) {
    const std::int64_t archived = archive_audit();
    if (archived > 0) log::info("audit entries were archived", {{"count", archived}});
    publish_heads();
  }
}

void Housekeeping::read(storage::ReadUnit unit) {
  if (store_.read_and_wait(std::move(unit)) != storage::Outcome::committed) failed_ = true;
}

bool Housekeeping::write(storage::WriteUnit unit) {
  if (worker_.stopping()) return false;
  const auto outcome = store_.write_and_wait(std::move(unit));
  if (outcome != storage::Outcome::committed && outcome != storage::Outcome::rolled_back)
    failed_ = true;
  return outcome == storage::Outcome::committed;
}

void Housekeeping::recompute() {
  std::vector<Uuid> users;
  read([&](storage::ReadTx& tx) { users = tx.users_with_recompute_job(int{users_per_round}); });
  if (users.size() == users_per_round) asked_ = true;  // the others next
  for (const Uuid& user_id : users) {
    bool ended = false;
    while (!ended) {
      service::Call call;
      call.user_id = user_id;
      call.now = clock_.now();
      call.ids = &ids_;
      call.reminders = &hint_;
      const bool written = write([&](storage::Tx& tx) {
        ended = service::continue_recompute(tx, call);
        return storage::Verdict::commit;
      });
      if (!written) break;
    }
  }
}

void Housekeeping::purge_users() {
  std::vector<Uuid> users;
  read([&](storage::ReadTx& tx) { users = tx.users_to_purge(int{users_per_round}); });
  if (users.size() == users_per_round) asked_ = true;  // the others next
  for (const Uuid& user_id : users) {
    bool ended = false;
    while (!ended) {
      const bool written = write([&](storage::Tx& tx) {
        ended = tx.purge_user(user_id, purge_rows_per_unit);
        return storage::Verdict::commit;
      });
      if (!written) break;
    }
    if (ended) log::info("a deleted account's data is gone", {{"user_id", user_id.to_string()}});
  }
}

void Housekeeping::retain() {
  const Instant now = clock_.now();
  using Purge = std::function<int(storage::Tx&)>;
  const std::vector<Purge> purges{
      [now](storage::Tx& tx) {
        return tx.purge_deleted_tasks(now - limits::deleted_task_kept, purge_rows_per_unit);
      },
      [now](storage::Tx& tx) {
        return tx.purge_notifications(now - limits::notification_purged_after, purge_rows_per_unit);
      },
      [now](storage::Tx& tx) { return tx.purge_sessions(now, purge_rows_per_unit); },
      [now](storage::Tx& tx) {
        return tx.purge_idempotency_keys(now - limits::idempotency_kept, purge_rows_per_unit);
      },
  };
  for (const Purge& purge : purges) {
    int gone = purge_rows_per_unit;
    while (gone >= purge_rows_per_unit) {
      const bool written = write([&](storage::Tx& tx) {
        gone = tx.try_single(storage::SingleWork::retention) ? purge(tx) : 0;
        return gone > 0 ? storage::Verdict::commit : storage::Verdict::roll_back;
      });
      if (!written) break;
    }
  }
}

std::vector<storage::AuditChain> Housekeeping::chains_after(std::optional<Uuid> user) {
  std::vector<storage::AuditChain> chains;
  read([&](storage::ReadTx& tx) { chains = tx.audit_chains(user, int{users_per_round}); });
  return chains;
}

std::int64_t Housekeeping::archive_audit() {
  std::int64_t total = 0;
  const Instant before = clock_.now() - audit_retention_;
  for (auto chains = chains_after(std::nullopt); !chains.empty() && !worker_.stopping();
       chains = chains_after(chains.back().user_id)) {
    for (const storage::AuditChain& chain : chains) {
      bool some_left = false;
      read([&](storage::ReadTx& tx) {
        some_left = service::has_archivable(tx, chain.user_id, before);
      });
      int archived = some_left ? 1 : 0;
      while (archived > 0) {
        archived = 0;
        const bool written = write([&](storage::Tx& tx) {
          archived =
              service::archive_segment(tx, keys_, chain.user_id, before, limits::rows_per_unit_max);
          return archived > 0 ? storage::Verdict::commit : storage::Verdict::roll_back;
        });
        if (!written) break;
        total += archived;
      }
    }
  }
  return total;
}

void Housekeeping::publish_heads() {
  // Whoever keeps the log can tell whether a whole chain was set back.
  std::string line;
  int on_line = 0;
  const auto flush = [&] {
    if (on_line > 0) log::info("audit heads", {{"heads", line}});
    line.clear();
    on_line = 0;
  };
  for (auto chains = chains_after(std::nullopt); !chains.empty() && !worker_.stopping();
       chains = chains_after(chains.back().user_id)) {
    for (const storage::AuditChain& chain : chains) {
      if (chain.head.seq == 0) continue;
      const std::string_view hash(reinterpret_cast<const char*>(chain.head.hash.data()),
                                  chain.head.hash.size());
      line += fmt::format("{}{}:{}:{}", on_line > 0 ? " " : "", chain.user_id.to_string(),
                          chain.head.seq, to_hex(hash));
      if (++on_line == heads_per_line) flush();
    }
  }
  flush();
}

}  // namespace todo::pipeline
