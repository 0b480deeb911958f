#include "dapr/app_port.h"

#include <sodium.h>

#include <gmock/gmock.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "support/executors.h"
#include "support/rows.h"
#include "support/world.h"

namespace todo::dapr {
namespace {

using std::chrono::days;
using std::chrono::hours;
using test::due_input;
using test::input_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A JSON string of base64, as topics of bytes are delivered.
std::string base64(const std::string& bytes) {
  constexpr int variant = sodium_base64_VARIANT_ORIGINAL;
  std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), variant);
  text.pop_back();
  return '"' + text + '"';
}

class AppPortTest : public testing::Test {
 protected:
  struct Answer {
    int status = 0;
    boost::json::value body;
  };

  Answer ask(net::Method method, std::string_view path, std::string_view body = "",
             std::string_view token = "the token") {
    net::Request request;
    request.method = method;
    request.path = path;
    request.target = path;
    request.body = body;
    if (!token.empty()) request.fields.push_back({"Dapr-Api-Token", token});
    Answer answer;
    test::Signal answered;
    port_.handle(request, executor_, [&](net::Response response) {
      answer.status = response.status;
      if (auto parsed = parse_json(response.body)) answer.body = *parsed;
      answered.give();
    });
    EXPECT_TRUE(answered.wait());
    return answer;
  }

  // The bulk as the sidecar sends it.
  static std::string bulk(const std::vector<std::string>& events) {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("entries").begin_array();
    for (std::size_t i = 0; i < events.size(); ++i) {
      json.begin_object().member("entryId", std::to_string(i)).key("event").raw(events[i]);
      json.member("contentType", "application/cloudevents+json").end_object();
    }
    json.end_array().member("topic", "todo.audit").end_object();
    return body;
  }
  std::vector<std::string> deliver(std::string_view path, const std::vector<std::string>& events) {
    const Answer answer = ask(net::Method::post, path, bulk(events));
    EXPECT_EQ(answer.status, 200);
    std::vector<std::string> statuses;
    const auto& told = answer.body.at("statuses").as_array();
    for (std::size_t i = 0; i < told.size(); ++i) {
      EXPECT_EQ(told[i].at("entryId"), std::to_string(i).c_str());
      statuses.emplace_back(std::string_view(told[i].at("status").as_string()));
    }
    return statuses;
  }
  // Takes the events of a topic out of the outbox, as a relay does.
  std::vector<std::string> relay(Topic topic) {
    std::vector<std::string> events;
    for (const OutboxEvent& event : world_.waiting(topic)) {
      events.push_back(published_form(event, 0, {std::string(32, 'a'), std::string(16, 'b')}));
      world_.forget(event);
    }
    return events;
  }
  std::vector<storage::DeadLetter> dead() {
    return test::read(*world_.store,
                      [](storage::ReadTx& tx) { return tx.list_dead(std::nullopt, 100); });
  }
  // A promise that cannot be kept while another task has its place.
  std::string blocked_promise() {
    const Task task =
        world_.create(due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::weekly));
    Task squatter = *world_.complete(task).next_occurrence;
    squatter.id = world_.ids.next();
    test::write(*world_.store, [&](storage::Tx& tx) { tx.insert_task(squatter); });
    return relay(Topic::task_completed).front();
  }

  test::World world_;
  test::ImmediateExecutor executor_;
  int ticks_ = 0;
  bool healthy_ = true;
  AppPort port_{{*world_.store, world_.clock, world_.ids, world_.consumers, world_.metrics,
                 [this] { ++ticks_; }, [this] { return healthy_; }},
                {"todo-pubsub", "the token"}};
};

TEST_F(AppPortTest, it_subscribes_to_three_topics_with_dead_letters) {
  const Answer answer = ask(net::Method::get, "/dapr/subscribe");
  ASSERT_EQ(answer.status, 200);
  std::vector<std::string> topics;
  for (const auto& subscription : answer.body.as_array()) {
    topics.emplace_back(std::string_view(subscription.at("topic").as_string()));
    EXPECT_EQ(subscription.at("pubsubname"), "todo-pubsub");
    EXPECT_EQ(subscription.at("deadLetterTopic"), (topics.back() + ".dlq").c_str());
    EXPECT_EQ(subscription.at("bulkSubscribe").at("enabled"), true);
    const std::string route(std::string_view(subscription.at("routes").at("default").as_string()));
    EXPECT_EQ(ask(net::Method::post, route, bulk({})).status, 200) << route;
  }
  EXPECT_THAT(topics, ElementsAre("todo.audit", "todo.reminders", "todo.task.completed"));
}

TEST_F(AppPortTest, a_bulk_of_the_largest_events_is_no_larger_than_a_body_may_be) {
  // What JSON escapes takes six bytes; an update tells what was before and what is now.
  const auto filled = [](std::size_t size, char end = 'a') {
    return "a" + std::string(size - 2, '\x01') + end;
  };
  service::TaskInput input = due_input("", world_.clock.now() + hours{100}, RecurrenceRule::weekly);
  input.title = {true, filled(limits::title_max)};
  input.description = {true, filled(limits::description_max)};
  input.category = {true, filled(limits::category_max)};
  const Task task = world_.create(input);
  relay(Topic::audit);
  input.title = {true, filled(limits::title_max, 'b')};
  input.description = {true, filled(limits::description_max, 'b')};
  input.category = {true, filled(limits::category_max, 'b')};
  world_.update(task, input);
  const std::string event = relay(Topic::audit).front();
  ASSERT_GT(event.size(), 2 * 6 * limits::description_max);
  const std::string entry = bulk({event});
  EXPECT_LT(entry.size() * AppPort::bulk_events_max, AppPort::body_bytes_max);
}

TEST_F(AppPortTest, nothing_is_answered_404_and_only_the_probe_needs_no_token) {
  using enum net::Method;
  EXPECT_EQ(ask(get, "/nothing").status, 503);
  EXPECT_EQ(ask(post, "/events/unknown", bulk({})).status, 503);
  EXPECT_EQ(ask(get, "/events/audit").status, 503);
  EXPECT_EQ(port_.refuse({}, 404, "no").status, 503);
  for (const char* token : {"", "another", "the tokeN", "the token "}) {
    EXPECT_EQ(ask(get, "/dapr/subscribe", "", token).status, 401);
    EXPECT_EQ(ask(post, "/events/audit", bulk({}), token).status, 401);
    EXPECT_EQ(ask(post, "/reminder-cron", "", token).status, 401);
    EXPECT_EQ(ask(get, "/healthz", "", token).status, 200);
  }
  EXPECT_EQ(ticks_, 0);
}

TEST_F(AppPortTest, it_is_healthy_while_events_can_be_taken) {
  EXPECT_EQ(ask(net::Method::get, "/healthz").status, 200);
  healthy_ = false;
  EXPECT_EQ(ask(net::Method::get, "/healthz").status, 503);
  healthy_ = true;
  port_.stop();
  EXPECT_EQ(ask(net::Method::get, "/healthz").status, 503);
  EXPECT_EQ(ask(net::Method::post, "/events/audit", bulk({})).status, 503);
}

TEST_F(AppPortTest, the_sidecars_cron_checks_reminders) {
  EXPECT_EQ(ask(net::Method::options, "/reminder-cron").status, 200);
  EXPECT_EQ(ticks_, 0);
  EXPECT_EQ(ask(net::Method::post, "/reminder-cron").status, 200);
  EXPECT_EQ(ticks_, 1);
}

TEST_F(AppPortTest, a_delivery_has_its_effect_once_however_often_it_comes) {
  const Task task =
      world_.create(due_input("Bins", world_.clock.now() + hours{100}, RecurrenceRule::weekly));
  world_.complete(task);
  const auto completed = relay(Topic::task_completed);
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(deliver("/events/completed", completed), ElementsAre("SUCCESS"));
  EXPECT_EQ(world_.tasks_of(world_.ann).size(), 2U);
  auto audit = relay(Topic::audit);
  ASSERT_EQ(audit.size(), 3U);
  std::ranges::reverse(audit);
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(deliver("/events/audit", audit), ElementsAre("SUCCESS", "SUCCESS", "SUCCESS"));
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 3U);
  EXPECT_TRUE(world_.verify(world_.ann).verified);
  EXPECT_THAT(dead(), IsEmpty());
}

TEST_F(AppPortTest, what_can_never_be_processed_is_buried_with_its_reason_and_hurts_nobody) {
  world_.create(input_of("Milk"));
  world_.create(input_of("Bread"));
  auto events = relay(Topic::audit);
  const std::string id = world_.ids.next().to_string();
  events.insert(events.begin() + 1, R"({"id":")" + id + R"(","data":{"schema_version":"2.0"}})");
  events.push_back(R"({"id":"no id","data":"a\u0000b"})");
  events.push_back("17");
  EXPECT_THAT(deliver("/events/audit", events),
              ElementsAre("SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS"));
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 2U);
  const auto letters = dead();
  ASSERT_EQ(letters.size(), 3U);
  const auto letter = std::ranges::find(letters, *Uuid::parse(id), &storage::DeadLetter::id);
  ASSERT_NE(letter, letters.end());
  EXPECT_THAT(letter->reason, HasSubstr("schema_version 2.0"));
  // By our own hand it goes to the topic's dead letters.
  const auto told = world_.waiting(Topic::audit_dead);
  ASSERT_EQ(told.size(), 3U);
  EXPECT_THAT(told[0].event, HasSubstr("schema_version 2.0"));
  EXPECT_EQ(to_string(told[0].topic), "todo.audit.dlq");
}

TEST_F(AppPortTest, an_audit_event_that_is_too_old_is_buried) {
  world_.create(input_of("Milk"));
  const auto events = relay(Topic::audit);
  world_.clock.advance(limits::event_age_max + days{1});
  EXPECT_THAT(deliver("/events/audit", events), ElementsAre("SUCCESS"));
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].reason, "older than 30 days");
}

TEST_F(AppPortTest, what_cannot_be_now_is_answered_later_and_soon_put_aside) {
  const std::string blocked = blocked_promise();
  const Task other =
      world_.create(due_input("Rent", world_.clock.now() + hours{90}, RecurrenceRule::weekly));
  world_.complete(other);
  const std::string good = relay(Topic::task_completed).front();
  EXPECT_THAT(deliver("/events/completed", {blocked, good}), ElementsAre("RETRY", "SUCCESS"));
  EXPECT_THAT(deliver("/events/completed", {blocked}), ElementsAre("RETRY"));
  EXPECT_THAT(world_.waiting(Topic::task_completed), IsEmpty());
  EXPECT_THAT(deliver("/events/completed", {blocked}), ElementsAre("SUCCESS"));
  EXPECT_THAT(world_.waiting(Topic::task_completed), IsEmpty()) << "not before some time";
  world_.clock.advance(std::chrono::minutes{1});
  const auto rows = test::read(*world_.store, [&](storage::ReadTx& tx) {
    return tx.list_outbox(world_.clock.now(), 1'000);
  });
  const auto aside = std::ranges::find_if(
      rows, [](const storage::OutboxRow& row) { return row.event.topic == Topic::task_completed; });
  ASSERT_NE(aside, rows.end());
  EXPECT_EQ(aside->attempts, 1);
  EXPECT_THAT(dead(), IsEmpty());
}

TEST_F(AppPortTest, what_fails_ten_times_is_buried) {
  const std::string blocked = blocked_promise();
  // As it is published after nine attempts.
  const std::string tenth = blocked.substr(0, blocked.size() - 1) +
                            ",\"attempts\":" + std::to_string(limits::event_attempts_max - 1) + "}";
  EXPECT_THAT(deliver("/events/completed", {tenth}), ElementsAre("SUCCESS"));
  ASSERT_EQ(dead().size(), 1U);
  EXPECT_EQ(dead()[0].attempts, limits::event_attempts_max);
}

TEST_F(AppPortTest, what_the_sidecar_gave_up_is_kept_and_can_be_tried_again) {
  world_.create(input_of("Milk"));
  const OutboxEvent event = world_.waiting(Topic::audit).front();
  world_.forget(event);
  // "not json", as bytes.
  EXPECT_THAT(deliver("/events/audit/dead", {base64(event.event), R"("bm90IGpzb24=")"}),
              ElementsAre("SUCCESS", "SUCCESS"));
  const auto letters = dead();
  ASSERT_EQ(letters.size(), 2U);
  const auto letter = std::ranges::find(letters, event.id, &storage::DeadLetter::id);
  ASSERT_NE(letter, letters.end());
  EXPECT_EQ(letter->event, event.event);
  EXPECT_EQ(letter->user_id, event.user_id);
  test::write(*world_.store, [&](storage::Tx& tx) { EXPECT_TRUE(tx.retry_dead(event.id)); });
  EXPECT_THAT(deliver("/events/audit", relay(Topic::audit)), ElementsAre("SUCCESS"));
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 1U);
}

TEST_F(AppPortTest, our_own_dead_letters_are_not_kept_twice) {
  deliver("/events/audit", {R"({"id":"no id"})"});
  const auto ours = world_.waiting(Topic::audit_dead);
  ASSERT_EQ(ours.size(), 1U);
  test::write(*world_.store, [&](storage::Tx& tx) { EXPECT_TRUE(tx.drop_dead(dead()[0].id)); });
  EXPECT_THAT(deliver("/events/audit/dead", {base64(ours[0].event)}), ElementsAre("SUCCESS"));
  EXPECT_THAT(dead(), IsEmpty());
}

TEST_F(AppPortTest, one_event_by_itself_is_a_delivery_too) {
  world_.create(input_of("Milk"));
  const Answer answer = ask(net::Method::post, "/events/audit", relay(Topic::audit).front());
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body.at("status"), "SUCCESS");
  EXPECT_EQ(world_.audit_of(world_.ann).size(), 1U);
}

TEST_F(AppPortTest, a_body_that_holds_no_entries_is_to_come_again) {
  for (const char* body : {"", "[]", "{\"entries\":5}", "{\"entries\":[{\"event\":{}}]}"})
    EXPECT_EQ(ask(net::Method::post, "/events/audit", body).status, 503) << body;
}

TEST_F(AppPortTest, while_the_database_is_away_everything_comes_again) {
  world_.create(input_of("Milk"));
  const auto events = relay(Topic::audit);
  world_.store->stop();
  EXPECT_EQ(ask(net::Method::post, "/events/audit", bulk(events)).status, 503);
}

}  // namespace
}  // namespace todo::dapr
