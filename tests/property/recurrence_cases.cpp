// Answers cases of recurrence, one a line, for test_recurrence_oracle.py. Words are separated by a
// blank; "-" is no weekdays, or no answer: the series ends.
//
//   step RULE INTERVAL WEEKDAYS ZONE DUE STEP                   → the due date of that step
//   next RULE INTERVAL WEEKDAYS ZONE DUE STEP FROM MISSED NOW   → the one after completion at NOW
//
// DUE is the anchor on the wall clock, a date for an all-day task. WEEKDAYS are bits, Monday 1.
// A due date is answered as its instant, of an all-day task as instant/date.

#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "base/time_text.h"
#include "domain/recurrence.h"

namespace {

using namespace todo;

template <class T>
T need(std::optional<T> value, const std::string& line) {
  if (!value) throw std::runtime_error("not a case: " + line);
  return *value;
}

void write(const std::optional<Due>& due) {
  if (!due) {
    std::cout << "-\n";
    return;
  }
  std::cout << format_instant(due->at);
  if (due->on) std::cout << '/' << format_date(*due->on);
  std::cout << '\n';
}

void answer(const std::string& line) {
  std::istringstream words(line);
  std::string kind;
  std::string rule;
  std::string weekdays;
  std::string zone_name;
  std::string due_text;
  Recurrence recurrence;
  std::int64_t step = 0;
  words >> kind >> rule >> recurrence.interval >> weekdays >> zone_name >> due_text >> step;
  recurrence.rule = need(parse_recurrence_rule(rule), line);
  if (weekdays != "-") recurrence.weekdays = {static_cast<std::uint8_t>(std::stoi(weekdays))};
  const TimeZone zone = need(TimeZone::find(zone_name), line);
  const auto date = parse_date(due_text);
  Anchor anchor =
      date ? due_on(*date, zone).anchor : Anchor{need(parse_local(due_text), line), zone_name, 0};
  if (kind == "step") return write(due_of_step(recurrence, anchor, date.has_value(), step));

  std::string from;
  std::string missed;
  std::string now_text;
  words >> from >> missed >> now_text;
  const Instant now = need(parse_instant(now_text), line);
  // As a task carries it: the due date that its step has by the rule.
  const auto current = due_of_step(recurrence, anchor, date.has_value(), step);
  recurrence.from = need(parse_recurrence_from(from), line);
  write(next_due(recurrence, need(current, line), zone, now,
                 missed == "skip" ? MissedOccurrences::skip : MissedOccurrences::keep, now));
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) answer(line);
}
