#include "app/copy.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "app/data_directory.h"
#include "service/audit.h"
#include "storage/postgres/transfer.h"
#include "storage/postgres/url.h"
#include "storage/sqlite/files.h"
#include "storage/sqlite/transfer.h"

namespace todo::app {
namespace {

namespace fs = std::filesystem;
namespace transfer = storage::transfer;

constexpr std::chrono::seconds line_interval_terminal{1};
constexpr std::chrono::seconds line_interval{10};
constexpr int chains_per_page = 500;

// Ends a copy with a sentence for standard error.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class T>
T must(std::expected<T, std::string> result) {
  if (!result) throw Refusal(result.error());
  return std::move(*result);
}

void tell(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

// --- the two ends ---

struct Place {
  bool is_postgres = false;
  std::string location;  // a URL, which may hold a password, or an absolute path
  std::string shown;

  fs::path folder() const { return fs::path(location).parent_path(); }
};

// The text is not echoed: it may be a URL with a password and a slip in it.
Place parse_place(const std::string& text, const char* flag) {
  constexpr std::string_view scheme = "sqlite:";
  if (storage::postgres::is_url(text)) {
    if (const auto parsed = storage::postgres::parse_url(text); !parsed)
      throw Refusal(fmt::format("{}: {}", flag, parsed.error()));
    return {true, text, storage::postgres::without_password(text)};
  }
  if (!text.starts_with(scheme) || text.size() == scheme.size())
    throw Refusal(fmt::format("{} must be sqlite:PATH or postgres://…", flag));
  const std::string path = fs::absolute(text.substr(scheme.size())).lexically_normal().string();
  return {false, path, path};
}

std::unique_ptr<transfer::Reader> open_source(const Place& place) {
  return must(place.is_postgres ? storage::postgres::open_source(place.location)
                                : storage::sqlite::open_source(place.location));
}

std::unique_ptr<transfer::Writer> open_target(const Place& place, const std::string& epoch) {
  return must(place.is_postgres ? storage::postgres::open_target(place.location, epoch)
                                : storage::sqlite::open_target(place.location, epoch,
                                                               storage::sqlite::Leftover::go_on));
}

// The locks of the data directories that the files are in, each once.
class Locks {
 public:
  void take(const fs::path& folder) {
    const std::string name = fs::weakly_canonical(folder).string();
    if (!folders_.insert(name).second) return;
    const DataDirectory directory = must(DataDirectory::open(name));
    locks_.push_back(must(directory.lock()));
  }

 private:
  std::set<std::string> folders_;
  std::vector<FileLock> locks_;
};

// A file may be one of a data directory's, or the database of this configuration wherever it is;
// a backup that lies anywhere else is nobody's.
void lock_source(const Config& config, const Place& source, Locks& locks) {
  if (source.is_postgres) return;
  std::error_code ignored;
  if (fs::exists(source.folder() / "lock", ignored)) locks.take(source.folder());
  constexpr std::string_view scheme = "sqlite:";
  const bool is_configured =
      config.database_url.starts_with(scheme) &&
      fs::equivalent(config.database_url.substr(scheme.size()), source.location, ignored);
  if (is_configured) locks.take(config.data_dir);
}

// AUDIT_KEY, else the keys that lie beside the files.
std::vector<std::string> find_audit_keys(const Config& config, const Place& source,
                                         const Place& target) {
  if (!config.audit_keys.empty()) return config.audit_keys;
  std::vector<std::string> keys;
  for (const Place* place : {&source, &target}) {
    std::error_code ignored;
    if (place->is_postgres || !fs::exists(place->folder() / "audit.key", ignored)) continue;
    const DataDirectory directory = must(DataDirectory::open(place->folder().string()));
    keys.push_back(must(directory.load_or_make_key("audit")).text);
  }
  return keys;
}

// --- how far it is ---

class ProgressLines {
 public:
  void show(transfer::Stage stage, std::int64_t rows, std::int64_t rows_all) {
    const auto now = Clock::now();
    if (stage != stage_ || !begun_) {
      stage_ = stage;
      begun_ = now;
      shown_ = now;
      rows_begun_ = rows;
    }
    if (now - shown_ < interval_ && rows < rows_all) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - *begun_).count();
    const double rate = seconds > 0 ? static_cast<double>(rows - rows_begun_) / seconds : 0;
    tell(fmt::format("{}: {} of {} rows ({} %), {:.0f} rows/s", word(stage), rows, rows_all,
                     rows_all == 0 ? 100 : rows * 100 / rows_all, rate));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static const char* word(transfer::Stage stage) {
    switch (stage) {
      case transfer::Stage::looking_back:
        return "looking at what was copied before";
      case transfer::Stage::copying:
        return "copying";
      case transfer::Stage::comparing:
        return "comparing";
    }
    return "";
  }

  const std::chrono::seconds interval_ =
      ::isatty(STDERR_FILENO) == 1 ? line_interval_terminal : line_interval;
  transfer::Stage stage_ = transfer::Stage::looking_back;
  std::optional<Clock::time_point> begun_;
  Clock::time_point shown_;
  std::int64_t rows_begun_ = 0;
};

// --- the chains ---

struct Chains {
  std::int64_t chains = 0;
  std::int64_t entries = 0;
};

Chains verify_chains(storage::ReadTx& tx, const AuditKeys& keys, Instant now) {
  Chains verified;
  std::optional<Uuid> after;
  for (auto page = tx.audit_chains(after, chains_per_page); !page.empty();
       page = tx.audit_chains(after, chains_per_page)) {
    for (const auto& chain : page) {
      const auto report = service::verify_chain(tx, keys, chain.user_id, now);
      if (!report.verified) {
        throw Refusal(fmt::format(
            "the chain of user {} does not hold: {}; see what `todo-backend audit verify` says at "
            "the source",
            chain.user_id.to_string(), report.problem));
      }
      ++verified.chains;
      verified.entries += report.entries;
    }
    after = page.back().user_id;
  }
  return verified;
}

bool has_entries(storage::ReadTx& tx) {
  std::optional<Uuid> after;
  for (auto page = tx.audit_chains(after, chains_per_page); !page.empty();
       page = tx.audit_chains(after, chains_per_page)) {
    for (const auto& chain : page) {
      if (chain.head.seq > 0) return true;
    }
    after = page.back().user_id;
  }
  return false;
}

std::string summary(const transfer::Copied& copied, const Chains& chains, const Place& target) {
  std::string before;
  if (copied.rows_before > 0)
    before = fmt::format(", {} of them by a copy that was broken off", copied.rows_before);
  if (copied.began_anew)
    before = " (all anew: the source has changed since the copy that was broken off)";
  return fmt::format(
      "{} rows are copied{}\nverified: all rows, {} chain{}, {} entries\n{} is ready\n",
      copied.rows, before, chains.chains, chains.chains == 1 ? "" : "s", chains.entries,
      target.shown);
}

OperationResult copy_places(const Config& config, const Place& from, const Place& to) {
  if (from.location == to.location) throw Refusal("--from and --to are the same database");
  Locks locks;
  lock_source(config, from, locks);
  const auto source = open_source(from);
  if (!to.is_postgres) locks.take(to.folder());
  const auto key_texts = find_audit_keys(config, from, to);
  if (key_texts.empty() && has_entries(source->tx()))
    throw Refusal("AUDIT_KEY is needed, that of the source: the chains are verified with it");
  const AuditKeys keys(key_texts);
  const auto target = open_target(to, source->epoch());
  tell(fmt::format("copying {} to {}", from.shown, to.shown));
  if (from.is_postgres) tell("what is written to the source from now on is not copied");

  ProgressLines lines;
  const transfer::Watch watch = [&](transfer::Stage stage, std::int64_t rows,
                                    std::int64_t rows_all) { lines.show(stage, rows, rows_all); };
  const transfer::Copied copied = transfer::copy(*source, *target, watch);
  Chains chains;
  {
    const auto reader = target->read_back();
    transfer::compare(*reader, copied.positions, watch);
    chains = verify_chains(reader->tx(), keys, SystemClock().now());
  }
  target->finish();
  return {0, summary(copied, chains, to)};
}

// --- backups of PostgreSQL ---

const transfer::Watch nobody_watches = [](transfer::Stage, std::int64_t, std::int64_t) {};

// A folder for its owner alone, gone with the object.
class PrivateFolder {
 public:
  PrivateFolder() {
    std::string pattern = (fs::temp_directory_path() / "todo-restore-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw Refusal("there is no place for temporary files: see TMPDIR");
    path_ = pattern;
  }
  ~PrivateFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

void back_up(const std::string& url, const std::string& path) {
  const auto source = must(storage::postgres::open_source(url));
  const auto target =
      must(storage::sqlite::open_target(path, source->epoch(), storage::sqlite::Leftover::forget));
  transfer::copy(*source, *target, nobody_watches);
  target->finish();
}

void restore(const std::string& url, const std::string& path) {
  const PrivateFolder folder;
  const std::string prepared = folder.file("todo.db");
  if (auto done = storage::sqlite::prepare_restore(path, prepared); !done)
    throw Refusal(done.error());
  const auto source = must(storage::sqlite::open_source(prepared));
  const auto target = must(storage::postgres::open_replacement(url));
  transfer::copy(*source, *target, nobody_watches);
  target->finish();
}

std::expected<void, std::string> sentence_of(const std::function<void()>& work) {
  try {
    work();
    return {};
  } catch (const std::exception& error) {
    return std::unexpected(std::string(error.what()));
  }
}

}  // namespace

OperationResult copy_database(const Config& config, const CopyRequest& request) {
  try {
    return copy_places(config, parse_place(request.from, "--from"),
                       parse_place(request.to, "--to"));
  } catch (const storage::TransactionLost& lost) {
    return {1, fmt::format("{}\nthe same command goes on where this one was\n", lost.what()), true};
  } catch (const std::exception& error) {
    return {1, std::string(error.what()) + "\n", true};
  }
}

std::expected<void, std::string> back_up_postgres(const std::string& url, const std::string& path) {
  return sentence_of([&] { back_up(url, path); });
}

std::expected<void, std::string> restore_postgres(const std::string& url, const std::string& path) {
  return sentence_of([&] { restore(url, path); });
}

}  // namespace todo::app
