#pragma once

#include "base/json_writer.h"
#include "domain/notification.h"

namespace todo {

// A notification as the API answers it.
void write_notification(JsonWriter& json, const Notification& notification);

}  // namespace todo
