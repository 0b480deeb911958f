#include "http/query.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace todo::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  if (!is_valid_utf8(out) || out.find('\0') != std::string::npos) return std::nullopt;
  return out;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

Result<Query> Query::parse(std::string_view query) {
  Query result;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto name = decode(pair.substr(0, equals));
    auto value =
        decode(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
    if (!name || !value) return fail_field(name ? *name : "query", "Is not encoded well");
    result.parameters_.push_back({std::move(*name), std::move(*value), false});
  }
  return result;
}

std::optional<std::string_view> Query::take(std::string_view name) {
  std::optional<std::string_view> value;
  for (Parameter& parameter : parameters_) {
    if (parameter.name != name) continue;
    if (parameter.taken) return value;  // asked for twice by the handler
    parameter.taken = true;
    if (value) {
      refuse(std::string(name), "Was given twice");
      return std::nullopt;
    }
    value = parameter.value;
  }
  return value;
}

std::optional<std::string> Query::text(std::string_view name, std::size_t code_points_max) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  if (count_code_points(*value) > code_points_max) {
    refuse(std::string(name), "At most " + std::to_string(code_points_max) + " characters");
    return std::nullopt;
  }
  return std::string(*value);
}

std::optional<bool> Query::boolean(std::string_view name) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  if (*value == "true") return true;
  if (*value == "false") return false;
  refuse(std::string(name), "Must be true or false");
  return std::nullopt;
}

std::optional<std::int64_t> Query::integer(std::string_view name, std::int64_t min,
                                           std::int64_t max) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc{} || end != value->data() + value->size() || number < min ||
      number > max) {
    refuse(std::string(name),
           "Must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
  }
  return number;
}

std::optional<Uuid> Query::uuid(std::string_view name) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  auto id = Uuid::parse(*value);
  if (!id) refuse(std::string(name), "Must be a UUID");
  return id;
}

std::optional<int> Query::word(std::string_view name,
                               std::initializer_list<std::string_view> words) {
  const auto value = take(name);
  if (!value) return std::nullopt;
  const auto* found = std::ranges::find(words, *value);
  if (found != words.end()) return static_cast<int>(found - words.begin());
  std::string message = "Must be one of";
  for (const std::string_view word : words)
    message += (word == *words.begin() ? " " : ", ") + std::string(word);
  refuse(std::string(name), std::move(message));
  return std::nullopt;
}

void Query::refuse(std::string field, std::string message) {
  errors_.push_back({std::move(field), std::move(message)});
}

std::vector<FieldError> Query::refusals() {
  for (const Parameter& parameter : parameters_) {
    if (!parameter.taken) refuse(parameter.name, "Is not a parameter of this request");
  }
  return std::exchange(errors_, {});
}

Result<void> Query::finish() {
  auto errors = refusals();
  if (errors.empty()) return {};
  return std::unexpected(Error{ErrorCode::invalid, "Validation failed", std::move(errors), 0});
}

std::string Query::encoded_without(std::string_view without) const {
  std::string out;
  for (const Parameter& parameter : parameters_) {
    if (parameter.name == without) continue;
    if (!out.empty()) out += '&';
    out += percent_encode(parameter.name) + "=" + percent_encode(parameter.value);
  }
  return out;
}

}  // namespace todo::http
