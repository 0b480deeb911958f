#pragma once

#include <string>

#include "observability/metrics.h"

namespace todo::storage::postgres {

struct Probe {
  metrics::Registry& registry;
  metrics::Counter& commits;
  metrics::Counter& units;
  metrics::Counter& failures;
  metrics::Counter& unknown;
  metrics::Counter& expired;
  metrics::Counter& notifications_sent;
  metrics::Counter& notifications_received;
  metrics::Histogram& commit_seconds;
  metrics::Histogram& transaction_seconds;
  metrics::Gauge& writer_queue;
  metrics::Gauge& reader_queue;
  metrics::Gauge& connections;
  metrics::Gauge& clock_skew_seconds;

  explicit Probe(metrics::Registry& m)
      : registry(m),
        commits(m.counter("todo_storage_commits_total", "Transactions committed")),
        units(m.counter("todo_storage_units_total", "Units of work committed")),
        failures(m.counter("todo_storage_failures_total", "Units that the database could not do")),
        unknown(m.counter("todo_storage_unknown_total",
                          "Units whose COMMIT was sent and never answered")),
        expired(m.counter("todo_storage_expired_total", "Units that waited too long to be begun")),
        notifications_sent(m.counter("todo_storage_notifications_sent_total",
                                     "NOTIFY to the other processes on the database")),
        notifications_received(m.counter("todo_storage_notifications_received_total",
                                         "Notifications of other processes on the database")),
        commit_seconds(m.histogram("todo_storage_commit_seconds", "COMMIT, with what went along",
                                   metrics::latency_buckets())),
        transaction_seconds(m.histogram("todo_storage_transaction_seconds",
                                        "Transactions from begin to end",
                                        metrics::latency_buckets())),
        writer_queue(m.gauge("todo_storage_writer_queue", "Units waiting for a thread")),
        reader_queue(m.gauge("todo_storage_reader_queue", "Reads waiting for a thread")),
        connections(m.gauge("todo_storage_connections", "Connections open to the database")),
        clock_skew_seconds(m.gauge("todo_storage_clock_skew_seconds",
                                   "How far the database's clock is ahead of ours")) {}

  // Transactions run again, by the kind of what came between: 08 for a lost connection, else the
  // class of the SQLSTATE.
  void count_retry(const std::string& sqlstate_class) const {
    registry
        .counter("todo_storage_retries_total", "Transactions run again, by class of SQLSTATE",
                 {{"class", sqlstate_class}})
        .add();
  }
};

}  // namespace todo::storage::postgres
