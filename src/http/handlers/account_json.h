#pragma once

#include "base/json_writer.h"
#include "domain/user.h"

namespace todo::http {

void write_user(JsonWriter& json, const User& user);
void write_preferences(JsonWriter& json, const Preferences& preferences);

}  // namespace todo::http
