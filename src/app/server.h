#pragma once

#include "app/config.h"

namespace todo::app {

// Serves until SIGTERM or SIGINT, then stops in order. Answers the process's exit code: 0 after an
// orderly stop, 1 when it could not start (the log says why).
int serve(const Config& config);

}  // namespace todo::app
