#pragma once

#include <functional>

#include "http/exchange.h"

namespace todo::http {

// GET /tasks: filters, sorts, pages, weak ETag.
std::function<void(const ExchangePtr&)> list_tasks_route();

}  // namespace todo::http
