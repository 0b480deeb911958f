#include "app/operations.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/time_zone.h"
#include "service/accounts.h"
#include "service/audit.h"
#include "service/passwords.h"

namespace todo::app {
namespace {

constexpr int users_per_page = 500;
constexpr int letters_per_page = 500;
constexpr int entries_per_page = 1'000;

// Ends an operation with a sentence for standard error.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void read(const OperationContext& context, storage::ReadUnit unit) {
  if (context.store.read_and_wait(std::move(unit)) != storage::Outcome::committed) {
    throw Refusal("the database could not be read; the log says why");
  }
}

// True when committed, false when the unit rolled back.
bool write(const OperationContext& context, storage::WriteUnit unit) {
  const auto outcome = context.store.write_and_wait(std::move(unit));
  if (outcome == storage::Outcome::committed) return true;
  if (outcome == storage::Outcome::rolled_back) return false;
  throw Refusal("the database could not write; the log says why, and nothing was changed");
}

User find_user(const OperationContext& context, const std::string& email) {
  if (email.empty()) throw Refusal("name the user: --user EMAIL");
  std::optional<User> user;
  const std::string folded = fold_case(trim(email));
  read(context, [&](storage::ReadTx& tx) { user = tx.find_user_by_email(folded); });
  if (!user) throw Refusal("there is no user " + email);
  return *user;
}

std::string hash_text(const AuditHash& hash) {
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

// Everyone's id, or the one that is named.
std::vector<Uuid> chosen_users(const OperationContext& context, const Operation& operation) {
  if (!operation.user.empty()) return {find_user(context, operation.user).id};
  std::vector<Uuid> users;
  std::vector<storage::AuditChain> page;
  do {
    const auto after = users.empty() ? std::nullopt : std::optional(users.back());
    read(context, [&](storage::ReadTx& tx) { page = tx.audit_chains(after, users_per_page); });
    for (const auto& chain : page) users.push_back(chain.user_id);
  } while (!page.empty());
  return users;
}

OperationResult verify_audit(const OperationContext& context, const Operation& operation) {
  OperationResult result;
  std::int64_t entries = 0;
  int chains = 0;
  int broken = 0;
  for (const Uuid& user_id : chosen_users(context, operation)) {
    service::VerifyReport report;
    read(context, [&](storage::ReadTx& tx) {
      report = service::verify_chain(tx, context.audit_keys, user_id, context.clock.now());
    });
    ++chains;
    entries += report.entries;
    if (report.verified) continue;
    ++broken;
    const std::string at =
        report.first_bad_seq ? fmt::format(" at entry {}", *report.first_bad_seq) : std::string();
    result.output += fmt::format("user {}: the chain does not hold{}: {}\n", user_id.to_string(),
                                 at, report.problem);
  }
  if (broken > 0) {
    result.exit_code = 1;
    result.output += fmt::format("{} of {} chains do not hold\n", broken, chains);
  } else {
    result.output =
        fmt::format("verified: {} chain{}, {} entries\n", chains, chains == 1 ? "" : "s", entries);
  }
  return result;
}

OperationResult count_restorable(const OperationContext& context, const Uuid& user_id, bool all) {
  std::int64_t entries = 0;
  int count = 0;
  read(context, [&](storage::ReadTx& tx) {
    if (!all) {
      const auto newest = tx.newest_audit_segment(user_id);
      count = newest ? 1 : 0;
      if (newest) entries = newest->last_seq - newest->first_seq + 1;
      return;
    }
    std::int64_t seq = 0;
    for (auto page = tx.audit_segments(user_id, seq, 1); !page.empty();
         page = tx.audit_segments(user_id, seq, 1)) {
      seq = page.back().last_seq;
      entries += seq - page.back().first_seq + 1;
      ++count;
    }
  });
  return {0, fmt::format("{} entries of {} segment{} would come back\n", entries, count,
                         count == 1 ? "" : "s")};
}

OperationResult restore_audit(const OperationContext& context, const Operation& operation) {
  const User user = find_user(context, operation.user);
  if (operation.dry_run) return count_restorable(context, user.id, operation.all);
  std::int64_t total = 0;
  int segments = 0;
  int restored = 0;
  do {
    write(context, [&](storage::Tx& tx) {
      restored = service::restore_segment(tx, user.id);
      return restored > 0 ? storage::Verdict::commit : storage::Verdict::roll_back;
    });
    total += restored;
    if (restored > 0) ++segments;
  } while (restored > 0 && operation.all);
  if (segments == 0) return {0, "nothing is archived for this user\n"};
  return {0,
          fmt::format("{} entries of {} segment{} are back; the next daily archive takes what is "
                      "older than AUDIT_RETENTION again\n",
                      total, segments, segments == 1 ? "" : "s")};
}

std::int64_t export_chain(const OperationContext& context, const Uuid& user_id,
                          const std::filesystem::path& path) {
  const std::filesystem::path temporary = path.string() + ".part";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  ::chmod(temporary.c_str(), 0600);
  std::int64_t seq = 0;
  std::int64_t count = 0;
  std::string lines;
  const auto append = [&](const std::vector<AuditEntry>& entries) {
    for (const AuditEntry& entry : entries) {
      append_audit_entry_json(lines, entry);
      lines += '\n';
    }
    count += static_cast<std::int64_t>(entries.size());
  };
  bool more = true;
  while (more) {
    lines.clear();
    // Segments and the table may change places between two reads; `seq` says what is written
    // already.
    read(context, [&](storage::ReadTx& tx) {
      const auto segments = tx.audit_segments(user_id, seq, 1);
      const auto entries = segments.empty() ? tx.audit_after(user_id, seq, entries_per_page)
                                            : service::read_segment(segments.front());
      more = !entries.empty();
      if (!more) return;
      lines.clear();
      append(entries);
      seq = entries.back().seq;
    });
    file << lines;
  }
  file.close();
  if (!file) throw Refusal("cannot write " + temporary.string());
  std::filesystem::rename(temporary, path);
  return count;
}

OperationResult count_exportable(const OperationContext& context, const Operation& operation) {
  std::int64_t entries = 0;
  const std::vector<Uuid> users = chosen_users(context, operation);
  for (const Uuid& user_id : users) {
    // A chain has an entry for each seq.
    read(context, [&](storage::ReadTx& tx) { entries += tx.audit_head(user_id).seq; });
  }
  return {0, fmt::format("{} entries of {} chains would be written\n", entries, users.size())};
}

OperationResult export_audit(const OperationContext& context, const Operation& operation) {
  if (operation.dry_run) return count_exportable(context, operation);
  const std::filesystem::path directory = operation.arguments.at(0);
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed)
    throw Refusal(
        fmt::format("cannot make the folder {}: {}", directory.string(), failed.message()));
  std::string manifest;
  JsonWriter json(manifest);
  json.begin_object().member("exported_at", context.clock.now()).key("chains").begin_array();
  std::int64_t total = 0;
  int chains = 0;
  for (const Uuid& user_id : chosen_users(context, operation)) {
    const std::string name = fmt::format("audit-{}.ndjson", user_id.to_string());
    AuditHead head;
    read(context, [&](storage::ReadTx& tx) { head = tx.audit_head(user_id); });
    const std::int64_t entries = export_chain(context, user_id, directory / name);
    json.begin_object().member("user_id", user_id).member("file", name).member("entries", entries);
    json.member("head_seq", head.seq).member("head_hash", hash_text(head.hash)).end_object();
    total += entries;
    ++chains;
  }
  json.end_array().end_object();
  std::ofstream(directory / "manifest.json", std::ios::binary | std::ios::trunc)
      << manifest << '\n';
  return {0, fmt::format("{} entries of {} chains are in {}\n", total, chains, directory.string())};
}

std::vector<storage::DeadLetter> dead_letters(const OperationContext& context) {
  std::vector<storage::DeadLetter> letters;
  std::vector<storage::DeadLetter> page;
  do {
    const auto after = letters.empty() ? std::nullopt : std::optional(letters.back().id);
    read(context, [&](storage::ReadTx& tx) { page = tx.list_dead(after, letters_per_page); });
    letters.insert(letters.end(), page.begin(), page.end());
  } while (!page.empty());
  return letters;
}

OperationResult list_dead(const OperationContext& context, const Operation&) {
  OperationResult result;
  const auto letters = dead_letters(context);
  for (const storage::DeadLetter& letter : letters) {
    result.output +=
        fmt::format("{}  {}  {}  attempts {}  {}\n", letter.id.to_string(), to_string(letter.topic),
                    format_instant(letter.died_at), letter.attempts, letter.reason);
  }
  result.output +=
      fmt::format("{} dead letter{}\n", letters.size(), letters.size() == 1 ? "" : "s");
  return result;
}

OperationResult change_dead(const OperationContext& context, const Operation& operation,
                            bool (storage::Tx::*change)(const Uuid&), std::string_view done) {
  std::vector<Uuid> ids;
  if (operation.all) {
    for (const auto& letter : dead_letters(context)) ids.push_back(letter.id);
  }
  for (const std::string& text : operation.arguments) {
    const auto id = Uuid::parse(text);
    if (!id) throw Refusal(text + " is not an event id; `events dead list` shows them");
    ids.push_back(*id);
  }
  if (ids.empty() && !operation.all) throw Refusal("name event ids, or --all");
  int changed = 0;
  for (const Uuid& id : ids) {
    bool found = false;
    write(context, [&](storage::Tx& tx) {
      found = (tx.*change)(id);
      return storage::Verdict::commit;
    });
    if (found) ++changed;
  }
  if (context.wake_housekeeping) context.wake_housekeeping();
  const std::string output = fmt::format("{} of {} {}\n", changed, ids.size(), done);
  return {changed == static_cast<int>(ids.size()) ? 0 : 1, output};
}

OperationResult retry_dead(const OperationContext& context, const Operation& operation) {
  return change_dead(context, operation, &storage::Tx::retry_dead, "back in the outbox");
}

OperationResult drop_dead(const OperationContext& context, const Operation& operation) {
  return change_dead(context, operation, &storage::Tx::drop_dead, "dropped");
}

OperationResult back_up(const OperationContext& context, const Operation& operation) {
  const std::string& path = operation.arguments.at(0);
  if (auto copied = context.store.backup_to(path); !copied) throw Refusal(copied.error());
  return {0, "backed up to " + path + "\n"};
}

OperationResult restore(const OperationContext& context, const Operation& operation) {
  const std::string& path = operation.arguments.at(0);
  if (auto restored = context.store.restore_from(path); !restored) throw Refusal(restored.error());
  if (context.forget_credentials) context.forget_credentials(std::nullopt);
  if (context.wake_housekeeping) context.wake_housekeeping();
  return {0, "restored from " + path + "\n"};
}

OperationResult add_user(const OperationContext& context, const Operation& operation) {
  const auto email = service::check_email(operation.arguments.at(0));
  if (!email) throw Refusal(operation.arguments.at(0) + " is not an email address");
  if (operation.password.size() < limits::password_bytes_min ||
      operation.password.size() > limits::password_bytes_max) {
    throw Refusal("a password has 8 to 1024 bytes");
  }
  service::Registration registration;
  registration.email = *email;
  registration.password_hash = service::PasswordHasher::hash_now(operation.password);
  const std::string_view display_name = trim(operation.display_name);
  if (count_code_points(display_name) > limits::display_name_max)
    throw Refusal("a display name has at most 100 characters");
  if (!display_name.empty()) registration.display_name = display_name;
  if (!operation.timezone.empty()) registration.timezone = operation.timezone;
  if (!TimeZone::find(registration.timezone))
    throw Refusal(registration.timezone + " is not a time zone");
  std::optional<Result<User>> made;
  write(context, [&](storage::Tx& tx) {
    made = service::register_user(tx, context.audit_keys, context.ids, context.clock.now(),
                                  registration);
    return *made ? storage::Verdict::commit : storage::Verdict::roll_back;
  });
  if (!*made) throw Refusal(made->error().detail);
  return {0, fmt::format("user {} has the id {}\n", registration.email, (*made)->id.to_string())};
}

OperationResult change_password(const OperationContext& context, const Operation& operation) {
  const User user = find_user(context, operation.arguments.at(0));
  if (operation.password.size() < limits::password_bytes_min ||
      operation.password.size() > limits::password_bytes_max) {
    throw Refusal("a password has 8 to 1024 bytes");
  }
  const std::string hash = service::PasswordHasher::hash_now(operation.password);
  write(context, [&](storage::Tx& tx) {
    tx.set_password_hash(user.id, hash);
    tx.delete_sessions(user.id, std::nullopt);
    return storage::Verdict::commit;
  });
  if (context.forget_credentials) context.forget_credentials(user.id);
  return {0, "the password is changed and all sessions are ended\n"};
}

OperationResult set_disabled(const OperationContext& context, const Operation& operation,
                             bool disabled) {
  const User user = find_user(context, operation.arguments.at(0));
  write(context, [&](storage::Tx& tx) {
    auto current = tx.find_user(user.id);
    if (!current) return storage::Verdict::roll_back;
    current->disabled = disabled;
    tx.update_user(*current);
    if (disabled) tx.delete_sessions(user.id, std::nullopt);
    return storage::Verdict::commit;
  });
  if (context.forget_credentials) context.forget_credentials(user.id);
  return {0,
          fmt::format("{} is {}\n", user.email, disabled ? "disabled and signed out" : "enabled")};
}

OperationResult disable_user(const OperationContext& context, const Operation& operation) {
  return set_disabled(context, operation, true);
}

OperationResult enable_user(const OperationContext& context, const Operation& operation) {
  return set_disabled(context, operation, false);
}

OperationResult run_reminders(const OperationContext& context, const Operation&) {
  return context.run_reminders();
}

OperationResult archive_audit(const OperationContext& context, const Operation& operation) {
  const std::int64_t entries = context.archive_audit(operation.dry_run);
  return {0, fmt::format("{} entries {}archived\n", entries, operation.dry_run ? "would be " : "")};
}

OperationResult purge(const OperationContext& context, const Operation& operation) {
  OperationResult result;
  for (const pipeline::Purged& each : context.purge(operation.dry_run)) {
    std::string kind(each.kind);
    std::ranges::replace(kind, '_', ' ');
    result.output += fmt::format("{}: {}{} {}\n", kind, each.is_least ? "at least " : "",
                                 each.count, operation.dry_run ? "would go" : "gone");
  }
  return result;
}

using Run = OperationResult (*)(const OperationContext&, const Operation&);

const std::map<std::string_view, Run>& operations() {
  static const std::map<std::string_view, Run> all{
      {"reminders run", run_reminders},
      {"audit verify", verify_audit},
      {"audit archive", archive_audit},
      {"audit restore", restore_audit},
      {"audit export", export_audit},
      {"purge", purge},
      {"events dead list", list_dead},
      {"events dead retry", retry_dead},
      {"events dead drop", drop_dead},
      {"backup", back_up},
      {"restore", restore},
      {"user add", add_user},
      {"user passwd", change_password},
      {"user disable", disable_user},
      {"user enable", enable_user},
  };
  return all;
}

std::string text_member(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string()))
                                                : std::string();
}

bool flag_member(const boost::json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

}  // namespace

std::optional<std::string> check_texts(const Operation& operation) {
  std::vector<std::string_view> texts{operation.user, operation.display_name, operation.timezone,
                                      operation.password};
  texts.insert(texts.end(), operation.arguments.begin(), operation.arguments.end());
  if (std::ranges::all_of(texts, is_valid_utf8)) return std::nullopt;
  return "an argument is not valid UTF-8";
}

OperationResult run_operation(const OperationContext& context, const Operation& operation) {
  try {
    if (const auto wrong = check_texts(operation)) throw Refusal(*wrong);
    const auto found = operations().find(operation.name);
    if (found == operations().end()) throw Refusal("unknown operation " + operation.name);
    return found->second(context, operation);
  } catch (const std::exception& error) {
    return {1, std::string(error.what()) + "\n", true};
  }
}

std::string operation_json(const Operation& operation) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("name", operation.name).key("arguments").begin_array();
  for (const std::string& argument : operation.arguments) json.value(argument);
  json.end_array().member("user", operation.user).member("display_name", operation.display_name);
  json.member("timezone", operation.timezone)
      .member("password", operation.password)
      .member("all", operation.all)
      .member("dry_run", operation.dry_run)
      .end_object();
  return out;
}

std::optional<Operation> parse_operation(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const boost::json::object& object = parsed->get_object();
  Operation operation;
  operation.name = text_member(object, "name");
  operation.user = text_member(object, "user");
  operation.display_name = text_member(object, "display_name");
  operation.timezone = text_member(object, "timezone");
  operation.password = text_member(object, "password");
  operation.all = flag_member(object, "all");
  operation.dry_run = flag_member(object, "dry_run");
  if (const auto* arguments = object.if_contains("arguments");
      arguments != nullptr && arguments->is_array()) {
    for (const auto& argument : arguments->get_array()) {
      if (argument.is_string())
        operation.arguments.emplace_back(std::string_view(argument.get_string()));
    }
  }
  return operation;
}

std::string result_json(const OperationResult& result) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .member("exit_code", result.exit_code)
      .member("output", result.output)
      .member("refused", result.refused)
      .end_object();
  return out;
}

std::optional<OperationResult> parse_result(std::string_view text) {
  const auto parsed = parse_json(text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const boost::json::object& object = parsed->get_object();
  const auto* code = object.if_contains("exit_code");
  if (code == nullptr || !code->is_int64()) return std::nullopt;
  return OperationResult{static_cast<int>(code->get_int64()), text_member(object, "output"),
                         flag_member(object, "refused")};
}

}  // namespace todo::app
