#include "domain/quick_add.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "base/text.h"
#include "base/time_text.h"
#include "domain/quick_add_phrases.h"
#include "domain/quick_add_words.h"
#include "domain/recurrence.h"

namespace todo::quick_add {
namespace {

using std::chrono::days;
using std::chrono::local_days;

using DueInput = std::variant<Instant, LocalTime, Date>;

// Eight years and a day: a 29 February is not farther.
constexpr int days_ahead_max = 8 * 366 + 1;
constexpr std::string_view marks_punctuation = ",.;:!?";

// What stands right after one of these is about something else: "until friday", "black friday".
constexpr std::array<std::string_view, 22> guards{
    "until",    "till",  "to",   "since", "before", "after",   "from", "through",
    "for",      "the",   "of",   "about", "than",   "version", "last", "past",
    "previous", "black", "good", "cyber", "every",  "every!"};

bool is_guard(const Word& word) {
  return !word.comma && std::ranges::find(guards, word.key) != guards.end();
}

// Offsets only ever grow, so that the text is walked through once.
class Utf16Offsets {
 public:
  explicit Utf16Offsets(std::string_view text) : text_(text) {}
  std::size_t of(std::size_t byte) {
    for (; at_ < byte; ++at_) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if ((c & 0xc0) != 0x80) units_ += c >= 0xf0 ? 2 : 1;
    }
    return units_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t units_ = 0;
};

struct ByteSpan {
  std::size_t begin;
  std::size_t end;
  SpanKind kind;
};

// A phrase and where it stands: words[begin] … words[end - 1].
struct Found {
  Phrase phrase;
  std::size_t begin;
  std::size_t end;
};

SpanKind kind_of(const Phrase& phrase) {
  if (phrase.unsupported) return SpanKind::recurrence_unsupported;
  if (phrase.rule) return SpanKind::recurrence;
  const bool time = phrase.says_time() || phrase.part;
  if (phrase.says_date()) return time ? SpanKind::date_time : SpanKind::date;
  return SpanKind::time;
}

// What all the phrases say together.
struct Sayings {
  std::optional<Date> date;
  std::optional<Instant> instant;
  std::optional<ClockTime> clock;
  std::optional<DayPart> part;
  std::optional<Recurrence> rule;
  std::optional<RuleDays> days;

  std::optional<std::chrono::minutes> time() const {
    if (clock) return part ? within(*part, *clock) : std::optional(clock->time);
    return part ? std::optional(std::chrono::minutes{hour_of(*part)}) : std::nullopt;
  }

  // One of each kind; a part of the day and a time are one where they agree.
  bool takes(const Phrase& phrase) const {
    const bool two_dates = phrase.says_date() && (date || instant);
    const bool two_times = (phrase.says_time() && (clock || instant)) || (phrase.instant && part) ||
                           (phrase.part && (part || instant));
    if (two_dates || two_times || (phrase.rule && rule)) return false;
    if (phrase.part && clock) return within(*phrase.part, *clock).has_value();
    return !phrase.clock || !part || within(*part, *phrase.clock).has_value();
  }

  void take(const Phrase& phrase) {
    if (phrase.date) date = phrase.date;
    if (phrase.instant) instant = phrase.instant;
    if (phrase.clock) clock = phrase.clock;
    if (phrase.part) part = phrase.part;
    if (phrase.rule) rule = phrase.rule;
    if (phrase.days) days = phrase.days;
  }
};

// From what was said to a due date.
class Resolver {
 public:
  Resolver(const Sayings& said, const Moment& moment) : said_(said), moment_(moment) {}

  // none where it would lie outside of all the time there is.
  std::optional<DueInput> due() const {
    auto due = first_due();
    if (!due || !in_range(*due)) return std::nullopt;
    if (said_.rule && !said_.days && is_past(*due)) due = first_not_past(*due);
    return due;
  }

  bool is_past(const DueInput& due) const {
    if (const auto* date = std::get_if<Date>(&due)) return *date < moment_.today;
    return instant_of(due) < moment_.now;
  }

 private:
  std::optional<DueInput> first_due() const {
    if (said_.instant) return *said_.instant;
    if (said_.days) return first_of_rule();
    if (said_.date) return on(*said_.date);
    // A time alone is the next such time, a rule alone begins as soon as it can.
    const DueInput here = on(moment_.today);
    return is_past(here) ? on(tomorrow(moment_.today)) : here;
  }

  std::optional<DueInput> first_of_rule() const {
    Date day = std::max(said_.date.value_or(moment_.today), moment_.today);
    for (int ahead = 0; ahead <= days_ahead_max; ++ahead, day = tomorrow(day)) {
      if (!said_.days->contain(day)) continue;
      const DueInput due = on(day);
      if (!is_past(due)) return due;
    }
    return std::nullopt;
  }

  // A series that began in the past: its first occurrence that is still ahead.
  std::optional<DueInput> first_not_past(const DueInput& begin) const {
    Recurrence rule = *said_.rule;
    rule.from = RecurrenceFrom::due;
    const auto next = next_due(rule, domain_due(begin), moment_.zone, moment_.now,
                               MissedOccurrences::skip, moment_.now);
    if (!next) return std::nullopt;
    if (next->on) return *next->on;
    return moment_.zone.to_local(next->at);
  }

  Due domain_due(const DueInput& due) const {
    if (const auto* date = std::get_if<Date>(&due)) return due_on(*date, moment_.zone);
    if (const auto* local = std::get_if<LocalTime>(&due))
      return {moment_.zone.to_instant(*local), std::nullopt, {*local, moment_.zone.name(), 0}};
    return due_at(std::get<Instant>(due), moment_.zone);
  }

  DueInput on(Date date) const {
    const auto time = said_.time();
    if (!time) return date;
    return LocalTime{local_days{date}} + *time;
  }

  static Date tomorrow(Date date) { return Date{local_days{date} + days{1}}; }

  // Of a whole day, when it ends.
  Instant instant_of(const DueInput& due) const { return domain_due(due).at; }

  bool in_range(const DueInput& due) const {
    if (const auto* date = std::get_if<Date>(&due)) {
      if (static_cast<int>(date->year()) > 9999) return false;
    }
    const Instant at = instant_of(due);
    return at >= earliest_instant && at <= latest_instant;
  }

  const Sayings& said_;
  const Moment& moment_;
};

class Parser {
 public:
  Parser(std::string_view text, Instant now, const TimeZone& zone)
      : text_(text), moment_{now, zone, Date{std::chrono::floor<days>(zone.to_local(now))}} {}

  Parsed parse() {
    take_marks(split_words(text_));
    last_ = words_.size();
    read_end();
    read_start();
    resolve();
    return finish();
  }

 private:
  void hint(Hint hint) {
    if (std::ranges::find(parsed_.hints, hint) == parsed_.hints.end())
      parsed_.hints.push_back(hint);
  }

  // --- !priority and #category ---

  // They are taken out first, wherever they stand.
  void take_marks(std::vector<Word> words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      Word& word = words[i];
      if (take_priority(word) || take_category(word)) continue;
      words_.push_back(std::move(word));
      places_.push_back(i);
    }
  }

  static std::string_view without_punctuation(std::string_view text) {
    const auto last = text.find_last_not_of(marks_punctuation);
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
  }

  static std::optional<Priority> priority_of(std::string_view name) {
    using enum Priority;
    constexpr std::array<std::string_view, 4> short_names{"u", "h", "n", "l"};
    constexpr std::array<std::string_view, 4> numbers{"1", "2", "3", "4"};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (name == short_names.at(i) || name == numbers.at(i)) return static_cast<Priority>(i);
    }
    return parse_priority(name);
  }

  static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
  }

  bool take_priority(const Word& word) {
    if (word.form != Word::Form::plain || word.key.size() < 2 || word.key.front() != '!')
      return false;
    const std::string_view name = without_punctuation(std::string_view(word.key).substr(1));
    if (name.empty() || !std::ranges::all_of(name, is_name_character)) return false;
    const auto priority = priority_of(name);
    if (!priority || parsed_.priority) {
      hint(priority ? Hint::priority_again : Hint::priority_unknown);
      return false;
    }
    parsed_.priority = priority;
    spans_.push_back({word.begin, word.end, SpanKind::priority});
    return true;
  }

  bool take_category(const Word& word) {
    std::string_view name = word.key;
    if (word.form == Word::Form::plain) {
      if (!word.title.starts_with('#')) return false;
      name = without_punctuation(std::string_view(word.title).substr(1));
    } else if (word.form == Word::Form::literal) {
      return false;
    }
    const bool number = std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
    if (name.empty() || number || name.front() == '#' || name.front() == '"' ||
        count_code_points(name) > limits::category_max)
      return false;
    if (parsed_.category) {
      hint(Hint::category_again);
      return false;
    }
    parsed_.category = std::string(name);
    spans_.push_back({word.begin, word.end, SpanKind::category});
    return true;
  }

  // --- dates, times and rules ---

  std::optional<Phrase> read(std::size_t begin, std::size_t end) const {
    return read_phrase(Words(words_).subspan(begin, end - begin), moment_);
  }

  std::optional<Found> longest_ending_at(std::size_t end) const {
    // A comma leads on to a phrase that follows; the last one needs none.
    if (words_[end - 1].comma && found_.empty()) return std::nullopt;
    for (std::size_t begin = end - std::min(end, phrase_words_max); begin < end; ++begin) {
      if (auto phrase = read(begin, end)) return Found{std::move(*phrase), begin, end};
    }
    return std::nullopt;
  }

  std::optional<Found> longest_beginning_at(std::size_t begin) const {
    for (std::size_t end = std::min(last_, begin + phrase_words_max); end > begin; --end) {
      if (words_[end - 1].comma) continue;
      if (auto phrase = read(begin, end)) return Found{std::move(*phrase), begin, end};
    }
    return std::nullopt;
  }

  Sayings said() const {
    Sayings all;
    for (const Found& found : found_) all.take(found.phrase);
    return all;
  }

  void read_end() {
    while (last_ > 0) {
      const auto found = longest_ending_at(last_);
      if (!found) return;
      if (found->begin > 0 && is_guard(words_[found->begin - 1]))
        return give_back_time_of(found->phrase);
      if (found->phrase.unsupported) {
        hint(Hint::recurrence_unsupported);
        add_spans(*found);
        return;
      }
      if (found->phrase.ambiguous) return hint(Hint::date_ambiguous);
      if (!said().takes(found->phrase)) return;
      found_.push_back(*found);
      last_ = found->begin;
    }
  }

  // "for friday 8pm": the time is that of a day which is only talked about.
  void give_back_time_of(const Phrase& unread) {
    if (!unread.says_date() || found_.empty()) return;
    const Found& next = found_.back();
    if (kind_of(next.phrase) != SpanKind::time) return;
    last_ = next.end;
    found_.pop_back();
  }

  void read_start() {
    while (first_ < last_) {
      const auto found = longest_beginning_at(first_);
      if (!found) return;
      const Phrase& phrase = found->phrase;
      // Rules are not read there: "every day" and "weekly" say of what follows what kind it is.
      const bool may_be_here = first_ == 0 ? phrase.may_begin_a_text : !phrase.rule;
      if (!may_be_here || phrase.unsupported || phrase.ambiguous || !said().takes(phrase)) return;
      found_.push_back(*found);
      first_ = found->end;
    }
  }

  void resolve() {
    if (found_.empty()) return;
    const Sayings all = said();
    const Resolver resolver(all, moment_);
    const auto due = resolver.due();
    if (!due) {
      // A date that no calendar reaches is only words.
      found_.clear();
      first_ = 0;
      last_ = words_.size();
      return;
    }
    parsed_.due = due;
    if (all.rule) parsed_.recurrence = *all.rule;
    if (resolver.is_past(*due)) hint(Hint::past);
  }

  // A phrase that a mark stands in is marked in two parts.
  void add_spans(const Found& found) {
    const SpanKind kind = kind_of(found.phrase);
    for (std::size_t i = found.begin; i < found.end; ++i) {
      const bool goes_on = i > found.begin && places_[i] == places_[i - 1] + 1;
      if (!goes_on) spans_.push_back({words_[i].begin, words_[i].end, kind});
      spans_.back().end = words_[i].end;
    }
  }

  Parsed finish() {
    for (const Found& found : found_) add_spans(found);
    std::ranges::sort(spans_, {}, &ByteSpan::begin);
    Utf16Offsets offsets(text_);
    for (const ByteSpan& span : spans_) {
      const std::size_t start = offsets.of(span.begin);
      parsed_.spans.push_back({start, offsets.of(span.end), span.kind});
    }
    for (std::size_t i = first_; i < last_; ++i) {
      if (!parsed_.title.empty()) parsed_.title += ' ';
      parsed_.title += words_[i].title;
    }
    return std::move(parsed_);
  }

  std::string_view text_;
  Moment moment_;
  std::vector<Word> words_;          // without the marks
  std::vector<std::size_t> places_;  // of each among all words
  std::size_t first_ = 0;            // what is not read: the title
  std::size_t last_ = 0;
  std::vector<Found> found_;
  std::vector<ByteSpan> spans_;
  Parsed parsed_;
};

}  // namespace

Parsed parse(std::string_view text, Instant now, const TimeZone& zone) {
  return Parser(text, now, zone).parse();
}

std::string_view to_string(SpanKind kind) {
  constexpr std::array<std::string_view, 7> names{
      "date", "time", "date_time", "recurrence", "priority", "category", "recurrence_unsupported"};
  return names.at(static_cast<std::size_t>(kind));
}

std::string_view to_string(Hint hint) {
  constexpr std::array<std::string_view, 6> names{
      "past",           "date_ambiguous", "recurrence_unsupported", "priority_unknown",
      "priority_again", "category_again"};
  return names.at(static_cast<std::size_t>(hint));
}

}  // namespace todo::quick_add
