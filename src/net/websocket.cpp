#include "net/websocket.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "net/websocket_frames.h"

namespace todo::net {
namespace {

constexpr std::string_view version = "13";
// Sixteen bytes in base64.
constexpr std::size_t key_characters = 24;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool is_same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

// The members of a list (RFC 9110, section 5.6.1), of all fields of that name.
std::vector<std::string_view> members(const Request& request, std::string_view name) {
  std::vector<std::string_view> found;
  for (const Field& field : request.fields) {
    if (!is_same(field.name, name)) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      const std::string_view member = trim(rest.substr(0, end));
      if (!member.empty()) found.push_back(member);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return found;
}

bool has_member(const Request& request, std::string_view name, std::string_view member) {
  return std::ranges::any_of(members(request, name),
                             [&](std::string_view each) { return is_same(each, member); });
}

bool is_key(std::string_view text) {
  const auto is_base64 = [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '+' || c == '/';
  };
  return text.size() == key_characters && text.ends_with("==") &&
         std::ranges::all_of(text.substr(0, key_characters - 2), is_base64);
}

}  // namespace

void Frames::add_text(std::string_view text) {
  append_frame(bytes_, Opcode::text, text);
  ++messages_;
}

std::expected<Response, std::string_view> accept_websocket(
    const Request& request, std::shared_ptr<WebSocketHandler> handler, std::string_view protocol) {
  if (request.method != Method::get || request.http10 ||
      !has_member(request, "Upgrade", "websocket") || !has_member(request, "Connection", "upgrade"))
    return std::unexpected("This is a WebSocket: ask for an upgrade to it");
  if (request.count("Sec-WebSocket-Version") != 1 ||
      request.field("Sec-WebSocket-Version") != version)
    return std::unexpected("Version 13 of WebSockets is spoken here");
  const auto key = request.field("Sec-WebSocket-Key");
  if (request.count("Sec-WebSocket-Key") != 1 || !is_key(*key))
    return std::unexpected("Sec-WebSocket-Key must be 16 bytes in base64");
  Response response;
  response.status = 101;
  response.with("Upgrade", "websocket").with("Connection", "Upgrade");
  response.with("Sec-WebSocket-Accept", accept_key(*key));
  if (!protocol.empty()) response.with("Sec-WebSocket-Protocol", std::string(protocol));
  response.upgrade = std::move(handler);
  return response;
}

std::vector<std::string_view> offered_protocols(const Request& request) {
  return members(request, "Sec-WebSocket-Protocol");
}

}  // namespace todo::net
