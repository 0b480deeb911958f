#include <sodium.h>

#include <array>

#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/time_text.h"
#include "http/body.h"
#include "http/handlers/handlers.h"
#include "http/unit_route.h"

namespace todo::http {
namespace {

void write_token_members(JsonWriter& json, const storage::ApiToken& token) {
  json.member("id", token.id).member("name", token.name);
  json.member("scope", token.scope == storage::TokenScope::read ? "read" : "write");
  json.member("expires_at", token.expires_at)
      .member("created_at", token.created_at)
      .member("last_used_at", token.last_used_at);
}

struct NewToken {
  storage::ApiToken row;
  std::string token;  // shown this once
};

std::string make_secret() {
  std::array<char, 32> secret{};
  randombytes_buf(secret.data(), secret.size());
  return std::string(api_token_prefix) + base64url_encode({secret.data(), secret.size()});
}

Result<NewToken> parse_new_token(Exchange& exchange) {
  auto body = Body::parse(exchange.request(), exchange.query().refusals());
  if (!body) return std::unexpected(body.error());
  NewToken token;
  token.row.name = body->required_text("name", {1, limits::token_name_max, true, false});
  const auto scope = body->word("scope", {"read", "write"}, false);
  if (!scope.present) body->refuse("scope", "Is required: read or write");
  token.row.scope = static_cast<storage::TokenScope>(scope.value.value_or(0));
  const auto expires_at = body->text("expires_at", {1, 64, false, true});
  if (expires_at.value) {
    token.row.expires_at = parse_instant(*expires_at.value);
    if (!token.row.expires_at) {
      body->refuse("expires_at", "Must be an RFC 3339 date and time with an offset, or null");
    } else if (*token.row.expires_at <= exchange.now() || *token.row.expires_at > latest_instant) {
      body->refuse("expires_at", "Must lie in the future, 9999-12-31 at the latest");
    }
  }
  if (auto finished = body->finish(); !finished) return std::unexpected(finished.error());
  token.token = make_secret();
  token.row.id = exchange.app().with.ids.next();
  token.row.user_id = exchange.caller().user_id;
  token.row.secret_hash = hash_api_token(token.token);
  token.row.created_at = exchange.now();
  return token;
}

Result<NewToken> apply_new_token(storage::Tx& tx, const Exchange&, const NewToken& token) {
  if (!tx.insert_api_token(token.row)) {
    return fail(
        ErrorCode::conflict,
        "There are 50 tokens already, which is the most an account can hold; delete one first");
  }
  return token;
}

net::Response render_new_token(const Exchange&, const NewToken& token) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  write_token_members(json, token.row);
  json.member("token", token.token).end_object();
  return json_response(201, std::move(body));
}

Result<Nothing> parse_list(Exchange& exchange) {
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return Nothing{};
}

Result<std::vector<storage::ApiToken>> apply_list(storage::ReadTx& tx, const Exchange& exchange,
                                                  const Nothing&) {
  return tx.list_api_tokens(exchange.caller().user_id);
}

net::Response render_list(const Exchange&, const std::vector<storage::ApiToken>& tokens) {
  std::string body;
  JsonWriter json(body);
  json.begin_array();
  for (const storage::ApiToken& token : tokens) {
    json.begin_object();
    write_token_members(json, token);
    json.end_object();
  }
  json.end_array();
  return json_response(200, std::move(body));
}

Result<Uuid> parse_delete(Exchange& exchange) {
  if (auto checked = exchange.query().finish(); !checked) return std::unexpected(checked.error());
  return exchange.path_id(0, "Token");
}

Result<Nothing> apply_delete(storage::Tx& tx, const Exchange& exchange, const Uuid& id) {
  if (!tx.delete_api_token(exchange.caller().user_id, id))
    return fail(ErrorCode::not_found, "Token not found");
  return Nothing{};
}

net::Response render_delete(const Exchange& exchange, const Nothing&) {
  exchange.app().authenticator.forget_user(exchange.caller().user_id);
  net::Response response;
  response.status = 204;
  return response;
}

}  // namespace

void add_token_routes(std::vector<Route>& routes) {
  using enum net::Method;
  routes.push_back(
      {get, "/api/v1/auth/tokens", Access::read, read_route(parse_list, apply_list, render_list)});
  routes.push_back({post, "/api/v1/auth/tokens", Access::account,
                    write_route(parse_new_token, apply_new_token, render_new_token)});
  routes.push_back({del, "/api/v1/auth/tokens/{id}", Access::account,
                    write_route(parse_delete, apply_delete, render_delete)});
}

}  // namespace todo::http
