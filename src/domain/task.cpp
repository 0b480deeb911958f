#include "domain/task.h"

#include <algorithm>
#include <array>

namespace todo {
namespace {

constexpr std::array<std::string_view, 4> priorities{"urgent", "high", "normal", "low"};
constexpr std::array<std::string_view, 5> rules{"none", "daily", "weekly", "monthly", "yearly"};
constexpr std::array<std::string_view, 2> froms{"due", "completion"};
constexpr std::array<std::string_view, 7> weekdays{"mo", "tu", "we", "th", "fr", "sa", "su"};

template <std::size_t n>
std::optional<std::size_t> index_in(const std::array<std::string_view, n>& words,
                                    std::string_view text) {
  const auto found = std::ranges::find(words, text);
  if (found == words.end()) return std::nullopt;
  return static_cast<std::size_t>(found - words.begin());
}

template <class E, std::size_t n>
std::optional<E> parse(const std::array<std::string_view, n>& words, std::string_view text) {
  const auto index = index_in(words, text);
  return index ? std::optional(static_cast<E>(*index)) : std::nullopt;
}

}  // namespace

std::string_view to_string(Priority priority) {
  return priorities.at(static_cast<std::size_t>(priority));
}
std::string_view to_string(RecurrenceRule rule) { return rules.at(static_cast<std::size_t>(rule)); }
std::string_view to_string(RecurrenceFrom from) { return froms.at(static_cast<std::size_t>(from)); }
std::optional<Priority> parse_priority(std::string_view text) {
  return parse<Priority>(priorities, text);
}
std::optional<RecurrenceRule> parse_recurrence_rule(std::string_view text) {
  return parse<RecurrenceRule>(rules, text);
}
std::optional<RecurrenceFrom> parse_recurrence_from(std::string_view text) {
  return parse<RecurrenceFrom>(froms, text);
}
std::string_view weekday_name(int days_after_monday) {
  return weekdays.at(static_cast<std::size_t>(days_after_monday));
}

std::optional<int> parse_weekday(std::string_view text) {
  const auto index = index_in(weekdays, text);
  return index ? std::optional(static_cast<int>(*index)) : std::nullopt;
}

}  // namespace todo
