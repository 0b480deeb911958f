#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.h"
#include "app/data_directory.h"
#include "app/operations.h"
#include "app/trace_exporter.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "dapr/bulk_publisher.h"
#include "domain/audit_entry.h"
#include "observability/metrics.h"
#include "pipeline/embedded_bus.h"
#include "pipeline/housekeeping.h"
#include "pipeline/relay.h"
#include "pipeline/reminder_timer.h"
#include "service/consumers.h"
#include "storage/store.h"

namespace todo::app {

// What the server and the subcommands have in common: the database, the keys, and what works on it;
// with the embedded database its data directory, locked. Members are in the order of their making;
// they go in the other.
class Core {
 public:
  // Fails with a sentence: another process serves the directory, the database is not ours …
  static std::expected<std::unique_ptr<Core>, std::string> open(const Config& config);
  ~Core();

  // The bus and the timers begin to work.
  void start();
  // For a process that serves nobody: applies or publishes what it left in the outbox of a database
  // that other processes serve, who may not look there for a while.
  void apply_waiting_events();
  // Timers off, what is queued is committed, the database closes. Idempotent.
  void stop();
  OperationContext operation_context();
  tracing::Tracer* tracer() { return traces ? &traces->tracer() : nullptr; }

  const Config config;
  const std::optional<DataDirectory> directory;  // none with PostgreSQL
  FileLock lock;
  SystemClock clock;
  Uuid7Generator ids{clock};
  metrics::Registry metrics;
  std::unique_ptr<TraceExporter> traces;  // where somebody collects them
  std::vector<std::string> jwt_secrets;
  AuditKeys audit_keys;
  std::unique_ptr<storage::Store> store;
  std::unique_ptr<pipeline::ReminderTimer> reminders;
  std::unique_ptr<service::Consumers> consumers;
  // One of two: the bus in this process, or relays to another by way of the sidecar.
  std::unique_ptr<pipeline::EmbeddedBus> bus;
  std::vector<std::unique_ptr<dapr::BulkPublisher>> publishers;
  std::vector<std::unique_ptr<pipeline::Relay>> relays;
  std::unique_ptr<pipeline::Housekeeping> housekeeping;

 private:
  struct Place {
    std::optional<DataDirectory> directory;
    FileLock lock;
    std::vector<std::string> jwt_secrets;
    std::vector<std::string> audit_keys;
  };
  static std::expected<Place, std::string> embedded_place(const Config& config);
  void make_bus();
  bool publish_waiting_events();
  Core(Config c, Place place);
};

}  // namespace todo::app
