#include "storage/postgres/announcement_frames.h"

#include <algorithm>

#include "base/text.h"

namespace todo::storage::postgres {
namespace {

constexpr std::string_view mark = "a1.";  // what follows, and in which form
constexpr std::size_t uuid_bytes = sizeof(Uuid::bytes);
constexpr std::size_t version_bytes = sizeof(std::int64_t);
constexpr std::size_t entry_bytes = 1 + 2 * uuid_bytes + version_bytes;
// base64url makes four characters of three bytes.
constexpr std::size_t entries_per_frame = (frame_bytes_max - mark.size()) / 4 * 3 / entry_bytes;

void put(std::string& bytes, const Uuid& id) {
  bytes.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

void put(std::string& bytes, const Announcement& announcement) {
  bytes += static_cast<char>(announcement.kind);
  put(bytes, announcement.user_id);
  put(bytes, announcement.entity_id);
  const auto version = static_cast<std::uint64_t>(announcement.version);
  for (std::size_t i = version_bytes; i-- > 0;) bytes += static_cast<char>(version >> (8 * i));
}

Uuid take_id(std::string_view& bytes) {
  Uuid id;
  std::ranges::transform(bytes.substr(0, uuid_bytes), id.bytes.begin(),
                         [](char c) { return static_cast<std::uint8_t>(c); });
  bytes.remove_prefix(uuid_bytes);
  return id;
}

Announcement take(std::string_view& bytes) {
  Announcement announcement;
  announcement.kind = static_cast<Announcement::Kind>(bytes.front());
  bytes.remove_prefix(1);
  announcement.user_id = take_id(bytes);
  announcement.entity_id = take_id(bytes);
  std::uint64_t version = 0;
  for (const char c : bytes.substr(0, version_bytes))
    version = version << 8 | static_cast<std::uint8_t>(c);
  announcement.version = static_cast<std::int64_t>(version);
  bytes.remove_prefix(version_bytes);
  return announcement;
}

// A later release may know more kinds.
bool is_known(Announcement::Kind kind) {
  return kind >= Announcement::Kind::task_created && kind <= Announcement::Kind::credentials;
}

}  // namespace

std::vector<std::string> to_frames(std::span<const Announcement> announcements) {
  std::vector<std::string> frames;
  while (!announcements.empty()) {
    const std::size_t count = std::min(announcements.size(), entries_per_frame);
    std::string bytes;
    bytes.reserve(count * entry_bytes);
    for (const Announcement& announcement : announcements.first(count)) put(bytes, announcement);
    frames.push_back(std::string(mark) + base64url_encode(bytes));
    announcements = announcements.subspan(count);
  }
  return frames;
}

std::vector<Announcement> from_frame(std::string_view frame) {
  if (!frame.starts_with(mark)) return {};
  const auto decoded = base64url_decode(frame.substr(mark.size()));
  if (!decoded || decoded->size() % entry_bytes != 0) return {};
  std::vector<Announcement> announcements;
  for (std::string_view bytes = *decoded; !bytes.empty();) {
    const Announcement announcement = take(bytes);
    if (is_known(announcement.kind)) announcements.push_back(announcement);
  }
  return announcements;
}

}  // namespace todo::storage::postgres
