#include "dapr/bulk_publisher.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "base/json_scanner.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace todo::dapr {
namespace {

constexpr std::chrono::milliseconds publish_timeout{5'000};
// Of a topic's events: a sidecar takes twice as many in from four connections as from one.
constexpr std::size_t bulks_per_topic = 4;
constexpr std::size_t rows_per_bulk_min = 25;
// The sidecar refuses requests of more than 4 MiB.
constexpr std::size_t bulk_bytes_max = 3 * 1024 * 1024;
constexpr std::size_t error_bytes_max = 200;

void append_entry(std::string& body, const storage::OutboxRow& row) {
  const TraceContext trace{random_hex(16), random_hex(8)};
  body += body.empty() ? '[' : ',';
  JsonWriter json(body);
  json.begin_object().member("entryId", row.event.id);
  json.key("event").raw(published_form(row.event, row.attempts, trace));
  json.member("contentType", "application/cloudevents+json").key("metadata").begin_object();
  json.member("partitionKey", row.event.user_id).end_object().end_object();
}

// Which entries of a bulk the sidecar says it could not publish. All, where it does not say which.
struct Failures {
  bool all = false;
  std::set<std::string, std::less<>> ids;
  std::string error;
};

Failures failures_of(const net::Client::Answer& answer) {
  Failures failures;
  if (answer && answer->status / 100 == 2) return failures;
  failures.all = true;
  failures.error = answer ? fmt::format("the sidecar answered {}: {}", answer->status,
                                        answer->body.substr(0, error_bytes_max))
                          : answer.error();
  if (!answer) return failures;
  const auto members = scan_object(answer->body);
  const auto entries = members ? scan_array(find_raw(*members, "failedEntries")) : std::nullopt;
  if (!entries || entries->empty()) return failures;
  for (const std::string_view entry : *entries) {
    const auto failed = scan_object(entry);
    const auto id = failed ? plain_string(find_raw(*failed, "entryId")) : std::nullopt;
    if (!id) return failures;
    failures.ids.emplace(*id);
  }
  failures.all = false;
  return failures;
}

}  // namespace

BulkPublisher::BulkPublisher(SidecarAddress sidecar, std::string pubsub, tracing::Tracer* tracer)
    : sidecar_(std::move(sidecar)),
      pubsub_(std::move(pubsub)),
      tracer_(tracer),
      client_(sidecar_host, sidecar_.port) {}

std::vector<BulkPublisher::Bulk> BulkPublisher::bulks_of(
    const std::vector<storage::OutboxRow>& rows) {
  std::array<std::size_t, std::size_t{2} * topic_count> counts{};
  for (const storage::OutboxRow& row : rows) ++counts.at(static_cast<std::size_t>(row.event.topic));
  std::vector<Bulk> bulks;
  std::array<std::size_t, std::size_t{2} * topic_count> open{};  // a topic's bulk, counted from 1
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto topic = static_cast<std::size_t>(rows[i].event.topic);
    const std::size_t rows_max =
        std::max(rows_per_bulk_min, (counts.at(topic) + bulks_per_topic - 1) / bulks_per_topic);
    const bool fits =
        open.at(topic) > 0 && bulks[open.at(topic) - 1].rows.size() < rows_max &&
        bulks[open.at(topic) - 1].body.size() + rows[i].event.event.size() < bulk_bytes_max;
    if (!fits) {
      bulks.push_back({rows[i].event.topic, {}, {}});
      open.at(topic) = bulks.size();
    }
    Bulk& bulk = bulks[open.at(topic) - 1];
    bulk.rows.push_back(i);
    append_entry(bulk.body, rows[i]);
  }
  for (Bulk& bulk : bulks) bulk.body += ']';
  return bulks;
}

std::vector<net::Client::Answer> BulkPublisher::send(const std::vector<Bulk>& bulks) {
  std::vector<net::ClientRequest> requests;
  requests.reserve(bulks.size());
  for (const Bulk& bulk : bulks) {
    requests.push_back(
        sidecar_request(sidecar_, net::Method::post,
                        fmt::format("/{}/publish/bulk/{}/{}", is_alpha_ ? "v1.0-alpha1" : "v1.0",
                                    pubsub_, to_string(bulk.topic)),
                        bulk.body));
  }
  return client_.send_all(requests, publish_timeout);
}

service::Published BulkPublisher::publish(const std::vector<storage::OutboxRow>& rows) {
  const tracing::Time begin = tracing::now();
  const std::vector<Bulk> bulks = bulks_of(rows);
  auto answers = send(bulks);
  const auto is_unknown = [](const net::Client::Answer& answer) {
    return answer && (answer->status == 404 || answer->status == 405);
  };
  if (!answers.empty() && std::ranges::all_of(answers, is_unknown)) {
    is_alpha_ = !is_alpha_;
    answers = send(bulks);
    if (std::ranges::all_of(answers, is_unknown)) is_alpha_ = false;  // it was something else
  }
  service::Published published;
  published.acknowledged.assign(rows.size(), false);
  for (std::size_t i = 0; i < bulks.size(); ++i) {
    const Failures failures = failures_of(answers[i]);
    for (const std::size_t row : bulks[i].rows) {
      published.acknowledged[row] =
          !failures.all && !failures.ids.contains(rows[row].event.id.to_string());
    }
    if (published.error.empty()) published.error = failures.error;
  }
  trace(rows, published.acknowledged, begin);
  return published;
}

void BulkPublisher::trace(const std::vector<storage::OutboxRow>& rows,
                          const std::vector<bool>& acknowledged, tracing::Time begin) {
  if (tracer_ == nullptr) return;
  const tracing::Time end = tracing::now();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto head = read_head(rows[i].event.event);
    if (!head || head->trace.trace_id.empty()) continue;
    const std::string topic(to_string(rows[i].event.topic));
    tracer_->record({.trace_id = head->trace.trace_id,
                     .span_id = random_hex(8),
                     .parent_id = head->trace.span_id,
                     .name = "publish " + topic,
                     .kind = tracing::Kind::producer,
                     .begin = begin,
                     .end = end,
                     .failed = !acknowledged[i],
                     .attributes = {{"messaging.system", "kafka"},
                                    {"messaging.destination.name", topic},
                                    {"messaging.message.id", rows[i].event.id.to_string()}}});
  }
}

}  // namespace todo::dapr
