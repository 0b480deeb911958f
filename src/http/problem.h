#pragma once

#include <string_view>

#include "base/error.h"
#include "net/message.h"

namespace todo::http {

// The one place that maps errors to status codes.
int status_of(ErrorCode code);

// application/problem+json (RFC 9457): {type, title, status, detail, errors?, request_id}. Adds
// Retry-After (429, 503), and WWW-Authenticate: Bearer (401).
net::Response problem(const Error& error, std::string_view request_id);
net::Response problem(int status, std::string_view detail, std::string_view request_id);

}  // namespace todo::http
