#include "service/quick_add.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "base/text.h"

namespace todo::service {
namespace {

template <class T>
Member<T> given(std::optional<T> value) {
  const bool present = value.has_value();
  return {present, std::move(value)};
}

TaskInput task_input_of(quick_add::Parsed parsed) {
  TaskInput input;
  input.title = {true, std::move(parsed.title)};
  input.due_date = given(std::move(parsed.due));
  input.priority = given(parsed.priority);
  input.category = given(std::move(parsed.category));
  input.recurrence_rule = {true, parsed.recurrence.rule};
  input.recurrence_interval = {true, parsed.recurrence.interval};
  input.recurrence_weekdays = given(parsed.recurrence.weekdays);
  input.recurrence_from = {true, parsed.recurrence.from};
  return input;
}

}  // namespace

Result<QuickAddReading> read_quick_add(storage::ReadTx& tx, const Call& call,
                                       const QuickAddInput& input) {
  const auto user = tx.find_user(call.user_id);
  if (!user) return fail(ErrorCode::unauthorized, "The account is gone");
  const TimeZone zone = TimeZone::find(user->timezone).value_or(TimeZone::utc());
  return QuickAddReading{quick_add::parse(input.text, input.now.value_or(call.now), zone), zone};
}

Result<Task> quick_add_task(storage::Tx& tx, const Call& call, const QuickAddInput& input) {
  auto reading = read_quick_add(tx, call, input);
  if (!reading) return std::unexpected(reading.error());
  const std::string& title = reading->parsed.title;
  if (title.empty()) return fail_field("title", "What is to be done? No title is left");
  if (count_code_points(title) > limits::title_max)
    return fail_field("title", fmt::format("Must have 1 to {} characters", limits::title_max));
  return create_task(tx, call, task_input_of(std::move(reading->parsed)));
}

}  // namespace todo::service
