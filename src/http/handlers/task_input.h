#pragma once

#include "base/error.h"
#include "http/exchange.h"
#include "service/tasks.h"

namespace todo::http {

enum class TaskBody { create, patch, put };

// The body of POST, PATCH or PUT. PUT may carry the task as it was answered: read-only members are
// ignored there. Members whose form is wrong stand in `refused`, with the query's mistakes that are
// given here: what else is wrong depends on the task, and is named with them. Fails for what is no
// JSON object.
Result<service::TaskInput> parse_task_input(const net::Request& request, TaskBody kind,
                                            std::vector<FieldError> refused = {});

// If-Match (RFC 9110, section 13.1.1): `*`, or a list of entity tags. Weak tags never match.
service::IfMatch parse_if_match(const net::Request& request);
std::string task_etag(const Task& task);
// The answer to whoever made a task.
net::Response render_created_task(const Exchange& exchange, const Task& task);

// A date, a local time or an instant; nullopt for anything else. Resolved in the user's zone where
// it has none of its own.
std::optional<service::DueInput> parse_due(std::string_view text);

}  // namespace todo::http
