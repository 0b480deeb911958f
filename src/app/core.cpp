#include "app/core.h"

#include <filesystem>

#include <fmt/format.h>

#include "app/database.h"
#include "app/sidecar.h"
#include "base/limits.h"
#include "storage/relaying.h"

namespace todo::app {
namespace {

// While one of them waits for the sidecar's answers, the other asks the database, and the sidecar
// has something to do all the time.
constexpr int relays_count = 2;

// The keys as configured, or the one kept in the data directory.
std::expected<std::vector<std::string>, std::string> keys_of(
    const DataDirectory& directory, const std::vector<std::string>& configured,
    const std::string& name) {
  if (!configured.empty()) return configured;
  auto kept = directory.load_or_make_key(name);
  if (!kept) return std::unexpected(kept.error());
  return std::vector<std::string>{kept->text};
}

// Another audit key in the place of a lost one would make every chain look forged.
std::expected<void, std::string> check_audit_key(const DataDirectory& directory,
                                                 const Config& config) {
  if (!config.audit_keys.empty() || directory.has_key("audit") ||
      !std::filesystem::exists(database_path(config, directory)))
    return {};
  SystemClock clock;
  metrics::Registry metrics;
  auto store = open_database(config, &directory, clock, metrics);
  if (!store) return std::unexpected(store.error());
  bool has_chains = true;
  (*store)->read_and_wait(
      [&](storage::ReadTx& tx) { has_chains = !tx.audit_chains(std::nullopt, 1).empty(); });
  if (!has_chains) return {};
  return std::unexpected(fmt::format(
      "{}/audit.key is missing, and the audit trail is signed with it: put it back from "
      "a copy, or set AUDIT_KEY to begin with a new key",
      config.data_dir));
}

}  // namespace

std::expected<Core::Place, std::string> Core::embedded_place(const Config& config) {
  auto directory = DataDirectory::open(config.data_dir);
  if (!directory) return std::unexpected(directory.error());
  auto lock = directory->lock();
  if (!lock) return std::unexpected(lock.error());
  if (auto checked = check_audit_key(*directory, config); !checked)
    return std::unexpected(checked.error());
  auto jwt = keys_of(*directory, config.jwt_secrets, "jwt");
  if (!jwt) return std::unexpected(jwt.error());
  auto audit = keys_of(*directory, config.audit_keys, "audit");
  if (!audit) return std::unexpected(audit.error());
  return Place{std::move(*directory), std::move(*lock), std::move(*jwt), std::move(*audit)};
}

Core::Core(Config c, Place place)
    : config(std::move(c)),
      directory(std::move(place.directory)),
      lock(std::move(place.lock)),
      jwt_secrets(std::move(place.jwt_secrets)),
      audit_keys(place.audit_keys) {}

std::expected<std::unique_ptr<Core>, std::string> Core::open(const Config& config) {
  if (auto checked = check_keys(config); !checked) return std::unexpected(checked.error());
  std::expected<Place, std::string> place =
      config.uses_postgres()
          ? Place{std::nullopt, FileLock(), config.jwt_secrets, config.audit_keys}
          : embedded_place(config);
  if (!place) return std::unexpected(place.error());
  std::unique_ptr<Core> core(new Core(config, std::move(*place)));
  auto store = open_database(config, core->directory ? &*core->directory : nullptr, core->clock,
                             core->metrics);
  if (!store) return std::unexpected(store.error());
  core->store = std::move(*store);
  if (!config.otlp_endpoint.empty())
    core->traces = std::make_unique<TraceExporter>(config.otlp_endpoint, core->metrics);
  core->reminders = std::make_unique<pipeline::ReminderTimer>(
      *core->store, core->clock, core->ids, config.reminder_interval, core->metrics);
  core->consumers = std::make_unique<service::Consumers>(core->clock, core->ids, core->audit_keys,
                                                         core->reminders.get());
  core->make_bus();
  core->housekeeping = std::make_unique<pipeline::Housekeeping>(
      *core->store, core->clock, core->ids, core->audit_keys, *core->reminders,
      config.audit_retention, core->metrics);
  return core;
}

Core::~Core() { stop(); }

void Core::make_bus() {
  if (!config.uses_dapr()) {
    bus = std::make_unique<pipeline::EmbeddedBus>(*consumers, clock, metrics);
    return;
  }
  for (int i = 0; i < relays_count; ++i) {
    const auto& publisher = publishers.emplace_back(
        std::make_unique<dapr::BulkPublisher>(sidecar_of(config), config.pubsub_name, tracer()));
    relays.push_back(std::make_unique<pipeline::Relay>(*publisher, clock, metrics));
  }
}

void Core::start() {
  if (traces) traces->start();
  if (bus) {
    store->start_bus([this](storage::Tx& tx, int events_max) { return bus->step(tx, events_max); });
  } else {
    const auto step_of = [](pipeline::Relay& relay) {
      return [&relay](const auto& rows, const auto& depth) { return relay.step(rows, depth); };
    };
    std::vector<storage::RelayStep> helpers;
    for (std::size_t i = 1; i < relays.size(); ++i) helpers.emplace_back(step_of(*relays[i]));
    store->start_relay(step_of(*relays.front()), std::move(helpers));
  }
  store->on_remote_work([this] { reminders->look(); });
  reminders->start();
  housekeeping->start();
}

// Where there is no sidecar they wait for those who have one.
bool Core::publish_waiting_events() {
  std::size_t published = 0;
  const auto outcome = store->write_and_wait([&](storage::Tx& tx) {
    const auto rows = tx.take_to_publish(clock.now(), limits::events_per_publish_max);
    if (rows.empty()) return storage::Verdict::roll_back;
    const storage::Relayed relayed = relays.front()->step(rows, std::nullopt);
    storage::settle(tx, relayed);
    published = relayed.acknowledged.size();
    return storage::Verdict::commit;
  });
  return outcome == storage::Outcome::committed && published > 0;
}

void Core::apply_waiting_events() {
  if (!bus) {
    while (publish_waiting_events()) {
    }
    return;
  }
  auto outcome = storage::Outcome::committed;
  while (outcome == storage::Outcome::committed) {
    outcome = store->write_and_wait([&](storage::Tx& tx) {
      return bus->step(tx, limits::events_per_cycle_max).events > 0 ? storage::Verdict::commit
                                                                    : storage::Verdict::roll_back;
    });
  }
}

void Core::stop() {
  if (reminders) reminders->stop();
  if (housekeeping) housekeeping->stop();
  if (store) store->stop();
  if (traces) traces->stop();
}

OperationContext Core::operation_context() {
  return {*store,
          clock,
          ids,
          audit_keys,
          [this]() -> OperationResult {
            const auto claimed = reminders->check();
            if (!claimed) return {1, claimed.error() + "\n"};
            return {0, fmt::format("{} reminder{} claimed\n", *claimed, *claimed == 1 ? "" : "s")};
          },
          [this](bool dry_run) {
            return dry_run ? housekeeping->count_archivable() : housekeeping->archive_audit();
          },
          [this](bool dry_run) {
            return dry_run ? housekeeping->purge_dry_run() : housekeeping->purge();
          },
          {},
          [this] {
            housekeeping->wake();
            reminders->look();
          }};
}

}  // namespace todo::app
