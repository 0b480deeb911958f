#include "base/time_text.h"

#include <array>

namespace todo {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Date> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day) return std::nullopt;
  const Date date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                  std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return date;
}

// Digits of a fraction, at least one, cut beyond milliseconds.
std::optional<milliseconds> take_fraction(std::string_view& text) {
  int value = 0;
  int digits = 0;
  while (!text.empty() && is_digit(text.front())) {
    if (digits < 3) value = value * 10 + (text.front() - '0');
    ++digits;
    text.remove_prefix(1);
  }
  if (digits == 0) return std::nullopt;
  for (int i = digits; i < 3; ++i) value *= 10;
  return milliseconds{value};
}

std::optional<milliseconds> take_time_of_day(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  milliseconds time = hours{*hour} + minutes{*minute};
  if (!take_char(text, ':')) return time;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60)
    return std::nullopt;  // a leap second is the second after (RFC 3339, section 5.7)
  time += seconds{*second};
  if (!take_char(text, '.') && !take_char(text, ',')) return time;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  return time + *fraction;
}

// nullopt inside: no offset. Outer nullopt: not an offset.
std::optional<std::optional<minutes>> take_offset(std::string_view& text) {
  if (text.empty()) return std::optional<minutes>{};
  if (take_char(text, 'Z') || take_char(text, 'z')) return std::optional<minutes>{minutes{0}};
  const bool negative = text.front() == '-';
  if (!take_char(text, '+') && !take_char(text, '-')) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  const minutes offset = hours{*hour} + minutes{*minute};
  return std::optional<minutes>{negative ? -offset : offset};
}

// These write at `to` and return the end of what they wrote.

// The numbers below 100, two digits each.
constexpr auto two_digits = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i)
    pairs.at(i) = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  return pairs;
}();

char* put_two(char* to, int value) {
  const auto& pair = two_digits[static_cast<std::size_t>(value)];
  *to++ = pair[0];
  *to++ = pair[1];
  return to;
}

char* put_local(char* to, LocalTime local) {
  const auto day = std::chrono::floor<days>(local);
  to = put_date(to, Date{day});
  const int ms = static_cast<int>((local - day).count());
  *to++ = 'T';
  to = put_two(to, ms / 3'600'000);
  *to++ = ':';
  to = put_two(to, ms / 60'000 % 60);
  *to++ = ':';
  to = put_two(to, ms / 1'000 % 60);
  if (const int fraction = ms % 1'000; fraction != 0) {
    *to++ = '.';
    *to++ = static_cast<char>('0' + fraction / 100);
    to = put_two(to, fraction % 100);
  }
  return to;
}

using Buffer = std::array<char, 32>;

std::string text_of(const Buffer& buffer, const char* end) { return {buffer.data(), end}; }

}  // namespace

char* put_date(char* to, Date date) {
  const int year = static_cast<int>(date.year());
  to = put_two(to, year / 100);
  to = put_two(to, year % 100);
  *to++ = '-';
  to = put_two(to, static_cast<int>(static_cast<unsigned>(date.month())));
  *to++ = '-';
  return put_two(to, static_cast<int>(static_cast<unsigned>(date.day())));
}

char* put_instant(char* to, Instant instant) {
  to = put_local(to, LocalTime{instant.time_since_epoch()});
  *to++ = 'Z';
  return to;
}

std::string format_instant(Instant instant) {
  Buffer buffer;
  return text_of(buffer, put_instant(buffer.data(), instant));
}

std::string format_date(Date date) {
  Buffer buffer;
  return text_of(buffer, put_date(buffer.data(), date));
}

std::string format_local(LocalTime local) {
  Buffer buffer;
  return text_of(buffer, put_local(buffer.data(), local));
}

std::optional<ParsedTime> parse_time(std::string_view text) {
  const auto date = take_date(text);
  if (!date) return std::nullopt;
  if (!take_char(text, 'T') && !take_char(text, 't') && !take_char(text, ' ')) return std::nullopt;
  const auto time = take_time_of_day(text);
  if (!time) return std::nullopt;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  return ParsedTime{LocalTime{std::chrono::local_days{*date}} + *time, *offset};
}

std::optional<Date> parse_date(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !text.empty()) return std::nullopt;
  return date;
}

std::optional<LocalTime> parse_local(std::string_view text) {
  const auto time = parse_time(text);
  if (!time || time->offset) return std::nullopt;
  return time->local;
}

std::optional<Instant> parse_instant(std::string_view text) {
  const auto time = parse_time(text);
  if (!time || !time->offset) return std::nullopt;
  return Instant{time->local.time_since_epoch() - *time->offset};
}

}  // namespace todo
