#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/message.h"

namespace todo::net {

struct ClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// One blocking request on a connection of its own, for subcommands. `host` may be "unix:<path>".
// Fails with a sentence.
std::expected<ClientResponse, std::string> fetch(
    const std::string& host, std::uint16_t port, Method method, const std::string& target,
    const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers,
    std::chrono::milliseconds timeout);

struct ClientRequest {
  Method method = Method::get;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// A client of one server that keeps its connections. Used by one thread at a time, which waits.
class Client {
 public:
  using Answer = std::expected<ClientResponse, std::string>;

  Client(std::string host, std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Answer send(const ClientRequest& request, std::chrono::milliseconds timeout);
  // All at the same time, each on a connection of its own; answers in the order of the requests. A
  // request may reach the server twice: when a connection that was kept turns out to be dead, it is
  // sent again on a new one.
  std::vector<Answer> send_all(const std::vector<ClientRequest>& requests,
                               std::chrono::milliseconds timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace todo::net
