#include <algorithm>

#include "base/json_writer.h"
#include "base/limits.h"
#include "domain/notification.h"
#include "domain/notification_json.h"
#include "http/cursor.h"
#include "http/handlers/handlers.h"
#include "http/unit_route.h"

namespace todo::http {

namespace {

Instant archived_before(const Exchange& exchange) {
  return exchange.now() - limits::notification_archived_after;
}

// Archived is computed: nothing is written when a notification grows old.
Notification with_archive(Notification notification, const Exchange& exchange) {
  if (notification.created_at < archived_before(exchange)) {
    notification.archived_at = notification.created_at + limits::notification_archived_after;
  }
  return notification;
}

std::string fingerprint_of(const storage::NotificationQuery& query) {
  return std::string("notifications|") + (query.unread_only ? "u" : "-") +
         (query.archived ? "a" : "-") + query.user_id.to_string();
}

Result<storage::NotificationQuery> parse_list(Exchange& exchange) {
  storage::NotificationQuery query;
  Query& parameters = exchange.query();
  query.user_id = exchange.caller().user_id;
  query.unread_only = parameters.boolean("unread_only").value_or(false);
  query.archived = parameters.boolean("archived").value_or(false);
  query.archived_before = archived_before(exchange);
  query.limit = static_cast<int>(
      parameters.integer("limit", 1, limits::page_max).value_or(limits::page_default));
  query.offset = static_cast<int>(parameters.integer("offset", 0, limits::offset_max).value_or(0));
  if (const auto text = parameters.text("cursor", limits::cursor_bytes_max)) {
    CursorReader cursor(*text, fingerprint_of(query));
    const Instant created_at = instant_from_ms(cursor.number());
    const Uuid id = cursor.id();
    if (cursor.valid()) {
      query.after = {created_at, id};
    } else {
      parameters.refuse("cursor", "Is not a cursor of this list: filters must stay the same");
    }
  }
  if (auto checked = parameters.finish(); !checked) return std::unexpected(checked.error());
  return query;
}

struct Page {
  std::vector<Notification> notifications;
  std::int64_t unread = 0;
  storage::Count total;
  std::optional<std::string> next_cursor;
};

Result<Page> apply_list(storage::ReadTx& tx, const Exchange& exchange,
                        const storage::NotificationQuery& asked) {
  Page page;
  storage::NotificationQuery query = asked;
  query.limit += 1;
  page.notifications = tx.list_notifications(query);
  page.unread = tx.count_unread(query.user_id, query.archived_before);
  page.total = tx.count_notifications(query);
  if (static_cast<int>(page.notifications.size()) > asked.limit) {
    page.notifications.pop_back();
    const Notification& last = page.notifications.back();
    page.next_cursor =
        CursorWriter(fingerprint_of(asked)).number(to_ms(last.created_at)).id(last.id).finish();
  }
  for (Notification& notification : page.notifications)
    notification = with_archive(std::move(notification), exchange);
  return page;
}

net::Response render_list(const Exchange&, const Page& page) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("notifications").begin_array();
  for (const Notification& notification : page.notifications)
    write_notification(json, notification);
  json.end_array().member("unread_count", page.unread).member("total", page.total.value);
  if (page.total.capped) json.member("total_capped", true);
  json.member("next_cursor", page.next_cursor).end_object();
  return json_response(200, std::move(body));
}

Result<Nothing> parse_nothing(Exchange& exchange) {
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return Nothing{};
}

Result<std::int64_t> apply_unread(storage::ReadTx& tx, const Exchange& exchange, const Nothing&) {
  return tx.count_unread(exchange.caller().user_id, archived_before(exchange));
}

net::Response render_unread(const Exchange&, const std::int64_t& count) {
  std::string body;
  JsonWriter(body).begin_object().member("count", count).end_object();
  return json_response(200, std::move(body));
}

Result<Uuid> parse_id(Exchange& exchange) {
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return exchange.path_id(0, "Notification");
}

Result<Notification> apply_read(storage::Tx& tx, const Exchange& exchange, const Uuid& id) {
  auto notification = tx.read_notification(exchange.caller().user_id, id, exchange.now());
  if (!notification) return fail(ErrorCode::not_found, "Notification not found");
  return with_archive(std::move(*notification), exchange);
}

net::Response render_notification(const Exchange&, const Notification& notification) {
  std::string body;
  JsonWriter json(body);
  write_notification(json, notification);
  return json_response(200, std::move(body));
}

Result<Nothing> apply_delete(storage::Tx& tx, const Exchange& exchange, const Uuid& id) {
  if (!tx.delete_notification(exchange.caller().user_id, id))
    return fail(ErrorCode::not_found, "Notification not found");
  return Nothing{};
}

net::Response render_deleted(const Exchange&, const Nothing&) {
  net::Response response;
  response.status = 204;
  return response;
}

// Read all and clear all go unit by unit: each takes what was there when the request came.

struct Sweep {
  std::int64_t count = 0;
  int last = 0;
};

void sweep(const ExchangePtr& exchange, const std::shared_ptr<Sweep>& state,
           int (*work)(storage::Tx&, const Exchange&), const char* member) {
  const bool queued = exchange->app().with.store.write(
      [exchange, state, work](storage::Tx& tx) {
        state->last = work(tx, *exchange);
        return storage::Verdict::commit;
      },
      exchange->executor(),
      [exchange, state, work, member](storage::Outcome outcome) {
        if (outcome != storage::Outcome::committed) return exchange->refuse_unavailable(outcome);
        state->count += state->last;
        if (state->last >= limits::rows_per_unit_max) return sweep(exchange, state, work, member);
        std::string body;
        JsonWriter(body).begin_object().member(member, state->count).end_object();
        exchange->respond(json_response(200, std::move(body)));
      });
  if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
}

std::function<void(const ExchangePtr&)> sweep_route(int (*work)(storage::Tx&, const Exchange&),
                                                    const char* member) {
  return [work, member](const ExchangePtr& exchange) {
    if (auto checked = exchange->query().finish(); !checked)
      return exchange->refuse(checked.error());
    sweep(exchange, std::make_shared<Sweep>(), work, member);
  };
}

int read_all(storage::Tx& tx, const Exchange& exchange) {
  return tx.read_notifications(exchange.caller().user_id, exchange.now(), exchange.now(),
                               limits::rows_per_unit_max);
}

int clear_all(storage::Tx& tx, const Exchange& exchange) {
  return tx.delete_notifications(exchange.caller().user_id, exchange.now(),
                                 limits::rows_per_unit_max);
}

}  // namespace

void add_notification_routes(std::vector<Route>& routes) {
  using enum net::Method;
  routes.push_back({get, "/api/v1/notifications", Access::read,
                    read_route(parse_list, apply_list, render_list)});
  routes.push_back({get, "/api/v1/notifications/unread-count", Access::read,
                    read_route(parse_nothing, apply_unread, render_unread)});
  routes.push_back({post, "/api/v1/notifications/{id}/read", Access::write,
                    write_route(parse_id, apply_read, render_notification)});
  routes.push_back({del, "/api/v1/notifications/{id}", Access::write,
                    write_route(parse_id, apply_delete, render_deleted)});
  routes.push_back({post, "/api/v1/notifications/mark-all-read", Access::write,
                    sweep_route(read_all, "updated_count")});
  routes.push_back(
      {del, "/api/v1/notifications/clear", Access::write, sweep_route(clear_all, "deleted_count")});
}

}  // namespace todo::http
