#include "realtime/room.h"

#include <algorithm>
#include <iterator>

#include "base/limits.h"
#include "observability/log.h"
#include "realtime/messages.h"

namespace todo::realtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds tick_interval{1'000};
constexpr milliseconds close_step{50};

net::FramesPtr frame(std::string_view message) {
  auto frames = std::make_shared<net::Frames>();
  frames->add_text(message);
  return frames;
}

}  // namespace

// --- a socket ---

void Session::opened(net::WebSocket& socket) {
  socket_ = &socket;
  opened_at_ = steady_clock::now();
  room_.enter(*this);
  send(frame(hello_message(room_.clock_.now())));
}

void Session::received(std::string_view text) {
  if (++said_ > limits::socket_messages_per_second_max)
    return close(net::CloseCode::policy_violation, "too many messages");
  switch (understand(text)) {
    case Said::ping:
      return send(frame(pong_message()));
    case Said::pong:
      return;
    case Said::nonsense:
      return close(net::CloseCode::policy_violation, "only pings are understood here");
  }
}

void Session::closed(net::CloseCode code) {
  socket_ = nullptr;
  room_.leave(*this, code);
}

void Session::send(const net::FramesPtr& frames) {
  if (socket_ == nullptr || closing_) return;
  sent_ += static_cast<std::uint32_t>(frames->messages());
  room_.probe_.messages.add(static_cast<double>(frames->messages()));
  socket_->send(frames);
}

void Session::close(net::CloseCode code, std::string_view reason) {
  if (socket_ == nullptr || std::exchange(closing_, true)) return;
  socket_->close(code, reason);
}

void Session::tick(Instant now) {
  said_ = 0;
  if (credential_->expires_at && *credential_->expires_at <= now)
    close(net::CloseCode::policy_violation, "signed out");
}

// --- the sockets of a thread ---

Room::Room(net::IoThreads& threads, int index, const Clock& clock, Presence& presence, Probe& probe,
           Entered entered)
    : threads_(threads),
      index_(index),
      clock_(clock),
      presence_(presence),
      probe_(probe),
      entered_(std::move(entered)) {}

void Room::post(std::move_only_function<void(Room&)> task) {
  std::vector<Executor::Function> functions;
  functions.emplace_back([this, task = std::move(task)]() mutable { task(*this); });
  executor().post(std::move(functions));
}

void Room::enter(Session& session) {
  users_[session.credential()->user_id].push_back(&session);
  probe_.open.add(1);
  start_ticking();
  entered_(session.credential());
}

void Room::leave(Session& session, net::CloseCode code) {
  const Uuid& user_id = session.credential()->user_id;
  const auto found = users_.find(user_id);
  std::erase(found->second, &session);
  if (found->second.empty()) users_.erase(found);
  probe_.open.add(-1);
  probe_.count_closed(code);
  const auto time = steady_clock::now() - session.opened_at();
  log::info("socket closed", {{"code", static_cast<int>(code)},
                              {"seconds", std::chrono::duration<double>(time).count()},
                              {"messages", static_cast<std::int64_t>(session.sent())},
                              {"user_id", user_id.to_string()}});
}

void Room::deliver(const std::vector<Delivery>& deliveries) {
  for (const Delivery& delivery : deliveries) {
    const auto found = users_.find(delivery.user_id);
    if (found == users_.end()) continue;
    for (Session* session : found->second) session->send(delivery.frames);
  }
}

void Room::expel(const CredentialPtr& credential) {
  const auto found = users_.find(credential->user_id);
  if (found == users_.end()) return;
  for (Session* session : found->second) {
    if (session->credential() == credential)
      session->close(net::CloseCode::policy_violation, "signed out");
  }
}

void Room::close_all(int steps) {
  std::vector<Session*> open;
  for (const auto& [user_id, sessions] : users_) {
    std::ranges::copy_if(sessions, std::back_inserter(open),
                         [](const Session* session) { return !session->closing(); });
  }
  const std::size_t share = steps > 1 ? open.size() / static_cast<std::size_t>(steps) : open.size();
  for (std::size_t i = 0; i < share; ++i)
    open[i]->close(net::CloseCode::going_away, "the server is stopping");
  if (steps <= 1 || open.empty()) return;
  threads_.after(index_, close_step, [this, steps] { close_all(steps - 1); });
}

void Room::start_ticking() {
  if (std::exchange(ticking_, true)) return;
  threads_.after(index_, tick_interval, [this] { tick(); });
}

void Room::tick() {
  ticking_ = false;
  const Instant now = clock_.now();
  for (const auto& [user_id, sessions] : users_) {
    for (Session* session : sessions) session->tick(now);
  }
  if (!users_.empty()) start_ticking();
}

}  // namespace todo::realtime
