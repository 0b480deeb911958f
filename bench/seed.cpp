// bench_seed DATA_DIR users COUNT TASKS   users with as many tasks each, made as requests make them
// bench_seed DATA_DIR audit ENTRIES       one user with a chain that long, by the audit consumer
//
// Prints "email user_id token" for each user; the password of all is that of bench/run.py. Nothing
// is left in the outbox.
#include <sodium.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "app/core.h"
#include "domain/task_json.h"
#include "http/jwt.h"
#include "observability/log.h"
#include "service/accounts.h"
#include "service/audit.h"
#include "service/passwords.h"
#include "service/tasks.h"

namespace {

using namespace todo;

constexpr int entries_per_task = 100;
constexpr std::size_t tasks_per_unit = 500;
constexpr int entries_per_unit = 5'000;
constexpr const char* password = "correct horse battery";

void write(app::Core& core, const std::function<void(storage::Tx&)>& work) {
  const auto outcome = core.store->write_and_wait([&](storage::Tx& tx) {
    work(tx);
    return storage::Verdict::commit;
  });
  if (outcome != storage::Outcome::committed) throw std::runtime_error("a unit failed");
}

Uuid make_user(app::Core& core, int number, const std::string& password_hash) {
  service::Registration registration;
  registration.email = "user" + std::to_string(number) + "@example.com";
  registration.password_hash = password_hash;
  const Instant now = core.clock.now();
  Uuid user_id;
  storage::Session session;
  write(core, [&](storage::Tx& tx) {
    const auto made = service::register_user(tx, core.audit_keys, core.ids, now, registration);
    if (!made) throw std::runtime_error(made.error().detail);
    user_id = made->id;
    session = service::open_session(tx, core.ids, now, user_id);
  });
  const std::string token =
      http::Jwt(core.jwt_secrets).sign({user_id, session.id, now, session.expires_at});
  std::printf("%s %s %s\n", registration.email.c_str(), user_id.to_string().c_str(), token.c_str());
  return user_id;
}

service::TaskInput task_input(int number) {
  service::TaskInput input;
  input.title = {true, "Task number " + std::to_string(number)};
  input.description = {true, "What there is to say about it, in a sentence or so."};
  input.category = {true, number % 3 == 0 ? "work" : "home"};
  input.priority = {true, static_cast<Priority>(number % 4)};
  return input;
}

void make_tasks(app::Core& core, const std::vector<Uuid>& users, int each) {
  std::vector<std::pair<Uuid, int>> all;
  for (int number = 0; number < each; ++number) {
    for (const Uuid& user : users) all.emplace_back(user, number);
  }
  for (std::size_t done = 0; done < all.size();) {
    const std::size_t end = std::min(all.size(), done + tasks_per_unit);
    write(core, [&](storage::Tx& tx) {
      for (std::size_t i = done; i < end; ++i) {
        service::Call call;
        call.user_id = all[i].first;
        call.origin.actor = "web";
        call.now = core.clock.now();
        call.ids = &core.ids;
        if (auto made = service::create_task(tx, call, task_input(all[i].second)); !made)
          throw std::runtime_error(made.error().detail);
      }
      core.bus->step(tx, tasks_per_unit);
    });
    done = end;
  }
}

AuditEvent event_of(app::Core& core, const Task& task, int version) {
  AuditEvent event;
  event.id = core.ids.next();
  event.timestamp = core.clock.now();
  event.user_id = task.user_id;
  event.entity_type = "task";
  event.entity_id = task.id;
  event.entity_version = version;
  event.action = version == 1 ? AuditAction::create : AuditAction::update;
  if (version == 1) {
    event.after = task_json(task);
  } else {
    event.before = R"({"title":"Task, version )" + std::to_string(version - 1) + "\"}";
    event.after = R"({"title":"Task, version )" + std::to_string(version) + "\"}";
  }
  event.metadata = R"({"actor":"web","request_id":")" + event.id.to_string() + "\"}";
  return event;
}

void make_entries(app::Core& core, const Uuid& user_id, int count) {
  Task task;
  task.user_id = user_id;
  task.title = "Task, version 1";
  int version = entries_per_task;
  for (int done = 0; done < count;) {
    std::vector<AuditEvent> events;
    for (; done < count && std::ssize(events) < entries_per_unit; ++done) {
      if (++version > entries_per_task) {
        version = 1;
        task.id = core.ids.next();
        task.series_id = core.ids.next();
        task.created_at = task.updated_at = core.clock.now();
      }
      events.push_back(event_of(core, task, version));
    }
    write(core,
          [&](storage::Tx& tx) { service::record_audit(tx, core.audit_keys, core.ids, events); });
  }
}

int start(int argc, char** argv) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium could not start");
  log::set_level(log::Level::warning);
  app::Config config;
  config.data_dir = argv[1];
  auto opened = app::Core::open(config);
  if (!opened) throw std::runtime_error(opened.error());
  app::Core& core = **opened;
  const std::string hash = service::PasswordHasher::hash_now(password);
  const std::string what = argv[2];
  if (what == "users" && argc == 5) {
    std::vector<Uuid> users;
    for (int i = 0; i < std::atoi(argv[3]); ++i) users.push_back(make_user(core, i, hash));
    make_tasks(core, users, std::atoi(argv[4]));
  } else if (what == "audit" && argc == 4) {
    make_entries(core, make_user(core, 0, hash), std::atoi(argv[3]));
  } else {
    throw std::runtime_error("there is nothing that this would be");
  }
  core.stop();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc >= 4) return start(argc, argv);
    std::fputs("usage: bench_seed DATA_DIR users COUNT TASKS | audit ENTRIES\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_seed: %s\n", error.what());
  }
  return EXIT_FAILURE;
}
