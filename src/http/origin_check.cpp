#include "http/origin_check.h"

#include "base/text.h"

namespace todo::http {

bool origin_allowed(const net::Request& request, const std::string& public_url) {
  const auto origin = request.field("Origin");
  if (!origin || request.count("Origin") != 1) return false;
  const std::string asked = fold_case(*origin);
  if (!public_url.empty()) {
    const std::string ours = fold_case(public_url);
    const auto host = ours.find("://") + 3;
    return asked == ours.substr(0, ours.find('/', host));
  }
  const auto scheme = asked.find("://");
  const auto host = request.field("Host");
  return host && scheme != std::string::npos &&
         (asked.starts_with("http://") || asked.starts_with("https://")) &&
         asked.substr(scheme + 3) == fold_case(*host);
}

}  // namespace todo::http
