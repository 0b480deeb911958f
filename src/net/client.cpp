#include "net/client.h"

#include <exception>
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
                         const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string text(to_string(method));
  text +=
      " " + target + " HTTP/1.1\r\nHost: " + authority(host, port) + "\r\nConnection: close\r\n";
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
  co_return answer;
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
    const Call what{host, port, request_text(host, port, method, target, body, headers),
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

}  // namespace todo::net
