#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"
#include "domain/audit_entry.h"
#include "pipeline/housekeeping.h"
#include "storage/store.h"

namespace todo::app {

// What a subcommand asks of the data: done in this process when it holds the database, else sent to
// the server that does.
struct Operation {
  std::string name;  // "reminders run", "audit verify", "events dead list", "backup", "user add" …
  std::vector<std::string> arguments;
  std::string user;          // --user: an email; empty: everyone
  std::string display_name;  // --name
  std::string timezone;      // --timezone
  std::string password;      // never on the command line
  bool all = false;          // --all
  bool dry_run = false;      // --dry-run: only tells what it would do
};

struct OperationResult {
  int exit_code = 0;
  std::string output;
  bool refused = false;  // output says why nothing came of it: for standard error
};

// The parts an operation works with. The callbacks may be empty.
struct OperationContext {
  storage::Store& store;
  const Clock& clock;
  IdGenerator& ids;
  const AuditKeys& audit_keys;
  std::function<OperationResult()> run_reminders;
  std::function<std::int64_t(bool dry_run)> archive_audit;
  std::function<std::vector<pipeline::Purged>(bool dry_run)> purge;
  std::function<void(const std::optional<Uuid>&)>
      forget_credentials;  // of one user, or everybody's
  std::function<void()> wake_housekeeping;
};

// Arguments come from a shell and may be any bytes: a sentence where one is no text.
std::optional<std::string> check_texts(const Operation& operation);

// Runs it, on the calling thread, which waits. Never throws.
OperationResult run_operation(const OperationContext& context, const Operation& operation);

std::string operation_json(const Operation& operation);
std::optional<Operation> parse_operation(std::string_view json);
std::string result_json(const OperationResult& result);
std::optional<OperationResult> parse_result(std::string_view json);

}  // namespace todo::app
