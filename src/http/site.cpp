#include "http/site.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/text.h"
#include "http/etag.h"

namespace todo::http {
namespace {

using namespace std::string_view_literals;

constexpr int weight_max = 1000;

// Where the page is never the answer: the program's own paths and all below them. An asset that is
// not there belongs to another build, and its loader must hear so.
constexpr std::array<std::string_view, 5> not_pages{"/api", "/mcp", "/healthz", "/readyz",
                                                    "/assets"};
constexpr std::string_view hashed_folder = "/assets/";

// The page is its own scripts and styles and talks to its own server; nothing inline, nothing from
// elsewhere, and inside nobody's frame.
constexpr const char* site_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

// A browser that goes to an address says that it takes HTML; a program that takes anything says no
// more than that.
bool navigates(const net::Request& request) {
  const auto accepted = request.field("Accept");
  return accepted && weight_of(*accepted, "text/html") > 0;
}

// What is sent of a file.
struct Coding {
  std::string_view name;  // empty: as it is
  std::string_view body;
};

// The best that is accepted (RFC 9110, section 12.5.3); of equals the smaller.
Coding coding_for(const net::Request& request, const SiteFile& file) {
  Coding best{{}, file.plain};
  const auto accepted = request.field("Accept-Encoding");
  if (!accepted) return best;
  int best_weight = 0;
  for (const auto& [name, body] : {Coding{"br", file.brotli}, Coding{"gzip", file.gzip}}) {
    const int weight = body.empty() ? 0 : weight_of(*accepted, name);
    if (weight <= best_weight) continue;
    best = {name, body};
    best_weight = weight;
  }
  return best;
}

void add_security(net::Response& response) {
  response.with("Content-Security-Policy", site_policy)
      .with("Referrer-Policy", "same-origin")
      .with("Cross-Origin-Opener-Policy", "same-origin")
      .with("Cross-Origin-Resource-Policy", "same-origin")
      .with("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
      .with("X-Frame-Options", "DENY");
}

// `q=0.5` as 500; what is no weight counts as none, which is 1 (RFC 9110, section 12.4.2).
int thousandths(std::string_view parameter) {
  parameter = trim(parameter);
  if (!parameter.starts_with("q=0")) return weight_max;
  int weight = 0;
  int worth = weight_max / 10;
  for (const char digit : parameter.substr(std::min(parameter.size(), "q=0."sv.size()))) {
    if (digit < '0' || digit > '9') break;
    weight += worth * (digit - '0');
    worth /= 10;
  }
  return weight;
}

}  // namespace

int weight_of(std::string_view field, std::string_view name) {
  int of_any = 0;
  while (!field.empty()) {
    const auto comma = std::min(field.find(','), field.size());
    const std::string_view element = field.substr(0, comma);
    field.remove_prefix(std::min(comma + 1, field.size()));
    const auto semicolon = std::min(element.find(';'), element.size());
    const std::string_view token = trim(element.substr(0, semicolon));
    const std::string_view parameter = element.substr(std::min(semicolon + 1, element.size()));
    if (token == name) return thousandths(parameter);
    if (token == "*") of_any = thousandths(parameter);
  }
  return of_any;
}

Site::Site(std::span<const SiteFile> files) {
  for (const SiteFile& file : files) files_.emplace(file.path, &file);
  const auto page = files_.find("/index.html");
  if (page == files_.end()) throw std::logic_error("Site: there is no index.html");
  page_ = page->second;
  files_.emplace("/", page_);
}

const SiteFile* Site::find(const net::Request& request) const {
  if (const auto file = files_.find(request.path); file != files_.end()) return file->second;
  if (!navigates(request)) return nullptr;
  const auto kept = [&](std::string_view folder) { return is_below(request.path, folder); };
  return std::ranges::any_of(not_pages, kept) ? nullptr : page_;
}

std::optional<net::Response> Site::answer(const net::Request& request) const {
  if (request.method != net::Method::get && request.method != net::Method::head)
    return std::nullopt;
  const SiteFile* file = find(request);
  if (file == nullptr) return std::nullopt;

  const Coding coding = coding_for(request, *file);
  // Each coding is a representation of its own (RFC 9110, section 8.8.3.3).
  std::string etag = '"' + std::string(file->hash);
  if (!coding.name.empty()) etag += '-' + std::string(coding.name);
  etag += '"';

  net::Response response;
  response.with("ETag", etag)
      .with("Vary", file == page_ ? "Accept, Accept-Encoding" : "Accept-Encoding")
      .with("Cache-Control", file->path.starts_with(hashed_folder)
                                 ? "public, max-age=31536000, immutable"
                                 : "no-cache");
  add_security(response);
  const auto known = request.field("If-None-Match");
  if (known && none_match_names(*known, etag)) {
    response.status = 304;
    return response;
  }
  response.with("Content-Type", std::string(file->type));
  if (!coding.name.empty()) response.with("Content-Encoding", std::string(coding.name));
  response.body = coding.body;
  return response;
}

}  // namespace todo::http
