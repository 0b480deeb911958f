#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"

namespace todo::http {

// The query parameters of one request, decoded (application/x-www-form-urlencoded). A handler takes
// what it knows; `finish` fails with 422 naming every bad value, every parameter given twice and
// every unknown name at once.
class Query {
 public:
  // Fails (422) where the encoding is broken: bad %-escapes, invalid UTF-8, NUL.
  static Result<Query> parse(std::string_view query);

  std::optional<std::string> text(std::string_view name, std::size_t code_points_max);
  std::optional<bool> boolean(std::string_view name);  // true, false
  // Whole numbers in [min, max].
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max);
  std::optional<Uuid> uuid(std::string_view name);
  // A word of the list; its index.
  std::optional<int> word(std::string_view name, std::initializer_list<std::string_view> words);
  void refuse(std::string field, std::string message);

  // Everything taken? Otherwise the error with all its fields.
  Result<void> finish();
  // The same as a list, for a body's mistakes to join.
  std::vector<FieldError> refusals();

  // Name and value of all parameters but `without`, encoded again, in their order: for the next
  // page's link.
  std::string encoded_without(std::string_view without) const;

 private:
  std::optional<std::string_view> take(std::string_view name);
  struct Parameter {
    std::string name;
    std::string value;
    bool taken = false;
  };
  std::vector<Parameter> parameters_;
  std::vector<FieldError> errors_;
};

std::string percent_encode(std::string_view text);

}  // namespace todo::http
