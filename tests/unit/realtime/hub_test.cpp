#include "realtime/hub.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.h"
#include "realtime/messages.h"
#include "service/accounts.h"
#include "support/executors.h"
#include "support/threads.h"
#include "support/world.h"

namespace todo::realtime {
namespace {

using storage::Announcement;
using Kind = Announcement::Kind;

constexpr SocketLimits limits_of_tests{.all = 5, .per_user = 3};

// The texts in the bytes of frames, each shorter than 64 KiB.
std::vector<std::string> texts_in(std::string_view bytes) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    std::size_t size = static_cast<unsigned char>(bytes[1]);
    std::size_t head = 2;
    if (size == 126) {
      size = static_cast<std::size_t>(static_cast<unsigned char>(bytes[2])) << 8 |
             static_cast<unsigned char>(bytes[3]);
      head = 4;
    }
    texts.emplace_back(bytes.substr(head, size));
    bytes.remove_prefix(head + size);
  }
  return texts;
}

// A socket as the hub sees it: keeps what it is sent, and closes when it is told to.
class FakeSocket final : public net::WebSocket {
 public:
  FakeSocket(Executor& executor, std::shared_ptr<net::WebSocketHandler> handler)
      : executor_(executor), handler_(std::move(handler)) {
    on_thread([this] { handler_->opened(*this); });
  }
  ~FakeSocket() override { end(net::CloseCode::abnormal); }
  FakeSocket(const FakeSocket&) = delete;
  FakeSocket& operator=(const FakeSocket&) = delete;

  void send(const net::FramesPtr& frames) override {
    const std::scoped_lock lock(mutex_);
    for (std::string& text : texts_in(frames->bytes())) texts_.push_back(std::move(text));
    sent_.push_back(frames);
    changed_.notify_all();
  }
  void close(net::CloseCode code, std::string_view) override {
    const std::scoped_lock lock(mutex_);
    code_ = code;
    changed_.notify_all();
  }

  // The client's doing.
  void say(const std::string& text) {
    on_thread([&] { handler_->received(text); });
  }
  void end(net::CloseCode code) {
    if (!handler_) return;
    on_thread([&] {
      handler_->closed(code);
      handler_.reset();
    });
  }

  // Waits for so many, the greeting included.
  std::vector<std::string> texts(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, test::deadline, [&] { return texts_.size() >= count; });
    return texts_;
  }
  std::vector<net::FramesPtr> sent() {
    const std::scoped_lock lock(mutex_);
    return sent_;
  }
  std::optional<net::CloseCode> wait_closed() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, test::deadline, [&] { return code_.has_value(); });
    return code_;
  }
  std::optional<net::CloseCode> closed() {
    const std::scoped_lock lock(mutex_);
    return code_;
  }

 private:
  template <class Work>
  void on_thread(Work work) {
    test::Signal done;
    std::vector<Executor::Function> functions;
    functions.emplace_back([&] {
      work();
      done.give();
    });
    executor_.post(std::move(functions));
    EXPECT_TRUE(done.wait());
  }

  Executor& executor_;
  std::shared_ptr<net::WebSocketHandler> handler_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_;
  std::vector<net::FramesPtr> sent_;
  std::optional<net::CloseCode> code_;
};

class HubTest : public testing::Test {
 protected:
  ~HubTest() override {
    sockets_.clear();
    hub_->stop();
    world_.store->stop();
    threads_.stop();
  }

  service::Credential session_of(const Uuid& user_id) {
    const auto session = test::write(*world_.store, [&](storage::Tx& tx) {
      return service::open_session(tx, world_.ids, world_.clock.now(), user_id);
    });
    return {user_id, session.id, {}, session.expires_at};
  }
  FakeSocket& open(const service::Credential& credential, int thread = 0) {
    auto handler = hub_->admit(credential, threads_.executor(thread));
    EXPECT_TRUE(handler);
    sockets_.push_back(
        std::make_unique<FakeSocket>(threads_.executor(thread), std::move(handler.value())));
    EXPECT_EQ(sockets_.back()->texts(1).size(), 1U);
    return *sockets_.back();
  }
  void announce(const std::vector<Announcement>& all) { hub_->announced(all); }
  Announcement change(const Uuid& user_id, std::int64_t version) {
    return {Kind::task_updated, user_id, world_.ids.next(), version};
  }

  test::World world_;
  net::IoThreads threads_{2};
  std::optional<Hub> hub_{std::in_place,
                          Hub::Dependencies{threads_, *world_.store, world_.clock, world_.metrics},
                          limits_of_tests};
  std::vector<std::unique_ptr<FakeSocket>> sockets_;
};

TEST_F(HubTest, greets_first) {
  FakeSocket& socket = open(session_of(world_.ann));
  EXPECT_TRUE(socket.texts(1).front().starts_with(R"({"type":"hello","server_time":")"));
}

TEST_F(HubTest, tells_all_sockets_of_a_user_on_all_threads_and_nobody_else) {
  const Uuid bob = world_.add_user("bob@example.com");
  const auto of_ann = session_of(world_.ann);
  FakeSocket& first = open(of_ann, 0);
  FakeSocket& second = open(of_ann, 1);
  FakeSocket& other = open(session_of(bob), 1);
  const Announcement news = change(world_.ann, 2);
  announce({news, change(bob, 3), change(world_.ids.next(), 4)});
  EXPECT_EQ(first.texts(2).at(1), task_message(news));
  EXPECT_EQ(second.texts(2).at(1), task_message(news));
  EXPECT_EQ(first.sent().at(1), second.sent().at(1)) << "made once for both";
  EXPECT_NE(other.texts(2).at(1).find("\"version\":3"), std::string::npos);
  EXPECT_EQ(other.texts(2).size(), 2U);
}

TEST_F(HubTest, keeps_the_order_and_sends_in_portions_that_fit_a_queue) {
  FakeSocket& socket = open(session_of(world_.ann));
  std::vector<Announcement> all;
  std::vector<std::string> expected;
  for (int i = 1; i <= 150; ++i) {
    all.push_back(change(world_.ann, i));
    expected.push_back(task_message(all.back()));
  }
  announce(all);
  auto told = socket.texts(151);
  told.erase(told.begin());
  EXPECT_EQ(told, expected);
  for (const net::FramesPtr& frames : socket.sent())
    EXPECT_LE(frames->messages(), limits::socket_queue_messages_max);
}

TEST_F(HubTest, tells_what_a_committed_unit_announces) {
  FakeSocket& socket = open(session_of(world_.ann));
  const Task task = world_.create(test::input_of("Buy milk"));
  world_.complete(task);
  const auto told = socket.texts(3);
  EXPECT_NE(told.at(1).find(R"("action":"created","task_id":")" + task.id.to_string()),
            std::string::npos);
  EXPECT_NE(told.at(2).find(R"("action":"completed")"), std::string::npos);
}

TEST_F(HubTest, a_notification_is_read_and_told_whole) {
  FakeSocket& socket = open(session_of(world_.ann));
  Notification notification;
  notification.id = world_.ids.next();
  notification.user_id = world_.ann;
  notification.title = "Reminder: Rent";
  notification.data = "{}";
  notification.created_at = world_.clock.now();
  test::write(*world_.store, [&](storage::Tx& tx) {
    tx.insert_notification(notification);
    tx.announce({Kind::notification, world_.ann, notification.id, 0});
  });
  EXPECT_EQ(socket.texts(2).at(1), notification_message(notification, 1));
}

TEST_F(HubTest, a_notification_that_is_gone_already_is_not_told) {
  FakeSocket& socket = open(session_of(world_.ann));
  const Announcement last = change(world_.ann, 9);
  announce({{Kind::notification, world_.ann, world_.ids.next(), 0}});
  // The reads are one after the other: once the second is done the first is.
  announce({{Kind::credentials, world_.ann, {}, 0}});
  announce({last});
  EXPECT_EQ(socket.texts(2).at(1), task_message(last));
}

TEST_F(HubTest, a_session_that_ends_closes_its_sockets_and_no_others) {
  const auto ending = session_of(world_.ann);
  FakeSocket& first = open(ending, 0);
  FakeSocket& second = open(ending, 1);
  FakeSocket& lasting = open(session_of(world_.ann), 1);
  test::write(*world_.store,
              [&](storage::Tx& tx) { tx.delete_session(world_.ann, *ending.session_id); });
  EXPECT_EQ(first.wait_closed(), net::CloseCode::policy_violation);
  EXPECT_EQ(second.wait_closed(), net::CloseCode::policy_violation);
  EXPECT_FALSE(lasting.closed());
}

TEST_F(HubTest, a_token_that_is_deleted_closes_its_sockets) {
  const storage::ApiToken token{
      world_.ids.next(),    world_.ann, "script",           storage::TokenScope::read,
      std::string(32, 'h'), {},         world_.clock.now(), {}};
  test::write(*world_.store, [&](storage::Tx& tx) { tx.insert_api_token(token); });
  FakeSocket& socket = open({world_.ann, {}, token.secret_hash, {}});
  test::write(*world_.store, [&](storage::Tx& tx) { tx.delete_api_token(world_.ann, token.id); });
  EXPECT_EQ(socket.wait_closed(), net::CloseCode::policy_violation);
}

TEST_F(HubTest, a_session_that_had_ended_before_its_socket_was_open_closes_it) {
  const auto credential = session_of(world_.ann);
  test::write(*world_.store,
              [&](storage::Tx& tx) { tx.delete_session(world_.ann, *credential.session_id); });
  EXPECT_EQ(open(credential).wait_closed(), net::CloseCode::policy_violation);
}

TEST_F(HubTest, a_session_that_expires_closes_its_sockets) {
  FakeSocket& socket = open(session_of(world_.ann));
  world_.clock.advance(limits::session_lifetime);
  EXPECT_EQ(socket.wait_closed(), net::CloseCode::policy_violation);
}

TEST_F(HubTest, what_was_missed_is_looked_up) {
  const auto credential = session_of(world_.ann);
  FakeSocket& socket = open(credential);
  world_.store->set_audience(nullptr);
  test::write(*world_.store,
              [&](storage::Tx& tx) { tx.delete_session(world_.ann, *credential.session_id); });
  EXPECT_FALSE(socket.closed());
  hub_->missed();
  EXPECT_EQ(socket.wait_closed(), net::CloseCode::policy_violation);
}

TEST_F(HubTest, changes_that_were_missed_are_looked_up_and_those_that_were_not_are_not_told_again) {
  world_.create(test::input_of("Before anybody listened"));
  world_.clock.advance(std::chrono::seconds{1});
  FakeSocket& socket = open(session_of(world_.ann));
  const Task heard = world_.create(test::input_of("Heard"));
  socket.texts(2);
  world_.store->set_audience(nullptr);
  const Task made = world_.create(test::input_of("Made"));
  const Task done = world_.create(test::input_of("Done"));
  const Task gone = world_.create(test::input_of("Gone"));
  world_.complete(done);
  world_.remove(gone);
  hub_->missed();
  std::vector<std::string> expected{
      task_message({Kind::task_created, world_.ann, made.id, 1}),
      task_message({Kind::task_completed, world_.ann, done.id, 2}),
      task_message({Kind::task_deleted, world_.ann, gone.id, 2}),
  };
  auto told = socket.texts(5);
  EXPECT_EQ(told.at(1), task_message({Kind::task_created, world_.ann, heard.id, 1}));
  EXPECT_TRUE(std::is_permutation(told.begin() + 2, told.end(), expected.begin(), expected.end()));
  // Looking again finds the same, which was told.
  hub_->missed();
  const Announcement last = change(world_.ann, 9);
  announce({last});
  EXPECT_EQ(socket.texts(6).at(5), task_message(last));
}

TEST_F(HubTest, admits_so_many_of_a_user_and_so_many_in_all) {
  const Uuid bob = world_.add_user("bob@example.com");
  const auto of_ann = session_of(world_.ann);
  const auto of_bob = session_of(bob);
  for (std::size_t i = 0; i < limits_of_tests.per_user; ++i) open(of_ann);
  EXPECT_EQ(hub_->admit(of_ann, threads_.executor(0)).error().code, ErrorCode::rate_limited);
  open(of_bob);
  open(of_bob);
  EXPECT_EQ(hub_->admit(of_bob, threads_.executor(0)).error().code, ErrorCode::unavailable);
  sockets_.pop_back();
  open(of_bob);
}

TEST_F(HubTest, one_that_was_admitted_and_never_opened_takes_no_place) {
  const auto credential = session_of(world_.ann);
  for (std::size_t i = 0; i < 3 * limits_of_tests.all; ++i)
    EXPECT_TRUE(hub_->admit(credential, threads_.executor(0)));
}

TEST_F(HubTest, a_ping_is_answered_and_anything_else_closes) {
  FakeSocket& socket = open(session_of(world_.ann));
  socket.say(R"({"type":"ping"})");
  EXPECT_EQ(socket.texts(2).at(1), R"({"type":"pong"})");
  socket.say("hello");
  EXPECT_EQ(socket.wait_closed(), net::CloseCode::policy_violation);
}

TEST_F(HubTest, too_many_pings_at_once_close) {
  FakeSocket& socket = open(session_of(world_.ann));
  for (int i = 0; i < 10 * limits::socket_messages_per_second_max && !socket.closed(); ++i)
    socket.say(R"({"type":"ping"})");
  EXPECT_EQ(socket.closed(), net::CloseCode::policy_violation);
}

TEST_F(HubTest, a_stop_closes_all_and_admits_nobody) {
  const auto credential = session_of(world_.ann);
  FakeSocket& first = open(credential, 0);
  FakeSocket& second = open(credential, 1);
  hub_->close_all();
  EXPECT_EQ(first.wait_closed(), net::CloseCode::going_away);
  EXPECT_EQ(second.wait_closed(), net::CloseCode::going_away);
  EXPECT_FALSE(hub_->admit(credential, threads_.executor(0)));
  EXPECT_FALSE(hub_->wait_closed(std::chrono::milliseconds{1}));
  sockets_.clear();
  EXPECT_TRUE(hub_->wait_closed(test::deadline));
}

TEST_F(HubTest, sockets_come_and_go_while_others_are_told) {
  const auto credential = session_of(world_.ann);
  test::Threads threads;
  for (int thread = 0; thread < 2; ++thread) {
    threads.run([&, thread] {
      for (int i = 0; i < 50; ++i) {
        auto handler = hub_->admit(credential, threads_.executor(thread));
        if (!handler) continue;
        FakeSocket socket(threads_.executor(thread), std::move(*handler));
        EXPECT_FALSE(socket.texts(1).empty());
      }
    });
  }
  threads.run([&] {
    for (int i = 1; i <= 200; ++i)
      announce({change(world_.ann, i), {Kind::credentials, world_.ann, {}, 0}});
  });
  threads.join();
  EXPECT_TRUE(hub_->wait_closed(test::deadline));
}

}  // namespace
}  // namespace todo::realtime
