#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/text.h"
#include "base/time_text.h"
#include "domain/quick_add.h"

namespace todo::test {

// Cuts valid UTF-8 into its characters.
template <class Visit>
void each_character(std::string_view text, Visit visit) {
  while (!text.empty()) {
    std::size_t length = 1;
    while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80)
      ++length;
    visit(text.substr(0, length));
    text.remove_prefix(length);
  }
}

// Without blanks, quotes and backslashes, which are how words are written and no words.
inline std::string only_words(std::string_view text) {
  std::string words;
  each_character(text, [&words](std::string_view character) {
    if (!trim(character).empty() && character != "\"" && character != "\\") words += character;
  });
  return words;
}

// The text without the parts that are no part of the title.
inline std::string without_spans(std::string_view text, const quick_add::Parsed& parsed) {
  std::string rest;
  std::size_t unit = 0;
  each_character(text, [&](std::string_view character) {
    const bool taken = std::ranges::any_of(parsed.spans, [unit](const quick_add::Span& span) {
      return span.kind != quick_add::SpanKind::recurrence_unsupported && unit >= span.start &&
             unit < span.end;
    });
    if (!taken) rest += character;
    unit += character.size() == 4 ? 2 : 1;
  });
  return rest;
}

inline std::size_t utf16_length(std::string_view text) {
  std::size_t units = 0;
  each_character(text,
                 [&units](std::string_view character) { units += character.size() == 4 ? 2 : 1; });
  return units;
}

// What is wrong with the answer to any text; nullptr where nothing is.
inline const char* wrong_with(std::string_view text, const quick_add::Parsed& parsed,
                              const TimeZone& zone) {
  std::size_t end = 0;
  for (const quick_add::Span& span : parsed.spans) {
    if (span.start < end || span.end <= span.start) return "spans are in order and do not overlap";
    end = span.end;
  }
  if (end > utf16_length(text)) return "spans lie in the text";
  if (only_words(without_spans(text, parsed)) != only_words(parsed.title))
    return "title and chips hold every word";
  if (parsed.title != trim(parsed.title)) return "a title has no blanks around it";
  if (parsed.category) {
    const std::size_t length = count_code_points(*parsed.category);
    if (length < 1 || length > limits::category_max) return "a category has its length";
    if (*parsed.category != trim(*parsed.category)) return "a category has no blanks around it";
  }
  const Recurrence& rule = parsed.recurrence;
  if (rule.rule != RecurrenceRule::none && !parsed.due) return "a rule has a date";
  if (rule.interval < 1 || rule.interval > limits::recurrence_interval_max)
    return "an interval is in its bounds";
  if (rule.weekdays && (rule.rule != RecurrenceRule::weekly || rule.weekdays->bits == 0))
    return "weekdays are of a weekly rule";
  if (!parsed.due) return nullptr;
  if (const auto* date = std::get_if<Date>(&*parsed.due))
    return date->ok() && static_cast<int>(date->year()) <= 9999 ? nullptr : "a date is a date";
  const auto* local = std::get_if<LocalTime>(&*parsed.due);
  const Instant at = local ? zone.to_instant(*local) : std::get<Instant>(*parsed.due);
  return at >= earliest_instant && at <= latest_instant ? nullptr : "a due date is in its bounds";
}

}  // namespace todo::test
