#include "http/etag.h"

#include "base/text.h"

namespace todo::http {

bool none_match_names(std::string_view header, std::string_view etag) {
  const auto bare = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  while (!header.empty()) {
    const auto comma = header.find(',');
    const std::string_view tag = trim(header.substr(0, comma));
    if (tag == "*" || bare(tag) == bare(etag)) return true;
    if (comma == std::string_view::npos) break;
    header.remove_prefix(comma + 1);
  }
  return false;
}

}  // namespace todo::http
