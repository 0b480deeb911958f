#include "service/passwords.h"

#include <sched.h>
#include <sodium.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/limits.h"

namespace todo::service {
namespace {

constexpr unsigned long long passes = 2;
constexpr std::size_t memory_bytes = std::size_t{19} * 1024 * 1024;
constexpr int threads = 2;
constexpr int niceness = 15;

void be_nice() {
  // A batch thread that wakes does not push others off their core.
  sched_param none{};
  sched_setscheduler(0, SCHED_BATCH, &none);
  // Linux keeps a niceness per thread; a who of 0 with PRIO_PROCESS means the calling thread there.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), niceness);
}

// A hash nobody's password has, for accounts that do not exist: made once, at the same cost.
const std::string& decoy_hash() {
  static const std::string hash = PasswordHasher::hash_now("no account has this password");
  return hash;
}

}  // namespace

struct PasswordHasher::Impl {
  using Job = std::move_only_function<Executor::Function()>;  // computes, and answers what to post
  struct Queued {
    Job job;
    Executor* executor;
  };

  explicit Impl(metrics::Registry& metrics)
      : waiting(metrics.gauge("todo_password_queue_depth",
                              "Logins and registrations waiting for argon2id")) {
    for (int i = 0; i < threads; ++i) workers.emplace_back([this] { work(); });
  }

  bool push(Job job, Executor& executor) {
    const std::scoped_lock lock(mutex);
    if (stopped || queue.size() >= limits::password_queue_max) return false;
    queue.push_back({std::move(job), &executor});
    waiting.set(static_cast<double>(queue.size()));
    wake.notify_one();
    return true;
  }

  void work() {
    be_nice();
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return stopped || !queue.empty(); });
      if (stopped) return;
      Queued next = std::move(queue.front());
      queue.pop_front();
      waiting.set(static_cast<double>(queue.size()));
      lock.unlock();
      std::vector<Executor::Function> answer;
      answer.push_back(next.job());
      next.executor->post(std::move(answer));
      lock.lock();
    }
  }

  metrics::Gauge& waiting;
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Queued> queue;
  bool stopped = false;
  std::vector<std::thread> workers;
};

PasswordHasher::PasswordHasher(metrics::Registry& metrics) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot start");
  decoy_hash();
  impl_ = std::make_unique<Impl>(metrics);
}

PasswordHasher::~PasswordHasher() { stop(); }

void PasswordHasher::stop() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopped = true;
    impl_->wake.notify_all();
  }
  for (std::thread& worker : impl_->workers) {
    if (worker.joinable()) worker.join();
  }
}

std::string PasswordHasher::hash_now(const std::string& password) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot start");
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (crypto_pwhash_str_alg(out.data(), password.data(), password.size(), passes, memory_bytes,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    throw std::runtime_error("no memory for argon2id");
  }
  return out.data();
}

bool PasswordHasher::hash(std::string password, Executor& executor,
                          std::move_only_function<void(std::string)> done) {
  return impl_->push(
      [password = std::move(password), done = std::move(done)]() mutable -> Executor::Function {
        std::string hash;
        try {
          hash = hash_now(password);
        } catch (const std::exception&) {
          hash.clear();  // answered as 503
        }
        sodium_memzero(password.data(), password.size());
        return
            [hash = std::move(hash), done = std::move(done)]() mutable { done(std::move(hash)); };
      },
      executor);
}

bool PasswordHasher::verify(std::string password, std::string stored, Executor& executor,
                            std::move_only_function<void(Verdict)> done) {
  return impl_->push(
      [password = std::move(password), stored = std::move(stored),
       done = std::move(done)]() mutable -> Executor::Function {
        const bool known = !stored.empty();
        const std::string& hash = known ? stored : decoy_hash();
        Verdict verdict;
        verdict.matches =
            crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0 && known;
        verdict.needs_rehash = verdict.matches && crypto_pwhash_str_needs_rehash(
                                                      hash.c_str(), passes, memory_bytes) != 0;
        sodium_memzero(password.data(), password.size());
        return [verdict, done = std::move(done)]() mutable { done(verdict); };
      },
      executor);
}

}  // namespace todo::service
