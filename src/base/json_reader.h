#pragma once

#include <string_view>

#include <boost/json/fwd.hpp>
#include <boost/json/value.hpp>

#include "base/error.h"

namespace todo {

// Parses one JSON text strictly (RFC 8259, and I-JSON, RFC 7493, where that says more): refuses
// duplicate keys, invalid UTF-8, NUL in strings, numbers that a double cannot hold, anything after
// the value, and nesting deeper than limits::json_depth_max. Fails with ErrorCode::malformed and a
// `detail` fit for the client.
Result<boost::json::value> parse_json(std::string_view text);

}  // namespace todo
