#include "base/json_reader.h"

#include <cmath>
#include <limits>
#include <string>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include "base/limits.h"

namespace todo {
namespace {

namespace json = boost::json;

constexpr std::size_t first_block_bytes = 4'096;

// Builds the DOM, and refuses what Boost.JSON's own builder lets pass: duplicate keys (the last
// would win), numbers beyond a double (they would become infinite) and NUL in strings.
struct StrictHandler {
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  struct Level {
    json::value container;
    std::string key;  // of an object: where the next value goes
  };
  // The values share it, and it lives as long as they do: one block instead of one for each text.
  json::storage_ptr storage =
      json::make_shared_resource<json::monotonic_resource>(first_block_bytes);
  std::vector<Level> levels;
  std::string text;
  json::value root = json::value(storage);
  std::string refusal;

  bool refuse(json::error_code& ec, std::string why) {
    refusal = std::move(why);
    ec = json::error::extra_data;  // any error ends the parse; `refusal` tells why
    return false;
  }

  bool put(json::value value, json::error_code& ec) {
    if (levels.empty()) {
      root = std::move(value);
      return true;
    }
    Level& level = levels.back();
    if (level.container.is_array()) {
      level.container.get_array().push_back(std::move(value));
      return true;
    }
    auto& object = level.container.get_object();
    if (!object.emplace(level.key, std::move(value)).second)
      return refuse(ec, fmt::format("The member \"{}\" is there twice", level.key));
    return true;
  }

  bool open(json::value container) {
    levels.push_back({std::move(container), {}});
    return true;
  }
  bool close(json::error_code& ec) {
    json::value container = std::move(levels.back().container);
    levels.pop_back();
    return put(std::move(container), ec);
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return open(json::object(storage)); }
  bool on_object_end(std::size_t, json::error_code& ec) { return close(ec); }
  bool on_array_begin(json::error_code&) { return open(json::array(storage)); }
  bool on_array_end(std::size_t, json::error_code& ec) { return close(ec); }

  bool take_text(json::string_view last, json::error_code& ec) {
    text.append(last.data(), last.size());
    if (text.find('\0') != std::string::npos) return refuse(ec, "Texts cannot hold NUL");
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view last, std::size_t, json::error_code& ec) {
    if (!take_text(last, ec)) return false;
    levels.back().key = text;
    text.clear();
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view last, std::size_t, json::error_code& ec) {
    if (!take_text(last, ec)) return false;
    json::value value = json::string(text, storage);
    text.clear();
    return put(std::move(value), ec);
  }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view, json::error_code& ec) {
    return put(json::value(number, storage), ec);
  }
  bool on_uint64(std::uint64_t number, json::string_view, json::error_code& ec) {
    return put(json::value(number, storage), ec);
  }
  bool on_double(double number, json::string_view, json::error_code& ec) {
    if (!std::isfinite(number)) return refuse(ec, "A number is too large");
    return put(json::value(number, storage), ec);
  }
  bool on_bool(bool value, json::error_code& ec) { return put(json::value(value, storage), ec); }
  bool on_null(json::error_code& ec) { return put(json::value(nullptr, storage), ec); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

}  // namespace

Result<json::value> parse_json(std::string_view text) {
  json::parse_options options;  // strict: no comments, trailing commas or invalid UTF-8
  options.max_depth = limits::json_depth_max;
  json::basic_parser<StrictHandler> parser(options);
  json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!parser.handler().refusal.empty())
    return fail(ErrorCode::malformed, parser.handler().refusal);
  if (error == json::error::too_deep) {
    return fail(ErrorCode::malformed,
                fmt::format("The JSON is nested deeper than {} levels", limits::json_depth_max));
  }
  if (error)
    return fail(ErrorCode::malformed, fmt::format("The body is not valid JSON, at byte {}", used));
  // Only white space may follow.
  for (std::size_t i = used; i < text.size(); ++i) {
    if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n') {
      return fail(ErrorCode::malformed, fmt::format("Something follows the JSON, at byte {}", i));
    }
  }
  return std::move(parser.handler().root);
}

}  // namespace todo
