#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace todo::quick_add {

// The text of a quick add, cut at white space.
struct Word {
  enum class Form {
    plain,
    literal,          // "quoted", or marked with a backslash: never anything but words
    quoted_category,  // #"two words"
  };

  Form form = Form::plain;
  std::string title;  // as it stands in a title
  std::string key;    // small letters (ASCII), without the comma behind it; of a quoted category
                      // what is between the quotes, as it stands
  bool comma = false;
  std::size_t begin = 0;  // in bytes of the text
  std::size_t end = 0;

  bool is(std::string_view text) const { return form == Form::plain && !comma && key == text; }
};

// Takes valid UTF-8. Every word that was typed is in one of the words; no empty ones.
std::vector<Word> split_words(std::string_view text);

}  // namespace todo::quick_add
