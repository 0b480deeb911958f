#include "domain/notification.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "base/time_text.h"
#include "domain/recurrence.h"
#include "domain/task.h"
#include "domain/user.h"

namespace todo {
namespace {

Instant at(std::string_view text) { return parse_instant(text).value(); }
const TimeZone& berlin() {
  static const TimeZone zone = TimeZone::find("Europe/Berlin").value();
  return zone;
}

Task task_due(std::string_view instant) {
  Task task;
  task.title = "Call the bank";
  task.due = due_at(at(instant), berlin());
  return task;
}

Task task_on(std::string_view date) {
  Task task;
  task.title = "Pay rent";
  task.due = due_on(parse_date(date).value(), berlin());
  return task;
}

TEST(ReminderPolicyTest, comes_the_chosen_minutes_before_the_due_date) {
  Preferences preferences;
  const Task task = task_due("2026-02-10T09:00:00Z");
  EXPECT_EQ(reminder_time(task, preferences, berlin()), at("2026-02-10T08:00:00Z"));
  preferences.reminder_minutes_before = 5;
  EXPECT_EQ(reminder_time(task, preferences, berlin()), at("2026-02-10T08:55:00Z"));
  preferences.reminder_minutes_before = 1'440;
  EXPECT_EQ(reminder_time(task, preferences, berlin()), at("2026-02-09T09:00:00Z"));
}

TEST(ReminderPolicyTest, comes_at_nine_local_on_the_day_of_an_all_day_task) {
  Preferences preferences;
  preferences.reminder_minutes_before = 5;  // has no say here
  EXPECT_EQ(reminder_time(task_on("2026-02-10"), preferences, berlin()),
            at("2026-02-10T08:00:00Z"));
  EXPECT_EQ(reminder_time(task_on("2026-07-10"), preferences, berlin()),
            at("2026-07-10T07:00:00Z"));
  EXPECT_EQ(
      reminder_time(task_on("2026-02-10"), preferences, TimeZone::find("America/New_York").value()),
      at("2026-02-10T14:00:00Z"));
}

TEST(ReminderPolicyTest, never_comes_without_a_due_date) {
  EXPECT_FALSE(reminder_time(Task{}, Preferences{}, berlin()));
}

TEST(ReminderWordsTest, tell_the_time_on_the_users_clock) {
  const auto words =
      word_reminder(task_due("2026-02-10T09:05:00Z"), berlin(), at("2026-02-10T08:05:00Z"));
  EXPECT_EQ(words.title, "Reminder: Call the bank");
  EXPECT_EQ(words.message, "“Call the bank” is due on 10 February 2026 at 10:05.");
  EXPECT_EQ(words.data,
            R"({"kind":"due","task_title":"Call the bank","due_date":"2026-02-10T09:05:00Z",)"
            R"("due_on":null})");
}

TEST(ReminderWordsTest, tell_an_overdue_task_as_overdue) {
  const auto words =
      word_reminder(task_due("2026-02-10T09:00:00Z"), berlin(), at("2026-02-10T09:00:01Z"));
  EXPECT_EQ(words.title, "Overdue: Call the bank");
  EXPECT_EQ(words.message, "“Call the bank” was due on 10 February 2026 at 10:00.");
  EXPECT_NE(words.data.find(R"("kind":"overdue")"), std::string::npos);
}

TEST(ReminderWordsTest, tell_an_all_day_task_by_its_date_wherever_the_user_is) {
  const Instant morning = at("2026-02-10T08:00:00Z");
  const auto words =
      word_reminder(task_on("2026-02-10"), TimeZone::find("Asia/Tokyo").value(), morning);
  EXPECT_EQ(words.message, "“Pay rent” is due on 10 February 2026.");
  EXPECT_EQ(words.data,
            R"({"kind":"due","task_title":"Pay rent","due_date":"2026-02-10T22:59:59Z",)"
            R"("due_on":"2026-02-10"})");
}

TEST(ReminderWordsTest, a_long_title_is_shortened_and_says_so) {
  Task task = task_due("2026-02-10T09:00:00Z");
  for (int i = 0; i < 200; ++i) task.title += "😀";
  task.title.resize(task.title.size() - 13 * 4);  // 200 code points in all
  const auto words = word_reminder(task, berlin(), at("2026-02-10T08:00:00Z"));
  EXPECT_EQ(count_code_points(words.title), 100U);
  EXPECT_TRUE(words.title.ends_with("😀…"));
  EXPECT_TRUE(is_valid_utf8(words.title));
  EXPECT_LE(count_code_points(words.message), 500U);
  // The whole title is in data, for those who have room.
  EXPECT_NE(words.data.find(task.title), std::string::npos);
}

TEST(ReminderWordsTest, a_title_that_just_fits_is_whole) {
  Task task = task_due("2026-02-10T09:00:00Z");
  task.title = std::string(90, 'x');  // and ten for “Reminder: ”
  EXPECT_EQ(word_reminder(task, berlin(), at("2026-02-10T08:00:00Z")).title,
            "Reminder: " + task.title);
  task.title += 'x';
  EXPECT_EQ(word_reminder(task, berlin(), at("2026-02-10T08:00:00Z")).title,
            "Reminder: " + std::string(89, 'x') + "…");
}

TEST(ReminderWordsTest, quotes_in_a_title_do_not_break_the_data) {
  Task task = task_due("2026-02-10T09:00:00Z");
  task.title = "Say \"no\"\n";
  EXPECT_NE(word_reminder(task, berlin(), at("2026-02-10T08:00:00Z")).data.find(R"(Say \"no\"\n)"),
            std::string::npos);
}

TEST(NotificationTest, words_and_values_stand_for_each_other) {
  for (const char* word : {"reminder", "system", "action"}) {
    EXPECT_EQ(to_string(parse_notification_type(word).value()), word);
  }
  for (const char* word : {"completed", "deleted", "moved", "reminders_off", "too_late"}) {
    EXPECT_EQ(to_string(parse_skip_reason(word).value()), word);
  }
  EXPECT_EQ(to_string(ReminderState::pending), "pending");
  EXPECT_EQ(to_string(ReminderState::sent), "sent");
  EXPECT_EQ(to_string(ReminderState::skipped), "skipped");
  EXPECT_FALSE(parse_notification_type("toast"));
  EXPECT_FALSE(parse_skip_reason(""));
}

}  // namespace
}  // namespace todo
