#include "net/client.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace todo::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using boost::system::system_error;

constexpr std::uint64_t answer_bytes_max = 64 * 1024 * 1024;
constexpr std::uint32_t answer_header_bytes_max = 64 * 1024;
constexpr std::string_view unix_prefix = "unix:";

using Socket = asio::generic::stream_protocol::socket;
using Outcome = std::expected<ClientResponse, std::string>;

struct Call {
  std::string host;
  std::uint16_t port = 0;
  std::string text;  // the request as sent
  bool head = false;
};

std::string authority(const std::string& host, std::uint16_t port) {
  if (host.starts_with(unix_prefix)) return "localhost";
  const bool bare_v6 = host.contains(':') && !host.starts_with('[');
  return (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string request_text(const std::string& host, std::uint16_t port, Method method,
                         const std::string& target, const std::string& body,
                         const std::vector<std::pair<std::string, std::string>>& headers,
                         bool keep) {
  std::string text(to_string(method));
  text += " " + target + " HTTP/1.1\r\nHost: " + authority(host, port) + "\r\n";
  if (!keep) text += "Connection: close\r\n";
  for (const auto& [name, value] : headers) {
    text.append(name).append(": ").append(value).append("\r\n");
  }
  const bool has_body =
      !body.empty() || method == Method::post || method == Method::put || method == Method::patch;
  if (has_body) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

asio::awaitable<Socket> connect(asio::any_io_executor executor, std::string host,
                                std::uint16_t port) {
  if (host.starts_with(unix_prefix)) {
    asio::local::stream_protocol::socket socket(executor);
    const asio::local::stream_protocol::endpoint endpoint(host.substr(unix_prefix.size()));
    co_await socket.async_connect(endpoint, asio::use_awaitable);
    co_return Socket(std::move(socket));
  }
  asio::ip::tcp::socket socket(executor);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    const asio::ip::tcp::endpoint endpoint(address, port);
    co_await socket.async_connect(endpoint, asio::use_awaitable);
  } else {
    asio::ip::tcp::resolver resolver(executor);
    const std::string service = std::to_string(port);
    const auto found = co_await resolver.async_resolve(host, service, asio::use_awaitable);
    co_await asio::async_connect(socket, found, asio::use_awaitable);
  }
  co_return Socket(std::move(socket));
}

ClientResponse answer_of(http::response_parser<http::string_body>& parser) {
  ClientResponse answer;
  auto& message = parser.get();
  answer.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    const auto name = field.name_string();
    const auto value = field.value();
    answer.headers.emplace_back(std::string(name.data(), name.size()),
                                std::string(value.data(), value.size()));
  }
  answer.body = std::move(message.body());
  return answer;
}

asio::awaitable<ClientResponse> perform(asio::any_io_executor executor, const Call& call) {
  Socket socket = co_await connect(executor, call.host, call.port);
  // A server may answer and close before it has read everything (413): its answer counts then, not
  // the failed write.
  error_code write_error;
  const auto text = asio::buffer(call.text);
  co_await asio::async_write(socket, text, asio::redirect_error(asio::use_awaitable, write_error));

  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.header_limit(answer_header_bytes_max);
  parser.body_limit(answer_bytes_max);
  parser.skip(call.head);
  error_code read_error;
  co_await http::async_read(socket, buffer, parser,
                            asio::redirect_error(asio::use_awaitable, read_error));
  if (read_error && write_error) throw system_error(write_error);
  if (read_error) throw system_error(read_error);

  co_return answer_of(parser);
}

// A connection that is kept between requests.
struct Kept {
  std::optional<Socket> socket;
  boost::beast::flat_buffer buffer;
};

// One request on a kept connection, which is made where there is none. A connection that failed, or
// that the server closes, is given up.
asio::awaitable<ClientResponse> perform_kept(asio::any_io_executor executor, Kept& kept,
                                             const Call& call) {
  for (;;) {
    const bool is_new = !kept.socket;
    if (is_new) {
      kept.buffer.clear();
      kept.socket.emplace(co_await connect(executor, call.host, call.port));
    }
    error_code error;
    const auto text = asio::buffer(call.text);
    co_await asio::async_write(*kept.socket, text,
                               asio::redirect_error(asio::use_awaitable, error));
    http::response_parser<http::string_body> parser;
    parser.header_limit(answer_header_bytes_max);
    parser.body_limit(answer_bytes_max);
    parser.skip(call.head);
    if (!error) {
      co_await http::async_read(*kept.socket, kept.buffer, parser,
                                asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error) {
      if (!parser.keep_alive()) kept.socket.reset();
      co_return answer_of(parser);
    }
    kept.socket.reset();
    // The server closed it while nothing was asked; or it has begun to answer, and failed.
    if (is_new || parser.got_some()) throw system_error(error);
  }
}

std::string described(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const system_error& error) {
    return error.code().message();
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

std::expected<ClientResponse, std::string> fetch(
    const std::string& host, std::uint16_t port, Method method, const std::string& target,
    const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers,
    std::chrono::milliseconds timeout) {
  const std::string lead =
      "no answer from " + (host.starts_with(unix_prefix) ? host : authority(host, port)) + ": ";
  if (method == Method::other) return std::unexpected("the client cannot send this method");
  try {
    const Call what{host, port, request_text(host, port, method, target, body, headers, false),
                    method == Method::head};
    Outcome outcome = std::unexpected(std::string());
    bool done = false;
    asio::io_context context(1);
    auto keep = [&outcome, &done, &lead](const std::exception_ptr& failure, ClientResponse answer) {
      done = true;
      if (failure) {
        outcome = std::unexpected(lead + described(failure));
      } else {
        outcome = std::move(answer);
      }
    };
    asio::co_spawn(context, perform(context.get_executor(), what), std::move(keep));
    context.run_for(timeout);
    if (done) return outcome;
    return std::unexpected(lead + "nothing within " + std::to_string(timeout.count()) + " ms");
  } catch (const std::exception& error) {
    return std::unexpected(lead + error.what());
  }
}

struct Client::Impl {
  std::string host;
  std::uint16_t port = 0;
  std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>(1);
  std::vector<std::unique_ptr<Kept>> kept;  // goes before the context

  void begin_anew() {
    kept.clear();
    context = std::make_unique<asio::io_context>(1);
  }
  std::string lead() const { return "no answer from " + authority(host, port) + ": "; }
};

Client::Client(std::string host, std::uint16_t port) : impl_(std::make_unique<Impl>()) {
  impl_->host = std::move(host);
  impl_->port = port;
}

Client::~Client() = default;

Client::Answer Client::send(const ClientRequest& request, std::chrono::milliseconds timeout) {
  return std::move(send_all({request}, timeout).front());
}

std::vector<Client::Answer> Client::send_all(const std::vector<ClientRequest>& requests,
                                             std::chrono::milliseconds timeout) {
  const std::string lead = impl_->lead();
  std::vector<Call> calls;
  calls.reserve(requests.size());
  for (const ClientRequest& request : requests) {
    calls.push_back({impl_->host, impl_->port,
                     request_text(impl_->host, impl_->port, request.method, request.target,
                                  request.body, request.headers, true),
                     request.method == Method::head});
  }
  while (impl_->kept.size() < calls.size()) impl_->kept.push_back(std::make_unique<Kept>());
  std::vector<Answer> answers(calls.size(), std::unexpected(std::string()));
  std::vector<bool> done(calls.size(), false);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    auto keep = [&answers, &done, &lead, i](const std::exception_ptr& failure,
                                            ClientResponse answer) {
      done[i] = true;
      if (failure) {
        answers[i] = std::unexpected(lead + described(failure));
      } else {
        answers[i] = std::move(answer);
      }
    };
    asio::co_spawn(*impl_->context,
                   perform_kept(impl_->context->get_executor(), *impl_->kept[i], calls[i]),
                   std::move(keep));
  }
  impl_->context->restart();
  impl_->context->run_for(timeout);
  // Who has not answered is not waited for: the coroutines go with their context, unresumed.
  if (std::ranges::find(done, false) != done.end()) impl_->begin_anew();
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (!done[i])
      answers[i] = std::unexpected(fmt::format("{}nothing within {} ms", lead, timeout.count()));
  }
  return answers;
}

}  // namespace todo::net
