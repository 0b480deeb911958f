#pragma once

#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace todo {

// Why an operation was refused. http/problem.cpp alone maps these to status codes.
enum class ErrorCode {
  malformed,            // 400: not JSON, duplicate keys, bad UTF-8
  unauthorized,         // 401
  forbidden,            // 403
  not_found,            // 404: absent, or another user's
  conflict,             // 409
  precondition_failed,  // 412: If-Match names another version
  too_large,            // 413
  unsupported_media,    // 415
  invalid,              // 422: `fields` names every failing member
  rate_limited,         // 429
  unavailable,          // 503: the database is away or a queue is full
  internal,             // 500: a bug
};

struct FieldError {
  std::string field;
  std::string message;
  bool operator==(const FieldError&) const = default;
};

// An expected failure. `detail` is for people and tells nothing of the inside.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string detail;
  std::vector<FieldError> fields{};
  int retry_after_s = 0;  // with rate_limited and unavailable
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string detail) {
  return std::unexpected(Error{code, std::move(detail), {}, 0});
}
inline std::unexpected<Error> fail_field(std::string field, std::string message) {
  return std::unexpected(
      Error{ErrorCode::invalid, "Validation failed", {{std::move(field), std::move(message)}}, 0});
}

}  // namespace todo
