#include "storage/postgres/value.h"

#include <limits>
#include <stdexcept>

namespace todo::storage::postgres {
namespace {

// PostgreSQL counts from 2000-01-01.
constexpr std::int64_t epoch_days = 10'957;
constexpr std::int64_t epoch_ms = epoch_days * 86'400'000;
constexpr std::int64_t us_per_ms = 1'000;
// What these mean to it.
constexpr std::int64_t infinity = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t minus_infinity = std::numeric_limits<std::int64_t>::min();
// 4713-11-24 BC and 294277-01-01: its timestamps lie between.
constexpr std::int64_t ms_min = -210'866'803'200'000;
constexpr std::int64_t ms_end = 9'224'318'016'000'000;

std::int64_t us_of(std::int64_t ms) {
  if (ms < ms_min) return minus_infinity;
  if (ms >= ms_end) return infinity;
  return (ms - epoch_ms) * us_per_ms;
}

std::int64_t ms_of(std::int64_t us) {
  if (us == infinity || us == minus_infinity) return us;
  std::int64_t ms = us / us_per_ms;
  if (us % us_per_ms < 0) --ms;  // never later than what is stored
  return ms + epoch_ms;
}

std::int32_t days_of(Date date) {
  const auto days = std::chrono::sys_days{date}.time_since_epoch().count();
  return static_cast<std::int32_t>(days - epoch_days);
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = (value << 8U) | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

std::uint32_t array_type(Type element) {
  switch (element) {
    case Type::boolean:
      return 1000;
    case Type::blob:
      return 1001;
    case Type::integer:
      return 1016;
    case Type::text:
      return 1009;
    case Type::date:
      return 1182;
    case Type::local:
      return 1115;
    case Type::instant:
      return 1185;
    case Type::id:
      return 2951;
  }
  throw std::logic_error("no such type");
}

void Parameters::clear() {
  bytes_.clear();
  types_.clear();
  offsets_.clear();
  lengths_.clear();
  nulls_.clear();
}

void Parameters::begin(std::uint32_t type) {
  types_.push_back(type);
  offsets_.push_back(bytes_.size());
}

void Parameters::end() {
  lengths_.push_back(static_cast<int>(bytes_.size() - offsets_.back()));
  nulls_.push_back(false);
}

void Parameters::append_u32(std::uint32_t value) {
  for (unsigned shift = 32; shift > 0; shift -= 8)
    bytes_ += static_cast<char>(static_cast<unsigned char>(value >> (shift - 8)));
}

void Parameters::append_u64(std::uint64_t value) {
  append_u32(static_cast<std::uint32_t>(value >> 32U));
  append_u32(static_cast<std::uint32_t>(value));
}

void Parameters::add(std::int64_t value) {
  begin(static_cast<std::uint32_t>(Type::integer));
  append_u64(static_cast<std::uint64_t>(value));
  end();
}

void Parameters::add(bool value) {
  begin(static_cast<std::uint32_t>(Type::boolean));
  bytes_ += value ? '\1' : '\0';
  end();
}

void Parameters::add(std::string_view text) {
  begin(static_cast<std::uint32_t>(Type::text));
  bytes_ += text;
  end();
}

void Parameters::add(const Uuid& id) {
  begin(static_cast<std::uint32_t>(Type::id));
  bytes_.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  end();
}

void Parameters::add(Instant instant) {
  begin(static_cast<std::uint32_t>(Type::instant));
  append_u64(static_cast<std::uint64_t>(us_of(to_ms(instant))));
  end();
}

void Parameters::add(LocalTime local) {
  begin(static_cast<std::uint32_t>(Type::local));
  append_u64(static_cast<std::uint64_t>(us_of(local.time_since_epoch().count())));
  end();
}

void Parameters::add(Date date) {
  begin(static_cast<std::uint32_t>(Type::date));
  append_u32(static_cast<std::uint32_t>(days_of(date)));
  end();
}

void Parameters::add_blob(std::string_view bytes) {
  begin(static_cast<std::uint32_t>(Type::blob));
  bytes_ += bytes;
  end();
}

void Parameters::add_null(Type type) {
  begin(static_cast<std::uint32_t>(type));
  end();
  nulls_.back() = true;
}

// array_recv: dimensions, whether there are nulls, the element's type; then of the one dimension
// its size and first index; then each element's length and bytes. The head is written at the end,
// when the count is known.
void Parameters::begin_array(Type element) {
  begin(array_type(element));
  array_ = {.at = bytes_.size()};
  append_u32(1);
  append_u32(0);
  append_u32(static_cast<std::uint32_t>(element));
  append_u32(0);
  append_u32(1);
}

void Parameters::end_array() {
  constexpr std::size_t nulls_at = 7;
  constexpr std::size_t count_at = 12;
  constexpr std::size_t head_without_dimensions = 12;
  if (array_.count == 0) {
    bytes_[array_.at + 3] = '\0';
    bytes_.resize(array_.at + head_without_dimensions);
  } else {
    bytes_[array_.at + nulls_at] = array_.has_null ? '\1' : '\0';
    const auto count = static_cast<std::uint32_t>(array_.count);
    for (std::size_t i = 0; i < 4; ++i) {
      bytes_[array_.at + count_at + i] =
          static_cast<char>(static_cast<unsigned char>(count >> (24U - 8U * i)));
    }
  }
  end();
}

void Parameters::element(std::int64_t value) {
  append_u32(8);
  append_u64(static_cast<std::uint64_t>(value));
  ++array_.count;
}

void Parameters::element(bool value) { element(std::string_view{value ? "\1" : "\0", 1}); }

void Parameters::element(std::string_view bytes) {
  append_u32(static_cast<std::uint32_t>(bytes.size()));
  bytes_ += bytes;
  ++array_.count;
}

void Parameters::element(const Uuid& id) {
  element(std::string_view{reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
}

void Parameters::element(Instant instant) { element(us_of(to_ms(instant))); }

void Parameters::element(LocalTime local) { element(us_of(local.time_since_epoch().count())); }

void Parameters::element(Date date) {
  append_u32(4);
  append_u32(static_cast<std::uint32_t>(days_of(date)));
  ++array_.count;
}

void Parameters::null_element() {
  append_u32(std::numeric_limits<std::uint32_t>::max());
  array_.has_null = true;
  ++array_.count;
}

const char* const* Parameters::values() {
  pointers_.clear();
  for (std::size_t i = 0; i < offsets_.size(); ++i)
    pointers_.push_back(nulls_[i] ? nullptr : bytes_.data() + offsets_[i]);
  return pointers_.data();
}

const int* Parameters::formats() {
  if (formats_.size() < types_.size()) formats_.resize(types_.size(), 1);
  return formats_.data();
}

std::int64_t encoded_instant(std::int64_t ms) { return us_of(ms); }

std::int64_t encoded_date(std::int64_t days) { return days - epoch_days; }

std::int64_t read_integer(std::string_view bytes) {
  const std::uint64_t value = read_big_endian(bytes);
  switch (bytes.size()) {
    case 2:
      return static_cast<std::int16_t>(value);
    case 4:
      return static_cast<std::int32_t>(value);
    case 8:
      return static_cast<std::int64_t>(value);
    default:
      throw std::logic_error("the column is no integer");
  }
}

Instant read_instant(std::string_view bytes) { return instant_from_ms(ms_of(read_integer(bytes))); }

LocalTime read_local(std::string_view bytes) {
  return LocalTime{std::chrono::milliseconds{ms_of(read_integer(bytes))}};
}

Date read_date(std::string_view bytes) {
  return Date{std::chrono::sys_days{std::chrono::days{read_integer(bytes) + epoch_days}}};
}

}  // namespace todo::storage::postgres
