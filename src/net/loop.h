#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/executor.h"

// For the sources of this folder: what they wait with.
namespace todo::net {

// The concrete executor instead of any_io_executor: smaller coroutine frames and no virtual calls.
using IoExecutor = boost::asio::io_context::executor_type;
template <typename T>
using Task = boost::asio::awaitable<T, IoExecutor>;
inline constexpr boost::asio::use_awaitable_t<IoExecutor> use_task;

using Protocol = boost::asio::generic::stream_protocol;
using Socket = boost::asio::basic_stream_socket<Protocol, IoExecutor>;
using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;

// One I/O thread's event loop. Sessions and unanswered replies share its ownership, so that a reply
// dropped late, on whatever thread, finds a loop that has ended instead of none.
class Loop final : public Executor, public std::enable_shared_from_this<Loop> {
 public:
  IoExecutor executor() { return context_.get_executor(); }
  bool is_current() const { return current == this; }

  void post(std::vector<Function> functions) override;
  // False, with the function dropped, when the loop takes no more.
  bool post_one(Function function);
  void after(std::chrono::steady_clock::time_point when, Function task);
  // Only on the loop's own thread: `hook` is run when the loop is asked to end.
  void on_stop(Function hook) { stop_hooks_.push_back(std::move(hook)); }

  // Takes nothing new and runs dry: timers are cancelled, the hooks end what else keeps it alive.
  void request_stop();
  void run();

 private:
  struct Delayed {
    Timer timer;
    Function task;
  };

  void start_timer(std::chrono::steady_clock::time_point when, Function task);

  static thread_local const Loop* current;

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<IoExecutor> work_{context_.get_executor()};
  std::mutex mutex_;
  bool ended_ = false;  // guarded by mutex_
  // Only on the loop's own thread.
  std::list<Delayed> timers_;
  std::vector<Function> stop_hooks_;
};

}  // namespace todo::net
