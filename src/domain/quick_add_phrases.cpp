#include "domain/quick_add_phrases.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/time_text.h"
#include "domain/recurrence.h"

namespace todo::quick_add {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;

constexpr int days_per_week = 7;
constexpr int saturday = 5;
constexpr int year_min = 1970;
// A 29 February is at most eight years away.
constexpr int leap_years_apart_max = 8;
constexpr std::size_t number_digits_max = 4;

template <class Value, std::size_t n>
using Table = std::array<std::pair<std::string_view, Value>, n>;

template <class Value, std::size_t n>
std::optional<Value> find_in(const Table<Value, n>& table, std::string_view key) {
  const auto found = std::ranges::find(table, key, &std::pair<std::string_view, Value>::first);
  return found == table.end() ? std::nullopt : std::optional(found->second);
}

enum class Unit { minute, hour, day, week, month, year };

constexpr Table<int, 18> weekday_names{{{"mon", 0},
                                        {"monday", 0},
                                        {"tue", 1},
                                        {"tues", 1},
                                        {"tuesday", 1},
                                        {"wed", 2},
                                        {"weds", 2},
                                        {"wednesday", 2},
                                        {"thu", 3},
                                        {"thur", 3},
                                        {"thurs", 3},
                                        {"thursday", 3},
                                        {"fri", 4},
                                        {"friday", 4},
                                        {"saturday", 5},
                                        {"sunday", 6},
                                        {"sat", 5},
                                        {"sun", 6}}};

constexpr Table<unsigned, 24> month_names{
    {{"jan", 1},  {"january", 1},  {"feb", 2},    {"february", 2},  {"mar", 3},  {"march", 3},
     {"apr", 4},  {"april", 4},    {"may", 5},    {"jun", 6},       {"june", 6}, {"jul", 7},
     {"july", 7}, {"aug", 8},      {"august", 8}, {"sep", 9},       {"sept", 9}, {"september", 9},
     {"oct", 10}, {"october", 10}, {"nov", 11},   {"november", 11}, {"dec", 12}, {"december", 12}}};

constexpr Table<Unit, 16> unit_names{{{"min", Unit::minute},
                                      {"mins", Unit::minute},
                                      {"minute", Unit::minute},
                                      {"minutes", Unit::minute},
                                      {"hr", Unit::hour},
                                      {"hrs", Unit::hour},
                                      {"hour", Unit::hour},
                                      {"hours", Unit::hour},
                                      {"day", Unit::day},
                                      {"days", Unit::day},
                                      {"week", Unit::week},
                                      {"weeks", Unit::week},
                                      {"month", Unit::month},
                                      {"months", Unit::month},
                                      {"year", Unit::year},
                                      {"years", Unit::year}}};

constexpr Table<RecurrenceRule, 4> rule_words{{{"daily", RecurrenceRule::daily},
                                               {"weekly", RecurrenceRule::weekly},
                                               {"monthly", RecurrenceRule::monthly},
                                               {"yearly", RecurrenceRule::yearly}}};

constexpr Table<DayPart, 3> part_names{{{"morning", DayPart::morning},
                                        {"afternoon", DayPart::afternoon},
                                        {"evening", DayPart::evening}}};

// Counting words and steps of rules that tasks cannot have.
constexpr std::array<std::string_view, 16> counting_words{
    "first", "second", "third", "fourth", "fifth", "last", "two", "three",
    "four",  "five",   "six",   "seven",  "eight", "nine", "ten", "twelve"};
constexpr std::array<std::string_view, 11> other_steps{
    "quarter", "quarters", "weekend", "weekends", "fortnight", "fortnights",
    "night",   "nights",   "decade",  "weekdays", "decades"};

template <std::size_t n>
bool is_one_of(const std::array<std::string_view, n>& words, std::string_view key) {
  return std::ranges::find(words, key) != words.end();
}

std::optional<int> number(std::string_view digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool all = error == std::errc{} && end == digits.data() + digits.size();
  // from_chars takes a sign, and any number of digits.
  if (!all || digits.front() == '-' || digits.size() > number_digits_max) return std::nullopt;
  return value;
}

// "5th", as a day of the month.
std::optional<unsigned> ordinal(std::string_view key) {
  if (key.size() < 3 || key.size() > 4) return std::nullopt;
  const std::string_view suffix = key.substr(key.size() - 2);
  if (suffix != "st" && suffix != "nd" && suffix != "rd" && suffix != "th") return std::nullopt;
  const auto value = number(key.substr(0, key.size() - 2));
  if (!value || *value < 1 || *value > 31) return std::nullopt;
  return static_cast<unsigned>(*value);
}

std::optional<unsigned> day_of_month(std::string_view key) {
  if (const auto day = ordinal(key)) return day;
  const auto value = number(key);
  if (!value || *value < 1 || *value > 31 || key.size() > 2) return std::nullopt;
  return static_cast<unsigned>(*value);
}

std::optional<int> weekday(std::string_view key) { return find_in(weekday_names, key); }

// "sat" and "sun" are words of their own as well.
bool is_also_a_word(std::string_view key) { return key == "sat" || key == "sun"; }

Date plus_days(Date date, int count) { return Date{local_days{date} + days{count}}; }

// The next such day; never today.
Date next_weekday(Date today, int day) {
  const int ahead = (day - days_after_monday(today) + days_per_week) % days_per_week;
  return plus_days(today, ahead == 0 ? days_per_week : ahead);
}

Date in_next_week(Date today, int day) {
  return plus_days(today, days_per_week - days_after_monday(today) + day);
}

Date weekend(Date today) {
  return plus_days(today, (saturday - days_after_monday(today) + days_per_week) % days_per_week);
}

Date date_of(int year, unsigned month, unsigned day) {
  return Date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
}

// The month's last day where it has no such one.
Date clamped(std::chrono::year_month month, std::chrono::day day) {
  const std::chrono::year_month_day_last last = month / std::chrono::last;
  return month / std::min(day, last.day());
}

// The next one, today included, that is a real date.
std::optional<Date> next_yearly(Date today, unsigned month, unsigned day) {
  const int year = static_cast<int>(today.year());
  for (int ahead = 0; ahead <= leap_years_apart_max; ++ahead) {
    const Date date = date_of(year + ahead, month, day);
    if (date.ok() && date >= today) return date;
  }
  return std::nullopt;
}

Date next_monthly(Date today, unsigned day) {
  std::chrono::year_month month{today.year(), today.month()};
  while (true) {
    const Date date = month / std::chrono::day{day};
    if (date.ok() && date >= today) return date;
    month += std::chrono::months{1};
  }
}

Recurrence rule_of(RecurrenceRule rule, int interval = 1) {
  Recurrence recurrence;
  recurrence.rule = rule;
  recurrence.interval = interval;
  return recurrence;
}

Recurrence rule_of(Unit unit, int interval) {
  switch (unit) {
    case Unit::week:
      return rule_of(RecurrenceRule::weekly, interval);
    case Unit::month:
      return rule_of(RecurrenceRule::monthly, interval);
    case Unit::year:
      return rule_of(RecurrenceRule::yearly, interval);
    case Unit::minute:
    case Unit::hour:
    case Unit::day:
      break;
  }
  return rule_of(RecurrenceRule::daily, interval);
}

Phrase on(Date date) {
  Phrase phrase;
  phrase.date = date;
  return phrase;
}

Phrase on_at_start_too(Date date) {
  Phrase phrase = on(date);
  phrase.may_begin_a_text = true;
  return phrase;
}

Phrase at(ClockTime clock) {
  Phrase phrase;
  phrase.clock = clock;
  return phrase;
}

// The words of one phrase, and what leads it.
class Reader {
 public:
  Reader(Words words, const Moment& moment) : words_(words), moment_(moment) {}

  std::optional<Phrase> read() {
    const std::size_t all = size();
    take_lead();
    const std::size_t leads = all - size();
    auto phrase = read_led();
    const bool with_on_alone = leads == 1 && lead_ == "on";
    if (phrase && leads > 0 && !with_on_alone) phrase->may_begin_a_text = false;
    return phrase;
  }

 private:
  std::optional<Phrase> read_led() {
    // Commas stand between the parts of dates and lists only: those readers know their places.
    if (auto found = read_month_day()) return found;
    if (words_[0].is("every") || words_[0].is("every!")) return read_every();
    for (const Word& word : words_.first(words_.size() - 1)) {
      if (word.comma) return std::nullopt;
    }
    if (auto found = read_day()) return found;
    if (auto found = read_distance()) return found;
    if (auto found = read_time()) return found;
    if (auto found = read_part()) return found;
    return read_rule_word();
  }

  const std::string& key(std::size_t index) const { return words_[index].key; }
  std::size_t size() const { return words_.size(); }

  void take_lead() {
    if (size() > 1 && (words_.front().is("due") || words_.front().is("starting"))) drop_first();
    if (size() > 1 &&
        (words_.front().is("on") || words_.front().is("by") || words_.front().is("at"))) {
      lead_ = words_.front().key;
      drop_first();
    }
  }
  void drop_first() { words_ = words_.subspan(1); }

  // "dec 5", "5 december", "5th of dec", each with a year or without; "on the 15th".
  std::optional<Phrase> read_month_day() {
    if (lead_ == "on" && words_[0].is("the") && size() > 1) {
      const Words all = words_;
      drop_first();
      if (size() == 1) {
        if (const auto day = ordinal(key(0))) return begins(on(next_monthly(moment_.today, *day)));
      } else if (auto found = read_month_day_words(); found && ordinal(key(0))) {
        return begins(std::move(*found));
      }
      words_ = all;
      return std::nullopt;
    }
    auto found = read_month_day_words();
    return found && lead_ == "on" ? begins(std::move(*found)) : std::move(found);
  }

  static Phrase begins(Phrase phrase) {
    phrase.may_begin_a_text = true;
    return phrase;
  }

  std::optional<Phrase> read_month_day_words() const {
    if (size() < 2 || size() > 4) return std::nullopt;
    const bool of = size() > 2 && words_[1].is("of");
    const std::size_t parts = size() - (of ? 1 : 0);
    if (parts < 2 || parts > 3) return std::nullopt;
    const std::size_t second = of ? 2 : 1;
    if (words_[0].comma) return std::nullopt;
    auto month = find_in(month_names, key(0));
    auto day = day_of_month(key(second));
    if (!month || of) {
      month = find_in(month_names, key(second));
      day = day_of_month(key(0));
    }
    if (!month || !day) return std::nullopt;
    if (parts == 2) {
      const auto date = next_yearly(moment_.today, *month, *day);
      return date ? std::optional(on(*date)) : std::nullopt;
    }
    const auto year = key(size() - 1).size() == 4 ? number(key(size() - 1)) : std::nullopt;
    if (!year || *year < year_min) return std::nullopt;
    const Date date = date_of(*year, *month, *day);
    return date.ok() ? std::optional(on(date)) : std::nullopt;
  }

  std::optional<Phrase> read_day() {
    const Date today = moment_.today;
    if (size() == 3 && key(0) == "day" && key(1) == "after" && key(2) == "tomorrow")
      return on(plus_days(today, 2));
    if (size() == 2) return read_two_word_day();
    if (size() != 1) return std::nullopt;
    if (key(0) == "today") return on_at_start_too(today);
    if (key(0) == "tod") return on(today);
    if (key(0) == "tomorrow" || key(0) == "tmr" || key(0) == "tmrw")
      return on_at_start_too(plus_days(today, 1));
    std::optional<Phrase> found;
    if (key(0) == "weekend") found = on(weekend(today));
    const auto day = weekday(key(0));
    if (day && (!is_also_a_word(key(0)) || lead_ == "on")) found = on(next_weekday(today, *day));
    if (found) found->may_begin_a_text = lead_ == "on";
    return found ? found : read_written_date();
  }

  std::optional<Phrase> read_two_word_day() const {
    const Date today = moment_.today;
    const bool next = key(0) == "next";
    if (!next && key(0) != "this") return std::nullopt;
    std::optional<Date> date;
    if (const auto day = weekday(key(1)))
      date = next ? in_next_week(today, *day) : next_weekday(today, *day);
    if (key(1) == "weekend") date = next ? in_next_week(today, saturday) : weekend(today);
    if (next && key(1) == "week") date = in_next_week(today, 0);
    const std::chrono::year_month month{today.year(), today.month()};
    if (next && key(1) == "month") date = (month + std::chrono::months{1}) / std::chrono::day{1};
    if (next && key(1) == "year") date = date_of(static_cast<int>(today.year()) + 1, 1, 1);
    if (!date) return std::nullopt;
    Phrase phrase = on(*date);
    phrase.may_begin_a_text = lead_ == "on";
    return phrase;
  }

  // "2026-12-01", with a time or without; and "12/4", which may be two days.
  std::optional<Phrase> read_written_date() const {
    if (const auto date = parse_date(key(0))) return on_at_start_too(*date);
    if (const auto time = parse_time(key(0))) {
      Phrase phrase;
      phrase.may_begin_a_text = true;
      if (time->offset) {
        phrase.instant = Instant{time->local.time_since_epoch() - *time->offset};
        return phrase;
      }
      const local_days day = std::chrono::floor<days>(time->local);
      phrase.date = Date{day};
      phrase.clock = ClockTime{std::chrono::floor<minutes>(time->local - day), false, false};
      return phrase;
    }
    if (!is_ambiguous_date(key(0))) return std::nullopt;
    Phrase phrase;
    phrase.ambiguous = true;
    return phrase;
  }

  static bool is_ambiguous_date(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return false;
    const std::string_view first = text.substr(0, slash);
    std::string_view second = text.substr(slash + 1);
    if (const auto again = second.find('/'); again != std::string_view::npos) {
      const std::string_view year = second.substr(again + 1);
      if (!number(year) || year.size() % 2 != 0) return false;
      second = second.substr(0, again);
    }
    const auto a = day_of_month(first);
    const auto b = day_of_month(second);
    return a && b && !ordinal(first) && !ordinal(second) && (*a <= 12 || *b <= 12);
  }

  // "in 3 days", "in 45 min", "in a month".
  std::optional<Phrase> read_distance() const {
    if (size() != 3 || key(0) != "in") return std::nullopt;
    const auto count = key(1) == "a" || key(1) == "an" ? std::optional(1) : number(key(1));
    const auto unit = find_in(unit_names, key(2));
    if (!count || *count == 0 || !unit) return std::nullopt;
    const std::chrono::year_month month{moment_.today.year(), moment_.today.month()};
    const std::chrono::day day = moment_.today.day();
    switch (*unit) {
      case Unit::minute:
        return after(minutes{*count});
      case Unit::hour:
        return after(hours{*count});
      case Unit::day:
        return on_at_start_too(plus_days(moment_.today, *count));
      case Unit::week:
        return on_at_start_too(plus_days(moment_.today, *count * days_per_week));
      case Unit::month:
        return on_at_start_too(clamped(month + std::chrono::months{*count}, day));
      case Unit::year:
        return on_at_start_too(clamped(month + std::chrono::years{*count}, day));
    }
    return std::nullopt;
  }

  Phrase after(minutes distance) const {
    Phrase phrase;
    phrase.instant = moment_.now + distance;
    phrase.may_begin_a_text = true;
    return phrase;
  }

  // "9am", "9 am", "9:30pm", "17:45", "noon"; "at 9".
  std::optional<Phrase> read_time() const {
    if (size() == 1 && key(0) == "noon") return at({hours{12}, false, false});
    std::string text = key(0);
    const bool apart = size() == 2 && (key(1) == "am" || key(1) == "pm");
    if (apart) text += key(1);
    if (size() != 1 && !apart) return std::nullopt;
    const bool pm = text.ends_with("pm");
    const bool said = pm || text.ends_with("am");
    std::string_view digits(text);
    if (said) digits.remove_suffix(2);
    const auto colon = digits.find(':');
    const bool bare = colon == std::string_view::npos;
    const std::string_view hour_digits = digits.substr(0, colon);
    const std::string_view minute_digits = bare ? "00" : digits.substr(colon + 1);
    const auto hour = number(hour_digits);
    const auto minute = number(minute_digits);
    if (!hour || !minute || hour_digits.size() > 2 || minute_digits.size() != 2 || *minute > 59)
      return std::nullopt;
    if (said) {
      if (*hour < 1 || *hour > 12) return std::nullopt;
      return at({hours{*hour % 12 + (pm ? 12 : 0)} + minutes{*minute}, false, false});
    }
    if (*hour > 23 || (bare && lead_ != "at")) return std::nullopt;
    // Nobody means the small hours by "at 5".
    const bool afternoon = bare && *hour >= 1 && *hour <= 6;
    return at({hours{afternoon ? *hour + 12 : *hour} + minutes{*minute}, true, afternoon});
  }

  std::optional<Phrase> read_part() const {
    const bool with_this = size() == 2 && key(0) == "this";
    if (size() != 1 && !with_this) return std::nullopt;
    Phrase phrase;
    phrase.part = find_in(part_names, key(size() - 1));
    if (with_this && phrase.part) phrase.date = moment_.today;
    if (size() == 1 && key(0) == "tonight") {
      phrase.part = DayPart::tonight;
      phrase.date = moment_.today;
      phrase.may_begin_a_text = true;
    }
    return phrase.part ? std::optional(phrase) : std::nullopt;
  }

  std::optional<Phrase> read_rule_word() const {
    const auto rule = size() == 1 ? find_in(rule_words, key(0)) : std::nullopt;
    if (!rule) return std::nullopt;
    Phrase phrase;
    phrase.rule = rule_of(*rule);
    return phrase;
  }

  // --- every … ---

  std::optional<Phrase> read_every() {
    if (size() < 2) return std::nullopt;
    const bool from_completion = words_[0].key == "every!";
    drop_first();
    auto found = read_rule();
    if (found && found->rule && from_completion) found->rule->from = RecurrenceFrom::completion;
    return found;
  }

  std::optional<Phrase> read_rule() {
    if (auto found = read_weekdays()) return found;
    if (auto found = read_yearly_day()) return found;
    for (const Word& word : words_.first(size() - 1)) {
      if (word.comma) return std::nullopt;
    }
    if (auto found = read_steps()) return found;
    if (auto found = read_month_days()) return found;
    if (!is_unsupported()) return std::nullopt;
    Phrase phrase;
    phrase.unsupported = true;
    return phrase;
  }

  // "mon, wed", "mon and wed", "weekday", "other monday".
  std::optional<Phrase> read_weekdays() const {
    Phrase phrase;
    phrase.rule = rule_of(RecurrenceRule::weekly);
    if (size() == 1 && key(0) == "weekday") {
      phrase.rule->weekdays = WeekdaySet{0b0001'1111};
      phrase.days = RuleDays{phrase.rule->weekdays, {}, {}};
      return phrase;
    }
    const bool other = size() == 2 && words_[0].is("other");
    WeekdaySet set;
    bool ends_with_day = false;
    for (const Word& word : other ? words_.subspan(1) : words_) {
      const auto day = weekday(word.key);
      if (!day && (!ends_with_day || (!word.is("and") && !word.is("&")))) return std::nullopt;
      ends_with_day = day.has_value();
      if (day) set.bits = static_cast<std::uint8_t>(set.bits | (1U << *day));
    }
    if (!ends_with_day) return std::nullopt;
    if (other) phrase.rule->interval = 2;
    phrase.days = RuleDays{set, {}, {}};
    // One day needs no set: the first date is on it, and so is each that follows.
    const bool several = (set.bits & (set.bits - 1)) != 0;
    if (several) phrase.rule->weekdays = set;
    return phrase;
  }

  // "dec 25": the day alone, without a year.
  std::optional<Phrase> read_yearly_day() const {
    const auto said = read_month_day_words();
    const bool with_year = size() == 4 || (size() == 3 && !words_[1].is("of"));
    if (!said || with_year) return std::nullopt;
    Phrase phrase;
    phrase.rule = rule_of(RecurrenceRule::yearly);
    phrase.days = RuleDays{
        {}, static_cast<unsigned>(said->date->day()), static_cast<unsigned>(said->date->month())};
    return phrase;
  }

  // "day", "2 weeks", "other month", "morning".
  std::optional<Phrase> read_steps() const {
    Phrase phrase;
    if (size() == 1) {
      phrase.part = find_in(part_names, key(0));
      if (phrase.part) phrase.rule = rule_of(RecurrenceRule::daily);
      const auto unit = find_in(unit_names, key(0));
      if (unit && *unit >= Unit::day && !key(0).ends_with('s')) phrase.rule = rule_of(*unit, 1);
    }
    if (size() == 2) {
      const auto count = key(0) == "other" ? std::optional(2) : number(key(0));
      const auto unit = find_in(unit_names, key(1));
      const bool possible = count && *count >= 1 && *count <= limits::recurrence_interval_max;
      if (possible && unit && *unit >= Unit::day) phrase.rule = rule_of(*unit, *count);
    }
    return phrase.rule ? std::optional(phrase) : std::nullopt;
  }

  // "15th", "15th of the month".
  std::optional<Phrase> read_month_days() const {
    const bool alone = size() == 1;
    const bool in_full =
        size() == 4 && key(1) == "of" && (key(2) == "the" || key(2) == "each") && key(3) == "month";
    const auto day = alone || in_full ? ordinal(key(0)) : std::nullopt;
    if (!day) return std::nullopt;
    Phrase phrase;
    phrase.rule = rule_of(RecurrenceRule::monthly);
    phrase.days = RuleDays{{}, day, {}};
    return phrase;
  }

  // Said as a rule is, but nothing that tasks can do: "2 hours", "second tuesday of the month",
  // "weekend".
  bool is_unsupported() const {
    Words rest = words_;
    const bool of = rest.size() > 3 && rest[rest.size() - 3].is("of");
    if (of) {
      const std::string& of_what = rest.back().key;
      const auto unit = find_in(unit_names, of_what);
      const bool long_enough = unit && *unit >= Unit::week;
      if (!long_enough && of_what != "quarter") return false;
      rest = rest.first(rest.size() - 3);
    }
    const bool counted =
        rest.size() == 2 && (number(rest[0].key) || ordinal(rest[0].key) || rest[0].is("other") ||
                             is_one_of(counting_words, rest[0].key));
    if (rest.size() != 1 && !counted) return false;
    const std::string& step = rest.back().key;
    if (is_one_of(other_steps, step) || find_in(unit_names, step)) return true;
    if (!counted) return of && is_one_of(counting_words, step);
    const bool several = step.ends_with('s') && weekday(step.substr(0, step.size() - 1));
    return weekday(step) || several || step == "weekday";
  }

  Words words_;
  const Moment& moment_;
  std::string_view lead_;
};

}  // namespace

hours hour_of(DayPart part) {
  switch (part) {
    case DayPart::morning:
      return hours{9};
    case DayPart::afternoon:
      return hours{15};
    case DayPart::evening:
      return hours{19};
    case DayPart::tonight:
      return hours{20};
  }
  return hours{0};
}

std::optional<minutes> within(DayPart part, const ClockTime& clock) {
  const bool morning = part == DayPart::morning;
  minutes time = clock.time;
  if (clock.open && !morning && time >= hours{1} && time < hours{12}) time += hours{12};
  if (clock.guessed && morning) time -= hours{12};
  const bool early = time < hours{12};
  const hours from = part == DayPart::evening || part == DayPart::tonight ? hours{16} : hours{12};
  if (morning ? !early : time < from) return std::nullopt;
  return time;
}

bool RuleDays::contain(Date date) const {
  if (weekdays && !weekdays->contains(days_after_monday(date))) return false;
  if (day && static_cast<unsigned>(date.day()) != *day) return false;
  return !month || static_cast<unsigned>(date.month()) == *month;
}

std::optional<Phrase> read_phrase(Words words, const Moment& moment) {
  for (const Word& word : words) {
    if (word.form != Word::Form::plain) return std::nullopt;
  }
  if (words.empty() || words.size() > phrase_words_max) return std::nullopt;
  return Reader(words, moment).read();
}

}  // namespace todo::quick_add
