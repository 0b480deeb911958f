#include "domain/task_json.h"

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "base/time_text.h"
#include "domain/recurrence.h"

namespace todo {
namespace {

Instant at(std::string_view text) { return parse_instant(text).value(); }
Uuid id(int n) {
  Uuid uuid;
  uuid.bytes.back() = static_cast<std::uint8_t>(n);
  return uuid;
}

Task small_task() {
  Task task;
  task.id = id(1);
  task.user_id = id(2);
  task.title = "Buy milk";
  task.series_id = id(3);
  task.created_at = task.updated_at = at("2026-02-09T12:00:00Z");
  return task;
}

Task full_task() {
  Task task = small_task();
  task.title = "Say \"hi\" to Größe\n😀";
  task.description = "";
  task.due = due_at(at("2026-02-10T09:00:00.250Z"), TimeZone::utc());
  task.priority = Priority::urgent;
  task.category = "work";
  task.recurrence = {RecurrenceRule::weekly, 2, WeekdaySet{0b1010001}, RecurrenceFrom::completion};
  task.completed_at = at("2026-02-10T10:00:00Z");
  task.parent_task_id = id(4);
  task.occurrence = 7;
  task.version = 12;
  task.updated_at = at("2026-02-10T10:00:00Z");
  return task;
}

TEST(TaskJsonTest, every_member_is_there_and_null_where_it_has_no_value) {
  EXPECT_EQ(task_json(small_task()),
            R"({"id":"00000000-0000-0000-0000-000000000001",)"
            R"("user_id":"00000000-0000-0000-0000-000000000002","title":"Buy milk",)"
            R"("description":null,"completed":false,"completed_at":null,"due_date":null,)"
            R"("due_on":null,"priority":null,"category":null,"recurrence_rule":"none",)"
            R"("recurrence_interval":1,"recurrence_weekdays":null,"recurrence_from":"due",)"
            R"("parent_task_id":null,"series_id":"00000000-0000-0000-0000-000000000003",)"
            R"("occurrence":1,"version":1,"created_at":"2026-02-09T12:00:00Z",)"
            R"("updated_at":"2026-02-09T12:00:00Z"})");
}

TEST(TaskJsonTest, values_are_written_as_the_api_names_them) {
  EXPECT_EQ(task_json(full_task()),
            R"({"id":"00000000-0000-0000-0000-000000000001",)"
            R"("user_id":"00000000-0000-0000-0000-000000000002",)"
            R"("title":"Say \"hi\" to Größe\n😀","description":"","completed":true,)"
            R"("completed_at":"2026-02-10T10:00:00Z","due_date":"2026-02-10T09:00:00.250Z",)"
            R"("due_on":null,"priority":"urgent","category":"work","recurrence_rule":"weekly",)"
            R"("recurrence_interval":2,"recurrence_weekdays":["mo","fr","su"],)"
            R"("recurrence_from":"completion",)"
            R"("parent_task_id":"00000000-0000-0000-0000-000000000004",)"
            R"("series_id":"00000000-0000-0000-0000-000000000003","occurrence":7,"version":12,)"
            R"("created_at":"2026-02-09T12:00:00Z","updated_at":"2026-02-10T10:00:00Z"})");
}

TEST(TaskJsonTest, an_all_day_task_has_its_date_and_the_end_of_that_day) {
  Task task = small_task();
  task.due = due_on(parse_date("2026-02-10").value(), TimeZone::find("Europe/Berlin").value());
  const std::string json = task_json(task);
  EXPECT_NE(json.find(R"("due_date":"2026-02-10T22:59:59Z","due_on":"2026-02-10")"),
            std::string::npos)
      << json;
}

TEST(TaskJsonTest, nothing_internal_is_answered) {
  Task task = full_task();
  task.remind_at = at("2026-02-10T08:00:00Z");
  task.deleted_at = at("2026-02-11T08:00:00Z");
  EXPECT_EQ(task_json(task), task_json(full_task()));
}

TEST(TaskJsonTest, a_change_holds_the_members_that_differ_and_no_other) {
  const Task before = small_task();
  Task after = before;
  after.title = "Buy oat milk";
  after.priority = Priority::low;
  after.recurrence.weekdays = WeekdaySet{0b11};
  after.version = 2;
  after.updated_at = at("2026-02-09T13:00:00Z");
  const TaskChange change = task_change(before, after);
  EXPECT_FALSE(change.empty);
  EXPECT_EQ(change.before, R"({"title":"Buy milk","priority":null,"recurrence_weekdays":null})");
  EXPECT_EQ(change.after,
            R"({"title":"Buy oat milk","priority":"low","recurrence_weekdays":["mo","tu"]})");
}

TEST(TaskJsonTest, a_version_alone_is_no_change) {
  const Task before = full_task();
  Task after = before;
  after.version = 13;
  after.updated_at = at("2026-02-11T10:00:00Z");
  after.remind_at = at("2026-02-10T08:00:00Z");
  const TaskChange change = task_change(before, after);
  EXPECT_TRUE(change.empty);
  EXPECT_EQ(change.before, "{}");
  EXPECT_EQ(change.after, "{}");
}

TEST(TaskJsonTest, a_change_of_everything_names_everything) {
  const TaskChange change = task_change(small_task(), full_task());
  const auto before = parse_json(change.before).value().as_object();
  const auto after = parse_json(change.after).value().as_object();
  for (const char* member :
       {"title", "description", "completed", "completed_at", "due_date", "priority", "category",
        "recurrence_rule", "recurrence_interval", "recurrence_weekdays", "recurrence_from",
        "parent_task_id", "occurrence"}) {
    EXPECT_TRUE(before.contains(member)) << member;
    EXPECT_TRUE(after.contains(member)) << member;
  }
  EXPECT_EQ(before.size(), 13U);
  EXPECT_EQ(after.size(), 13U);
}

TEST(TaskJsonTest, a_promised_task_comes_back_whole) {
  for (Task task : {small_task(), full_task()}) {
    EXPECT_EQ(parse_task_record(task_record(task)), task);
    task.remind_at = at("2026-02-10T08:00:00.001Z");
    task.deleted_at = at("2026-02-11T08:00:00Z");
    task.due = due_on(parse_date("2026-02-10").value(), TimeZone::find("Asia/Tokyo").value());
    task.due->anchor.step = 41;
    EXPECT_EQ(parse_task_record(task_record(task)), task);
  }
}

TEST(TaskJsonTest, a_damaged_record_is_not_taken_for_a_task) {
  const std::string whole = task_record(full_task());
  for (std::size_t size = 0; size < whole.size(); size += 13) {
    EXPECT_THROW(parse_task_record(whole.substr(0, size)), std::runtime_error);
  }
  const auto with = [&](std::string_view member, std::string_view value) {
    std::string text = whole;
    const auto found = text.find(member);
    EXPECT_NE(found, std::string::npos) << member;
    return text.replace(found, member.size(), value);
  };
  for (const std::string& text :
       {std::string("null"), std::string("[]"), std::string("{}"), std::string(R"({"task":{}})"),
        with(R"("urgent")", R"("top")"), with(R"("weekly")", R"("hourly")"),
        with(R"(["mo","fr","su"])", R"(["xx"])"), with(R"(["mo","fr","su"])", R"("mo")"),
        with(R"("occurrence":7)", R"("occurrence":"7")"),
        with(R"("anchor_zone")", R"("anchor_Zone")")}) {
    EXPECT_THROW(parse_task_record(text), std::runtime_error) << text;
  }
}

TEST(TaskTest, words_and_values_stand_for_each_other) {
  for (const char* word : {"urgent", "high", "normal", "low"}) {
    EXPECT_EQ(to_string(parse_priority(word).value()), word);
  }
  for (const char* word : {"none", "daily", "weekly", "monthly", "yearly"}) {
    EXPECT_EQ(to_string(parse_recurrence_rule(word).value()), word);
  }
  for (const char* word : {"due", "completion"}) {
    EXPECT_EQ(to_string(parse_recurrence_from(word).value()), word);
  }
  int day = 0;
  for (const char* word : {"mo", "tu", "we", "th", "fr", "sa", "su"}) {
    EXPECT_EQ(parse_weekday(word), day);
    EXPECT_EQ(weekday_name(day++), word);
  }
  EXPECT_FALSE(parse_priority("Urgent"));
  EXPECT_FALSE(parse_priority(""));
  EXPECT_FALSE(parse_weekday("monday"));
  EXPECT_FALSE(parse_recurrence_rule("hourly"));
}

TEST(TaskTest, priorities_rank_from_urgent_to_unset) {
  EXPECT_LT(priority_rank(Priority::urgent), priority_rank(Priority::high));
  EXPECT_LT(priority_rank(Priority::high), priority_rank(Priority::normal));
  EXPECT_LT(priority_rank(Priority::normal), priority_rank(Priority::low));
  EXPECT_LT(priority_rank(Priority::low), priority_rank(std::nullopt));
}

}  // namespace
}  // namespace todo
