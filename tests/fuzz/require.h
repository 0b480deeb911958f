#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace todo::fuzz {

// Ends the run where an invariant does not hold: libFuzzer then keeps the input.
inline void require(bool holds, const char* what,
                    std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: not so: %s\n", where.file_name(), unsigned{where.line()}, what);
  std::abort();
}

}  // namespace todo::fuzz
