#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "net/message.h"

namespace todo::http {

// A file of the web interface, as the build made it; the texts live as long as the program.
struct SiteFile {
  std::string_view path;  // as it is asked for: “/assets/index-B4xY.js”
  std::string_view type;
  std::string_view hash;  // of `plain`
  std::string_view plain;
  std::string_view gzip;    // empty: it would not shrink
  std::string_view brotli;  // empty: it would not shrink
};

// The files that are built into the program (made by tools/web.py).
std::span<const SiteFile> built_site();

// The web interface: its files, and its page for each path that a browser navigates to and that is
// none of the API's. Immutable, safe from any thread.
class Site {
 public:
  // `files` must outlive it and hold “/index.html”.
  explicit Site(std::span<const SiteFile> files);

  // The answer to a GET or HEAD that has no route; nullopt where nothing of the site is meant,
  // which is then a 404: an asset of another build above all.
  std::optional<net::Response> answer(const net::Request& request) const;
  // Whether there is a file at the path, for GET and HEAD.
  bool has(std::string_view path) const { return files_.contains(path); }

 private:
  const SiteFile* find(const net::Request& request) const;

  std::unordered_map<std::string_view, const SiteFile*> files_;
  const SiteFile* page_;
};

// How well a coding or a media type is accepted by a field such as Accept-Encoding, in thousandths
// (RFC 9110, section 12.4.2): the weight of `name`, or of `*` where it is not named; 0 when neither
// is.
int weight_of(std::string_view field, std::string_view name);

}  // namespace todo::http
