#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/executor.h"
#include "observability/metrics.h"

namespace todo::service {

// argon2id (RFC 9106) on two nice threads of its own: m = 19 MiB, t = 2, p = 1 (OWASP's
// minimum). `hash` and `verify` may be called from any thread and return at once: false when
// limits::password_queue_max are waiting. The answer is posted to the executor.
class PasswordHasher {
 public:
  explicit PasswordHasher(metrics::Registry& metrics);
  ~PasswordHasher();  // finishes what runs, drops the rest
  void stop();

  bool hash(std::string password, Executor& executor,
            std::move_only_function<void(std::string)> done);
  struct Verdict {
    bool matches = false;
    bool needs_rehash = false;  // made with weaker parameters
  };
  // An empty `stored` costs the same and never matches: so that nobody can tell whether an account
  // exists.
  bool verify(std::string password, std::string stored, Executor& executor,
              std::move_only_function<void(Verdict)> done);

  // On the calling thread, for subcommands.
  static std::string hash_now(const std::string& password);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace todo::service
