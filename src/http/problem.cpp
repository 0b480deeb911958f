#include "http/problem.h"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "base/json_writer.h"
#include "base/text.h"

namespace todo::http {
namespace {

// An answer stays small whatever was sent: a body can hold a hundred thousand unknown members.
constexpr std::size_t errors_told_max = 100;
constexpr std::size_t field_code_points_max = 100;

std::string_view title_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return status >= 500 ? "Internal Server Error" : "Error";
  }
}

net::Response make(int status, std::string_view detail, const std::vector<FieldError>& fields,
                   std::string_view request_id) {
  net::Response response;
  response.status = status;
  JsonWriter json(response.body);
  json.begin_object()
      .member("type", "about:blank")
      .member("title", title_of(status))
      .member("status", status)
      .member("detail", detail);
  if (!fields.empty()) {
    json.key("errors").begin_array();
    for (const FieldError& field : fields | std::views::take(errors_told_max)) {
      json.begin_object()
          .member("field", shorten(field.field, field_code_points_max))
          .member("message", field.message)
          .end_object();
    }
    if (fields.size() > errors_told_max) {
      json.begin_object().member("field", "");
      json.member("message", fmt::format("And {} more", fields.size() - errors_told_max));
      json.end_object();
    }
    json.end_array();
  }
  json.member("request_id", request_id).end_object();
  response.with("Content-Type", "application/problem+json");
  return response;
}

}  // namespace

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::malformed:
      return 400;
    case ErrorCode::unauthorized:
      return 401;
    case ErrorCode::forbidden:
      return 403;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::conflict:
      return 409;
    case ErrorCode::precondition_failed:
      return 412;
    case ErrorCode::too_large:
      return 413;
    case ErrorCode::unsupported_media:
      return 415;
    case ErrorCode::invalid:
      return 422;
    case ErrorCode::rate_limited:
      return 429;
    case ErrorCode::unavailable:
      return 503;
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

net::Response problem(const Error& error, std::string_view request_id) {
  const int status = status_of(error.code);
  net::Response response = make(status, error.detail, error.fields, request_id);
  if (status == 401) response.with("WWW-Authenticate", "Bearer");
  if (status == 429 || status == 503)
    response.with("Retry-After", std::to_string(std::max(1, error.retry_after_s)));
  return response;
}

net::Response problem(int status, std::string_view detail, std::string_view request_id) {
  return make(status, detail, {}, request_id);
}

}  // namespace todo::http
