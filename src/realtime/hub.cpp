#include "realtime/hub.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/limits.h"
#include "realtime/messages.h"

namespace todo::realtime {
namespace {

using std::chrono::milliseconds;

// What let a socket in is looked up again: for the case that its end was not heard of; and where
// other processes are not heard at all.
constexpr milliseconds check_interval_hearing{30'000};
constexpr milliseconds check_interval_deaf{500};
constexpr milliseconds retry_interval{1'000};
// A change has the time at which its request came; its transaction may end later, and another
// process's clock be behind.
constexpr milliseconds look_back{30'000};
constexpr milliseconds look_back_missed = std::chrono::minutes{15};
// So much is looked up in one read.
constexpr std::size_t questions_per_read_max = 256;
constexpr std::size_t notifications_waiting_max = 10'000;
// A stop closes up to so many sockets in a step.
constexpr std::size_t closed_per_step = 50;
constexpr std::size_t close_steps_max = 40;

}  // namespace

// Messages on their way: of each user in their order, in portions that a socket may queue.
class Hub::Messages {
 public:
  void add(const Uuid& user_id, std::string_view text) {
    auto& portions = by_user_[user_id];
    if (portions.empty() || portions.back()->messages() >= limits::socket_queue_messages_max)
      portions.push_back(std::make_shared<net::Frames>());
    portions.back()->add_text(text);
  }
  const auto& by_user() const { return by_user_; }

 private:
  std::unordered_map<Uuid, std::vector<std::shared_ptr<net::Frames>>> by_user_;
};

Hub::Hub(const Dependencies& dependencies, SocketLimits limits)
    : store_(dependencies.store),
      threads_(dependencies.threads),
      clock_(dependencies.clock),
      probe_(dependencies.metrics),
      presence_(static_cast<std::size_t>(dependencies.threads.size()), limits) {
  for (int i = 0; i < threads_.size(); ++i) {
    rooms_.push_back(
        std::make_unique<Room>(threads_, i, clock_, presence_, probe_,
                               [this](const CredentialPtr& credential) { check({credential}); }));
  }
  store_.set_audience(this);
}

Hub::~Hub() { stop(); }

void Hub::stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  presence_.close();
  store_.set_audience(nullptr);
}

Result<std::shared_ptr<net::WebSocketHandler>> Hub::admit(const service::Credential& credential,
                                                          Executor& executor) {
  const auto room = std::ranges::find_if(
      rooms_, [&](const auto& each) { return &each->executor() == &executor; });
  if (room == rooms_.end())
    return fail(ErrorCode::internal, "Something went wrong here; it has been logged");
  auto entered = presence_.enter(credential, (*room)->index(), clock_.now());
  if (!entered) return std::unexpected(entered.error());
  start_checking();
  return std::make_shared<Session>(**room, std::move(*entered));
}

// --- what was committed ---

void Hub::announced(const std::vector<storage::Announcement>& announcements) {
  using enum storage::Announcement::Kind;
  Messages messages;
  Questions questions;
  for (const storage::Announcement& announcement : announcements) {
    const Uuid& user_id = announcement.user_id;
    if (!presence_.is_news(announcement)) continue;
    switch (announcement.kind) {
      case task_created:
      case task_updated:
      case task_completed:
      case task_deleted:
        messages.add(user_id, task_message(announcement));
        break;
      case notification:
        questions.notifications.emplace_back(user_id, announcement.entity_id);
        break;
      case credentials:
        std::ranges::move(presence_.credentials_of(user_id),
                          std::back_inserter(questions.credentials));
        break;
    }
  }
  send(messages);
  if (questions.empty()) return;
  {
    const std::scoped_lock lock(mutex_);
    auto& waiting = questions_.notifications;
    const std::size_t room = notifications_waiting_max - waiting.size();
    if (questions.notifications.size() > room) {
      probe_.dropped.add(static_cast<double>(questions.notifications.size() - room));
      questions.notifications.resize(room);
    }
    std::ranges::move(questions.notifications, std::back_inserter(waiting));
  }
  check(std::move(questions.credentials));
}

void Hub::missed() {
  look(look_back_missed);
  check(presence_.credentials());
}

void Hub::send(const Messages& messages) {
  std::vector<std::vector<Delivery>> by_room(rooms_.size());
  for (const auto& [user_id, portions] : messages.by_user()) {
    for (const std::size_t room : presence_.rooms_of(user_id)) {
      for (const auto& portion : portions) by_room.at(room).push_back({user_id, portion});
    }
  }
  for (std::size_t i = 0; i < by_room.size(); ++i) {
    if (by_room[i].empty()) continue;
    rooms_[i]->post([deliveries = std::move(by_room[i])](Room& room) { room.deliver(deliveries); });
  }
}

// --- what has to be looked up ---

void Hub::check(std::vector<CredentialPtr> credentials) {
  {
    const std::scoped_lock lock(mutex_);
    for (CredentialPtr& credential : credentials) {
      auto& waiting = questions_.credentials;
      if (std::ranges::find(waiting, credential) == waiting.end())
        waiting.push_back(std::move(credential));
    }
  }
  ask();
}

// Asks for what was changed in the last time, by whomever. Unless it is still being asked.
void Hub::look(milliseconds back) {
  auto looks = presence_.looks(clock_.now() - back);
  const std::scoped_lock lock(mutex_);
  if (questions_.looks.empty()) questions_.looks = std::move(looks);
}

// One read at a time, so that what it finds is told in its order.
void Hub::ask() {
  auto asked = std::make_shared<Questions>();
  {
    const std::scoped_lock lock(mutex_);
    if (asking_ || stopped_ || questions_.empty()) return;
    asking_ = true;
    *asked = questions_.take(questions_per_read_max);
  }
  auto answers = std::make_shared<Answers>();
  const bool queued = store_.read(
      [this, asked, answers](storage::ReadTx& tx) { *answers = answer(tx, *asked, clock_.now()); },
      rooms_.front()->executor(),
      [this, asked, answers](storage::Outcome outcome) { take(*asked, *answers, outcome); });
  if (!queued) take(*asked, {}, storage::Outcome::failed);
}

void Hub::take(const Questions& asked, const Answers& answers, storage::Outcome outcome) {
  if (outcome != storage::Outcome::committed) {
    probe_.dropped.add(static_cast<double>(asked.notifications.size()));
    {
      const std::scoped_lock lock(mutex_);
      asking_ = false;
      std::ranges::copy(asked.credentials, std::back_inserter(questions_.credentials));
    }
    threads_.after(0, retry_interval, [this] { ask(); });
    return;
  }
  for (const Look& looked : answers.looked) presence_.looked(looked.user_id, looked.changes);
  announced(answers.found);
  Messages messages;
  for (const Answers::Told& told : answers.notifications) messages.add(told.user_id, told.message);
  send(messages);
  for (const CredentialPtr& credential : answers.ended) {
    for (const std::size_t room : presence_.rooms_of(credential->user_id))
      rooms_[room]->post([credential](Room& its) { its.expel(credential); });
  }
  {
    const std::scoped_lock lock(mutex_);
    asking_ = false;
  }
  ask();
}

void Hub::start_checking() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(checking_, true)) return;
  }
  threads_.after(0, store_.hears_others() ? check_interval_hearing : check_interval_deaf, [this] {
    {
      const std::scoped_lock lock(mutex_);
      checking_ = false;
    }
    check_all();
  });
}

void Hub::check_all() {
  auto credentials = presence_.credentials();
  if (credentials.empty()) return;
  start_checking();
  if (!store_.hears_others()) look(look_back);
  check(std::move(credentials));
}

// --- the end ---

void Hub::close_all() {
  presence_.close();
  const auto steps = static_cast<int>(
      std::clamp<std::size_t>(presence_.sockets() / closed_per_step, 1, close_steps_max));
  for (const auto& room : rooms_) room->post([steps](Room& its) { its.close_all(steps); });
}

}  // namespace todo::realtime
