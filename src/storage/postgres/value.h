#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/uuid.h"

// PostgreSQL's binary format (what the *send and *recv functions of each type write and take): big
// endian, instants in microseconds and dates in days since 2000-01-01.
namespace todo::storage::postgres {

// The types we send, by the object ids that every PostgreSQL gives them (pg_type.dat).
enum class Type : std::uint32_t {
  boolean = 16,
  blob = 17,
  integer = 20,  // int8
  text = 25,
  date = 1082,
  local = 1114,    // timestamp
  instant = 1184,  // timestamptz
  id = 2950,       // uuid
};
// Of an array of them.
std::uint32_t array_type(Type element);

template <class T>
constexpr Type type_of() {
  if constexpr (std::is_same_v<T, bool>) {
    return Type::boolean;
  } else if constexpr (std::is_integral_v<T>) {
    return Type::integer;
  } else if constexpr (std::is_same_v<T, Uuid>) {
    return Type::id;
  } else if constexpr (std::is_same_v<T, Instant>) {
    return Type::instant;
  } else if constexpr (std::is_same_v<T, LocalTime>) {
    return Type::local;
  } else if constexpr (std::is_same_v<T, Date>) {
    return Type::date;
  } else {
    static_assert(std::is_convertible_v<T, std::string_view>);
    return Type::text;
  }
}

template <class T>
struct ElementOf {
  using Value = T;
};
template <class T>
struct ElementOf<std::optional<T>> {
  using Value = T;
};
template <class T>
constexpr Type element_type() {
  return type_of<typename ElementOf<T>::Value>();
}

// The parameters of one execution, one behind the other in one buffer.
class Parameters {
 public:
  void clear();

  void add(std::int64_t value);
  void add(bool value);
  void add(std::string_view text);
  void add(const Uuid& id);
  void add(Instant instant);
  void add(LocalTime local);
  void add(Date date);
  void add_blob(std::string_view bytes);
  void add_null(Type type);

  void begin_array(Type element);
  template <class T>
  void add_element(const T& value) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      element(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      element(std::string_view{value});
    } else {
      element(value);
    }
  }
  template <class T>
  void add_element(const std::optional<T>& value) {
    value ? add_element(*value) : null_element();
  }
  void end_array();

  // For libpq, valid until the next change.
  int size() const { return static_cast<int>(types_.size()); }
  const std::vector<std::uint32_t>& types() const { return types_; }
  const char* const* values();
  const int* lengths() const { return lengths_.data(); }
  const int* formats();

 private:
  struct ArrayHead {
    std::size_t at = 0;  // where it begins in bytes_
    std::int32_t count = 0;
    bool has_null = false;
  };
  void begin(std::uint32_t type);
  void end();
  void element(std::int64_t value);
  void element(bool value);
  void element(std::string_view bytes);
  void element(const Uuid& id);
  void element(Instant instant);
  void element(LocalTime local);
  void element(Date date);
  void null_element();
  void append_u32(std::uint32_t value);
  void append_u64(std::uint64_t value);

  std::string bytes_;
  std::vector<std::uint32_t> types_;
  std::vector<std::size_t> offsets_;
  std::vector<int> lengths_;
  std::vector<bool> nulls_;
  std::vector<const char*> pointers_;
  std::vector<int> formats_;
  ArrayHead array_;
};

// An instant's, or a local time's, milliseconds since 1970 and a date's days as they are sent.
std::int64_t encoded_instant(std::int64_t ms);  // out of range: 'infinity', '-infinity'
std::int64_t encoded_date(std::int64_t days);

// The same for what comes back.
std::int64_t read_integer(std::string_view bytes);  // of 2, 4 or 8 bytes
Instant read_instant(std::string_view bytes);
LocalTime read_local(std::string_view bytes);
Date read_date(std::string_view bytes);

}  // namespace todo::storage::postgres
