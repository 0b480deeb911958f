#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/server.h"

namespace todo::dapr {

// Answers as a sidecar would, or as the test wants it to.
class FakeSidecar final : public net::Handler {
 public:
  struct Asked {
    std::string method;
    std::string path;
    std::string token;
    std::string body;
  };
  using Answer = std::function<std::pair<int, std::string>(const Asked&)>;

  explicit FakeSidecar(Answer answer) : answer_(std::move(answer)), server_(threads_, *this, {}) {
    EXPECT_TRUE(server_.start());
  }
  ~FakeSidecar() override {
    server_.stop();
    threads_.stop();
  }
  FakeSidecar(const FakeSidecar&) = delete;
  FakeSidecar& operator=(const FakeSidecar&) = delete;

  void handle(const net::Request& request, Executor&, net::Reply reply) override {
    Asked asked{std::string(net::to_string(request.method)), std::string(request.path),
                std::string(request.field("dapr-api-token").value_or("")),
                std::string(request.body)};
    net::Response response;
    std::tie(response.status, response.body) = answer_(asked);
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(std::move(asked));
    }
    reply(std::move(response));
  }
  net::Response refuse(const net::Request&, int status, std::string_view) override {
    net::Response response;
    response.status = status;
    return response;
  }

  std::uint16_t port() const { return server_.port(); }
  std::vector<Asked> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  const Answer answer_;
  std::mutex mutex_;
  std::vector<Asked> asked_;
  net::IoThreads threads_{1};
  net::Server server_;
};

}  // namespace todo::dapr
