#pragma once

#include <list>
#include <thread>
#include <utility>

namespace todo::test {

// Threads that are joined where the test ends, however it ends.
class Threads {
 public:
  ~Threads() { join(); }
  template <class Work>
  void run(Work work) {
    threads_.emplace_back(std::move(work));
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::list<std::thread> threads_;
};

}  // namespace todo::test
