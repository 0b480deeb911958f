#pragma once

#include <string>
#include <vector>

#include "storage/rows.h"

namespace todo::service {

struct Published {
  std::vector<bool> acknowledged;  // for each event, in their order
  std::string error;               // why the first one was not
};

// A bus outside this process. `publish` waits for the answer, a few seconds at most; what it does
// not acknowledge may have been published all the same.
class Publisher {
 public:
  virtual ~Publisher() = default;
  virtual Published publish(const std::vector<storage::OutboxRow>& rows) = 0;
};

}  // namespace todo::service
