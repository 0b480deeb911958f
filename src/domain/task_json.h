#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "domain/task.h"

namespace todo {

// The task as the API answers it, every member always there (docs/api/openapi.yaml, Task).
void write_task(JsonWriter& json, const Task& task);
std::string task_json(const Task& task);
// Its members `recurrence_…`, into an object that is open.
void write_recurrence(JsonWriter& json, const Recurrence& recurrence);

// Only the members that differ, as {"before":…,"after":…} are kept in the audit trail: two JSON
// objects with the same members. `version` and `updated_at` are left out: they change always.
struct TaskChange {
  std::string before;
  std::string after;
  bool empty = true;
};
TaskChange task_change(const Task& before, const Task& after);

// The task with its internal members (anchor, remind_at, deleted_at) for the promise row, and back.
// `parse_task_record` takes what `task_record` wrote; it throws std::runtime_error on anything
// else.
std::string task_record(const Task& task);
Task parse_task_record(std::string_view json);

}  // namespace todo
