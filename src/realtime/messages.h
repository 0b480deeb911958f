#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "domain/notification.h"
#include "storage/announcement.h"

// What is said on a WebSocket, as JSON: docs/api/openapi.yaml, `/api/v1/ws`.
namespace todo::realtime {

std::string hello_message(Instant now);
// Of an announcement of a task.
std::string task_message(const storage::Announcement& announcement);
std::string notification_message(const Notification& notification, std::int64_t unread_count);
std::string pong_message();

// What a client may say.
enum class Said : std::uint8_t { ping, pong, nonsense };
Said understand(std::string_view text);

}  // namespace todo::realtime
