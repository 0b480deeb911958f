// bench_bare_responder FILE: answers every request with the bytes of FILE as the body. What Beast
// does at best on as many threads as the program has: nothing is parsed beyond HTTP, nothing looked
// up. FILE begins with the header fields, one a line, and an empty line. Prints its port; ends when
// its standard input does.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

struct Answer {
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
};

Answer read_answer(const char* path) {
  std::ifstream file(path, std::ios::binary);
  Answer answer;
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const auto colon = line.find(": ");
    answer.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  answer.body.assign(std::istreambuf_iterator<char>(file), {});
  return answer;
}

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const Answer& answer) : stream_(std::move(socket)), answer_(answer) {
    stream_.socket().set_option(tcp::no_delay(true));
  }

  void read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) self->answer();
                     });
  }

 private:
  void answer() {
    response_ = {http::status::ok, request_.version()};
    for (const auto& [name, value] : answer_.fields) response_.set(name, value);
    response_.body() = {answer_.body.data(), answer_.body.size()};
    response_.prepare_payload();
    http::async_write(stream_, response_,
                      [self = shared_from_this()](beast::error_code error, std::size_t) {
                        if (!error) self->read();
                      });
  }

  beast::tcp_stream stream_;
  const Answer& answer_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::span_body<const char>> response_;
};

// Connections go to the threads in turn, each with an io_context of its own.
void accept(tcp::acceptor& acceptor, std::list<asio::io_context>& contexts,
            std::list<asio::io_context>::iterator next, const Answer& answer) {
  if (next == contexts.end()) next = contexts.begin();
  acceptor.async_accept(*next, [&, next](beast::error_code error, tcp::socket socket) {
    if (error) return;
    // The session is begun on its own thread.
    asio::post(*next, [session = std::make_shared<Session>(std::move(socket), answer)] {
      session->read();
    });
    accept(acceptor, contexts, std::next(next), answer);
  });
}

int serve(const char* path) {
  const Answer answer = read_answer(path);
  std::list<asio::io_context> contexts;
  for (unsigned i = 0; i < std::clamp(std::thread::hardware_concurrency(), 1U, 4U); ++i)
    contexts.emplace_back(1);
  tcp::acceptor acceptor(contexts.front(), {asio::ip::address_v4::loopback(), 0});
  accept(acceptor, contexts, contexts.begin(), answer);
  std::vector<std::thread> threads;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work;
  for (asio::io_context& context : contexts) {
    work.push_back(asio::make_work_guard(context));
    threads.emplace_back([&context] { context.run(); });
  }
  std::printf("%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  std::cin.ignore(std::numeric_limits<std::streamsize>::max());
  for (asio::io_context& context : contexts) context.stop();
  for (std::thread& thread : threads) thread.join();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2) return serve(argv[1]);
    std::fputs("usage: bench_bare_responder FILE\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_bare_responder: %s\n", error.what());
  }
  return EXIT_FAILURE;
}
