#pragma once

#include <optional>
#include <string>

#include "domain/quick_add.h"
#include "domain/time_zone.h"
#include "service/tasks.h"

// Tasks made from a line of text, in the transaction of whoever asks.
namespace todo::service {

struct QuickAddInput {
  std::string text;            // at most limits::quick_add_text_max code points
  std::optional<Instant> now;  // the moment of typing, which "tomorrow" counts from
};

// What the text says to its user, and the zone that its wall-clock times are in. Fails:
// unauthorized (the user is gone).
struct QuickAddReading {
  quick_add::Parsed parsed;
  TimeZone zone;
};
Result<QuickAddReading> read_quick_add(storage::ReadTx& tx, const Call& call,
                                       const QuickAddInput& input);

// Makes the task that the text says, by create_task. Fails as that does, and with invalid naming
// `title` where no title is left or too much of one.
Result<Task> quick_add_task(storage::Tx& tx, const Call& call, const QuickAddInput& input);

}  // namespace todo::service
