#include "net/loop.h"

#include <exception>
#include <utility>

#include <boost/asio/post.hpp>

#include "observability/log.h"

namespace todo::net {
namespace {

using boost::system::error_code;

void run_guarded(Executor::Function& function) {
  try {
    function();
  } catch (const std::exception& error) {
    log::error("a function of an I/O thread failed", {{"error", error.what()}});
  } catch (...) {
    log::error("a function of an I/O thread failed");
  }
}

}  // namespace

thread_local const Loop* Loop::current = nullptr;

void Loop::post(std::vector<Function> functions) {
  post_one([functions = std::move(functions)]() mutable {
    for (Function& function : functions) {
      run_guarded(function);
      function = nullptr;
    }
  });
}

bool Loop::post_one(Function function) {
  const std::scoped_lock lock(mutex_);
  if (ended_) return false;
  boost::asio::post(context_,
                    [function = std::move(function)]() mutable { run_guarded(function); });
  return true;
}

void Loop::after(std::chrono::steady_clock::time_point when, Function task) {
  post_one([this, when, task = std::move(task)]() mutable { start_timer(when, std::move(task)); });
}

void Loop::request_stop() {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(ended_, true)) return;
  boost::asio::post(context_, [this] {
    for (Function& hook : stop_hooks_) run_guarded(hook);
    stop_hooks_.clear();
    for (Delayed& delayed : timers_) delayed.timer.cancel();
    work_.reset();
  });
}

void Loop::run() {
  current = this;
  for (bool running = true; running;) {
    try {
      context_.run();
      running = false;
    } catch (const std::exception& error) {
      log::error("an I/O thread goes on after a failure", {{"error", error.what()}});
    }
  }
  current = nullptr;
}

void Loop::start_timer(std::chrono::steady_clock::time_point when, Function task) {
  const auto delayed =
      timers_.insert(timers_.end(), Delayed{Timer(executor(), when), std::move(task)});
  delayed->timer.async_wait([this, delayed](error_code cancelled) {
    Function due = std::move(delayed->task);
    timers_.erase(delayed);
    if (!cancelled) run_guarded(due);
  });
}

}  // namespace todo::net
