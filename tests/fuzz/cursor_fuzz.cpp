// Whatever is sent as a cursor, and whatever stands in one of ours behind its fingerprint.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/text.h"
#include "fuzz/require.h"
#include "http/cursor.h"

namespace {

using namespace todo;
using fuzz::require;
using Item = std::variant<std::int64_t, std::optional<std::int64_t>, Uuid, std::string>;

constexpr std::string_view query = "sort=due_date&order=asc";

// Reads the items that the plan names, a letter each; none when they do not fill the cursor.
std::optional<std::vector<Item>> read(std::string_view cursor, std::string_view plan) {
  http::CursorReader reader(cursor, query);
  std::vector<Item> items;
  for (const char kind : plan) {
    switch (static_cast<unsigned char>(kind) % 4) {
      case 0:
        items.emplace_back(reader.number());
        break;
      case 1:
        items.emplace_back(reader.optional_number());
        break;
      case 2:
        items.emplace_back(reader.id());
        break;
      default:
        items.emplace_back(reader.text());
    }
  }
  return reader.valid() ? std::optional(std::move(items)) : std::nullopt;
}

struct Write {
  http::CursorWriter& cursor;
  void operator()(std::int64_t value) const { cursor.number(value); }
  void operator()(const std::optional<std::int64_t>& value) const { cursor.optional_number(value); }
  void operator()(const Uuid& value) const { cursor.id(value); }
  void operator()(const std::string& value) const { cursor.text(value); }
};

void check(std::string_view cursor, std::string_view plan) {
  const auto items = read(cursor, plan);
  if (!items) return;
  require(cursor.size() <= limits::cursor_bytes_max, "a cursor has its bound");
  http::CursorWriter writer(query);
  for (const Item& item : *items) std::visit(Write{writer}, item);
  require(read(writer.finish(), plan) == items, "a position comes back");
  http::CursorReader other(cursor, "another query");
  require(!other.valid(), "a cursor belongs to one query");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto plan_size = std::min<std::size_t>(size, size == 0 ? 0 : data[0] % 6);
  const std::string_view plan = input.substr(std::min<std::size_t>(size, 1), plan_size);
  const std::string_view rest = input.substr(std::min(size, 1 + plan.size()));
  check(rest, plan);
  std::string ours = base64url_decode(http::CursorWriter(query).finish()).value();
  ours += rest;
  check(base64url_encode(ours), plan);
  return 0;
}
