// Lines of text as people type them, at any moment, in any zone.

#include <array>
#include <cstdint>
#include <string>

#include <fuzzer/FuzzedDataProvider.h>

#include "fuzz/require.h"
#include "support/quick_add_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace todo;
  FuzzedDataProvider input(data, size);
  // Numbers are taken from the end: a file of the corpus begins with its line of text.
  const auto now =
      instant_from_ms(input.ConsumeIntegralInRange<std::int64_t>(0, to_ms(latest_instant)));
  static constexpr std::array<const char*, 6> names{"UTC",         "America/New_York",
                                                    "Asia/Beirut", "Pacific/Kiritimati",
                                                    "Etc/GMT+12",  "Europe/London"};
  const TimeZone zone = TimeZone::find(input.PickValueInArray(names)).value();
  const std::string text = input.ConsumeRemainingBytesAsString();
  if (!is_valid_utf8(text)) return 0;  // refused where the body is read
  const quick_add::Parsed parsed = quick_add::parse(text, now, zone);
  const char* wrong = test::wrong_with(text, parsed, zone);
  fuzz::require(wrong == nullptr, wrong == nullptr ? "" : wrong);
  return 0;
}
