#include "domain/quick_add_words.h"

#include <algorithm>

#include "base/text.h"

namespace todo::quick_add {
namespace {

constexpr char quote = '"';

std::size_t character_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

// The first place from `at` on where a word begins (`of_blanks`), or where one ends.
std::size_t skip(std::string_view text, std::size_t at, bool of_blanks) {
  while (at < text.size()) {
    const std::string_view character = text.substr(at, character_length(text[at]));
    if (trim(character).empty() != of_blanks) break;
    at += character.size();
  }
  return at;
}

std::string small(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<Word> split() {
    std::vector<Word> words;
    for (at_ = skip(text_, 0, true); at_ < text_.size(); at_ = skip(text_, at_, true)) {
      Word word;
      word.begin = at_;
      if (!take_quoted(word) && !take_quoted_category(word)) take_plain(word);
      word.end = at_;
      words.push_back(std::move(word));
    }
    return words;
  }

 private:
  // What stands between the quote at `open` and the next one, where that is anything.
  std::string_view quoted_at(std::size_t open) const {
    if (open >= text_.size() || text_[open] != quote) return {};
    const auto close = text_.find(quote, open + 1);
    if (close == std::string_view::npos) return {};
    return text_.substr(open + 1, close - open - 1);
  }

  bool take_quoted(Word& word) {
    const std::string_view inside = quoted_at(at_);
    if (trim(inside).empty()) return false;
    // What is written on without a blank belongs to it: "Tomorrow", or "Tomorrow"'s.
    const std::size_t after = at_ + inside.size() + 2;
    const std::size_t end = skip(text_, after, false);
    word.form = Word::Form::literal;
    word.title = std::string(trim(inside)) + std::string(text_.substr(after, end - after));
    word.key = small(word.title);
    at_ = end;
    return true;
  }

  bool take_quoted_category(Word& word) {
    if (text_[at_] != '#') return false;
    const std::string_view inside = quoted_at(at_ + 1);
    if (trim(inside).empty()) return false;
    const std::size_t after = at_ + inside.size() + 3;
    const std::size_t end = skip(text_, after, false);
    const std::string_view rest = text_.substr(after, end - after);
    if (rest.find_first_not_of(",.;:!?") != std::string_view::npos) return false;
    word.form = Word::Form::quoted_category;
    word.title = text_.substr(at_, end - at_);
    word.key = trim(inside);
    at_ = end;
    return true;
  }

  void take_plain(Word& word) {
    const std::size_t end = skip(text_, at_, false);
    std::string_view typed = text_.substr(at_, end - at_);
    at_ = end;
    if (typed.size() > 1 && typed.front() == '\\') {
      typed.remove_prefix(1);
      word.form = Word::Form::literal;
    }
    word.title = typed;
    word.comma = typed.size() > 1 && typed.back() == ',';
    if (word.comma) typed.remove_suffix(1);
    word.key = small(typed);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<Word> split_words(std::string_view text) { return Splitter(text).split(); }

}  // namespace todo::quick_add
