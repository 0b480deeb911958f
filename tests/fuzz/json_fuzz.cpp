// Whatever text arrives as JSON: what is taken is JSON, and says the same when it is written again.

#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "domain/task_json.h"
#include "events/event.h"
#include "fuzz/require.h"

namespace {

namespace json = boost::json;
using todo::fuzz::require;

// Numbers with a fraction may lose their last bits on the way through text; all else may not.
bool same(const json::value& a, const json::value& b) {
  if (a.is_double() && b.is_number()) return true;
  if (a.is_array() && b.is_array()) {
    const auto& left = a.get_array();
    const auto& right = b.get_array();
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i) {
      if (!same(left[i], right[i])) return false;
    }
    return true;
  }
  if (a.is_object() && b.is_object()) {
    const auto& right = b.get_object();
    if (a.get_object().size() != right.size()) return false;
    for (const auto& [name, value] : a.get_object()) {
      const auto* other = right.if_contains(name);
      if (other == nullptr || !same(value, *other)) return false;
    }
    return true;
  }
  return a == b;
}

void check_texts(const json::value& value) {
  if (value.is_string()) {
    std::string written;
    todo::append_json_string(written, std::string_view(value.get_string()));
    const auto read = todo::parse_json(written);
    require(read && *read == value, "a text comes back from the writer");
  }
  if (value.is_array()) {
    for (const auto& element : value.get_array()) check_texts(element);
  }
  if (value.is_object()) {
    for (const auto& member : value.get_object()) check_texts(member.value());
  }
}

void check_events(std::string_view text) {
  if (const auto event = todo::parse_audit_event(text); !event) {
    require(!event.error().empty(), "a refusal has a reason");
  } else {
    require(event->entity_version > 0, "versions count from 1");
    require(todo::parse_json(event->before).has_value(), "before is JSON");
    require(todo::parse_json(event->metadata).has_value(), "metadata is JSON");
  }
  (void)todo::parse_reminder_event(text);
  (void)todo::parse_completed_event(text);
  try {
    (void)todo::parse_task_record(text);
  } catch (const std::runtime_error&) {  // what it says of a damaged record
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = todo::parse_json(text);

  json::parse_options options;
  options.max_depth = todo::limits::json_depth_max;
  json::error_code error;
  const json::value lenient = json::parse(text, error, {}, options);
  if (value) {
    require(!error, "what is taken is JSON");
    require(todo::is_valid_utf8(text), "what is taken is UTF-8");
    require(same(*value, lenient), "it says what another reader reads");
    const auto again = todo::parse_json(json::serialize(*value));
    require(again && same(*value, *again), "it comes back from its text");
    check_texts(*value);
  } else {
    require(value.error().code == todo::ErrorCode::malformed, "a refusal is a 400");
    const std::string& why = value.error().detail;
    require(todo::is_valid_utf8(why), "the reason is text");
    const bool stricter = why.find("twice") != std::string::npos ||
                          why.find("NUL") != std::string::npos ||
                          why.find("too large") != std::string::npos;
    require(error || stricter, "JSON is refused for a reason of ours only");
  }
  check_events(text);
  return 0;
}
