#include "http/handlers/task_list.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/task_json.h"
#include "domain/time_zone.h"
#include "http/cursor.h"
#include "http/etag.h"
#include "http/handlers/task_input.h"
#include "http/unit_route.h"

namespace todo::http {
namespace {

struct ListRequest {
  storage::TaskQuery query;
  // Bounds as they were asked for: without an offset they are local times of the user.
  std::optional<service::DueInput> due_before;
  std::optional<service::DueInput> due_after;
  std::string fingerprint;       // of all that selects and orders
  std::string next_link_prefix;  // path and parameters but the cursor
  std::string if_none_match;
};

struct ListAnswer {
  bool not_modified = false;
  std::string etag;
  std::string body;
  storage::Count count;
  std::string next_link;
};

std::string normal_time(const std::optional<service::DueInput>& input) {
  if (!input) return {};
  if (const auto* date = std::get_if<Date>(&*input)) return format_date(*date);
  if (const auto* local = std::get_if<LocalTime>(&*input)) return format_local(*local);
  return format_instant(std::get<Instant>(*input));
}

std::optional<service::DueInput> take_time(Query& query, std::string_view name) {
  const auto text = query.text(name, 64);
  if (!text) return std::nullopt;
  auto time = parse_due(*text);
  if (!time) query.refuse(std::string(name), "Must be a date or an RFC 3339 date and time");
  return time;
}

// What makes two requests the same list: a page position holds for one of them only.
std::string fingerprint_of(const ListRequest& list) {
  const storage::TaskFilter& f = list.query.filter;
  const auto flag = [](std::optional<bool> value) { return value ? (*value ? 't' : 'f') : '-'; };
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", static_cast<int>(list.query.sort),
                     list.query.descending, f.deleted, f.category ? "=" + *f.category : "",
                     priority_rank(f.priority), flag(f.completed), flag(f.overdue),
                     normal_time(list.due_before), normal_time(list.due_after),
                     f.text_folded ? "=" + *f.text_folded : "", list.query.user_id.to_string());
}

std::string encode_position(const Task& last, const ListRequest& list) {
  CursorWriter cursor(list.fingerprint);
  std::optional<std::int64_t> instant;
  switch (list.query.sort) {
    case storage::TaskSort::created_at:
      instant = to_ms(last.created_at);
      break;
    case storage::TaskSort::updated_at:
      instant = to_ms(last.updated_at);
      break;
    case storage::TaskSort::due_date:
      if (last.due) instant = to_ms(last.due->at);
      break;
    case storage::TaskSort::priority:
    case storage::TaskSort::title:
      break;
  }
  cursor.optional_number(instant)
      .number(priority_rank(last.priority))
      .number(to_ms(last.created_at))
      .id(last.id);
  const bool by_title = list.query.sort == storage::TaskSort::title;
  cursor.text(by_title ? first_code_points(fold_case(last.title), storage::sort_title_code_points)
                       : std::string());
  return cursor.finish();
}

bool decode_position(std::string_view text, ListRequest& list) {
  CursorReader cursor(text, list.fingerprint);
  storage::TaskPosition position;
  position.instant_ms = cursor.optional_number();
  const std::int64_t rank = cursor.number();
  position.created_at_ms = cursor.number();
  position.id = cursor.id();
  position.title_folded = cursor.text();
  const bool needs_instant = list.query.sort == storage::TaskSort::created_at ||
                             list.query.sort == storage::TaskSort::updated_at;
  if (!cursor.valid() || rank < 0 || rank > priority_rank_unset ||
      (needs_instant && !position.instant_ms))
    return false;
  position.priority_rank = static_cast<int>(rank);
  list.query.after = position;
  return true;
}

Result<ListRequest> parse_list(Exchange& exchange) {
  ListRequest list;
  Query& query = exchange.query();
  storage::TaskFilter& filter = list.query.filter;
  list.query.user_id = exchange.caller().user_id;
  filter.now = exchange.now();
  filter.category = query.text("category", limits::category_max);
  if (const auto rank = query.word("priority", {"urgent", "high", "normal", "low"}))
    filter.priority = static_cast<Priority>(*rank);
  filter.completed = query.boolean("completed");
  filter.overdue = query.boolean("overdue");
  filter.deleted = query.boolean("deleted").value_or(false);
  if (filter.deleted) filter.deleted_after = exchange.now() - limits::deleted_task_kept;
  list.due_before = take_time(query, "due_before");
  list.due_after = take_time(query, "due_after");
  if (const auto text = query.text("q", limits::search_text_max); text && !trim(*text).empty()) {
    filter.text_folded = fold_case(trim(*text));
  }
  list.query.sort = static_cast<storage::TaskSort>(
      query.word("sort", {"created_at", "updated_at", "due_date", "priority", "title"})
          .value_or(0));
  list.query.descending = query.word("order", {"desc", "asc"}).value_or(0) == 0;
  list.query.limit = static_cast<int>(
      query.integer("limit", 1, limits::task_page_max).value_or(limits::task_page_default));
  list.fingerprint = fingerprint_of(list);
  if (const auto cursor = query.text("cursor", limits::cursor_bytes_max);
      cursor && !decode_position(*cursor, list)) {
    query.refuse("cursor", "Is not a cursor of this list: filters and sort must stay the same");
  }
  if (auto checked = query.finish(); !checked) return std::unexpected(checked.error());
  list.next_link_prefix = query.encoded_without("cursor");
  list.if_none_match =
      std::string(exchange.request().field("If-None-Match").value_or(std::string_view{}));
  return list;
}

// What a task takes in the body, more or less.
constexpr std::size_t task_json_bytes = 700;

std::optional<Instant> resolve(const std::optional<service::DueInput>& input,
                               const TimeZone& zone) {
  if (!input) return std::nullopt;
  if (const auto* date = std::get_if<Date>(&*input)) {
    return zone.to_instant(LocalTime{std::chrono::local_days{*date}.time_since_epoch()});
  }
  if (const auto* local = std::get_if<LocalTime>(&*input)) return zone.to_instant(*local);
  return std::get<Instant>(*input);
}

std::string text_hash(std::string_view text) {
  return fmt::format("{:016x}", std::hash<std::string_view>{}(text));
}

// The count of changes and the query tell whether an answer is still good; where time alone moves
// tasks in and out, the answer itself does.
bool depends_on_time(const storage::TaskFilter& filter) {
  return filter.overdue.has_value() || filter.deleted;
}

Result<ListAnswer> apply_list(storage::ReadTx& tx, const Exchange&, const ListRequest& list) {
  ListAnswer answer;
  storage::TaskQuery query = list.query;
  if (list.due_before || list.due_after) {
    const auto user = tx.find_user(query.user_id);
    const TimeZone zone = TimeZone::find(user ? user->timezone : "UTC").value_or(TimeZone::utc());
    query.filter.due_before = resolve(list.due_before, zone);
    query.filter.due_after = resolve(list.due_after, zone);
  }
  const storage::UserCounters counters = tx.counters(query.user_id);
  if (!depends_on_time(query.filter)) {
    const std::string position = query.after ? query.after->id.to_string() : std::string();
    answer.etag = fmt::format(
        "W/\"{}-{}-{}\"", tx.epoch().substr(0, 8), counters.changes,
        text_hash(list.fingerprint + "|" + std::to_string(query.limit) + "|" + position));
    answer.not_modified =
        !list.if_none_match.empty() && none_match_names(list.if_none_match, answer.etag);
    if (answer.not_modified) return answer;
  }
  query.limit += 1;  // one more tells whether there is a next page
  answer.body.reserve(static_cast<std::size_t>(query.limit) * task_json_bytes);
  JsonWriter json(answer.body);
  json.begin_array();
  int left = list.query.limit;
  std::optional<Task> last;
  bool more = false;
  tx.list_tasks(query, [&](const Task& task) {
    if (left == 0) {
      more = true;
      return;
    }
    write_task(json, task);
    if (--left == 0) last = task;
  });
  json.end_array();
  answer.count =
      query.filter.selects_all()
          ? storage::Count{std::min<std::int64_t>(counters.living_tasks, limits::exact_count_max),
                           counters.living_tasks > limits::exact_count_max}
          : tx.count_tasks(query.user_id, query.filter);
  if (more) {
    answer.next_link =
        fmt::format("</api/v1/tasks?{}{}cursor={}>; rel=\"next\"", list.next_link_prefix,
                    list.next_link_prefix.empty() ? "" : "&", encode_position(*last, list));
  }
  if (depends_on_time(query.filter)) {
    answer.etag = fmt::format("W/\"{}-{}{}\"", text_hash(answer.body + answer.next_link),
                              answer.count.value, answer.count.capped ? "+" : "");
    answer.not_modified =
        !list.if_none_match.empty() && none_match_names(list.if_none_match, answer.etag);
  }
  return answer;
}

net::Response render_list(const Exchange&, ListAnswer&& answer) {
  net::Response response;
  response.with("ETag", answer.etag)
      .with("Cache-Control", "private, no-cache")
      .with("Vary", "Authorization, Cookie");
  if (answer.not_modified) {
    response.status = 304;
    return response;
  }
  response.with("Content-Type", "application/json");
  response.with("X-Total-Count", std::to_string(answer.count.value));
  if (answer.count.capped) response.with("X-Total-Count-Capped", "true");
  if (!answer.next_link.empty()) response.with("Link", answer.next_link);
  response.body = std::move(answer.body);
  return response;
}

}  // namespace

std::function<void(const ExchangePtr&)> list_tasks_route() {
  return read_route(parse_list, apply_list, render_list);
}

}  // namespace todo::http
