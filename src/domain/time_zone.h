#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace todo {

// A time zone of the system's tzdata. Cheap to copy; safe to use from any thread.
class TimeZone {
 public:
  // Accepts only names that tzdata lists (zones and links, “UTC” included): no paths, no
  // “localtime”, no “Fixed/…”. nullopt for anything else.
  static std::optional<TimeZone> find(std::string_view name);
  static const TimeZone& utc();

  const std::string& name() const;

  // The instant of a wall-clock time. One that does not exist takes the offset before the gap
  // (02:30 → 03:30); an ambiguous one is its first occurrence.
  Instant to_instant(LocalTime local) const;
  LocalTime to_local(Instant instant) const;

 private:
  struct Data;
  explicit TimeZone(const Data* data) : data_(data) {}
  const Data* data_;  // lives as long as the process
};

}  // namespace todo
