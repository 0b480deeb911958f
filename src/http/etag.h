#pragma once

#include <string_view>

namespace todo::http {

// Whether an If-None-Match names `etag`, or is `*`: the weak comparison (RFC 9110,
// section 8.8.3.2).
bool none_match_names(std::string_view header, std::string_view etag);

}  // namespace todo::http
