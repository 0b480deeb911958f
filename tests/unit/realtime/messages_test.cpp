#include "realtime/messages.h"

#include <string>

#include <gtest/gtest.h>

#include "support/fakes.h"

namespace todo::realtime {
namespace {

using Kind = storage::Announcement::Kind;

TEST(Messages, say_what_became_of_a_task) {
  test::FakeClock clock;
  test::SequentialIds ids{clock};
  const Uuid task_id = ids.next();
  for (const auto& [kind, action] :
       {std::pair{Kind::task_created, "created"}, std::pair{Kind::task_updated, "updated"},
        std::pair{Kind::task_completed, "completed"}, std::pair{Kind::task_deleted, "deleted"}}) {
    EXPECT_EQ(task_message({kind, ids.next(), task_id, 7}),
              std::string(R"({"type":"task","action":")") + action + R"(","task_id":")" +
                  task_id.to_string() + R"(","version":7})");
  }
}

TEST(Messages, a_notification_is_whole) {
  test::FakeClock clock;
  test::SequentialIds ids{clock};
  Notification notification;
  notification.id = ids.next();
  notification.title = "Reminder: \"Rent\"";
  notification.data = R"({"kind":"due"})";
  const std::string text = notification_message(notification, 3);
  EXPECT_TRUE(text.starts_with(R"({"type":"notification","notification":{"id":")")) << text;
  EXPECT_TRUE(text.ends_with(R"("archived_at":null},"unread_count":3})")) << text;
  EXPECT_NE(text.find(R"("title":"Reminder: \"Rent\"")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("data":{"kind":"due"})"), std::string::npos) << text;
}

TEST(Messages, of_what_clients_say_pings_are_understood_and_nothing_else) {
  EXPECT_EQ(understand(R"({"type":"ping"})"), Said::ping);
  EXPECT_EQ(understand(R"( {"type" : "ping"} )"), Said::ping);
  EXPECT_EQ(understand(R"({"type":"pong"})"), Said::pong);
  for (const char* nonsense :
       {"", "ping", "{}", "[]", "null", R"({"type":"Ping"})", R"({"type":1})", R"({"typ":"ping"})",
        R"({"type":"ping","more":1})", R"({"type":"ping","type":"ping"})", R"(["ping"])",
        R"({"type":"ping"} {})"}) {
    EXPECT_EQ(understand(nonsense), Said::nonsense) << nonsense;
  }
}

}  // namespace
}  // namespace todo::realtime
