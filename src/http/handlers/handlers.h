#pragma once

#include <vector>

#include "http/exchange.h"

// Each resource adds its routes.
namespace todo::http {

void add_account_routes(std::vector<Route>& routes);
void add_token_routes(std::vector<Route>& routes);
void add_task_routes(std::vector<Route>& routes);
void add_quick_add_routes(std::vector<Route>& routes);
void add_notification_routes(std::vector<Route>& routes);
void add_audit_routes(std::vector<Route>& routes);
void add_export_routes(std::vector<Route>& routes);
void add_socket_routes(std::vector<Route>& routes);
void add_meta_routes(std::vector<Route>& routes);

}  // namespace todo::http
