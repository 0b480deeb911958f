#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/executor.h"
#include "base/uuid.h"
#include "domain/audit_entry.h"
#include "http/jwt.h"
#include "net/message.h"
#include "net/websocket.h"
#include "observability/metrics.h"
#include "observability/tracing.h"
#include "service/call.h"
#include "service/credential.h"
#include "service/passwords.h"
#include "storage/store.h"

namespace todo::http {

struct ApiOptions {
  bool registration = true;
  bool rate_limits = true;
  std::string public_url;                    // empty: unknown
  std::vector<std::string> trusted_proxies;  // addresses and CIDR ranges
};

struct Readiness {
  bool ready = true;
  bool degraded = false;  // ready, while something is away that may be
  std::vector<std::pair<std::string, std::string>> checks;  // name, "ok" or what is wrong
};

// Whose a WebSocket becomes that somebody was let in to by this credential, on the thread of this
// executor. Fails: rate_limited, unavailable.
using AdmitSocket = std::function<Result<std::shared_ptr<net::WebSocketHandler>>(
    const service::Credential&, Executor&)>;

// Everything under port 8080: routes, authentication, limits, errors. References must outlive it.
// Handles requests on any number of I/O threads.
class Api final : public net::Handler {
 public:
  struct Dependencies {
    storage::Store& store;
    const Clock& clock;
    IdGenerator& ids;
    const Jwt& jwt;
    const AuditKeys& audit_keys;
    service::PasswordHasher& passwords;
    service::ReminderHint& reminders;
    metrics::Registry& metrics;
    std::function<Readiness()> readiness;
    std::function<void()> wake_housekeeping;  // a recomputation or purge has begun
    AdmitSocket admit_socket;
    tracing::Tracer* tracer = nullptr;  // none: nobody collects traces
  };
  Api(const Dependencies& dependencies, ApiOptions options);
  ~Api() override;

  void handle(const net::Request& request, Executor& executor, net::Reply reply) override;
  net::Response refuse(const net::Request& request, int status, std::string_view why) override;

  // Forgets cached credentials: of one user (disabled by the operator …) or all (after a restore).
  void forget_user(const Uuid& user_id);
  void forget_all();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace todo::http
