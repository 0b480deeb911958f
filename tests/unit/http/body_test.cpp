// What a request's body may say, and how a refusal is worded.

#include "http/body.h"

#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/time_text.h"
#include "http/etag.h"
#include "http/handlers/task_input.h"
#include "http/problem.h"

namespace todo::http {
namespace {

net::Request json_request(std::string_view body, std::string_view type = "application/json") {
  net::Request request;
  request.method = net::Method::post;
  request.fields = {{"Content-Type", type}};
  request.body = body;
  return request;
}

Body body_of(std::string_view text) { return Body::parse(json_request(text)).value(); }

std::string fields_of(const Error& error) {
  std::string fields;
  for (const auto& field : error.fields) fields += (fields.empty() ? "" : " ") + field.field;
  return fields;
}

std::string refused_fields(Body& body) {
  const auto finished = body.finish();
  if (finished) return "";
  EXPECT_EQ(finished.error().code, ErrorCode::invalid);
  return fields_of(finished.error());
}

ErrorCode code_of(std::string_view text, std::string_view type = "application/json") {
  const auto body = Body::parse(json_request(text, type));
  EXPECT_FALSE(body) << text << " as " << type;
  return body ? ErrorCode::internal : body.error().code;
}

// --- bodies ---

TEST(BodyTest, must_be_json_and_say_so) {
  for (const char* type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8",
        "application/json;charset=UTF-8", "application/json; charset=\"utf-8\"",
        " application/json ", "application/json;"}) {
    EXPECT_TRUE(Body::parse(json_request("{}", type))) << type;
  }
  for (const char* type :
       {"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
        "application/json; charset=iso-8859-1", "application/json; v=1; charset=latin1",
        "multipart/form-data", "json", "text/json", "application/json, text/plain"}) {
    EXPECT_EQ(code_of("{}", type), ErrorCode::unsupported_media) << type;
  }
  EXPECT_TRUE(Body::parse(json_request("{}", "application/json; v=1; charset=utf-8")));
  const auto code_with = [](std::vector<net::Field> fields) {
    net::Request request = json_request("{}");
    request.fields = std::move(fields);
    return Body::parse(request).error().code;
  };
  const net::Field json{"Content-Type", "application/json"};
  EXPECT_EQ(code_with({}), ErrorCode::unsupported_media);
  EXPECT_EQ(code_with({json, json}), ErrorCode::unsupported_media);
  EXPECT_EQ(code_with({json, {"Content-Encoding", "gzip"}}), ErrorCode::unsupported_media);
}

TEST(BodyTest, malformed_json_is_told_from_json_of_the_wrong_kind) {
  for (const char* text :
       {"", "{", "{\"a\":1,\"a\":2}", "{\"a\":\"\xFF\"}", "{\"a\":1e400}", "{} x"}) {
    EXPECT_EQ(code_of(text), ErrorCode::malformed) << text;
  }
  for (const char* text : {"[]", "null", "\"x\"", "7"}) {
    EXPECT_EQ(code_of(text), ErrorCode::invalid) << text;
  }
}

TEST(BodyTest, names_everything_wrong_at_once) {
  Body body = body_of(R"({"title":7,"color":"red","done":"yes","limit":501,"word":"x","extra":1})");
  EXPECT_TRUE(body.text("title", {1, 200}).present);
  body.required_text("name", {1, 5});
  body.boolean("done");
  body.integer("limit", 1, 500);
  body.word("word", {"a", "b"}, true);
  EXPECT_EQ(refused_fields(body), "title name done limit word color extra");
}

TEST(BodyTest, tells_the_querys_mistakes_with_its_own) {
  auto body = Body::parse(json_request(R"({"extra":1})"), {{"dry_run", "Must be true or false"}});
  ASSERT_TRUE(body);
  EXPECT_EQ(refused_fields(*body), "dry_run extra");
}

TEST(BodyTest, an_absent_member_is_not_a_null_one) {
  Body body = body_of(R"({"cleared":null,"set":"x"})");
  EXPECT_FALSE(body.text("absent", {0, 5}).present);
  const auto cleared = body.text("cleared", {0, 5});
  EXPECT_TRUE(cleared.present);
  EXPECT_FALSE(cleared.value);
  EXPECT_EQ(body.text("set", {0, 5}).value, "x");
  EXPECT_EQ(refused_fields(body), "");
}

TEST(BodyTest, null_is_refused_where_a_value_must_be) {
  Body body = body_of(R"({"a":null,"b":null,"c":null,"d":null,"e":null})");
  body.text("a", {1, 5, true, false});
  body.boolean("b");
  body.integer("c", 1, 5);
  body.word("d", {"x"}, false);
  body.password("e", true);
  EXPECT_EQ(refused_fields(body), "a b c d e");
}

TEST(BodyTest, lengths_are_code_points_after_trimming) {
  const auto taken = [](const std::string& text, const Body::TextRule& rule) {
    const std::string json = "{\"t\":\"" + text + "\"}";
    Body body = body_of(json);
    const auto member = body.text("t", rule);
    return refused_fields(body).empty() ? member.value.value() : "refused";
  };
  EXPECT_EQ(taken("  milk  ", {1, 4}), "milk");
  EXPECT_EQ(taken("  milk  ", {1, 4, false}), "refused");
  EXPECT_EQ(taken("   ", {1, 4}), "refused");
  EXPECT_EQ(taken("", {0, 4}), "");
  EXPECT_EQ(taken("😀😀😀😀", {1, 4}), "😀😀😀😀");
  EXPECT_EQ(taken("😀😀😀😀😀", {1, 4}), "refused");
}

TEST(BodyTest, numbers_are_whole_and_within_bounds) {
  for (const char* value :
       {"0", "501", "1.0", "1.5", "\"5\"", "true", "[]", "18446744073709551615"}) {
    const std::string json = std::string("{\"n\":") + value + "}";
    Body body = body_of(json);
    body.integer("n", 1, 500);
    EXPECT_EQ(refused_fields(body), "n") << value;
  }
  Body body = body_of(R"({"n":500})");
  EXPECT_EQ(body.integer("n", 1, 500).value, 500);
}

TEST(BodyTest, passwords_are_taken_as_they_stand_and_measured_in_bytes) {
  const auto accepted = [](const std::string& password, bool check_length) {
    const std::string json = "{\"p\":\"" + password + "\"}";
    Body body = body_of(json);
    EXPECT_EQ(body.password("p", check_length), password);
    return refused_fields(body).empty();
  };
  EXPECT_TRUE(accepted("12345678", true));
  EXPECT_FALSE(accepted("1234567", true));
  EXPECT_TRUE(accepted("1234567", false));  // at login: simply the wrong one
  EXPECT_TRUE(accepted("😀😀", true));
  EXPECT_TRUE(accepted("        ", true));
  EXPECT_TRUE(accepted(std::string(1'024, 'x'), true));
  EXPECT_FALSE(accepted(std::string(1'025, 'x'), true));
  EXPECT_FALSE(accepted(std::string(1'025, 'x'), false));
}

// --- tasks ---

Result<service::TaskInput> task_input(const std::string& text, TaskBody kind = TaskBody::create) {
  return parse_task_input(json_request(text), kind);
}

std::string bad_task(const std::string& text, TaskBody kind = TaskBody::create) {
  const auto input = task_input(text, kind);
  return fields_of(input ? Error{ErrorCode::invalid, {}, input->refused, 0} : input.error());
}

TEST(TaskInputTest, takes_every_member_a_task_may_have) {
  const auto input = task_input(
      R"({"title":" Gym ","description":" two\nlines ","due_date":"2026-02-10T09:00:00+01:00",)"
      R"("priority":"high","category":"health","recurrence_rule":"weekly","recurrence_interval":2,)"
      R"("recurrence_weekdays":["fr","mo"],"recurrence_from":"completion"})");
  ASSERT_TRUE(input) << fields_of(input.error());
  EXPECT_EQ(input->title.value, "Gym");
  EXPECT_EQ(input->description.value, " two\nlines ");
  EXPECT_EQ(input->due_date.value, service::DueInput(*parse_instant("2026-02-10T08:00:00Z")));
  EXPECT_EQ(input->priority.value, Priority::high);
  EXPECT_EQ(input->category.value, "health");
  EXPECT_EQ(input->recurrence_rule.value, RecurrenceRule::weekly);
  EXPECT_EQ(input->recurrence_interval.value, 2);
  EXPECT_EQ(input->recurrence_weekdays.value, WeekdaySet{0b0010001});
  EXPECT_EQ(input->recurrence_from.value, RecurrenceFrom::completion);
  EXPECT_FALSE(input->completed.present);
}

TEST(TaskInputTest, names_every_failing_member_at_once) {
  EXPECT_EQ(bad_task(R"({"title":"  ","description":7,"due_date":"soon","priority":"top",)"
                     R"("category":"","recurrence_rule":"hourly","recurrence_interval":401,)"
                     R"("recurrence_weekdays":["mo","mo"],"recurrence_from":"now","done":true})"),
            "title description due_date priority category recurrence_rule recurrence_interval "
            "recurrence_weekdays recurrence_from done");
}

TEST(TaskInputTest, bounds_are_those_of_the_contract) {
  const auto title = [](std::size_t length) {
    return bad_task("{\"title\":\"" + std::string(length, 'x') + "\"}");
  };
  EXPECT_EQ(title(0), "title");
  EXPECT_EQ(title(1), "");
  EXPECT_EQ(title(200), "");
  EXPECT_EQ(title(201), "title");
  const auto member = [](const std::string& json) {
    return bad_task("{\"title\":\"x\"," + json + "}");
  };
  EXPECT_EQ(member("\"description\":\"" + std::string(2'000, 'x') + "\""), "");
  EXPECT_EQ(member("\"description\":\"" + std::string(2'001, 'x') + "\""), "description");
  EXPECT_EQ(member("\"category\":\"" + std::string(50, 'x') + "\""), "");
  EXPECT_EQ(member("\"category\":\"" + std::string(51, 'x') + "\""), "category");
  EXPECT_EQ(member("\"recurrence_interval\":0"), "recurrence_interval");
  EXPECT_EQ(member("\"recurrence_interval\":400"), "");
  EXPECT_EQ(member("\"recurrence_weekdays\":[]"), "recurrence_weekdays");
  EXPECT_EQ(member("\"recurrence_weekdays\":\"mo\""), "recurrence_weekdays");
  EXPECT_EQ(member("\"recurrence_weekdays\":[1]"), "recurrence_weekdays");
}

TEST(TaskInputTest, an_instant_lies_between_1970_and_9999) {
  const auto due = [](const std::string& text) {
    return bad_task(R"({"title":"x","due_date":")" + text + R"("})");
  };
  EXPECT_EQ(due("1970-01-01T00:00:00Z"), "");
  EXPECT_EQ(due("9999-12-31T23:59:59.999Z"), "");
  EXPECT_EQ(due("1970-01-01T00:00:00+00:01"), "due_date");
  EXPECT_EQ(due("9999-12-31T23:59:59-00:01"), "due_date");
}

TEST(TaskInputTest, a_patch_needs_nothing_and_clears_with_null) {
  EXPECT_EQ(bad_task("{}", TaskBody::patch), "");
  const auto input =
      task_input(R"({"description":null,"due_date":null,"priority":null})", TaskBody::patch);
  ASSERT_TRUE(input);
  EXPECT_TRUE(input->description.present && !input->description.value);
  EXPECT_TRUE(input->due_date.present && !input->due_date.value);
  EXPECT_TRUE(input->priority.present && !input->priority.value);
  EXPECT_FALSE(input->title.present);
  EXPECT_EQ(bad_task(R"({"title":null,"completed":null})", TaskBody::patch), "title completed");
}

TEST(TaskInputTest, a_put_may_carry_what_was_answered_and_a_patch_may_not) {
  const std::string answered =
      R"({"id":"x","user_id":"x","title":"x","completed":false,"completed_at":null,"due_on":null,)"
      R"("parent_task_id":null,"series_id":"x","occurrence":1,"version":1,"created_at":"x",)"
      R"("updated_at":"x"})";
  EXPECT_EQ(bad_task(answered, TaskBody::put), "");
  EXPECT_EQ(bad_task(answered, TaskBody::patch),
            "id user_id completed_at due_on parent_task_id series_id occurrence version created_at "
            "updated_at");
  EXPECT_EQ(bad_task(R"({"title":"x","colour":"red"})", TaskBody::put), "colour");
}

TEST(TaskInputTest, a_due_date_is_a_day_a_local_time_or_an_instant) {
  EXPECT_EQ(parse_due("2026-02-10"), service::DueInput(*parse_date("2026-02-10")));
  EXPECT_EQ(parse_due("2026-02-10T09:00:00"),
            service::DueInput(*parse_local("2026-02-10T09:00:00")));
  EXPECT_EQ(parse_due("2026-02-10T09:00:00.1239+02:00"),
            service::DueInput(*parse_instant("2026-02-10T07:00:00.123Z")));
  for (const char* text : {"", "2026-02-30", "tomorrow", "2026-02-10T25:00:00Z", "10.02.2026"}) {
    EXPECT_FALSE(parse_due(text)) << text;
  }
}

TEST(IfMatchTest, names_versions_or_any) {
  const auto parse = [](std::vector<net::Field> fields) {
    net::Request request;
    request.fields = std::move(fields);
    return parse_if_match(request);
  };
  EXPECT_FALSE(parse({}).given);
  EXPECT_TRUE(parse({{"If-Match", "*"}}).any);
  const auto list = parse({{"if-match", "\"3\", \"x\" ,W/\"4\",5"}, {"If-Match", "\"6\""}});
  EXPECT_TRUE(list.given);
  EXPECT_FALSE(list.any);
  // Weak tags never match strongly; what is no version of ours matches nothing.
  EXPECT_EQ(list.versions, (std::vector<std::int64_t>{3, 6}));
  const auto none = parse({{"If-Match", ""}});
  EXPECT_TRUE(none.given);
  EXPECT_TRUE(none.versions.empty());
  // Tags are compared as texts.
  EXPECT_TRUE(parse({{"If-Match", "\"007\", \"+7\", \"7 \""}}).versions.empty());
  Task task;
  task.version = 7;
  EXPECT_EQ(task_etag(task), "\"7\"");
  EXPECT_EQ(parse({{"If-Match", "\"7\""}}).versions, std::vector<std::int64_t>{7});
}

TEST(IfNoneMatchTest, compares_weakly_and_takes_lists) {
  for (const char* header : {"\"7\"", "W/\"7\"", "*", "\"6\", \"7\"", " \"6\" , W/\"7\" "}) {
    EXPECT_TRUE(none_match_names(header, "\"7\"")) << header;
  }
  EXPECT_TRUE(none_match_names("\"a\"", "W/\"a\""));
  for (const char* header : {"", "7", "\"6\"", "\"77\"", "W/\"6\",", "w/\"7\""}) {
    EXPECT_FALSE(none_match_names(header, "\"7\"")) << header;
  }
}

// --- refusals ---

std::string header(const net::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(ProblemTest, each_error_has_its_status) {
  const std::pair<ErrorCode, int> statuses[] = {
      {ErrorCode::malformed, 400},   {ErrorCode::unauthorized, 401},
      {ErrorCode::forbidden, 403},   {ErrorCode::not_found, 404},
      {ErrorCode::conflict, 409},    {ErrorCode::precondition_failed, 412},
      {ErrorCode::too_large, 413},   {ErrorCode::unsupported_media, 415},
      {ErrorCode::invalid, 422},     {ErrorCode::rate_limited, 429},
      {ErrorCode::unavailable, 503}, {ErrorCode::internal, 500}};
  for (const auto& [code, status] : statuses) {
    EXPECT_EQ(status_of(code), status);
    const auto response = problem(Error{code, "Why", {}, 0}, "req-1");
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(header(response, "Content-Type"), "application/problem+json");
    EXPECT_EQ(header(response, "WWW-Authenticate"), status == 401 ? "Bearer" : "");
    EXPECT_EQ(header(response, "Retry-After"), status == 429 || status == 503 ? "1" : "");
    const auto body = boost::json::parse(response.body).as_object();
    EXPECT_EQ(body.at("type").as_string(), "about:blank");
    EXPECT_FALSE(body.at("title").as_string().empty());
    EXPECT_NE(body.at("title").as_string(), "Error");
    EXPECT_EQ(body.at("status").as_int64(), status);
    EXPECT_EQ(body.at("detail").as_string(), "Why");
    EXPECT_EQ(body.at("request_id").as_string(), "req-1");
    EXPECT_FALSE(body.contains("errors"));
    EXPECT_EQ(body.size(), 5U);
  }
}

TEST(ProblemTest, failing_members_are_listed_with_their_reasons) {
  const Error error{
      ErrorCode::invalid, "Validation failed", {{"title", "Is required"}, {"q\"", "No"}}, 0};
  EXPECT_EQ(problem(error, "r").body,
            R"({"type":"about:blank","title":"Unprocessable Content","status":422,)"
            R"("detail":"Validation failed","errors":[{"field":"title","message":"Is required"},)"
            R"({"field":"q\"","message":"No"}],"request_id":"r"})");
}

TEST(ProblemTest, an_answer_stays_small_however_much_was_wrong) {
  Error error{ErrorCode::invalid, "Validation failed", {}, 0};
  for (int i = 0; i < 5'000; ++i) error.fields.push_back({std::string(10'000, 'x'), "No"});
  const auto response = problem(error, "r");
  EXPECT_LT(response.body.size(), 20'000U);
  const auto body = boost::json::parse(response.body);
  const auto& errors = body.at("errors").as_array();
  EXPECT_EQ(errors.size(), 101U);
  EXPECT_EQ(errors.back().at("message").as_string(), "And 4900 more");
}

TEST(ProblemTest, a_limit_says_when_to_come_back) {
  EXPECT_EQ(
      header(problem(Error{ErrorCode::rate_limited, "Slow down", {}, 17}, "r"), "Retry-After"),
      "17");
}

TEST(ProblemTest, statuses_of_http_itself_have_titles) {
  for (const int status : {400, 405, 408, 413, 414, 417, 431, 501, 505}) {
    const auto response = problem(status, "Why", "r");
    EXPECT_EQ(response.status, status);
    const auto body = boost::json::parse(response.body).as_object();
    EXPECT_NE(body.at("title").as_string(), "Error") << status;
  }
}

}  // namespace
}  // namespace todo::http
