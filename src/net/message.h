#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/executor.h"

// HTTP messages as the program sees them: nothing of the library below shows.
namespace todo::net {

enum class Method { get, head, post, put, patch, del, options, other };
std::string_view to_string(Method method);

struct Field {
  std::string_view name;
  std::string_view value;
};

// One request; the views live until its reply was called.
struct Request {
  Method method = Method::other;
  std::string_view target;  // as sent: path and query
  std::string_view path;    // not percent-decoded
  std::string_view query;   // without '?', not decoded
  std::vector<Field> fields;
  std::string_view body;
  std::string_view peer;  // the address of the other end, without its port
  bool http10 = false;

  // The first field of this name (case-insensitive); nullopt when there is none.
  std::optional<std::string_view> field(std::string_view name) const;
  // How often the field was sent.
  std::size_t count(std::string_view name) const;
};

class WebSocketHandler;

// A body made piece by piece, so that a large answer is never whole in memory. `next` answers by
// `reply`, on the request's executor: a piece, or nullopt at the end. Called again only after the
// piece before was sent.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual void next(std::move_only_function<void(std::optional<std::string>)> reply) = 0;
};

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>>
      headers;  // without Content-Length, Date, Connection
  std::string body;
  std::shared_ptr<BodySource> stream;  // instead of body: sent chunked
  bool close = false;                  // end the connection after it
  // With status 101: whose the connection is from then on (net/websocket.h).
  std::shared_ptr<WebSocketHandler> upgrade;

  Response& with(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
};

using Reply = std::move_only_function<void(Response)>;

// Answers requests. `handle` is called on an I/O thread, whose executor it gets; it must call
// `reply` exactly once, on that same thread, at once or later.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void handle(const Request& request, Executor& executor, Reply reply) = 0;
  // A request that HTTP itself refuses (400, 408, 413, 431, 501, 505 …). `request` has what was
  // understood of it, which may be nothing.
  virtual Response refuse(const Request& request, int status, std::string_view why) = 0;
};

}  // namespace todo::net
