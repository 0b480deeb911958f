#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/announcement.h"

namespace todo::storage::postgres {

// NOTIFY takes less than 8,000 bytes.
inline constexpr std::size_t frame_bytes_max = 7'900;

// Announcements as the payloads of NOTIFY: text that needs no quotes.
std::vector<std::string> to_frames(std::span<const Announcement> announcements);

// Empty for what is no such payload: another release's, or none of ours.
std::vector<Announcement> from_frame(std::string_view frame);

}  // namespace todo::storage::postgres
