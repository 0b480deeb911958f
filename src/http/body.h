#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"
#include "net/message.h"
#include "service/tasks.h"

namespace todo::http {

// The JSON object of a request. A handler takes the members it knows; `finish` fails with 422
// naming every member that was wrong, missing or unknown at once. A value taken after a mistake is
// a default and is never used: `finish` fails first.
class Body {
 public:
  // Fails: unsupported_media unless Content-Type is application/json, malformed for what is not
  // JSON, invalid for what is no object. `refused`: mistakes found before, that `finish` names too.
  static Result<Body> parse(const net::Request& request, std::vector<FieldError> refused = {});

  struct TextRule {
    std::size_t min = 0;
    std::size_t max = 0;  // code points
    bool trimmed = true;
    bool nullable = true;
  };
  service::Member<std::string> text(std::string_view name, const TextRule& rule);
  std::string required_text(std::string_view name, const TextRule& rule);
  // As it stands, 8–1024 bytes when `check_length`.
  std::string password(std::string_view name, bool check_length);
  service::Member<bool> boolean(std::string_view name, bool nullable = false);
  service::Member<int> integer(std::string_view name, int min, int max, bool nullable = false);
  // The index in the list of words.
  service::Member<int> word(std::string_view name, std::initializer_list<std::string_view> words,
                            bool nullable);
  // Any value of the member, for those with rules of their own; null where it is absent.
  const boost::json::value* take(std::string_view name);

  void ignore(std::initializer_list<std::string_view> names);
  // The first mistake of a member is the one that is told.
  void refuse(std::string field, std::string message);
  Result<void> finish();

 private:
  Body(boost::json::object object, std::vector<FieldError> refused);
  boost::json::object object_;
  std::vector<std::string_view> taken_;
  std::vector<FieldError> errors_;
};

}  // namespace todo::http
