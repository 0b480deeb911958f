#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace todo {

inline constexpr Instant earliest_instant{};  // 1970-01-01T00:00:00Z
inline constexpr Instant latest_instant =
    instant_from_ms(253'402'300'799'999);  // 9999-12-31T23:59:59.999Z

// RFC 3339 in UTC with `Z`, to the millisecond, the fraction left out where it is zero.
std::string format_instant(Instant instant);
inline constexpr std::size_t instant_text_max = 24;
char* put_instant(char* to, Instant instant);  // the same, unended; the place after it
inline constexpr std::size_t date_text_max = 10;
char* put_date(char* to, Date date);
std::string format_date(Date date);         // 2026-02-10
std::string format_local(LocalTime local);  // 2026-02-10T09:00:00[.250]

// A date and time as people write them: RFC 3339 (section 5.6), with `t`/`z` or a space allowed,
// seconds and fraction optional, the fraction cut beyond milliseconds, the offset optional.
struct ParsedTime {
  LocalTime local;
  std::optional<std::chrono::minutes> offset;  // none: local time of whoever asks
};
std::optional<ParsedTime> parse_time(std::string_view text);
std::optional<Date> parse_date(std::string_view text);        // exactly YYYY-MM-DD, a real date
std::optional<LocalTime> parse_local(std::string_view text);  // what format_local writes
std::optional<Instant> parse_instant(std::string_view text);  // with an offset or `Z` only

}  // namespace todo
