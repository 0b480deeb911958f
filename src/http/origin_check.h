#pragma once

#include <string>

#include "net/message.h"

namespace todo::http {

// True when the request's Origin (RFC 6454) is this server's: that of `public_url`, or where that
// is unknown one whose host and port are the request's Host. Without an Origin: false. Unsafe
// requests by cookie must pass it.
bool origin_allowed(const net::Request& request, const std::string& public_url);

}  // namespace todo::http
