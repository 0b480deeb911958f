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

constexpr std::string_view archived_entries = "audit_entries";
constexpr std::string_view purged_accounts = "accounts";

// What is kept for a time. A purge takes at most `limit` rows and tells how many.
struct Kept {
  std::string_view kind;
  std::function<int(storage::Tx&, Instant now, int limit)> purge;
};

const std::vector<Kept>& kept() {
  using storage::Tx;
  static const std::vector<Kept> all{
      {"deleted_tasks",
       [](Tx& tx, Instant now, int limit) {
         return tx.purge_deleted_tasks(now - limits::deleted_task_kept, limit);
       }},
      {"notifications",
       [](Tx& tx, Instant now, int limit) {
         return tx.purge_notifications(now - limits::notification_purged_after, limit);
       }},
      {"sessions", [](Tx& tx, Instant now, int limit) { return tx.purge_sessions(now, limit); }},
      {"idempotency_keys",
       [](Tx& tx, Instant now, int limit) {
         return tx.purge_idempotency_keys(now - limits::idempotency_kept, limit);
       }},
  };
  return all;
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
      dead_letters_(metrics.gauge("todo_dead_letters", "Events that wait for `events dead`")) {
  const auto counter = [&](std::string_view kind) {
    purged_[kind] = &metrics.counter("todo_retention_rows_total",
                                     "Rows archived or deleted at the end of their time",
                                     {{"kind", std::string(kind)}});
  };
  counter(archived_entries);
  counter(purged_accounts);
  for (const Kept& each : kept()) counter(each.kind);
}

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
  if (is_due(now, hourly_at_, hour)) purge_rows();
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

std::vector<Uuid> Housekeeping::deleted_users() {
  std::vector<Uuid> users;
  read([&](storage::ReadTx& tx) { users = tx.users_to_purge(int{users_per_round}); });
  return users;
}

std::int64_t Housekeeping::purge_users() {
  std::int64_t gone = 0;
  const std::vector<Uuid> users = deleted_users();
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
    if (!ended) continue;
    ++gone;
    log::info("a deleted account's data is gone", {{"user_id", user_id.to_string()}});
  }
  purged_.at(purged_accounts)->add(static_cast<double>(gone));
  return gone;
}

std::vector<Purged> Housekeeping::purge_rows() {
  const Instant now = clock_.now();
  std::vector<Purged> purged;
  for (const Kept& each : kept()) {
    std::int64_t total = 0;
    int gone = purge_rows_per_unit;
    while (gone >= purge_rows_per_unit) {
      const bool written = write([&](storage::Tx& tx) {
        gone = tx.try_single(storage::SingleWork::retention)
                   ? each.purge(tx, now, purge_rows_per_unit)
                   : 0;
        return gone > 0 ? storage::Verdict::commit : storage::Verdict::roll_back;
      });
      if (!written) break;
      total += gone;
    }
    purged_.at(each.kind)->add(static_cast<double>(total));
    purged.push_back({each.kind, total, false});
  }
  return purged;
}

std::vector<Purged> Housekeeping::purge() {
  std::vector<Purged> purged = purge_rows();
  purged.push_back({purged_accounts, purge_users(), false});
  return purged;
}

std::vector<Purged> Housekeeping::purge_dry_run() {
  const Instant now = clock_.now();
  std::vector<Purged> purged;
  for (const Kept& each : kept()) {
    int found = 0;
    write([&](storage::Tx& tx) {
      found = each.purge(tx, now, purge_rows_per_unit);
      return storage::Verdict::roll_back;
    });
    purged.push_back({each.kind, found, found >= purge_rows_per_unit});
  }
  const std::size_t users = deleted_users().size();
  purged.push_back({purged_accounts, static_cast<std::int64_t>(users), users == users_per_round});
  return purged;
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
        some_left = !service::archivable(tx, chain.user_id, before, 0, 1).empty();
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
  purged_.at(archived_entries)->add(static_cast<double>(total));
  return total;
}

std::int64_t Housekeeping::count_archivable() {
  std::int64_t total = 0;
  const Instant before = clock_.now() - audit_retention_;
  for (auto chains = chains_after(std::nullopt); !chains.empty() && !worker_.stopping();
       chains = chains_after(chains.back().user_id)) {
    for (const storage::AuditChain& chain : chains) {
      std::vector<AuditEntry> page;
      std::int64_t seq = 0;
      do {
        read([&](storage::ReadTx& tx) {
          page = service::archivable(tx, chain.user_id, before, seq, limits::rows_per_unit_max);
        });
        if (!page.empty()) seq = page.back().seq;
        total += static_cast<std::int64_t>(page.size());
      } while (page.size() == limits::rows_per_unit_max);
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
