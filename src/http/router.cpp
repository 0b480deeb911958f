#include "http/router.h"

#include <algorithm>
#include <stdexcept>

namespace todo::http {
namespace {

constexpr std::string_view any_segment = "{}";

// The first segment of a path, taken off it; paths begin with '/'.
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const auto end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

}  // namespace

void Router::add(net::Method method, std::string_view pattern, int route) {
  Node* node = &root_;
  std::size_t params = 0;
  while (!pattern.empty()) {
    std::string_view segment = take_segment(pattern);
    if (segment.starts_with('{')) {
      segment = any_segment;
      if (++params > params_max) throw std::logic_error("Router: too many parameters in a pattern");
    }
    auto child =
        std::ranges::find_if(node->children, [&](const auto& c) { return c->segment == segment; });
    // The parameter stays last, so that literals are tried first.
    if (child == node->children.end()) {
      const auto position = segment == any_segment ? node->children.end() : node->children.begin();
      child = node->children.insert(position, std::make_unique<Node>());
      (*child)->segment = segment;
    }
    node = child->get();
  }
  node->routes.emplace_back(method, route);
}

Router::Match Router::find(net::Method method, std::string_view path) const {
  Match match;
  const Node* node = &root_;
  std::size_t params = 0;
  if (!path.starts_with('/')) return match;
  while (!path.empty()) {
    const std::string_view segment = take_segment(path);
    const auto child = std::ranges::find_if(node->children, [segment](const auto& c) {
      return c->segment == segment || (c->segment == any_segment && !segment.empty());
    });
    if (child == node->children.end()) return match;
    node = child->get();
    if (node->segment == any_segment) match.params.at(params++) = segment;
  }
  const auto wanted = method == net::Method::head ? net::Method::get : method;
  for (const auto& [known, route] : node->routes) {
    if (known == wanted) match.route = route;
    match.path_known = true;
    if (!match.allow.empty()) match.allow += ", ";
    match.allow += net::to_string(known);
    if (known == net::Method::get) match.allow += ", HEAD";
  }
  return match;
}

}  // namespace todo::http
