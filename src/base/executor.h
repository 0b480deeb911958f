#pragma once

#include <functional>
#include <vector>

namespace todo {

// Where finished work is handed back: an I/O thread's loop. `post` may be called from any thread;
// the functions run later, in their order, on the executor's own thread. After the loop has ended
// they are dropped unrun.
class Executor {
 public:
  using Function = std::move_only_function<void()>;
  virtual ~Executor() = default;
  virtual void post(std::vector<Function> functions) = 0;
};

}  // namespace todo
