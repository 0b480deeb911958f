#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "domain/task.h"
#include "domain/time_zone.h"

// A task as somebody types it, in one line: "pay rent tomorrow 9am every month !urgent #finance".
// What is read as what is told in docs/quick-add.md; tests/vectors/quickadd.json holds us to it.
namespace todo::quick_add {

enum class SpanKind {
  date,
  time,
  date_time,  // one part that says both: "tonight", "in 45 min"
  recurrence,
  priority,
  category,
  recurrence_unsupported,  // a rule that tasks cannot have: its words stay in the title
};

// A part of the text, in UTF-16 units from its beginning.
struct Span {
  std::size_t start = 0;
  std::size_t end = 0;
  SpanKind kind = SpanKind::date;
  bool operator==(const Span&) const = default;
};

enum class Hint {
  past,                    // the date is taken all the same
  date_ambiguous,          // "12/4", which is never guessed
  recurrence_unsupported,  // "every 2 hours"
  priority_unknown,        // "!important"
  priority_again,          // the first counts, the second is a word
  category_again,
};

struct Parsed {
  std::string title;  // empty where every word was read as something else
  // A whole day, a wall-clock time in the user's zone, or an instant.
  std::optional<std::variant<Instant, LocalTime, Date>> due;
  std::optional<Priority> priority;
  std::optional<std::string> category;  // 1–50 code points, trimmed
  Recurrence recurrence;                // only with `due`
  std::vector<Span> spans;              // in their order in the text; none overlaps another
  std::vector<Hint> hints;              // each once
};

// Reads valid UTF-8 as it was typed at `now` by somebody in `zone`: the same input, the same
// answer. Never fails: what is not understood is the title. In linear time.
Parsed parse(std::string_view text, Instant now, const TimeZone& zone);

std::string_view to_string(SpanKind kind);
std::string_view to_string(Hint hint);

}  // namespace todo::quick_add
