#include "base/json_scanner.h"

#include <algorithm>

namespace todo {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

  // A string with its quotes; empty where there is none.
  std::string_view string() {
    skip_space();
    const std::size_t begin = at_;
    if (at_ >= text_.size() || text_[at_] != '"') return {};
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') return text_.substr(begin, ++at_ - begin);
      if (text_[at_] == '\\') ++at_;
    }
    return {};
  }

  // Any value; empty where there is none.
  std::string_view value() {
    skip_space();
    const std::size_t begin = at_;
    if (at_ >= text_.size()) return {};
    if (text_[at_] == '"') return string();
    if (text_[at_] != '{' && text_[at_] != '[') {
      while (at_ < text_.size() && !ends_scalar(text_[at_])) ++at_;
      return text_.substr(begin, at_ - begin);
    }
    return skip_brackets() ? text_.substr(begin, at_ - begin) : std::string_view{};
  }

 private:
  static bool ends_scalar(char c) { return is_space(c) || c == ',' || c == ']' || c == '}'; }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  // Which bracket closes which is for those who read the part.
  bool skip_brackets() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (string().empty()) return false;
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<RawMembers> scan_object(std::string_view text) {
  Scanner scanner(text);
  RawMembers members;
  if (!scanner.take('{')) return std::nullopt;
  if (scanner.take('}')) return scanner.at_end() ? std::optional(members) : std::nullopt;
  do {
    const std::string_view name = scanner.string();
    if (name.empty() || !scanner.take(':')) return std::nullopt;
    const std::string_view value = scanner.value();
    if (value.empty()) return std::nullopt;
    members.emplace_back(name.substr(1, name.size() - 2), value);
  } while (scanner.take(','));
  if (!scanner.take('}') || !scanner.at_end()) return std::nullopt;
  return members;
}

std::optional<std::vector<std::string_view>> scan_array(std::string_view text) {
  Scanner scanner(text);
  std::vector<std::string_view> elements;
  if (!scanner.take('[')) return std::nullopt;
  if (scanner.take(']')) return scanner.at_end() ? std::optional(elements) : std::nullopt;
  do {
    elements.push_back(scanner.value());
    if (elements.back().empty()) return std::nullopt;
  } while (scanner.take(','));
  if (!scanner.take(']') || !scanner.at_end()) return std::nullopt;
  return elements;
}

std::string_view find_raw(const RawMembers& members, std::string_view name) {
  const auto found = std::ranges::find(members, name, &RawMembers::value_type::first);
  return found == members.end() ? std::string_view{} : found->second;
}

std::optional<std::string_view> plain_string(std::string_view raw) {
  if (raw.size() < 2 || raw.front() != '"' || raw.contains('\\')) return std::nullopt;
  return raw.substr(1, raw.size() - 2);
}

}  // namespace todo
