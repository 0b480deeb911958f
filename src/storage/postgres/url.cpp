#include "storage/postgres/url.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include <fmt/format.h>

namespace todo::storage::postgres {
namespace {

// What a connection has unless the URL says otherwise. A peer that vanished is noticed within
// seconds: while data is under way by tcp_user_timeout (milliseconds), otherwise by keepalives.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> defaults{{
    {"application_name", "todo-backend"},
    {"keepalives", "1"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "5"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "5000"},
}};

using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

std::string_view after_scheme(std::string_view url) {
  return url.substr(std::min(url.size(), url.find("://") + 3));
}

// libpq takes what stands before the first @ or / for the user and password, so a password with
// one of them would end up in the host name or the port, and from there in error messages.
bool is_password_encoded(std::string_view url) {
  const std::string_view rest = after_scheme(url);
  const std::size_t user_end = rest.find_first_of("@/");
  if (user_end == std::string_view::npos) return true;
  const std::string_view behind = rest.substr(user_end + 1);
  return behind.substr(0, behind.find('?')).find('@') == std::string_view::npos;
}

bool may_hold_password(std::string_view url) {
  return url.find('@') != std::string_view::npos || url.find('%') != std::string_view::npos ||
         url.find("password") != std::string_view::npos;
}

std::string refusal(std::string_view url, char* libpq_says) {
  std::string text = libpq_says == nullptr ? "out of memory" : libpq_says;
  PQfreemem(libpq_says);
  // Its sentence quotes the text that it did not understand.
  if (may_hold_password(url)) {
    return "it is not a PostgreSQL URL as libpq reads it: look for an unknown parameter, a port "
           "that "
           "is no number, and percent signs that two hexadecimal digits do not follow";
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

bool is_url(std::string_view text) {
  return text.starts_with("postgres://") || text.starts_with("postgresql://");
}

std::string_view ConnectionParameters::value(std::string_view keyword) const {
  const auto found = std::ranges::find(
      pairs, keyword, [](const auto& pair) -> const std::string& { return pair.first; });
  return found == pairs.end() ? std::string_view{} : std::string_view{found->second};
}

std::expected<ConnectionParameters, std::string> parse_url(const std::string& url) {
  if (!is_url(url)) return std::unexpected("a PostgreSQL URL begins with postgres://");
  if (url.find('\0') != std::string::npos) return std::unexpected("the URL holds a NUL byte");
  if (!is_password_encoded(url)) {
    return std::unexpected(
        "in a PostgreSQL URL the user's name, the password and the database's name are "
        "percent-encoded: @ is %40 and / is %2F");
  }
  char* error = nullptr;
  const Options options(PQconninfoParse(url.c_str(), &error), &PQconninfoFree);
  if (!options) return std::unexpected(refusal(url, error));
  ConnectionParameters parameters;
  for (const PQconninfoOption* o = options.get(); o->keyword != nullptr; ++o) {
    const std::string_view keyword = o->keyword;
    if (o->val == nullptr || keyword == "client_encoding") continue;
    parameters.pairs.emplace_back(keyword, o->val);
    if (keyword != "connect_timeout") continue;
    const std::string_view text = o->val;
    int seconds = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (code != std::errc{} || end != text.data() + text.size())
      return std::unexpected("its connect_timeout is no whole number");
    if (seconds > 0) parameters.connect_timeout = std::chrono::seconds{seconds};
  }
  for (const auto& [keyword, value] : defaults) {
    if (parameters.value(keyword).empty()) parameters.pairs.emplace_back(keyword, value);
  }
  parameters.pairs.emplace_back("client_encoding", "UTF8");
  return parameters;
}

std::string without_password(const std::string& url) {
  const auto parameters = parse_url(url);
  if (!parameters) return "postgres://…";
  const std::string_view user = parameters->value("user");
  const std::string_view port = parameters->value("port");
  return fmt::format("postgres://{}{}{}{}{}/{}", user, user.empty() ? "" : "@",
                     parameters->value("host"), port.empty() ? "" : ":", port,
                     parameters->value("dbname"));
}

}  // namespace todo::storage::postgres
