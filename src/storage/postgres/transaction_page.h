#pragma once

#include <algorithm>
#include <array>

namespace todo::storage::postgres {

// How many rows a statement is to fetch for a page of `limit`, of which the others are left. A
// limit in the statement's text plans better than one among its parameters, and a few of them keep
// the texts few.
inline int page_rows(int limit) {
  static constexpr std::array sizes{2, 11, 21, 51, 101, 201, 501};
  const auto size = std::ranges::lower_bound(sizes, limit);
  return size == sizes.end() ? limit : *size;
}

}  // namespace todo::storage::postgres
