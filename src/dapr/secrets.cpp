#include "dapr/secrets.h"

#include <optional>
#include <thread>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/json_reader.h"

namespace todo::dapr {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds answer_timeout{5'000};
constexpr milliseconds pause{250};

using Values = std::map<std::string, std::string>;

Values values_of(const std::string& body) {
  Values values;
  const auto parsed = parse_json(body);
  if (!parsed || !parsed->is_object()) return values;
  for (const auto& member : parsed->get_object()) {
    if (member.value().is_string())
      values.emplace(member.key(), std::string(std::string_view(member.value().get_string())));
  }
  return values;
}

class Reader {
 public:
  Reader(const SidecarAddress& sidecar, const std::string& store, milliseconds limit)
      : sidecar_(sidecar),
        store_(store),
        deadline_(steady_clock::now() + limit),
        client_(sidecar_host, sidecar.port) {}

  bool wait_for_sidecar() {
    while (!is_outbound_ready(client_, sidecar_)) {
      if (steady_clock::now() >= deadline_) return false;
      std::this_thread::sleep_for(pause);
    }
    return true;
  }

  // Empty: there is no such secret, which stores say in one way with any other failure.
  std::expected<Values, std::string> read(std::string_view name) {
    for (;;) {
      const auto answer =
          client_.send(sidecar_request(sidecar_, net::Method::get,
                                       fmt::format("/v1.0/secrets/{}/{}", store_, name)),
                       answer_timeout);
      if (answer) {
        if (answer->status == 200) return values_of(answer->body);
        if (answer->status == 401)
          return std::unexpected(fmt::format(
              "the sidecar knows no secret store {}, or DAPR_API_TOKEN is not its token", store_));
        return Values{};
      }
      if (steady_clock::now() >= deadline_) return std::unexpected(answer.error());
      std::this_thread::sleep_for(pause);
    }
  }

 private:
  const SidecarAddress& sidecar_;
  const std::string& store_;
  const steady_clock::time_point deadline_;
  net::Client client_;
};

}  // namespace

std::expected<Values, std::string> fetch_secrets(const SidecarAddress& sidecar,
                                                 const std::string& store,
                                                 const std::vector<std::string_view>& names,
                                                 milliseconds limit) {
  Reader reader(sidecar, store, limit);
  if (!reader.wait_for_sidecar()) {
    return std::unexpected(fmt::format("the sidecar on port {} cannot be used: nothing within {} s",
                                       sidecar.port, limit.count() / 1000));
  }
  const auto common = reader.read(common_secret);
  if (!common) return common;
  Values found;
  for (const std::string_view name : names) {
    const std::string key(name);
    if (const auto at = common->find(key); at != common->end()) {
      found.insert(*at);
      continue;
    }
    const auto own = reader.read(name);
    if (!own) return own;
    // A store of single values answers with the secret's own name as the key.
    if (const auto at = own->find(key); at != own->end()) {
      found.insert(*at);
    } else if (own->size() == 1) {
      found.emplace(key, own->begin()->second);
    }
  }
  return found;
}

}  // namespace todo::dapr
