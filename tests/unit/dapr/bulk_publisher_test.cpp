#include "dapr/bulk_publisher.h"

#include <set>

#include <gmock/gmock.h>

#include "base/json_reader.h"
#include "fake_sidecar.h"
#include "support/fakes.h"

namespace todo::dapr {
namespace {

using testing::Each;
using testing::HasSubstr;

class BulkPublisherTest : public testing::Test {
 protected:
  storage::OutboxRow row(Topic topic = Topic::audit, int attempts = 0) {
    AuditEvent audit;
    audit.id = ids_.next();
    audit.user_id = ids_.next();
    audit.entity_type = "task";
    audit.entity_id = ids_.next();
    audit.entity_version = 1;
    Origin origin;
    origin.trace = {std::string(32, 'a'), std::string(16, 'b')};
    OutboxEvent event = make_event(audit, origin);
    event.topic = topic;
    return {event, attempts};
  }

  test::FakeClock clock_;
  test::SequentialIds ids_{clock_};
};

TEST_F(BulkPublisherTest, entries_carry_the_envelope_its_trace_and_the_partition_key) {
  FakeSidecar sidecar([](const auto&) { return std::pair(204, ""); });
  BulkPublisher publisher({sidecar.port(), "secret"}, "todo-pubsub");
  const auto waiting = row(Topic::audit, 3);
  EXPECT_THAT(publisher.publish({waiting}).acknowledged, Each(true));
  const auto asked = sidecar.asked();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].method, "POST");
  EXPECT_EQ(asked[0].path, "/v1.0/publish/bulk/todo-pubsub/todo.audit");
  EXPECT_EQ(asked[0].token, "secret");
  const auto body = parse_json(asked[0].body);
  ASSERT_TRUE(body);
  const auto& entry = body->at(0);
  EXPECT_EQ(entry.at("entryId"), waiting.event.id.to_string().c_str());
  EXPECT_EQ(entry.at("contentType"), "application/cloudevents+json");
  EXPECT_EQ(entry.at("metadata").at("partitionKey"), waiting.event.user_id.to_string().c_str());
  auto event = entry.at("event").as_object();
  EXPECT_EQ(event.at("traceid"), event.at("traceparent"));
  EXPECT_EQ(event.at("attempts"), 3);
  event.erase("traceid");
  event.erase("attempts");
  EXPECT_EQ(event, parse_json(waiting.event.event)->as_object()) << "all else is as it was";
}

TEST_F(BulkPublisherTest, only_the_entries_that_failed_are_not_acknowledged) {
  const std::vector waiting{row(), row(), row()};
  FakeSidecar sidecar([&](const auto&) {
    return std::pair(500, R"({"failedEntries":[{"entryId":")" + waiting[1].event.id.to_string() +
                              R"(","error":"too large"}],"errorCode":"X"})");
  });
  BulkPublisher publisher({sidecar.port(), ""}, "todo-pubsub");
  const auto published = publisher.publish(waiting);
  EXPECT_EQ(published.acknowledged, (std::vector{true, false, true}));
  EXPECT_THAT(published.error, HasSubstr("too large"));
}

TEST_F(BulkPublisherTest, a_failure_that_names_no_entry_is_everybodys) {
  for (const char* body : {"", "broken", "{}", R"({"failedEntries":[]})",
                           R"({"failedEntries":[{"error":"x"}]})", R"({"failedEntries":null})"}) {
    FakeSidecar sidecar([&](const auto&) { return std::pair(500, body); });
    BulkPublisher publisher({sidecar.port(), ""}, "todo-pubsub");
    EXPECT_THAT(publisher.publish({row(), row()}).acknowledged, Each(false)) << body;
  }
}

TEST_F(BulkPublisherTest, topics_and_large_batches_go_by_requests_of_their_own) {
  std::vector<storage::OutboxRow> waiting;
  for (int i = 0; i < 200; ++i) waiting.push_back(row());
  waiting.push_back(row(Topic::reminders));
  waiting.push_back(row(Topic::reminders_dead));
  FakeSidecar sidecar(
      [](const auto& asked) { return std::pair(asked.path.ends_with(".dlq") ? 500 : 204, ""); });
  BulkPublisher publisher({sidecar.port(), ""}, "todo-pubsub");
  auto acknowledged = publisher.publish(waiting).acknowledged;
  EXPECT_FALSE(acknowledged.back()) << "one topic's failure is not the others'";
  acknowledged.pop_back();
  EXPECT_THAT(acknowledged, Each(true));
  const auto asked = sidecar.asked();
  EXPECT_EQ(asked.size(), 6U);
}

TEST_F(BulkPublisherTest, an_older_sidecar_is_asked_on_its_own_path) {
  FakeSidecar sidecar([](const auto& asked) {
    return std::pair(asked.path.starts_with("/v1.0-alpha1/publish/bulk/") ? 204 : 404, "");
  });
  BulkPublisher publisher({sidecar.port(), ""}, "todo-pubsub");
  EXPECT_THAT(publisher.publish({row()}).acknowledged, Each(true));
  EXPECT_THAT(publisher.publish({row()}).acknowledged, Each(true));
  EXPECT_EQ(sidecar.asked().size(), 3U) << "it is remembered";
}

TEST_F(BulkPublisherTest, a_pubsub_that_is_not_there_does_not_make_the_sidecar_an_older_one) {
  bool is_there = false;
  FakeSidecar sidecar([&](const auto& asked) {
    return std::pair(is_there && asked.path.starts_with("/v1.0/") ? 204 : 404, "");
  });
  BulkPublisher publisher({sidecar.port(), ""}, "todo-pubsub");
  EXPECT_THAT(publisher.publish({row()}).acknowledged, Each(false));
  is_there = true;
  EXPECT_THAT(publisher.publish({row()}).acknowledged, Each(true));
}

TEST_F(BulkPublisherTest, nobody_there_is_a_failure_that_says_so) {
  BulkPublisher publisher({1, ""}, "todo-pubsub");
  const auto published = publisher.publish({row()});
  EXPECT_THAT(published.acknowledged, Each(false));
  EXPECT_THAT(published.error, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace todo::dapr
