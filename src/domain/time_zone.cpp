#include "domain/time_zone.h"

#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <sstream>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

namespace todo {

struct TimeZone::Data {
  std::string name;
  bool utc = false;
  absl::TimeZone zone;
};

namespace {

constexpr const char* names_file = "/usr/share/zoneinfo/tzdata.zi";

// The names of zones (Z lines) and links (L lines) in tzdata's own listing: absl would load any
// path below, beside or above its folder.
std::set<std::string, std::less<>> read_names() {
  std::set<std::string, std::less<>> names{"UTC"};
  std::ifstream file(names_file);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string first;
    std::string second;
    words >> kind >> first >> second;
    if (kind == "Z") names.insert(first);
    if (kind == "L") names.insert(second);
  }
  return names;
}

const std::set<std::string, std::less<>>& known_names() {
  static const std::set<std::string, std::less<>> names = read_names();
  return names;
}

absl::CivilSecond civil_of(LocalTime local) {
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const Date date{day};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(local - day).count();
  return absl::CivilSecond(static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                           static_cast<unsigned>(date.day()), 0, 0, seconds);
}

}  // namespace

const TimeZone& TimeZone::utc() {
  static const Data data{"UTC", true, absl::UTCTimeZone()};
  static const TimeZone zone(&data);
  return zone;
}

std::optional<TimeZone> TimeZone::find(std::string_view name) {
  if (name == "UTC") return utc();
  // Requests of one user follow each other on a thread: the last zone is most often the next.
  thread_local const Data* last = nullptr;
  if (last != nullptr && last->name == name) return TimeZone(last);
  static std::shared_mutex mutex;
  static std::map<std::string, std::unique_ptr<const Data>, std::less<>> loaded;
  {
    const std::shared_lock lock(mutex);
    if (const auto found = loaded.find(name); found != loaded.end()) {
      last = found->second.get();
      return TimeZone(last);
    }
  }
  if (!known_names().contains(name)) return std::nullopt;
  auto data = std::make_unique<Data>();
  data->name = name;
  if (!absl::LoadTimeZone(data->name, &data->zone)) return std::nullopt;
  const std::unique_lock lock(mutex);
  last = loaded.try_emplace(data->name, std::move(data)).first->second.get();
  return TimeZone(last);
}

const std::string& TimeZone::name() const { return data_->name; }

Instant TimeZone::to_instant(LocalTime local) const {
  if (data_->utc) return Instant{local.time_since_epoch()};
  const auto milliseconds = local - std::chrono::floor<std::chrono::seconds>(local);
  // `pre` is the offset before a gap, and the first of two.
  const absl::Time time = data_->zone.At(civil_of(local)).pre;
  return Instant{std::chrono::milliseconds{absl::ToUnixMillis(time)}} + milliseconds;
}

LocalTime TimeZone::to_local(Instant instant) const {
  if (data_->utc) return LocalTime{instant.time_since_epoch()};
  const absl::TimeZone::CivilInfo info = data_->zone.At(absl::FromUnixMillis(to_ms(instant)));
  return LocalTime{instant.time_since_epoch() + std::chrono::seconds{info.offset}};
}

}  // namespace todo
