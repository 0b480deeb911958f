#pragma once

#include <string_view>

#include "domain/task.h"
#include "domain/user.h"
#include "service/call.h"
#include "storage/store.h"

// The one way a task's row is written: the row, its reminder and its audit event in the caller's
// transaction. Requests and consumers alike come through here.
namespace todo::service {

enum class ReminderPlan { keep, recompute };

// `op` goes into the audit metadata ("" for none): reopen, restore, shift.
void insert_task_with_event(storage::Tx& tx, const Call& call, const User& user, Task& task);
void update_task_with_event(storage::Tx& tx, const Call& call, const User& user, const Task& before,
                            Task& after, AuditAction action, ReminderPlan plan,
                            std::string_view op = {});

}  // namespace todo::service
