#include "dapr/sidecar_watch.h"

#include <chrono>

#include "observability/log.h"

namespace todo::dapr {
namespace {

constexpr std::chrono::milliseconds first_interval{500};
constexpr std::chrono::milliseconds interval{5'000};

}  // namespace

SidecarWatch::SidecarWatch(SidecarAddress sidecar, metrics::Registry& metrics)
    : sidecar_(std::move(sidecar)),
      up_(metrics.gauge("todo_sidecar_up", "1 while the Dapr sidecar can be used")) {}

void SidecarWatch::start() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
}

void SidecarWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SidecarWatch::run() {
  net::Client client(sidecar_host, sidecar_.port);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const bool up = is_outbound_ready(client, sidecar_);
    lock.lock();
    up_.set(up ? 1 : 0);
    if (up != reachable_) {
      up ? log::info("the sidecar can be used")
         : log::warning("the sidecar is away; events wait in the outbox");
    }
    reachable_ = up;
    if (up) was_reachable_ = true;
    stopped_.wait_for(lock, up ? interval : first_interval, [this] { return stopping_; });
  }
}

}  // namespace todo::dapr
