#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/message.h"

namespace todo::http {

// Finds the route of a path. Patterns are literal segments and `{name}`, which takes any one
// non-empty segment; literals win over `{name}`. Built once at the start; immutable and safe from
// any thread afterwards.
class Router {
 public:
  static constexpr std::size_t params_max = 2;
  struct Match {
    int route = -1;           // the number given to add; -1: none
    bool path_known = false;  // with route -1: the path exists for other methods
    std::array<std::string_view, params_max>
        params{};       // in the pattern's order, still percent-encoded
    std::string allow;  // with path_known: the methods, for `Allow`
  };
  void add(net::Method method, std::string_view pattern, int route);
  // HEAD finds GET's route.
  Match find(net::Method method, std::string_view path) const;

 private:
  struct Node {
    std::string segment;  // “{}”: the parameter
    std::vector<std::unique_ptr<Node>> children;
    std::vector<std::pair<net::Method, int>> routes;
  };
  Node root_;
};

}  // namespace todo::http
