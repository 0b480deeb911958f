#include "storage/transfer.h"

#include <sodium.h>

#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

namespace todo::storage::transfer {
namespace {

// A batch is what a crash has to repeat at most, and what one COMMIT is shared by.
constexpr std::int64_t batch_rows_max = 50'000;
constexpr std::size_t batch_bytes_max = std::size_t{16} << 20U;
constexpr int page_rows = 1'000;
// A segment may be megabytes.
constexpr int segments_per_page = 4;

constexpr std::array users{
    Column{"id", Type::id},
    Column{"email", Type::text},
    Column{"email_folded", Type::text},
    Column{"password_hash", Type::text},
    Column{"display_name", Type::text},
    Column{"timezone", Type::text},
    Column{"reminders_enabled", Type::boolean},
    Column{"reminder_minutes_before", Type::integer},
    Column{"toast_notifications", Type::boolean},
    Column{"missed_occurrences", Type::integer},
    Column{"recompute", Type::boolean},
    Column{"recompute_shift", Type::boolean},
    Column{"recompute_zone_changed", Type::boolean},
    Column{"recompute_from_zone", Type::text},
    Column{"recompute_started_at", Type::instant},
    Column{"recompute_after", Type::id},
    Column{"disabled", Type::boolean},
    Column{"created_at", Type::instant},
    Column{"deleted_at", Type::instant},
};
constexpr std::array user_state{
    Column{"user_id", Type::id},
    Column{"changes", Type::integer},
    Column{"living_tasks", Type::integer},
    Column{"completed_tasks", Type::integer},
};
constexpr std::array audit_heads{
    Column{"user_id", Type::id}, Column{"seq", Type::integer},    Column{"hash", Type::bytes},
    Column{"seal", Type::bytes}, Column{"key_id", Type::integer},
};
constexpr std::array sessions{
    Column{"id", Type::id},
    Column{"user_id", Type::id},
    Column{"created_at", Type::instant},
    Column{"expires_at", Type::instant},
};
constexpr std::array api_tokens{
    Column{"id", Type::id},
    Column{"user_id", Type::id},
    Column{"name", Type::text},
    Column{"scope", Type::integer},
    Column{"secret_hash", Type::bytes},
    Column{"expires_at", Type::instant},
    Column{"created_at", Type::instant},
    Column{"last_used_at", Type::instant},
};
constexpr std::array tasks{
    Column{"user_id", Type::id},
    Column{"id", Type::id},
    Column{"created_at", Type::instant},
    Column{"priority_rank", Type::integer},
    Column{"title", Type::text},
    Column{"description", Type::text},
    Column{"due_at", Type::instant},
    Column{"due_on", Type::date},
    Column{"completed_at", Type::instant},
    Column{"category", Type::text},
    Column{"recurrence_rule", Type::integer},
    Column{"recurrence_interval", Type::integer},
    Column{"recurrence_weekdays", Type::integer},
    Column{"recurrence_from", Type::integer},
    Column{"anchor_local", Type::local},
    Column{"anchor_zone", Type::text},
    Column{"anchor_step", Type::integer},
    Column{"parent_task_id", Type::id},
    Column{"series_id", Type::id},
    Column{"occurrence", Type::integer},
    Column{"version", Type::integer},
    Column{"updated_at", Type::instant},
    Column{"remind_at", Type::instant},
    Column{"deleted_at", Type::instant},
    Column{"title_folded", Type::text},
    Column{"description_folded", Type::text},
};
constexpr std::array promised_occurrences{
    Column{"id", Type::id},        Column{"user_id", Type::id},         Column{"task_id", Type::id},
    Column{"series_id", Type::id}, Column{"occurrence", Type::integer}, Column{"task", Type::text},
};
constexpr std::array reminders{
    Column{"user_id", Type::id},           Column{"task_id", Type::id},
    Column{"due_at", Type::instant},       Column{"id", Type::id},
    Column{"claim_id", Type::id},          Column{"state", Type::integer},
    Column{"reason", Type::integer},       Column{"remind_at", Type::instant},
    Column{"delivered_at", Type::instant}, Column{"notification_id", Type::id},
};
constexpr std::array notifications{
    Column{"user_id", Type::id},   Column{"id", Type::id},      Column{"created_at", Type::instant},
    Column{"type", Type::integer}, Column{"title", Type::text}, Column{"message", Type::text},
    Column{"data", Type::text},    Column{"task_id", Type::id}, Column{"read_at", Type::instant},
};
constexpr std::array audit_entries{
    Column{"user_id", Type::id},     Column{"seq", Type::integer},
    Column{"id", Type::id},          Column{"entity_type", Type::text},
    Column{"entity_id", Type::id},   Column{"entity_version", Type::integer},
    Column{"action", Type::integer}, Column{"timestamp", Type::instant},
    Column{"key_id", Type::integer}, Column{"prev_hash", Type::bytes},
    Column{"hash", Type::bytes},     Column{"canonical", Type::text},
};
constexpr std::array audit_segments{
    Column{"user_id", Type::id},       Column{"first_seq", Type::integer},
    Column{"last_seq", Type::integer}, Column{"manifest", Type::text},
    Column{"data", Type::bytes},
};
// By id, which is the order of making; the order in which SQLite's rows arrived is its own.
constexpr std::array outbox{
    Column{"id", Type::id},
    Column{"topic", Type::integer},
    Column{"user_id", Type::id},
    Column{"event", Type::text},
    Column{"attempts", Type::integer},
    Column{"not_before", Type::instant},
};
constexpr std::array dead_letters{
    Column{"id", Type::id},           Column{"topic", Type::integer},
    Column{"user_id", Type::id},      Column{"event", Type::text},
    Column{"reason", Type::text},     Column{"attempts", Type::integer},
    Column{"died_at", Type::instant},
};
// Positions are in the order of use, by which retention goes.
constexpr std::array idempotency_keys{
    Column{"position", Type::integer}, Column{"user_id", Type::id},
    Column{"key", Type::text},         Column{"request_hash", Type::bytes},
    Column{"status", Type::integer},   Column{"headers", Type::text},
    Column{"body", Type::bytes},       Column{"created_at", Type::instant},
};

constexpr std::array all_tables{
    Table{"users", users, 1, page_rows},
    Table{"user_state", user_state, 1, page_rows},
    Table{"audit_heads", audit_heads, 1, page_rows},
    Table{"sessions", sessions, 1, page_rows},
    Table{"api_tokens", api_tokens, 1, page_rows},
    Table{"tasks", tasks, 2, page_rows},
    Table{"promised_occurrences", promised_occurrences, 1, page_rows},
    Table{"reminders", reminders, 3, page_rows},
    Table{"notifications", notifications, 2, page_rows},
    Table{"audit_entries", audit_entries, 2, page_rows},
    Table{"audit_segments", audit_segments, 2, segments_per_page},
    Table{"outbox", outbox, 1, page_rows},
    Table{"dead_letters", dead_letters, 1, page_rows},
    Table{"idempotency_keys", idempotency_keys, 1, page_rows},
};

std::string_view key_of(const Table& table, std::string_view row) {
  Cells cells(row);
  for (std::size_t i = 0; i < table.key_columns; ++i) cells.next();
  return row.substr(0, cells.at());
}

// The digest so far is the key of the next row's hash.
void add_rows(const Table& table, const Page& page, Position& position) {
  if (page.rows() == 0) return;
  for (std::size_t i = 0; i < page.rows(); ++i) {
    const std::string_view row = page.row(i);
    const Digest before = position.digest;
    crypto_generichash(position.digest.data(), position.digest.size(),
                       reinterpret_cast<const unsigned char*>(row.data()), row.size(),
                       before.data(), before.size());
  }
  position.rows += static_cast<std::int64_t>(page.rows());
  position.last_key = key_of(table, page.row(page.rows() - 1));
}

std::int64_t sum_of_rows(const Positions& positions) {
  return std::accumulate(
      positions.begin(), positions.end(), std::int64_t{0},
      [](std::int64_t sum, const Position& position) { return sum + position.rows; });
}

// Walks a table of a database up to `until.rows` rows and tells whether they are those.
bool holds(Reader& reader, const Table& table, const Position& until,
           const std::function<void(std::size_t)>& on_page) {
  Position position;
  Page page;
  while (position.rows < until.rows) {
    reader.read(table, position.last_key, page);
    if (page.rows() == 0) return false;
    // Pages end where they end: one that began elsewhere may reach beyond.
    if (position.rows + static_cast<std::int64_t>(page.rows()) > until.rows) {
      Page rest;
      for (std::size_t i = 0; position.rows + static_cast<std::int64_t>(i) < until.rows; ++i)
        rest.add_row(page.row(i));
      page = std::move(rest);
    }
    add_rows(table, page, position);
    on_page(page.rows());
  }
  return position.last_key == until.last_key && position.digest == until.digest;
}

class Copy {
 public:
  Copy(Reader& source, Writer& target, const Watch& watch)
      : source_(source), target_(target), watch_(watch) {}

  Copied run() {
    copied_.positions = target_.positions();
    if (sum_of_rows(copied_.positions) > 0) look_back();
    copied_.rows_before = sum_of_rows(copied_.positions);
    copied_.rows = copied_.rows_before;
    std::vector<std::int64_t> counts;
    for (const Table& table : tables()) counts.push_back(source_.count(table));
    rows_all_ = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    for (std::size_t i = 0; i < counts.size(); ++i) {
      copy_table(tables()[i], copied_.positions[i]);
      if (copied_.positions[i].rows == counts[i]) continue;
      throw std::runtime_error(fmt::format("{} has {} rows and gave {}", tables()[i].name,
                                           counts[i], copied_.positions[i].rows));
    }
    return std::move(copied_);
  }

 private:
  // What was copied before is good as long as the source still gives the same.
  void look_back() {
    const std::int64_t rows_all = sum_of_rows(copied_.positions);
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < tables().size(); ++i) {
      const bool same = holds(source_, tables()[i], copied_.positions[i], [&](std::size_t more) {
        rows += static_cast<std::int64_t>(more);
        watch_(Stage::looking_back, rows, rows_all);
      });
      if (same) continue;
      target_.clear();
      copied_.positions = Positions(tables().size());
      copied_.began_anew = true;
      return;
    }
  }

  void copy_table(const Table& table, Position& position) {
    Position kept = position;
    std::size_t bytes = 0;
    Page page;
    for (;;) {
      source_.read(table, position.last_key, page);
      if (page.rows() > 0) {
        target_.write(table, page);
        add_rows(table, page, position);
        bytes += page.size();
        copied_.rows += static_cast<std::int64_t>(page.rows());
        watch_(Stage::copying, copied_.rows, rows_all_);
      }
      const bool is_end = page.rows() == 0;
      const bool is_full = position.rows - kept.rows >= batch_rows_max || bytes >= batch_bytes_max;
      if (position.rows > kept.rows && (is_end || is_full)) {
        target_.commit(table, kept, position);
        kept = position;
        bytes = 0;
      }
      if (is_end) return;
    }
  }

  Reader& source_;
  Writer& target_;
  const Watch& watch_;
  Copied copied_;
  std::int64_t rows_all_ = 0;
};

}  // namespace

std::span<const Table> tables() { return all_tables; }

Copied copy(Reader& source, Writer& target, const Watch& watch) {
  return Copy(source, target, watch).run();
}

void compare(Reader& target, const Positions& expected, const Watch& watch) {
  const std::int64_t rows_all = sum_of_rows(expected);
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < tables().size(); ++i) {
    const Table& table = tables()[i];
    const std::int64_t count = target.count(table);
    if (count != expected[i].rows) {
      throw std::runtime_error(fmt::format("the target has {} rows in {}, and {} were copied",
                                           count, table.name, expected[i].rows));
    }
    const bool same = holds(target, table, expected[i], [&](std::size_t more) {
      rows += static_cast<std::int64_t>(more);
      watch(Stage::comparing, rows, rows_all);
    });
    if (!same) {
      throw std::runtime_error(
          fmt::format("the target's rows in {} are not those that were copied", table.name));
    }
  }
}

}  // namespace todo::storage::transfer
