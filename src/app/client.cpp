#include "app/client.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "app/data_directory.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "base/time_text.h"
#include "base/uuid.h"
#include "net/client.h"

namespace todo::app {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds answer_limit{10};
constexpr std::string_view scheme = "http://";
constexpr std::uint16_t http_port = 80;
constexpr int sends_max = 2;
constexpr const char* not_signed_in =
    "you are not signed in: run `todo-backend login`, or set TODO_TOKEN";

using Text = std::expected<std::string, std::string>;

OperationResult refuse(std::string why) { return {1, std::move(why) + "\n", true}; }

// --- the server ---

struct Address {
  std::string host;
  std::uint16_t port = http_port;
};

std::expected<Address, std::string> parse_address(std::string_view url) {
  if (url.starts_with("https://"))
    return std::unexpected("has TLS, which this program does not speak: name an http:// address");
  const auto wrong = std::unexpected("must be http://HOST or http://HOST:PORT");
  if (!url.starts_with(scheme)) return wrong;
  url.remove_prefix(scheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  Address address;
  const auto bracket = url.rfind(']');
  const auto colon = url.rfind(':');
  const bool with_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  if (with_port) {
    const std::string_view port = url.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size()) return wrong;
    url = url.substr(0, colon);
  }
  const auto fits = [](char c) { return c > 0x20 && c < 0x7f && c != '/' && c != '@' && c != '?'; };
  if (url.empty() || !std::ranges::all_of(url, fits)) return wrong;
  address.host = url;
  return address;
}

// One server, and who asks it.
class Server {
 public:
  Server(std::string url, Address address) : url_(std::move(url)), address_(std::move(address)) {}

  void set_token(std::string token) { token_ = std::move(token); }

  struct Answer {
    int status = 0;
    json::object body;  // empty where there is none
  };

  std::expected<Answer, std::string> ask(net::Method method, const std::string& path,
                                         const std::string& body = {},
                                         const std::string& idempotency_key = {}) const {
    std::vector<std::pair<std::string, std::string>> headers;
    if (!token_.empty()) headers.emplace_back("Authorization", "Bearer " + token_);
    if (!body.empty()) headers.emplace_back("Content-Type", "application/json");
    if (!idempotency_key.empty()) headers.emplace_back("Idempotency-Key", idempotency_key);
    std::string why;
    // With a key the server does it once, however often it hears of it.
    for (int sends = idempotency_key.empty() ? 1 : sends_max; sends > 0; --sends) {
      const auto response = net::fetch(address_.host, address_.port, method, "/api/v1" + path, body,
                                       headers, answer_limit);
      if (response) return read(*response);
      why = response.error();
    }
    return std::unexpected(
        fmt::format("no server answers at {} ({}): start one with "
                    "`todo-backend`, or name one with TODO_URL",
                    url_, why));
  }

 private:
  std::expected<Answer, std::string> read(const net::ClientResponse& response) const {
    Answer answer;
    answer.status = response.status;
    if (response.body.empty()) return answer;
    auto value = parse_json(response.body);
    if (!value || !value->is_object())
      return std::unexpected(fmt::format("what answers at {} is no todo-app server", url_));
    answer.body = std::move(value->as_object());
    return answer;
  }

  std::string url_;
  Address address_;
  std::string token_;
};

std::optional<std::string> text_at(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return std::string(std::string_view(value->as_string()));
}

// What the server says against it: the fields' messages, or its detail.
std::string complaint(const Server::Answer& answer) {
  std::string out;
  if (const auto* errors = answer.body.if_contains("errors"); errors && errors->is_array()) {
    for (const json::value& error : errors->as_array()) {
      const auto* object = error.if_object();
      if (object == nullptr) continue;
      if (!out.empty()) out += "; ";
      out +=
          text_at(*object, "field").value_or("") + ": " + text_at(*object, "message").value_or("");
    }
  }
  if (!out.empty()) return out;
  return text_at(answer.body, "detail").value_or(fmt::format("the server says {}", answer.status));
}

std::expected<Server, std::string> server_at(const std::string& url) {
  auto address = parse_address(url);
  if (!address) return std::unexpected("TODO_URL " + address.error());
  return Server(url, std::move(*address));
}

// --- the login file ---

struct Login {
  std::string url;
  std::string token_id;
  std::string token;
};

// none: there is no such file. Fails with a sentence.
std::expected<std::optional<Login>, std::string> read_login(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!file.valid())
    return std::unexpected(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  if (struct stat status{}; ::fstat(file.get(), &status) == 0 && (status.st_mode & 0077) != 0)
    ::fchmod(file.get(), 0600);
  std::ifstream stream(path);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto value = parse_json(text);
  const auto* object = value ? value->if_object() : nullptr;
  if (object != nullptr) {
    auto url = text_at(*object, "url");
    auto id = text_at(*object, "token_id");
    auto token = text_at(*object, "token");
    if (url && id && token) return Login{std::move(*url), std::move(*id), std::move(*token)};
  }
  return std::unexpected(fmt::format("{} is damaged: run `todo-backend login` again", path));
}

std::expected<void, std::string> write_login(const std::string& path, const Login& login) {
  std::string text;
  JsonWriter json(text);
  json.begin_object()
      .member("url", login.url)
      .member("token_id", login.token_id)
      .member("token", login.token)
      .end_object();
  text += '\n';
  // The folder too is for its owner alone.
  ::umask(0077);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  const std::string temporary = path + ".part";
  const Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const bool written =
      file.valid() && ::fchmod(file.get(), 0600) == 0 &&
      ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      ::fsync(file.get()) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  if (written) return {};
  return std::unexpected(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
}

// --- login ---

std::string token_name() {
  std::array<char, 65> host{};
  const bool known = ::gethostname(host.data(), host.size() - 1) == 0;
  const std::string_view name(host.data());
  return "todo-backend" + (known && is_valid_utf8(name) ? " on " + std::string(name) : "");
}

// Signs in; the server then knows who asks.
std::expected<void, std::string> sign_in(Server& server, const std::string& email,
                                         const std::string& password) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("email", email).member("password", password).end_object();
  const auto answer = server.ask(net::Method::post, "/auth/login", body);
  if (!answer) return std::unexpected(answer.error());
  const auto session = text_at(answer->body, "access_token");
  if (answer->status != 200 || !session) return std::unexpected(complaint(*answer));
  server.set_token(*session);
  return {};
}

std::expected<Login, std::string> make_token(const Server& server, const std::string& url) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("name", token_name()).member("scope", "write").end_object();
  const auto answer = server.ask(net::Method::post, "/auth/tokens", body);
  if (!answer) return std::unexpected(answer.error());
  auto id = text_at(answer->body, "id");
  auto token = text_at(answer->body, "token");
  if (answer->status != 201 || !id || !token) return std::unexpected(complaint(*answer));
  return Login{url, std::move(*id), std::move(*token)};
}

// --- add ---

// On the clock of whoever reads it.
std::string local_time(Instant instant) {
  const std::time_t time = std::chrono::system_clock::to_time_t(instant);
  std::tm parts{};
  ::localtime_r(&time, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
  return {text.data(), length};
}

std::string rule_words(const json::object& task) {
  const std::string rule = text_at(task, "recurrence_rule").value_or("none");
  if (rule == "none") return {};
  const auto* interval = task.if_contains("recurrence_interval");
  std::string words = rule;
  if (interval != nullptr && interval->is_int64() && interval->as_int64() > 1)
    words += fmt::format(", every {}", interval->as_int64());
  const auto* days = task.if_contains("recurrence_weekdays");
  if (days != nullptr && days->is_array()) {
    words += " on";
    for (const json::value& day : days->as_array()) {
      if (day.is_string()) words += " " + std::string(std::string_view(day.as_string()));
    }
  }
  return words;
}

std::string task_words(const json::object& task) {
  std::string words = "added “" + text_at(task, "title").value_or("") + "”";
  const auto instant = text_at(task, "due_date");
  const auto at = instant ? parse_instant(*instant) : std::nullopt;
  if (const auto day = text_at(task, "due_on")) {
    words += ", due " + *day;
  } else if (at) {
    words += ", due " + local_time(*at);
  }
  if (const std::string rule = rule_words(task); !rule.empty()) words += ", " + rule;
  if (const auto priority = text_at(task, "priority")) words += ", " + *priority;
  if (const auto category = text_at(task, "category")) words += ", #" + *category;
  return words;
}

// The server that a token is for: the login's goes to no other.
std::expected<Server, std::string> signed_in(const Client& client) {
  if (client.token) {
    auto server = server_at(client.url.value_or(client.local_url));
    if (server) server->set_token(*client.token);
    return server;
  }
  auto login = read_login(client.login_file);
  if (!login) return std::unexpected(login.error());
  if (!*login) return std::unexpected(not_signed_in);
  if (client.url && *client.url != (*login)->url) {
    return std::unexpected(
        fmt::format("you are signed in at {}, not at {}: run `todo-backend login`", (*login)->url,
                    *client.url));
  }
  auto server = server_at((*login)->url);
  if (server) server->set_token((*login)->token);
  return server;
}

}  // namespace

std::expected<Client, std::string> load_client(const Lookup& lookup) {
  const auto given = [&lookup](std::string_view variable) -> std::optional<std::string> {
    auto text = lookup(variable);
    return text && !text->empty() ? text : std::nullopt;
  };
  const auto config = load_config([&given](std::string_view variable) {
    const bool matters = variable == "HOST" || variable == "PORT" || variable == "HOME";
    return matters ? given(variable) : std::nullopt;
  });
  if (!config) return std::unexpected(config.error());
  Client client;
  client.url = given("TODO_URL");
  if (client.url) {
    if (const auto address = parse_address(*client.url); !address)
      return std::unexpected("TODO_URL " + address.error());
    while (client.url->ends_with('/')) client.url->pop_back();
  }
  client.token = given("TODO_TOKEN");
  const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (client.token && !std::ranges::all_of(*client.token, visible))
    return std::unexpected("TODO_TOKEN is no token: it holds a blank or another odd character");
  const bool anywhere = config->host == "0.0.0.0" || config->host == "::";
  const std::string host = anywhere ? "127.0.0.1" : config->host;
  const bool bare_v6 = host.contains(':') && !host.starts_with('[');
  client.local_url =
      fmt::format("{}{}:{}", scheme, bare_v6 ? "[" + host + "]" : host, config->port);
  // The XDG Base Directory Specification: a relative XDG_CONFIG_HOME is to be
  // ignored.
  const auto xdg = given("XDG_CONFIG_HOME");
  const auto home = given("HOME");
  if (xdg && xdg->starts_with('/')) {
    client.login_file = *xdg + "/todo-app/login.json";
  } else {
    client.login_file = home.value_or(".") + "/.config/todo-app/login.json";
  }
  return client;
}

OperationResult log_in(const Client& client, const std::string& email,
                       const std::string& password) {
  if (!is_valid_utf8(email) || !is_valid_utf8(password))
    return refuse("email and password must be valid UTF-8");
  const std::string url = client.url.value_or(client.local_url);
  auto server = server_at(url);
  if (!server) return refuse(server.error());
  if (const auto done = sign_in(*server, email, password); !done) return refuse(done.error());
  const auto login = make_token(*server, url);
  if (!login) return refuse(login.error());
  // One that is damaged, or of another server, is only replaced.
  const auto before = read_login(client.login_file);
  const auto written = write_login(client.login_file, *login);
  // Of the two tokens one is kept.
  std::optional<std::string> useless;
  if (!written) useless = login->token_id;
  if (written && before && *before && (*before)->url == url) useless = (*before)->token_id;
  std::expected<Server::Answer, std::string> answer;
  if (useless) answer = server->ask(net::Method::del, "/auth/tokens/" + *useless);
  if (answer) answer = server->ask(net::Method::post, "/auth/logout");
  if (!written) return refuse(written.error());
  if (!answer) return refuse(answer.error());
  return {0, fmt::format("signed in at {}; the token is in {}\n", url, client.login_file), false};
}

OperationResult add_task(const Client& client, const std::string& text) {
  if (!is_valid_utf8(text)) return refuse("the text is not valid UTF-8");
  const auto server = signed_in(client);
  if (!server) return refuse(server.error());
  const SystemClock clock;
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("text", text).member("now", clock.now()).end_object();
  const std::string key = Uuid7Generator(clock).next().to_string();
  const auto answer = server->ask(net::Method::post, "/tasks/quick-add", body, key);
  if (!answer) return refuse(answer.error());
  if (answer->status == 401) {
    return refuse(client.token ? "TODO_TOKEN is not good there (any more)"
                               : "your token is not good any more: run `todo-backend login`");
  }
  if (answer->status != 201) return refuse(complaint(*answer));
  return {0, task_words(answer->body) + "\n", false};
}

}  // namespace todo::app
