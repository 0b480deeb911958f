#include "app/control.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "http/exchange.h"
#include "net/client.h"

namespace todo::app {
namespace {

// A verification of many chains takes as long as it takes.
constexpr std::chrono::hours operation_limit{2};

constexpr std::string_view stopping = "the server is stopping: nothing was done, try again";

std::string refusal(std::string_view why) {
  return result_json({1, std::string(why) + "\n", true});
}

}  // namespace

struct ControlHandler::Impl {
  struct Job {
    Operation operation;
    Executor* executor;
    net::Reply reply;
  };

  explicit Impl(OperationContext c) : context(std::move(c)), worker([this] { run(); }) {}

  void run() {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return ending || !jobs.empty(); });
        if (ending) break;
        job = std::move(jobs.front());
        jobs.pop_front();
      }
      const OperationResult result = run_operation(context, job.operation);
      hand_back(job, http::json_response(200, result_json(result)));
    }
    // Nobody else takes jobs any more.
    for (Job& job : jobs) hand_back(job, http::json_response(503, refusal(stopping)));
    jobs.clear();
  }

  static void hand_back(Job& job, net::Response response) {
    std::vector<Executor::Function> functions;
    functions.emplace_back(
        [reply = std::move(job.reply), response = std::move(response)]() mutable {
          reply(std::move(response));
        });
    job.executor->post(std::move(functions));
  }

  OperationContext context;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool ending = false;
  std::thread worker;
};

ControlHandler::ControlHandler(OperationContext context)
    : impl_(std::make_unique<Impl>(std::move(context))) {}

ControlHandler::~ControlHandler() { stop(); }

void ControlHandler::handle(const net::Request& request, Executor& executor, net::Reply reply) {
  auto operation = request.method == net::Method::post && request.path == "/operations"
                       ? parse_operation(request.body)
                       : std::nullopt;
  if (!operation) return reply(refuse(request, 400, "not an operation"));
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->ending) {
      impl_->jobs.push_back({std::move(*operation), &executor, std::move(reply)});
      impl_->changed.notify_one();
      return;
    }
  }
  reply(refuse(request, 503, stopping));
}

net::Response ControlHandler::refuse(const net::Request&, int status, std::string_view why) {
  return http::json_response(status, refusal(why));
}

void ControlHandler::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->ending = true;
  }
  impl_->changed.notify_one();
  if (impl_->worker.joinable()) impl_->worker.join();
}

std::expected<OperationResult, std::string> send_operation(const std::string& socket_path,
                                                           const Operation& operation) {
  const auto response = net::fetch("unix:" + socket_path, 0, net::Method::post, "/operations",
                                   operation_json(operation),
                                   {{"Content-Type", "application/json"}}, operation_limit);
  if (!response) return std::unexpected(response.error());
  auto result = parse_result(response->body);
  if (!result)
    return std::unexpected("the server's answer is not understood: is it of another version?");
  return *result;
}

}  // namespace todo::app
