#include "service/audit.h"

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/time_text.h"
#include "domain/audit_entry.h"
#include "http/cursor.h"
#include "http/handlers/handlers.h"
#include "http/handlers/task_input.h"
#include "http/unit_route.h"

namespace todo::http {
namespace {

struct Listing {
  storage::AuditQuery query;
  std::string fingerprint;
  std::optional<Uuid> of_task;
  bool none = false;  // nothing can match
};

struct Page {
  std::vector<AuditEntry> entries;
  storage::Count total;
  std::optional<std::string> next_cursor;
  std::optional<Uuid> of_task;
};

std::optional<Instant> take_instant(Query& parameters, std::string_view name) {
  const auto text = parameters.text(name, 64);
  if (!text) return std::nullopt;
  if (const auto instant = parse_instant(*text)) return instant;
  // A date alone is read in UTC here: audit times are instants. `to_date` takes its whole day.
  if (const auto date = parse_date(*text)) {
    const Instant midnight = std::chrono::sys_days{*date};
    return name == "to_date" ? midnight + std::chrono::days{1} - std::chrono::milliseconds{1}
                             : midnight;
  }
  parameters.refuse(std::string(name),
                    "Must be a date (2026-02-10) or an RFC 3339 date and time with an offset");
  return std::nullopt;
}

void take_page(Query& parameters, Listing& listing) {
  listing.query.limit = static_cast<int>(
      parameters.integer("limit", 1, limits::page_max).value_or(limits::page_default));
  if (const auto text = parameters.text("cursor", limits::cursor_bytes_max)) {
    CursorReader cursor(*text, listing.fingerprint);
    const std::int64_t seq = cursor.number();
    if (cursor.valid()) {
      listing.query.before_seq = seq;
    } else {
      parameters.refuse("cursor", "Is not a cursor of this list: filters must stay the same");
    }
  }
}

Result<Listing> parse_list(Exchange& exchange) {
  Listing listing;
  Query& parameters = exchange.query();
  storage::AuditQuery& query = listing.query;
  query.user_id = exchange.caller().user_id;
  // Only tasks have entries: one type selects all of them, any other none.
  const auto entity_type = parameters.text("entity_type", 50);
  listing.none = entity_type && *entity_type != "task";
  query.entity_id = parameters.uuid("entity_id");
  if (const auto action = parameters.word("action", {"create", "update", "complete", "delete"})) {
    query.action = static_cast<AuditAction>(*action);
  }
  query.from = take_instant(parameters, "from_date");
  query.to = take_instant(parameters, "to_date");
  query.offset = static_cast<int>(parameters.integer("offset", 0, limits::offset_max).value_or(0));
  listing.fingerprint = "audit|" + entity_type.value_or("") + "|" +
                        (query.entity_id ? query.entity_id->to_string() : "") + "|" +
                        (query.action ? std::string(to_string(*query.action)) : "") + "|" +
                        (query.from ? format_instant(*query.from) : "") + "|" +
                        (query.to ? format_instant(*query.to) : "") + "|" +
                        query.user_id.to_string();
  take_page(parameters, listing);
  if (auto checked = parameters.finish(); !checked) return std::unexpected(checked.error());
  return listing;
}

Result<Listing> parse_task_list(Exchange& exchange) {
  Listing listing;
  const auto id = exchange.path_id(0, "Task");
  if (!id) return std::unexpected(id.error());
  listing.query.user_id = exchange.caller().user_id;
  listing.query.entity_id = *id;
  listing.of_task = *id;
  listing.fingerprint = "audit-task|" + id->to_string();
  take_page(exchange.query(), listing);
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return listing;
}

Page read_page(storage::ReadTx& tx, const Listing& listing) {
  Page page;
  storage::AuditQuery query = listing.query;
  query.limit += 1;
  page.entries = tx.list_audit(query);
  if (static_cast<int>(page.entries.size()) > listing.query.limit) {
    page.entries.pop_back();
    page.next_cursor = CursorWriter(listing.fingerprint).number(page.entries.back().seq).finish();
  }
  page.of_task = listing.of_task;
  return page;
}

Result<Page> apply_list(storage::ReadTx& tx, const Exchange&, const Listing& listing) {
  if (listing.none) return Page{};
  Page page = read_page(tx, listing);
  page.total = tx.count_audit(listing.query);
  return page;
}

Result<Page> apply_task_list(storage::ReadTx& tx, const Exchange& exchange,
                             const Listing& listing) {
  Page page = read_page(tx, listing);
  if (page.entries.empty() && !tx.find_task(exchange.caller().user_id, *listing.of_task) &&
      tx.count_audit(listing.query).value == 0) {
    return fail(ErrorCode::not_found, "Task not found");
  }
  return page;
}

net::Response render_page(const Exchange&, const Page& page) {
  std::string body;
  body.reserve(page.entries.size() * 1'000);
  JsonWriter json(body);
  json.begin_object();
  if (page.of_task) json.member("task_id", *page.of_task);
  json.key("entries").begin_array();
  for (const AuditEntry& entry : page.entries) {
    json.raw("");
    append_audit_entry_json(body, entry);
  }
  json.end_array();
  if (!page.of_task) {
    json.member("total", page.total.value);
    if (page.total.capped) json.member("total_capped", true);
  }
  json.member("next_cursor", page.next_cursor).end_object();
  return json_response(200, std::move(body));
}

Result<Nothing> parse_nothing(Exchange& exchange) {
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return Nothing{};
}

Result<service::VerifyReport> apply_verify(storage::ReadTx& tx, const Exchange& exchange,
                                           const Nothing&) {
  return service::verify_chain(tx, exchange.app().with.audit_keys, exchange.caller().user_id,
                               exchange.now());
}

net::Response render_verify(const Exchange&, const service::VerifyReport& report) {
  const std::string_view hash(reinterpret_cast<const char*>(report.head.hash.data()),
                              report.head.hash.size());
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("verified", report.verified).member("entries", report.entries);
  json.member("head", to_hex(hash))
      .member("checked_at", report.checked_at)
      .member("first_bad_seq", report.first_bad_seq);
  json.end_object();
  return json_response(200, std::move(body));
}

}  // namespace

void add_audit_routes(std::vector<Route>& routes) {
  using enum net::Method;
  routes.push_back(
      {get, "/api/v1/audit", Access::read, read_route(parse_list, apply_list, render_page)});
  routes.push_back({get, "/api/v1/audit/task/{id}", Access::read,
                    task_read_route(parse_task_list, apply_task_list, render_page)});
  routes.push_back({get, "/api/v1/audit/verify", Access::read,
                    read_route(parse_nothing, apply_verify, render_verify)});
}

}  // namespace todo::http
