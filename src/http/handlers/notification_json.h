#pragma once

#include "base/json_writer.h"
#include "domain/notification.h"

namespace todo::http {

void write_notification(JsonWriter& json, const Notification& notification);

}  // namespace todo::http
