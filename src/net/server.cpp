#include "net/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <exception>
#include <future>
#include <limits>
#include <mutex>
#include <string_view>
#include <thread>
#include <tuple>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/system/system_error.hpp>

#include "net/loop.h"
#include "net/websocket_connection.h"
#include "observability/log.h"

namespace todo::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace intrusive = boost::intrusive;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

using Acceptor = asio::basic_socket_acceptor<Protocol, IoExecutor>;
using Function = Executor::Function;

constexpr std::string_view unix_prefix = "unix:";
constexpr std::size_t target_bytes_max = 8 * 1024;
constexpr std::size_t method_bytes_max = 64;
constexpr std::size_t receive_bytes_max = 64 * 1024;
// A client that does not look at the answer before it has sent all it has is let send so much.
constexpr std::size_t linger_bytes_max = 32 * 1024 * 1024;
constexpr milliseconds linger_timeout{5'000};
constexpr int receives_per_turn = 8;
constexpr int empty_lines_max = 4;
constexpr milliseconds accept_pause{50};
constexpr milliseconds tick_min{5};
constexpr milliseconds tick_max{250};
// The last chunk, "0\r\n\r\n".
constexpr std::size_t last_chunk_bytes = 5;

// ---- handing values to coroutines ----

// Where a coroutine waits for a callback. Used on the loop's thread only.
class SlotBase {
 public:
  bool settled() const { return settled_; }

  void settle(const IoExecutor& executor) {
    if (std::exchange(settled_, true) || !waiter_) return;
    // Not resumed at once: the one who calls back need not expect to be called meanwhile.
    asio::post(executor, std::exchange(waiter_, nullptr));
  }

  void wait(Function waiter) { waiter_ = std::move(waiter); }

 private:
  bool settled_ = false;
  Function waiter_;
};

template <typename T>
struct Slot : SlotBase {
  std::optional<T> value;  // none when the callback was dropped uncalled, or the session closed
};

// The callback's side: settles the slot once, with nothing when it is destroyed uncalled.
template <typename T>
class Resolver {
 public:
  Resolver(std::shared_ptr<Loop> loop, std::shared_ptr<Slot<T>> slot)
      : loop_(std::move(loop)), slot_(std::move(slot)) {}
  Resolver(Resolver&&) noexcept = default;
  Resolver(const Resolver&) = delete;
  Resolver& operator=(Resolver&&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  ~Resolver() { settle(std::nullopt); }

  void operator()(T value) { settle(std::optional<T>(std::move(value))); }

 private:
  void settle(std::optional<T> value) {
    if (!slot_) return;
    const auto loop = std::exchange(loop_, nullptr);
    auto hand_over = [executor = loop->executor(), slot = std::exchange(slot_, nullptr),
                      given = std::move(value)]() mutable {
      if (slot->settled()) return;
      slot->value = std::move(given);
      slot->settle(executor);
    };
    if (loop->is_current()) {
      hand_over();
    } else {
      loop->post_one(std::move(hand_over));
    }
  }

  std::shared_ptr<Loop> loop_;
  std::shared_ptr<Slot<T>> slot_;
};

Task<void> until_settled(SlotBase& slot) {
  auto initiate = [&slot](auto handler) { slot.wait(std::move(handler)); };
  co_await asio::async_initiate<const asio::use_awaitable_t<IoExecutor>, void()>(initiate,
                                                                                 use_task);
}

// ---- sessions ----

struct Core;
struct Shard;

// What a session waits for; each has one duration, so that a list per limit is in order of expiry.
enum class Limit : std::size_t { idle, header, body, write, linger };
constexpr std::size_t limit_count = 5;

enum class Received { data, nothing, gone };
enum class Sent { all, part, failed };

using Buffers = std::array<asio::const_buffer, 3>;

struct InShard;
struct InDeadlines;
template <typename Tag>
using Hook =
    intrusive::list_base_hook<intrusive::tag<Tag>, intrusive::link_mode<intrusive::auto_unlink>>;

// A connection. Its sockets are non-blocking: every read and write is tried at once, and only when
// it would block does the coroutine wait, bufferless, until the socket is ready.
struct Session : Hook<InShard>, Hook<InDeadlines> {
  Session(std::shared_ptr<Core> core, Shard& its_shard);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::string_view unread() const { return std::string_view(input).substr(input_begin); }
  void consume(std::size_t bytes);
  Received try_receive();
  Sent try_send(Buffers& buffers);
  void arm(Limit limit);
  void disarm() { Hook<InDeadlines>::unlink(); }
  void close();
  // What it has goes over to the WebSocket; the session ends.
  void become_web_socket();

  std::shared_ptr<Core> core;
  Shard& shard;
  Socket socket;
  std::string peer;
  std::string input;  // received; what is before input_begin was used
  std::size_t input_begin = 0;
  SlotBase* awaited = nullptr;
  steady_clock::time_point deadline;
  bool counted = false;
  bool timed_out = false;
  bool closed = false;
  bool idle = false;
  bool lingers = false;  // the last answer was sent whole: let the client see it before the end
  std::shared_ptr<WebSocketHandler> upgrade;  // the last answer made it a WebSocket
};

template <typename Tag>
using SessionList =
    intrusive::list<Session, intrusive::base_hook<Hook<Tag>>, intrusive::constant_time_size<false>>;

// A server's part on one loop; used on its thread only.
struct Shard {
  Shard(Core& its_core, std::shared_ptr<Loop> its_loop);

  void adopt(std::shared_ptr<Session> session);
  void close_all();
  void wake_idle();
  void start_ticking(std::shared_ptr<Core> keep_alive);
  std::string_view date();

  Core& core;
  std::shared_ptr<Loop> loop;
  SessionList<InShard> sessions;
  std::array<SessionList<InDeadlines>, limit_count> deadlines;
  std::array<milliseconds, limit_count> durations;
  WebSocketRoom web_sockets;
  milliseconds tick_period;
  Timer ticker;
  bool ticking = false;
  bool closed = false;
  std::array<char, receive_bytes_max> scratch;  // what is received lands here first
  std::time_t date_second = 0;
  std::string date_text;
};

struct Core : std::enable_shared_from_this<Core> {
  Core(IoThreads& threads, Handler& its_handler, ServerOptions its_options);

  std::expected<void, std::string> listen();
  error_code bind_address(const Protocol::endpoint& endpoint);
  error_code bind_path(const Protocol::endpoint& endpoint);
  std::expected<void, std::string> start();
  void close_acceptor();
  bool on_every_shard(const std::function<void(Shard&)>& task);

  Handler& handler;
  const ServerOptions options;
  std::vector<std::unique_ptr<Shard>> shards;
  // Only on the first loop's thread once started.
  std::optional<Acceptor> acceptor;
  std::optional<Timer> accept_pauses;
  bool accept_fails = false;  // said in the log once, not twenty times a second
  std::string socket_path;
  struct stat socket_file = {};

  std::atomic<std::uint16_t> port = 0;
  std::atomic<std::size_t> connections = 0;
  std::atomic<bool> draining = false;
  std::atomic<bool> stopped = false;
  std::atomic<std::size_t> in_flight = 0;
  std::atomic<int> drain_waiters = 0;
  std::mutex drained_mutex;
  std::condition_variable drained;
};

// Counts a request from its complete head to its answer's last byte.
class InFlight {
 public:
  explicit InFlight(Core& core) : core_(core) { ++core_.in_flight; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  ~InFlight() {
    if (--core_.in_flight != 0 || core_.drain_waiters == 0) return;
    const std::scoped_lock lock(core_.drained_mutex);
    core_.drained.notify_all();
  }

 private:
  Core& core_;
};

Session::Session(std::shared_ptr<Core> its_core, Shard& its_shard)
    : core(std::move(its_core)), shard(its_shard), socket(its_shard.loop->executor()) {}

Session::~Session() {
  // Now, not with the base classes: the lists may end together with `core`.
  Hook<InShard>::unlink();
  disarm();
  if (counted) --core->connections;
}

void Session::consume(std::size_t bytes) {
  input_begin += bytes;
  if (input_begin < input.size()) return;
  input.clear();
  input_begin = 0;
}

Received Session::try_receive() {
  error_code error;
  const std::size_t bytes = socket.read_some(asio::buffer(shard.scratch), error);
  if (!error) {
    input.erase(0, std::exchange(input_begin, 0));
    input.append(shard.scratch.data(), bytes);
    return Received::data;
  }
  const bool later = error == asio::error::would_block || error == asio::error::interrupted;
  return later ? Received::nothing : Received::gone;
}

Sent Session::try_send(Buffers& buffers) {
  error_code error;
  std::size_t bytes = socket.write_some(buffers, error);
  if (error && error != asio::error::would_block && error != asio::error::interrupted) {
    return Sent::failed;
  }
  bool all = true;
  for (asio::const_buffer& buffer : buffers) {
    const std::size_t part = std::min(bytes, buffer.size());
    buffer += part;
    bytes -= part;
    all = all && buffer.size() == 0;
  }
  return all ? Sent::all : Sent::part;
}

void Session::arm(Limit limit) {
  const auto index = static_cast<std::size_t>(limit);
  disarm();
  timed_out = false;
  deadline = steady_clock::now() + shard.durations.at(index);
  shard.deadlines.at(index).push_back(*this);
}

void Session::close() {
  closed = true;
  disarm();
  error_code ignored;
  std::ignore = socket.close(ignored);
  if (awaited != nullptr) awaited->settle(shard.loop->executor());
}

// Received::nothing never: waits until there is data, or the connection or its time ended.
Task<Received> wait_and_receive(Session& s) {
  for (;;) {
    if (s.closed || s.timed_out) co_return Received::gone;
    error_code error;
    co_await s.socket.async_wait(Socket::wait_read, asio::redirect_error(use_task, error));
    if (s.closed || s.timed_out) co_return Received::gone;
    const Received received = s.try_receive();
    if (received != Received::nothing) co_return received;
  }
}

// As wait_and_receive, but takes at once what is there already. A client that always has more to
// send must not keep the thread from the others, nor its own time limits from being looked at: now
// and then it gives way. `turns` counts over one message.
Task<Received> receive(Session& s, int& turns) {
  const Received received = s.try_receive();
  if (received == Received::nothing) co_return co_await wait_and_receive(s);
  if (++turns % receives_per_turn == 0) co_await asio::post(use_task);
  co_return s.closed || s.timed_out ? Received::gone : received;
}

// Sends what try_send left over; the write timeout is for all of it, however slowly it is taken.
Task<bool> send_rest(Session& s, Buffers buffers) {
  s.arm(Limit::write);
  for (;;) {
    error_code error;
    co_await s.socket.async_wait(Socket::wait_write, asio::redirect_error(use_task, error));
    if (s.closed || s.timed_out) co_return false;
    const Sent sent = s.try_send(buffers);
    if (sent == Sent::part) continue;
    s.disarm();
    co_return sent == Sent::all;
  }
}

Task<bool> send(Session& s, Buffers buffers) {
  const Sent sent = s.try_send(buffers);
  if (sent == Sent::part) co_return co_await send_rest(s, buffers);
  co_return sent == Sent::all;
}

// ---- requests ----

// Why HTTP refuses a request; status 0 when there is nobody to tell.
struct Refusal {
  int status = 0;
  std::string_view why;
};
using Checked = std::expected<void, Refusal>;

std::unexpected<Refusal> refusal(int status, std::string_view why) {
  return std::unexpected(Refusal{status, why});
}

// One request and its answer. The reply's callback shares it, so that the request's text lives
// until the reply was called even when the session was closed meanwhile.
struct Exchange {
  http::request_parser<http::string_body> parser;
  Request request;
  Slot<Response> reply;
  std::string peer;
  bool http10 = false;
  bool keep_alive = false;
  bool chunked = false;
};

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_token_char(char c) {
  return is_digit(c) || is_alpha(c) || (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
}

// Finds the end of a head before it is parsed, and refuses lines that two readers could split
// differently: a bare LF, or a line folded into the one before (RFC 9112, sections 2.2 and 5.2).
class HeadScan {
 public:
  bool in_first_line() const { return line_ == 0; }

  // The head's size, or 0 when more is needed.
  std::expected<std::size_t, Refusal> advance(std::string_view text, std::size_t bytes_max) {
    // Also what a TLS client says first; it would never send the end of a head.
    if (!text.empty() && text[0] != '\r' && !is_token_char(text[0])) return malformed();
    for (;;) {
      const std::size_t end = text.find('\n', scanned_);
      if (end == std::string_view::npos) break;
      if (end == line_ || text[end - 1] != '\r') return malformed();
      if (end - 1 == line_) {
        if (end + 1 > bytes_max) return refusal(431, "the header is too large");
        return end + 1;
      }
      if (line_ != 0 && (text[line_] == ' ' || text[line_] == '\t')) return malformed();
      line_ = scanned_ = end + 1;
    }
    scanned_ = text.size();
    const std::size_t first_line_max = std::min(target_bytes_max + method_bytes_max, bytes_max);
    if (in_first_line() && text.size() > first_line_max) {
      return refusal(414, "the request target is too long");
    }
    if (text.size() >= bytes_max) return refusal(431, "the header is too large");
    return 0;
  }

 private:
  static std::unexpected<Refusal> malformed() { return refusal(400, "the request is malformed"); }

  std::size_t line_ = 0;
  std::size_t scanned_ = 0;
};

// Whether a first line that the parser did not like ends with a well-formed HTTP version.
bool names_a_version(std::string_view head) {
  const std::string_view line = head.substr(0, head.find('\r'));
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos) return false;
  const std::string_view version = line.substr(space + 1);
  return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
         version[6] == '.' && is_digit(version[7]);
}

std::unexpected<Refusal> parser_refusal(const error_code& error, std::string_view head) {
  if (error == http::error::body_limit) return refusal(413, "the body is too large");
  if (error == http::error::bad_version && names_a_version(head)) {
    return refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  return refusal(400, "the request is malformed");
}

// uri-host [ ":" port ] (RFC 9110, section 7.2); empty is allowed.
bool valid_host(std::string_view host) {
  std::size_t i = 0;
  if (host.starts_with('[')) {
    i = host.find(']');
    if (i == std::string_view::npos) return false;
    const std::string_view address = host.substr(1, i - 1);
    const bool known = std::ranges::all_of(
        address, [](char c) { return is_digit(c) || is_alpha(c) || c == ':' || c == '.'; });
    if (address.empty() || !known) return false;
    ++i;
  } else {
    const auto in_name = [](char c) {
      return is_digit(c) || is_alpha(c) ||
             (c != '\0' && std::strchr("-._~%!$&'()*+,;=", c) != nullptr);
    };
    while (i < host.size() && in_name(host[i])) ++i;
  }
  if (i == host.size()) return true;
  return host[i] == ':' && std::ranges::all_of(host.substr(i + 1), is_digit);
}

Method to_method(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::get;
    case http::verb::head:
      return Method::head;
    case http::verb::post:
      return Method::post;
    case http::verb::put:
      return Method::put;
    case http::verb::patch:
      return Method::patch;
    case http::verb::delete_:
      return Method::del;
    case http::verb::options:
      return Method::options;
    default:  // the library's list is long and grows
      return Method::other;
  }
}

// What is behind the authority of an absolute form (RFC 9112, section 3.2.2): there is one site
// here, whatever it is called.
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    const std::string_view start = target.substr(0, scheme.size());
    if (!boost::beast::iequals({start.data(), start.size()}, {scheme.data(), scheme.size()}))
      continue;
    const std::size_t end = std::min(target.find_first_of("/?#", scheme.size()), target.size());
    const std::string_view authority = target.substr(scheme.size(), end - scheme.size());
    if (authority.empty() || !valid_host(authority)) return target;
    return end == target.size() ? "/" : target.substr(end);
  }
  return target;
}

Checked check_target(http::verb verb, std::string_view target) {
  if (target.size() > target_bytes_max) return refusal(414, "the request target is too long");
  if (verb == http::verb::connect || !target.starts_with('/')) {
    return refusal(400, "the request target must be a path");
  }
  if (!std::ranges::all_of(target, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return refusal(400, "the request target has characters that must be encoded");
  }
  return {};
}

// What the parser lets pass although two readers could disagree about where the body ends
// (RFC 9112, section 6.1).
Checked check_framing(Exchange& x) {
  const Request& request = x.request;
  const auto lengths = request.count("Content-Length");
  const auto codings = request.count("Transfer-Encoding");
  if (lengths > 1) return refusal(400, "more than one Content-Length");
  if (lengths == 1) {
    const std::string_view length = *request.field("Content-Length");
    if (length.empty() || !std::ranges::all_of(length, is_digit)) {
      return refusal(400, "Content-Length must be a number");
    }
  }
  if (codings == 0) return {};
  if (lengths != 0) return refusal(400, "Content-Length together with Transfer-Encoding");
  if (x.http10) return refusal(400, "HTTP/1.0 has no Transfer-Encoding");
  const boost::beast::string_view coding = x.parser.get()[http::field::transfer_encoding];
  if (codings > 1 || !boost::beast::iequals(coding, "chunked")) {
    return refusal(501, "the only Transfer-Encoding here is chunked");
  }
  x.chunked = true;
  return {};
}

Checked check_host(const Exchange& x) {
  const auto hosts = x.request.count("Host");
  if (hosts > 1 || (hosts == 0 && !x.http10)) return refusal(400, "one Host is needed");
  if (hosts == 1 && !valid_host(*x.request.field("Host"))) return refusal(400, "Host is malformed");
  return {};
}

// Parses the head, which is complete, and makes the request from it. The fields are taken now: the
// parser would add trailers to them later.
Checked parse_head(Session& s, Exchange& x, std::size_t size) {
  const std::string_view head = s.unread().substr(0, size);
  x.parser.header_limit(std::numeric_limits<std::uint32_t>::max());  // HeadScan has seen to it
  x.parser.body_limit(s.core->options.body_bytes_max);
  error_code error;
  x.parser.put(asio::buffer(head.data(), head.size()), error);
  const auto& message = x.parser.get();
  x.http10 = message.version() == 10;
  Request& request = x.request;
  request.http10 = x.http10;
  request.method = to_method(message.method());
  x.peer = s.peer;
  request.peer = x.peer;
  request.target = origin_form(view(message.target()));
  const std::size_t mark = request.target.find('?');
  request.path = request.target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = request.target.substr(mark + 1);
  request.fields.reserve(16);
  for (const auto& field : message) {
    request.fields.push_back({view(field.name_string()), view(field.value())});
  }
  if (error) return parser_refusal(error, head);
  s.consume(size);
  x.keep_alive = x.parser.keep_alive();
  Checked checked = check_target(message.method(), request.target);
  if (checked) checked = check_framing(x);
  if (checked) checked = check_host(x);
  return checked;
}

Refusal ended(const Session& s, std::string_view why) {
  return s.timed_out && !s.closed ? Refusal{408, why} : Refusal{};
}

Task<Checked> read_head(Session& s, Exchange& x) {
  HeadScan scan;
  int turns = 0;
  for (int empty_lines = 0;;) {
    // A client may end its last body with a line too many (RFC 9112, section 2.2).
    while (scan.in_first_line() && s.unread().starts_with("\r\n")) {
      if (++empty_lines > empty_lines_max) co_return refusal(400, "the request is malformed");
      s.consume(2);
    }
    const auto size = scan.advance(s.unread(), s.core->options.header_bytes_max);
    if (!size) co_return std::unexpected(size.error());
    if (*size != 0) co_return parse_head(s, x, *size);
    const Received received = co_await receive(s, turns);
    if (received == Received::gone) {
      co_return std::unexpected(ended(s, "the header took too long"));
    }
  }
}

// Answers an `Expect` (RFC 9110, section 10.1.1): a client that waits is told to go on.
Task<Checked> meet_expectation(Session& s, const Exchange& x) {
  const auto expectation = x.request.field("Expect");
  if (!expectation || x.http10) co_return Checked{};
  const boost::beast::string_view text(expectation->data(), expectation->size());
  if (!boost::beast::iequals(text, "100-continue")) {
    co_return refusal(417, "the only expectation here is 100-continue");
  }
  if (x.parser.is_done() || !s.unread().empty()) co_return Checked{};
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  const Buffers buffers{asio::buffer(go_on.data(), go_on.size())};
  const bool sent = co_await send(s, buffers);
  if (!sent) co_return std::unexpected(Refusal{});
  co_return Checked{};
}

// Refuses control characters in chunk extensions, a bare LF above all.
void check_chunk(std::uint64_t, boost::beast::string_view extension, error_code& error) {
  const bool plain = std::ranges::all_of(
      view(extension), [](char c) { return static_cast<unsigned char>(c) >= ' ' || c == '\t'; });
  if (!plain) error = http::error::bad_chunk_extension;
}

// Gives the parser what has arrived of the body. True when it needs more.
std::expected<bool, Refusal> parse_body(Session& s, Exchange& x) {
  while (!x.parser.is_done()) {
    const std::string_view text = s.unread();
    // At least the last chunk is to come; the parser asserts that it never sees less of it.
    if (text.empty() || (x.chunked && text.size() < last_chunk_bytes)) return true;
    error_code error;
    const std::size_t used = x.parser.put(asio::buffer(text.data(), text.size()), error);
    s.consume(used);
    if (error == http::error::need_more) {
      if (s.unread().size() > s.core->options.header_bytes_max) {
        return refusal(400, "a chunk's header or the trailer is too large");
      }
      return true;
    }
    if (error) return parser_refusal(error, {});
  }
  return false;
}

Task<Checked> read_body(Session& s, Exchange& x) {
  if (x.chunked) x.parser.on_chunk_header(check_chunk);
  s.arm(Limit::body);
  for (int turns = 0;;) {
    const auto more = parse_body(s, x);
    if (!more) co_return std::unexpected(more.error());
    if (!*more) co_return Checked{};
    const Received received = co_await receive(s, turns);
    if (received == Received::gone) co_return std::unexpected(ended(s, "the body took too long"));
  }
}

// ---- answers ----

enum class Framing { none, length, chunked, until_close };

Framing framing_of(const Exchange& x, const Response& response) {
  if (response.status < 200 || response.status == 204 || response.status == 304) {
    return Framing::none;
  }
  if (!response.stream) return Framing::length;
  return x.http10 ? Framing::until_close : Framing::chunked;
}

void append_number(std::string& text, std::size_t number, int base = 10) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  text.append(digits.data(), end);
}

// A line break in a value would begin a field, or the body, of somebody else's making.
void append_value(std::string& text, std::string_view value) {
  const std::size_t begin = text.size();
  text += value;
  const auto breaks = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
  std::replace_if(text.begin() + static_cast<std::ptrdiff_t>(begin), text.end(), breaks, ' ');
}

std::string make_head(Shard& shard, const Exchange& x, const Response& response, Framing framing,
                      bool keep) {
  std::string head;
  head.reserve(512);
  head += "HTTP/1.1 ";
  append_number(head, static_cast<std::size_t>(response.status));
  head += ' ';
  const auto status = http::int_to_status(static_cast<unsigned>(response.status));
  if (status != http::status::unknown) head += view(http::obsolete_reason(status));
  head += "\r\n";
  for (const auto& [name, value] : response.headers) {
    head += name;
    head += ": ";
    append_value(head, value);
    head += "\r\n";
  }
  head += shard.date();
  if (framing == Framing::length) {
    head += "Content-Length: ";
    append_number(head, response.body.size());
    head += "\r\n";
  } else if (framing == Framing::chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  if (!keep) {
    head += "Connection: close\r\n";
  } else if (x.http10) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

// Asks for the next piece; the slot stays unsettled when it comes later.
void ask_source(Session& s, BodySource& source,
                const std::shared_ptr<Slot<std::optional<std::string>>>& slot) {
  try {
    source.next(Resolver<std::optional<std::string>>(s.shard.loop, slot));
  } catch (const std::exception& error) {
    log::error("the source of a body failed", {{"error", error.what()}});
    slot->settle(s.shard.loop->executor());
  } catch (...) {
    log::error("the source of a body failed");
    slot->settle(s.shard.loop->executor());
  }
}

// False when the stream broke: without its last chunk the client knows it to be incomplete.
Task<bool> send_stream(Session& s, std::shared_ptr<BodySource> source, Framing framing) {
  for (;;) {
    const auto slot = std::make_shared<Slot<std::optional<std::string>>>();
    ask_source(s, *source, slot);
    if (!slot->settled()) {
      s.awaited = slot.get();
      co_await until_settled(*slot);
      s.awaited = nullptr;
    }
    if (s.closed) co_return false;
    if (!slot->value) {
      // Where the end of the connection is the end of the body, only a reset tells the difference.
      error_code ignored;
      if (framing == Framing::until_close) {
        std::ignore = s.socket.set_option(Socket::linger(true, 0), ignored);
      }
      co_return false;
    }
    const std::optional<std::string>& piece = *slot->value;
    if (piece && piece->empty()) continue;  // as a chunk it would be the last
    std::string before;
    std::string_view after;
    if (framing == Framing::chunked) {
      append_number(before, piece ? piece->size() : 0, 16);
      before += "\r\n";
      after = "\r\n";
    }
    const Buffers buffers{asio::buffer(before), piece ? asio::buffer(*piece) : asio::const_buffer(),
                          asio::buffer(after.data(), after.size())};
    const bool sent = co_await send(s, buffers);
    if (!sent) co_return false;
    if (!piece) co_return true;
    // A long stream to a fast reader leaves the thread to the others now and then.
    co_await asio::post(use_task);
  }
}

// True when the connection can be kept.
Task<bool> respond(Session& s, const Exchange& x, Response response) {
  const Framing framing = framing_of(x, response);
  const bool keep = response.upgrade || (x.keep_alive && !response.close && !s.core->draining &&
                                         !s.core->stopped && framing != Framing::until_close);
  const bool bodyless = x.request.method == Method::head || framing == Framing::none;
  const std::string head = make_head(s.shard, x, response, framing, keep);
  Buffers buffers{asio::buffer(head)};
  if (!bodyless && !response.stream) buffers[1] = asio::buffer(response.body);
  const Sent sent = s.try_send(buffers);
  bool done = sent == Sent::all;
  if (sent == Sent::part) done = co_await send_rest(s, buffers);
  if (!done) co_return false;
  s.upgrade = std::move(response.upgrade);
  if (s.upgrade) co_return false;
  if (!bodyless && response.stream) {
    const bool whole = co_await send_stream(s, response.stream, framing);
    if (!whole) co_return false;
  }
  s.lingers = !keep;
  co_return keep;
}

Response refused(Handler& handler, const Request& request, const Refusal& refusal) {
  Response response;
  try {
    response = handler.refuse(request, refusal.status, refusal.why);
  } catch (const std::exception& error) {
    log::error("a refusal could not be written", {{"error", error.what()}});
    response.status = refusal.status;
  } catch (...) {
    log::error("a refusal could not be written");
    response.status = refusal.status;
  }
  response.close = true;
  return response;
}

Task<void> refuse(Session& s, const Exchange& x, Refusal why) {
  if (why.status == 0 || s.closed) co_return;
  Response response = refused(s.core->handler, x.request, why);
  co_await respond(s, x, std::move(response));
}

void call_handler(Session& s, const std::shared_ptr<Exchange>& x) {
  Reply reply(Resolver<Response>(s.shard.loop, std::shared_ptr<Slot<Response>>(x, &x->reply)));
  try {
    s.core->handler.handle(x->request, *s.shard.loop, std::move(reply));
  } catch (const std::exception& error) {
    log::error("a request's handler failed", {{"error", error.what()}});
    x->reply.settle(s.shard.loop->executor());
  } catch (...) {
    log::error("a request's handler failed");
    x->reply.settle(s.shard.loop->executor());
  }
}

Task<bool> answer(Session& s, std::shared_ptr<Exchange> x) {
  if (s.closed) co_return false;
  call_handler(s, x);
  if (!x->reply.settled()) {
    s.awaited = &x->reply;
    co_await until_settled(x->reply);
    s.awaited = nullptr;
  }
  if (s.closed) co_return false;
  if (!x->reply.value) {
    co_await refuse(s, *x, {500, "the request was not answered"});
    co_return false;
  }
  co_return co_await respond(s, *x, std::move(*x->reply.value));
}

// One request and its answer. True when the connection is kept for the next.
Task<bool> serve(Session& s) {
  const auto x = std::make_shared<Exchange>();
  s.arm(Limit::header);
  Checked checked = co_await read_head(s, *x);
  const InFlight in_flight(*s.core);
  if (checked && !x->parser.is_done()) {
    checked = co_await meet_expectation(s, *x);
    if (checked) checked = co_await read_body(s, *x);
  }
  s.disarm();
  if (!checked) {
    co_await refuse(s, *x, checked.error());
    co_return false;
  }
  x->request.body = x->parser.get().body();
  co_return co_await answer(s, x);
}

// Closing while the client still sends would reset the connection and lose it the answer
// (RFC 9112, section 9.6).
Task<void> linger(Session& s) {
  error_code error;
  std::ignore = s.socket.shutdown(Socket::shutdown_send, error);
  s.arm(Limit::linger);
  std::size_t bytes = 0;
  int turns = 0;
  for (bool open = !error; open && bytes < linger_bytes_max;) {
    bytes += s.unread().size();
    s.consume(s.unread().size());
    const Received received = co_await receive(s, turns);
    open = received == Received::data;
  }
}

// Serves one request after another. Between them a connection holds no buffer.
Task<void> serve_all(Session& s) {
  for (bool keep = true; keep;) {
    if (s.unread().empty()) {
      if (s.input.capacity() > 0) std::string().swap(s.input);
      s.arm(Limit::idle);
      s.idle = true;
      error_code error;
      if (!s.core->draining) {
        co_await s.socket.async_wait(Socket::wait_read, asio::redirect_error(use_task, error));
      }
      s.idle = false;
      s.disarm();
      if (s.closed || s.timed_out) co_return;
      const Received received = s.try_receive();
      if (received == Received::gone) co_return;
      if (received == Received::nothing && s.core->draining) co_return;
      if (received == Received::nothing) continue;
    }
    keep = co_await serve(s);
    if (keep && !s.unread().empty()) co_await asio::post(use_task);
    if (s.closed) co_return;
  }
  if (s.lingers) co_await linger(s);
}

Task<void> run_session(std::shared_ptr<Session> session) {
  try {
    co_await serve_all(*session);
    if (session->upgrade && !session->closed) session->become_web_socket();
  } catch (const std::exception& error) {
    log::error("a connection failed", {{"error", error.what()}});
  }
  session->close();
}

void Session::become_web_socket() {
  counted = false;
  const std::shared_ptr<void> owner(core.get(), [core = core](void*) { --core->connections; });
  const auto connection = std::make_shared<WebSocketConnection>(
      owner, shard.web_sockets, std::move(socket), std::move(upgrade));
  shard.web_sockets.adopt(connection, std::string(unread()));
}

// ---- shards ----

Shard::Shard(Core& its_core, std::shared_ptr<Loop> its_loop)
    : core(its_core),
      loop(std::move(its_loop)),
      web_sockets({core.options.quiet_max, core.options.pong_timeout, core.options.close_timeout}),
      ticker(loop->executor()) {
  const ServerOptions& options = core.options;
  durations = {options.idle_timeout, options.header_timeout, options.body_timeout,
               options.write_timeout, linger_timeout};
  const auto shortest = std::min({*std::ranges::min_element(durations), options.quiet_max,
                                  options.pong_timeout, options.close_timeout});
  tick_period = std::clamp(shortest / 8, tick_min, tick_max);
}

void Shard::adopt(std::shared_ptr<Session> session) {
  if (closed) return;
  sessions.push_back(*session);
  start_ticking(session->core);
  asio::co_spawn(loop->executor(), run_session(std::move(session)), asio::detached);
}

void Shard::close_all() {
  closed = true;
  ticker.cancel();
  for (Session& session : sessions) session.close();
  web_sockets.end_all();
}

void Shard::wake_idle() {
  for (Session& session : sessions) {
    error_code ignored;
    if (session.idle) std::ignore = session.socket.cancel(ignored);
  }
}

// One timer for all connections: most limits are never reached, so none is worth a timer of its
// own.
void Shard::start_ticking(std::shared_ptr<Core> keep_alive) {
  if (ticking || closed || (sessions.empty() && web_sockets.empty())) return;
  ticking = true;
  ticker.expires_after(tick_period);
  ticker.async_wait([this, keep_alive = std::move(keep_alive)](error_code) {
    ticking = false;
    const auto now = steady_clock::now();
    for (auto& list : deadlines) {
      while (!list.empty() && list.front().deadline <= now) {
        Session& late = list.front();
        late.disarm();
        late.timed_out = true;
        error_code ignored;
        std::ignore = late.socket.cancel(ignored);
      }
    }
    web_sockets.tick(now);
    start_ticking(keep_alive);
  });
}

std::string_view Shard::date() {
  const std::time_t now = std::time(nullptr);
  if (now != date_second || date_text.empty()) {
    static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    gmtime_r(&now, &utc);
    std::array<char, 64> text{};
    // IMF-fixdate (RFC 9110, section 5.6.7), whatever the locale.
    const int size =
        std::snprintf(text.data(), text.size(), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                      days.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                      months.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900,
                      utc.tm_hour, utc.tm_min, utc.tm_sec);
    date_text.assign(text.data(), static_cast<std::size_t>(size));
    date_second = now;
  }
  return date_text;
}

// ---- accepting ----

std::string peer_name(const Protocol::endpoint& endpoint) {
  const int family = endpoint.data()->sa_family;
  if (family != AF_INET && family != AF_INET6) return "local";
  asio::ip::tcp::endpoint peer;
  std::memcpy(peer.data(), endpoint.data(), std::min(endpoint.size(), peer.capacity()));
  const asio::ip::address address = peer.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

// Hands an accepted connection to its shard.
void hand_over(Core& core, std::shared_ptr<Session> session, const Protocol::endpoint& peer) {
  if (core.connections >= core.options.connections_max || core.draining) return;
  ++core.connections;
  session->counted = true;
  error_code error;
  if (session->socket.non_blocking(true, error)) return;
  session->peer = peer_name(peer);
  if (core.socket_path.empty()) {
    // An answer is written whole, so there is nothing for the system to wait for.
    std::ignore = session->socket.set_option(asio::ip::tcp::no_delay(true), error);
  }
  Shard& shard = session->shard;
  if (shard.loop->is_current()) {
    shard.adopt(std::move(session));
  } else {
    shard.loop->post_one(
        [session = std::move(session)]() mutable { session->shard.adopt(std::move(session)); });
  }
}

Task<void> accept_one(std::shared_ptr<Core> core, Shard& shard) {
  auto session = std::make_shared<Session>(core, shard);
  Protocol::endpoint peer;
  error_code error;
  co_await core->acceptor->async_accept(session->socket, peer,
                                        asio::redirect_error(use_task, error));
  if (!error) {
    core->accept_fails = false;
    hand_over(*core, std::move(session), peer);
  } else if (core->acceptor->is_open() && error != asio::error::connection_aborted) {
    // Out of descriptors or memory, most likely: it would fail again at once.
    if (!std::exchange(core->accept_fails, true)) {
      log::warning("connections cannot be accepted", {{"error", error.message()}});
    }
    session.reset();
    core->accept_pauses->expires_after(accept_pause);
    co_await core->accept_pauses->async_wait(asio::redirect_error(use_task, error));
  }
}

Task<void> accept_all(std::shared_ptr<Core> core) {
  for (std::size_t turn = 0; core->acceptor->is_open(); ++turn) {
    try {
      co_await accept_one(core, *core->shards.at(turn % core->shards.size()));
    } catch (const std::exception& error) {
      log::error("a connection was lost while it was accepted", {{"error", error.what()}});
    }
  }
}

std::expected<Protocol::endpoint, std::string> endpoint_of(const std::string& host,
                                                           std::uint16_t port) {
  try {
    if (host.starts_with(unix_prefix)) {
      return asio::local::stream_protocol::endpoint(host.substr(unix_prefix.size()));
    }
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    const std::string name = bracketed ? host.substr(1, host.size() - 2) : host;
    error_code not_an_address;
    const auto address = asio::ip::make_address(name, not_an_address);
    if (!not_an_address) return asio::ip::tcp::endpoint(address, port);
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    const auto found =
        resolver.resolve(name, std::to_string(port), asio::ip::tcp::resolver::passive);
    return found.begin()->endpoint();
  } catch (const boost::system::system_error& error) {
    return std::unexpected(error.code().message());
  } catch (const std::exception& error) {
    return std::unexpected(error.what());
  }
}

// Removes a socket that a dead process left behind; one that still answers stays, and bind fails.
void remove_stale_socket(const Protocol::endpoint& endpoint, const std::string& path) {
  struct stat file{};
  if (lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return;
  asio::io_context context;
  Protocol::socket probe(context);
  error_code error;
  if (probe.connect(endpoint, error) == asio::error::connection_refused) unlink(path.c_str());
}

Core::Core(IoThreads& threads, Handler& its_handler, ServerOptions its_options)
    : handler(its_handler), options(std::move(its_options)) {
  for (int i = 0; i < threads.size(); ++i) {
    auto loop =
        std::static_pointer_cast<Loop>(static_cast<Loop&>(threads.executor(i)).shared_from_this());
    shards.push_back(std::make_unique<Shard>(*this, std::move(loop)));
  }
  if (options.host.starts_with(unix_prefix)) socket_path = options.host.substr(unix_prefix.size());
}

error_code Core::bind_address(const Protocol::endpoint& endpoint) {
  error_code error;
  error = acceptor->set_option(asio::socket_base::reuse_address(true), error);
  return error ? error : acceptor->bind(endpoint, error);
}

// The socket is its owner's from its first moment on, hence the mask.
error_code Core::bind_path(const Protocol::endpoint& endpoint) {
  remove_stale_socket(endpoint, socket_path);
  error_code error;
  const mode_t mask = umask(077);
  error = acceptor->bind(endpoint, error);
  umask(mask);
  if (error) return error;
  chmod(socket_path.c_str(), 0600);
  lstat(socket_path.c_str(), &socket_file);
  return error;
}

std::expected<void, std::string> Core::listen() {
  const auto endpoint = endpoint_of(options.host, options.port);
  if (!endpoint) return std::unexpected(endpoint.error());
  error_code error;
  acceptor.emplace(shards.front()->loop->executor());
  error = acceptor->open(endpoint->protocol(), error);
  if (!error) error = socket_path.empty() ? bind_address(*endpoint) : bind_path(*endpoint);
  if (!error) error = acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    acceptor.reset();
    return std::unexpected(error.message());
  }
  if (socket_path.empty()) {
    const Protocol::endpoint bound = acceptor->local_endpoint(error);
    asio::ip::tcp::endpoint tcp;
    std::memcpy(tcp.data(), bound.data(), std::min(bound.size(), tcp.capacity()));
    port = tcp.port();
  }
  return {};
}

std::expected<void, std::string> Core::start() {
  if (acceptor) return std::unexpected("the server was started before");
  const auto listening = listen();
  if (!listening) {
    std::string where = options.host;
    if (socket_path.empty()) where += ":" + std::to_string(options.port);
    return std::unexpected("cannot listen on " + where + ": " + listening.error());
  }
  accept_pauses.emplace(shards.front()->loop->executor());
  const bool running = on_every_shard([this](Shard& shard) {
    shard.loop->on_stop([weak = weak_from_this(), &shard] {
      const auto core = weak.lock();
      if (!core) return;
      if (&shard == core->shards.front().get()) core->close_acceptor();
      shard.close_all();
    });
    if (&shard != shards.front().get()) return;
    asio::co_spawn(shard.loop->executor(), accept_all(shared_from_this()), asio::detached);
  });
  if (!running) return std::unexpected("the I/O threads have ended");
  return {};
}

void Core::close_acceptor() {
  if (!acceptor || !acceptor->is_open()) return;
  error_code ignored;
  std::ignore = acceptor->close(ignored);
  accept_pauses->cancel();
  // Not the socket that a successor has put in its place.
  struct stat file{};
  if (!socket_path.empty() && lstat(socket_path.c_str(), &file) == 0 &&
      file.st_ino == socket_file.st_ino && file.st_dev == socket_file.st_dev) {
    unlink(socket_path.c_str());
  }
}

// Runs `task` for each shard on its thread, sooner or later; false when a loop has ended.
bool Core::on_every_shard(const std::function<void(Shard&)>& task) {
  bool all = true;
  for (const auto& shard : shards) {
    all &= shard->loop->post_one([core = shared_from_this(), &its = *shard, task] { task(its); });
  }
  return all;
}

}  // namespace

// ---- what the header promises ----

struct IoThreads::Impl {
  std::vector<std::shared_ptr<Loop>> loops;
  std::mutex stopping;
  std::vector<std::thread> threads;
};

IoThreads::IoThreads(int threads) : impl_(std::make_unique<Impl>()) {
  for (int i = 0; i < std::max(threads, 1); ++i) {
    const auto loop = std::make_shared<Loop>();
    impl_->loops.push_back(loop);
    impl_->threads.emplace_back([loop] { loop->run(); });
  }
}

IoThreads::~IoThreads() { stop(); }

int IoThreads::size() const { return static_cast<int>(impl_->loops.size()); }

Executor& IoThreads::executor(int index) {
  return *impl_->loops.at(static_cast<std::size_t>(index));
}

void IoThreads::after(int index, milliseconds delay, Executor::Function task) {
  Loop& loop = *impl_->loops.at(static_cast<std::size_t>(index));
  loop.after(steady_clock::now() + delay, std::move(task));
}

void IoThreads::stop() {
  for (const auto& loop : impl_->loops) loop->request_stop();
  // An I/O thread may ask for the end but cannot wait for its own.
  if (std::ranges::any_of(impl_->loops, [](const auto& loop) { return loop->is_current(); }))
    return;
  const std::scoped_lock lock(impl_->stopping);
  for (std::thread& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
}

struct Server::Impl final : Core {
  using Core::Core;
};

Server::Server(IoThreads& threads, Handler& handler, ServerOptions options)
    : impl_(std::make_shared<Impl>(threads, handler, std::move(options))) {}

// Waits until no thread can call the handler any more: it may be destroyed next.
Server::~Server() {
  stop();
  struct Gone {
    std::promise<void> promise;
    ~Gone() { promise.set_value(); }
  };
  auto gone = std::make_shared<Gone>();
  const auto future = gone->promise.get_future();
  bool on_loop = false;
  for (const auto& shard : impl_->shards) {
    on_loop = on_loop || shard->loop->is_current();
    shard->loop->post_one([gone] {});
  }
  gone.reset();
  if (!on_loop) future.wait();
}

std::expected<void, std::string> Server::start() { return impl_->start(); }

std::uint16_t Server::port() const { return impl_->port; }

std::size_t Server::connections() const { return impl_->connections; }

void Server::drain() {
  if (impl_->draining.exchange(true)) return;
  Core& core = *impl_;
  core.on_every_shard([&core](Shard& shard) {
    if (&shard == core.shards.front().get()) core.close_acceptor();
    shard.wake_idle();
  });
}

bool Server::wait_drained(milliseconds limit) {
  ++impl_->drain_waiters;
  std::unique_lock lock(impl_->drained_mutex);
  const bool done = impl_->drained.wait_for(lock, limit, [this] { return impl_->in_flight == 0; });
  --impl_->drain_waiters;
  return done;
}

void Server::stop() {
  if (impl_->stopped.exchange(true)) return;
  impl_->draining = true;
  Core& core = *impl_;
  core.on_every_shard([&core](Shard& shard) {
    if (&shard == core.shards.front().get()) core.close_acceptor();
    shard.close_all();
  });
}

}  // namespace todo::net
