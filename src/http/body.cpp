#include "http/body.h"

#include <algorithm>
#include <cctype>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/json_reader.h"
#include "base/limits.h"
#include "base/text.h"

namespace todo::http {
namespace {

constexpr const char* required = "Is required";
constexpr const char* not_null = "Must not be null";

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_json(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (!equals_ignoring_case(type, "application/json")) return false;
  for (auto at = content_type.find(';'); at != std::string_view::npos;
       at = content_type.find(';', at + 1)) {
    const std::string_view parameter =
        trim(content_type.substr(at + 1, content_type.find(';', at + 1) - at - 1));
    const auto equals = std::min(parameter.find('='), parameter.size());
    if (!equals_ignoring_case(parameter.substr(0, equals), "charset")) continue;
    std::string_view charset = parameter.substr(std::min(equals + 1, parameter.size()));
    if (charset.size() >= 2 && charset.front() == '"' && charset.back() == '"')
      charset = charset.substr(1, charset.size() - 2);
    if (!equals_ignoring_case(charset, "utf-8") && !equals_ignoring_case(charset, "utf8"))
      return false;
  }
  return true;
}

std::string length_message(const Body::TextRule& rule) {
  return rule.min > 0 ? fmt::format("Must have {} to {} characters", rule.min, rule.max)
                      : fmt::format("At most {} characters", rule.max);
}

}  // namespace

Body::Body(boost::json::object object, std::vector<FieldError> refused)
    : object_(std::move(object)), errors_(std::move(refused)) {}

Result<Body> Body::parse(const net::Request& request, std::vector<FieldError> refused) {
  const auto content_type = request.field("Content-Type");
  if (!content_type || !is_json(*content_type) || request.count("Content-Type") > 1) {
    return fail(ErrorCode::unsupported_media,
                "The body must be JSON: send Content-Type: application/json");
  }
  const auto coding = request.field("Content-Encoding");
  if (coding && !equals_ignoring_case(*coding, "identity"))
    return fail(ErrorCode::unsupported_media, "The body must be sent as it is, not compressed");
  auto value = parse_json(request.body);
  if (!value) return std::unexpected(value.error());
  if (!value->is_object()) return fail(ErrorCode::invalid, "The body must be a JSON object");
  return Body(std::move(value->as_object()), std::move(refused));
}

const boost::json::value* Body::take(std::string_view name) {
  taken_.push_back(name);
  return object_.if_contains(name);
}

service::Member<std::string> Body::text(std::string_view name, const TextRule& rule) {
  const boost::json::value* value = take(name);
  if (value == nullptr) return {};
  if (value->is_null()) {
    if (!rule.nullable) refuse(std::string(name), not_null);
    return {true, std::nullopt};
  }
  if (!value->is_string()) {
    refuse(std::string(name), rule.nullable ? "Must be a string or null" : "Must be a string");
    return {true, std::nullopt};
  }
  auto text = std::string_view(value->as_string());
  if (rule.trimmed) text = trim(text);
  const std::size_t length = count_code_points(text);
  if (length < rule.min || length > rule.max) refuse(std::string(name), length_message(rule));
  return {true, std::string(text)};
}

std::string Body::required_text(std::string_view name, const TextRule& rule) {
  auto member = text(name, rule);
  if (!member.present) refuse(std::string(name), required);
  return std::move(member.value).value_or(std::string());
}

std::string Body::password(std::string_view name, bool check_length) {
  const boost::json::value* value = take(name);
  if (value == nullptr) {
    refuse(std::string(name), required);
    return {};
  }
  if (!value->is_string()) {
    refuse(std::string(name), "Must be a string");
    return {};
  }
  const auto& text = value->as_string();
  if (text.size() > limits::password_bytes_max ||
      (check_length && text.size() < limits::password_bytes_min)) {
    refuse(std::string(name), fmt::format("Must have {} to {} bytes", limits::password_bytes_min,
                                          limits::password_bytes_max));
  }
  return std::string(std::string_view(text));
}

service::Member<bool> Body::boolean(std::string_view name, bool nullable) {
  const boost::json::value* value = take(name);
  if (value == nullptr) return {};
  if (value->is_bool()) return {true, value->as_bool()};
  if (!(nullable && value->is_null())) refuse(std::string(name), "Must be true or false");
  return {true, std::nullopt};
}

service::Member<int> Body::integer(std::string_view name, int min, int max, bool nullable) {
  const boost::json::value* value = take(name);
  if (value == nullptr) return {};
  if (nullable && value->is_null()) return {true, std::nullopt};
  if (value->is_int64() && value->as_int64() >= min && value->as_int64() <= max) {
    return {true, static_cast<int>(value->as_int64())};
  }
  refuse(std::string(name), fmt::format("Must be a whole number from {} to {}", min, max));
  return {true, std::nullopt};
}

service::Member<int> Body::word(std::string_view name,
                                std::initializer_list<std::string_view> words, bool nullable) {
  const boost::json::value* value = take(name);
  if (value == nullptr) return {};
  if (nullable && value->is_null()) return {true, std::nullopt};
  if (value->is_string()) {
    const auto found = std::ranges::find(words, std::string_view(value->as_string()));
    if (found != words.end()) return {true, static_cast<int>(found - words.begin())};
  }
  refuse(std::string(name), fmt::format("Must be one of {}", fmt::join(words, ", ")));
  return {true, std::nullopt};
}

void Body::ignore(std::initializer_list<std::string_view> names) {
  taken_.insert(taken_.end(), names);
}

void Body::refuse(std::string field, std::string message) {
  if (std::ranges::find(errors_, field, &FieldError::field) != errors_.end()) return;
  errors_.push_back({std::move(field), std::move(message)});
}

Result<void> Body::finish() {
  for (const auto& member : object_) {
    if (std::ranges::find(taken_, std::string_view(member.key())) == taken_.end()) {
      // No name comes twice here: there is no need to look, and there may be many.
      errors_.push_back(
          {std::string(std::string_view(member.key())), "Is not a member that can be set here"});
    }
  }
  if (errors_.empty()) return {};
  return std::unexpected(Error{ErrorCode::invalid, "Validation failed", std::move(errors_), 0});
}

}  // namespace todo::http
