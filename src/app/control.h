#pragma once

#include <expected>
#include <memory>
#include <string>

#include "app/operations.h"
#include "net/message.h"

namespace todo::app {

// The server's side of the control socket: takes operations from subcommands, one at a time, on a
// thread of its own, since they wait for the database.
class ControlHandler final : public net::Handler {
 public:
  explicit ControlHandler(OperationContext context);
  ~ControlHandler() override;
  void handle(const net::Request& request, Executor& executor, net::Reply reply) override;
  net::Response refuse(const net::Request& request, int status, std::string_view why) override;
  // Finishes the operation under way; those that wait are refused.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The subcommand's side: sends the operation to the server on `socket_path`. Fails with a sentence
// when no server answers there.
std::expected<OperationResult, std::string> send_operation(const std::string& socket_path,
                                                           const Operation& operation);

}  // namespace todo::app
