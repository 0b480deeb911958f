#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "domain/task.h"
#include "domain/time_zone.h"
#include "domain/user.h"

namespace todo {

// The arithmetic of due dates and series: pure, in constant time whatever the distance.
// Rules: calendar arithmetic from the anchor first, then the month-end clamp, then the instant.

// A due date at an instant: the anchor is its wall-clock time in `zone`, step 0. The anchor keeps
// the milliseconds.
Due due_at(Instant instant, const TimeZone& zone);
// An all-day due date: due at 23:59:59 of `date` in `zone`; the anchor is that local time, step 0.
Due due_on(Date date, const TimeZone& zone);

// The due date of `step` of a series, in the anchor's zone; none where it would be later than
// 9999-12-31 or the rule is `none`. `all_day`: the result has `on`.
std::optional<Due> due_of_step(const Recurrence& recurrence, const Anchor& anchor, bool all_day,
                               std::int64_t step);

// The same due date with its anchor expressed in another zone: the instant (of an all-day date: the
// date) stays. The step is kept where the re-expressed anchor still yields this due date, else the
// anchor restarts at step 0 there.
Due in_zone(const Due& due, const Recurrence& recurrence, const TimeZone& zone);

// The next due date of a task completed at `completed_at` by a user in `zone`; none when the series
// ends (rule none, or later than 9999-12-31). `missed`: keep → step + 1 even if past already; skip
// → the first step after `now` when step + 1 is not after `now`. With from = completion: counted
// from the local day of `completed_at`, at the anchor's time of day, step 0 there; with weekdays
// the first day of the set after that day.
std::optional<Due> next_due(const Recurrence& recurrence, const Due& current, const TimeZone& zone,
                            Instant completed_at, MissedOccurrences missed, Instant now);

// Up to `count` due instants after the task's own (as if each were done on its day).
std::vector<Instant> upcoming(const Recurrence& recurrence, const Due& current,
                              const TimeZone& zone, int count);

// The due date at the same wall-clock time (or all-day date) in another zone.
Due shifted_to_zone(const Due& due, const Recurrence& recurrence, const TimeZone& zone);

// Days from the week's Monday: 0 … 6.
int days_after_monday(Date date);

}  // namespace todo
