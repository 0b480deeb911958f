#include "storage/postgres/copy_format.h"

#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "storage/postgres/value.h"

namespace todo::storage::postgres {
namespace {

constexpr std::uint32_t int2 = 21;
constexpr std::uint32_t int4 = 23;
constexpr std::uint32_t null_size = 0xffffffff;

template <class T>
void append(std::string& out, T value) {
  for (unsigned shift = 8 * sizeof value; shift > 0; shift -= 8)
    out += static_cast<char>(static_cast<unsigned char>(value >> (shift - 8)));
}

// For what cannot be: a value that its column does not hold.
struct Place {
  const char* table;
  const char* column;
};

template <class T>
void append_integer(std::string& out, const Place& place, std::int64_t value) {
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
    throw std::runtime_error(
        fmt::format("{}.{} is {}, more than its column holds", place.table, place.column, value));
  append(out, static_cast<std::uint32_t>(sizeof(T)));
  append(out, static_cast<std::make_unsigned_t<T>>(value));
}

void append_number(std::string& out, const Place& place, std::uint32_t type, std::int64_t value) {
  switch (type) {
    case static_cast<std::uint32_t>(Type::boolean):
      append(out, std::uint32_t{1});
      out += value != 0 ? '\1' : '\0';
      return;
    case static_cast<std::uint32_t>(Type::instant):
    case static_cast<std::uint32_t>(Type::local):
      append_integer<std::int64_t>(out, place, encoded_instant(value));
      return;
    case static_cast<std::uint32_t>(Type::date):
      append_integer<std::int32_t>(out, place, encoded_date(value));
      return;
    case int2:
      append_integer<std::int16_t>(out, place, value);
      return;
    case int4:
      append_integer<std::int32_t>(out, place, value);
      return;
    default:
      append_integer<std::int64_t>(out, place, value);
  }
}

}  // namespace

void append_copy_header(std::string& out) {
  using namespace std::string_view_literals;
  out += "PGCOPY\n\377\r\n\0"sv;
  append(out, std::uint32_t{0});  // flags
  append(out, std::uint32_t{0});  // size of what extends the header
}

void append_copy_row(std::string& out, const transfer::Table& table,
                     std::span<const std::uint32_t> types, std::string_view row) {
  append(out, static_cast<std::uint16_t>(table.columns.size()));
  transfer::Cells cells(row);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto cell = cells.next();
    if (!cell) {
      append(out, null_size);
    } else if (is_number(table.columns[i].type)) {
      append_number(out, {table.name, table.columns[i].name}, types[i], transfer::number_of(*cell));
    } else {
      append(out, static_cast<std::uint32_t>(cell->size()));
      out += *cell;
    }
  }
}

void append_copy_end(std::string& out) { append(out, std::uint16_t{0xffff}); }

}  // namespace todo::storage::postgres
