#include "app/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "app/control.h"
#include "app/core.h"
#include "app/sidecar.h"
#include "dapr/app_port.h"
#include "dapr/sidecar_watch.h"
#include "http/api.h"
#include "net/server.h"
#include "observability/log.h"
#include "realtime/hub.h"
#include "service/passwords.h"

namespace todo::app {
namespace {

// All of a stop, SHUTDOWN_DELAY included.
constexpr std::chrono::seconds stop_limit{20};
constexpr std::chrono::seconds drain_limit{12};
// What the database and the process's end may take of a stop.
constexpr std::chrono::seconds stop_reserve{2};
// Files that are not connections: the database, its copies, the log.
constexpr std::size_t files_reserved = 128;
constexpr std::chrono::seconds control_drain_limit{1};
// WebSockets whose clients do not answer a Close are cut off.
constexpr std::chrono::seconds sockets_close_limit{4};
constexpr int io_threads_max = 4;

// Connections are files: the limit is raised as far as the system allows. Returns how many
// connections it leaves room for; too few is said in the log.
std::size_t raise_file_limit() {
  const std::size_t wanted = net::ServerOptions{}.connections_max;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted + files_reserved) return wanted;
  const std::size_t room =
      limit.rlim_cur > 2 * files_reserved ? limit.rlim_cur - files_reserved : limit.rlim_cur / 2;
  log::warning("few files may be open here (RLIMIT_NOFILE): so few connections are taken",
               {{"files", static_cast<std::int64_t>(limit.rlim_cur)},
                {"connections", static_cast<std::int64_t>(room)}});
  return room;
}

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// /metrics, for the cluster.
class MetricsHandler final : public net::Handler {
 public:
  explicit MetricsHandler(metrics::Registry& metrics) : metrics_(metrics) {}

  void handle(const net::Request& request, Executor&, net::Reply reply) override {
    if (request.path != "/metrics") return reply(refuse(request, 404, "only /metrics is here"));
    if (request.method != net::Method::get && request.method != net::Method::head)
      return reply(refuse(request, 405, "GET only"));
    net::Response response;
    response.body = metrics_.text();
    response.with("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    reply(std::move(response));
  }

  net::Response refuse(const net::Request&, int status, std::string_view why) override {
    net::Response response;
    response.status = status;
    response.body = std::string(why) + "\n";
    response.with("Content-Type", "text/plain; charset=utf-8");
    if (status == 405) response.with("Allow", "GET, HEAD");
    return response;
  }

 private:
  metrics::Registry& metrics_;
};

// What is there with a sidecar alone: the port that it calls, and an eye on it.
struct SidecarSide {
  SidecarSide(Core& core, net::IoThreads& threads, std::function<bool()> healthy)
      : watch(sidecar_of(core.config), core.metrics),
        handler({*core.store, core.clock, core.ids, *core.consumers, core.metrics,
                 [&core] { core.reminders->tick(); }, std::move(healthy), core.tracer()},
                {core.config.pubsub_name, core.config.app_api_token}),
        server(threads, handler, options(core.config)) {}

  static net::ServerOptions options(const Config& config) {
    net::ServerOptions options;
    options.port = config.app_port;
    options.body_bytes_max = dapr::AppPort::body_bytes_max;
    return options;
  }

  dapr::SidecarWatch watch;
  dapr::AppPort handler;
  net::Server server;
};

// Everything that listens. Members are in the order of their making.
class Running {
 public:
  Running(Core& core, std::size_t connections_max)
      : core_(core),
        jwt_(core.jwt_secrets),
        passwords_(core.metrics),
        threads_(
            std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, io_threads_max)),
        hub_({threads_, *core.store, core.clock, core.metrics},
             {static_cast<std::size_t>(core.config.sockets_max),
              static_cast<std::size_t>(core.config.sockets_per_user_max)}),
        api_({*core.store, core.clock, core.ids, jwt_, core.audit_keys, passwords_, *core.reminders,
              core.metrics, [this] { return readiness(); }, [this] { core_.housekeeping->wake(); },
              [this](const service::Credential& credential, Executor& executor) {
                return hub_.admit(credential, executor);
              },
              core.tracer()},
             {core.config.registration, core.config.rate_limits, core.config.public_url,
              core.config.trusted_proxies}),
        control_handler_(control_context()),
        metrics_handler_(core.metrics),
        public_server_(threads_, api_,
                       options(core.config.host, core.config.port, connections_max)),
        metrics_server_(threads_, metrics_handler_,
                        options(core.config.host, core.config.metrics_port)) {
    // With PostgreSQL a subcommand works on the database itself: nobody locks it.
    if (core.directory) {
      control_server_.emplace(threads_, control_handler_,
                              options("unix:" + core.directory->control_socket(), 0));
    }
    if (core.config.uses_dapr())
      sidecar_.emplace(core, threads_, [this] { return is_database_good(); });
  }

  // Fails with a sentence that names the setting.
  std::expected<void, std::string> start() {
    if (control_server_) {
      if (auto started = control_server_->start(); !started)
        return std::unexpected("DATA_DIR: " + started.error());
    }
    if (core_.config.metrics_port != 0) {
      if (auto started = metrics_server_.start(); !started)
        return std::unexpected("HOST, METRICS_PORT: " + started.error());
    }
    if (auto started = public_server_.start(); !started)
      return std::unexpected("HOST, PORT: " + started.error());
    if (sidecar_) {
      if (auto started = sidecar_->server.start(); !started)
        return std::unexpected("APP_PORT: " + started.error());
      sidecar_->watch.start();
    }
    core_.start();
    return {};
  }

  std::uint16_t port() const { return public_server_.port(); }

  // The order of docs/architecture.md: first nobody new, then what is under way, then the timers'
  // and the writer's last work.
  void stop(std::chrono::seconds delay) {
    stopping_ = true;
    std::this_thread::sleep_for(delay);
    public_server_.drain();
    hub_.close_all();
    core_.reminders->stop();
    core_.housekeeping->stop();
    const auto drain = std::min(drain_limit, stop_limit - delay - stop_reserve);
    const auto drained_until = std::chrono::steady_clock::now() + drain;
    if (!public_server_.wait_drained(drain)) log::warning("some requests were cut off");
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        drained_until - std::chrono::steady_clock::now());
    hub_.wait_closed(std::clamp<std::chrono::milliseconds>(left, {}, sockets_close_limit));
    hub_.stop();
    public_server_.stop();
    if (sidecar_) stop_sidecar_side();
    if (control_server_) control_server_->drain();
    control_handler_.stop();
    if (control_server_) {
      control_server_->wait_drained(control_drain_limit);
      control_server_->stop();
    }
    metrics_server_.stop();
    passwords_.stop();
    core_.store->stop();
    threads_.stop();
  }

 private:
  static net::ServerOptions options(
      const std::string& host, std::uint16_t port,
      std::size_t connections_max = net::ServerOptions{}.connections_max) {
    net::ServerOptions options;
    options.host = host;
    options.port = port;
    options.connections_max = connections_max;
    return options;
  }

  // Deliveries are refused first, so that the sidecar stops bringing any; those under way end.
  void stop_sidecar_side() {
    sidecar_->handler.stop();
    sidecar_->watch.stop();
    sidecar_->server.drain();
    if (!sidecar_->server.wait_drained(control_drain_limit))
      log::warning("some deliveries were cut off: they come again");
    sidecar_->server.stop();
  }

  bool is_database_good() {
    const storage::StoreHealth health = core_.store->health();
    return health.reachable && health.schema_ready && health.clock_agrees;
  }

  OperationContext control_context() {
    OperationContext context = core_.operation_context();
    context.forget_credentials = [this](const std::optional<Uuid>& user_id) {
      user_id ? api_.forget_user(*user_id) : api_.forget_all();
    };
    return context;
  }

  http::Readiness readiness() {
    http::Readiness readiness;
    const storage::StoreHealth health = core_.store->health();
    const bool database = health.reachable && health.schema_ready && health.clock_agrees;
    readiness.ready = database && !stopping_;
    readiness.checks.emplace_back("database", database ? "ok" : health.detail);
    if (stopping_) readiness.checks.emplace_back("server", "stopping");
    if (sidecar_ && sidecar_->watch.is_reachable()) {
      readiness.checks.emplace_back("sidecar", "ok");
    } else if (sidecar_) {
      // Once it was there, what happens waits for it in the outbox.
      readiness.checks.emplace_back("sidecar", "away");
      readiness.degraded = sidecar_->watch.was_reachable();
      readiness.ready = readiness.ready && readiness.degraded;
    }
    return readiness;
  }

  Core& core_;
  std::atomic<bool> stopping_ = false;
  http::Jwt jwt_;
  service::PasswordHasher passwords_;
  net::IoThreads threads_;
  realtime::Hub hub_;
  http::Api api_;
  ControlHandler control_handler_;
  MetricsHandler metrics_handler_;
  net::Server public_server_;
  std::optional<net::Server> control_server_;
  std::optional<SidecarSide> sidecar_;
  net::Server metrics_server_;
};

// A stop that hangs is ended; what was acknowledged is on the disk anyway. A second signal ends it
// at once.
void guard_stop(const sigset_t& signals) {
  std::thread([signals] {
    timespec limit{};
    limit.tv_sec = stop_limit.count();
    const int signal = sigtimedwait(&signals, nullptr, &limit);
    log::error(signal > 0 ? "stopped at once by a second signal"
                          : "the stop took too long and was cut off");
    log::flush();
    std::_Exit(EXIT_FAILURE);
  }).detach();
}

}  // namespace

int serve(const Config& config) {
  const auto began = std::chrono::steady_clock::now();
  const sigset_t signals = stop_signals();
  // Blocked here, before any thread is made: only the wait below takes them.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const std::size_t connections_max = raise_file_limit();

  auto core = Core::open(config);
  if (!core) {
    log::error("cannot start", {{"error", core.error()}});
    return EXIT_FAILURE;
  }
  Running running(**core, connections_max);
  if (auto started = running.start(); !started) {
    log::error("cannot start", {{"error", started.error()}});
    running.stop(std::chrono::seconds{0});
    return EXIT_FAILURE;
  }
  const auto took =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  const std::string host =
      config.host.find(':') == std::string::npos ? config.host : "[" + config.host + "]";
  log::info("ready", {{"url", fmt::format("http://{}:{}", host, running.port())},
                      {"database", database_of(config)},
                      {"event_bus", config.event_bus},
                      {"version", version()},
                      {"start_ms", took}});

  int signal = 0;
  sigwait(&signals, &signal);
  log::info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  guard_stop(signals);
  running.stop(config.shutdown_delay);
  (*core)->stop();
  log::info("stopped");
  log::flush();
  return EXIT_SUCCESS;
}

}  // namespace todo::app
