#include "http/client_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <ranges>

#include "base/text.h"

namespace todo::http {
namespace {

// IPv4 as IPv4-mapped IPv6, so that both compare alike.
using Bytes = std::array<std::uint8_t, 16>;
constexpr int mapped_bits = 96;

struct Address {
  Bytes bytes{};
  bool v4 = false;
};

std::optional<Address> parse_address(std::string_view text) {
  const std::string terminated(text);
  Address address;
  if (inet_pton(AF_INET, terminated.c_str(), &address.bytes[12]) == 1) {
    address.bytes[10] = address.bytes[11] = 0xff;
    address.v4 = true;
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

struct Network {
  Bytes bytes{};
  int bits = 128;
};

std::optional<Network> parse_network(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  Network network{address->bytes, 128};
  if (slash == std::string_view::npos) return network;
  const std::string_view length = text.substr(slash + 1);
  int bits = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), bits);
  const int bits_max = address->v4 ? 32 : 128;
  if (error != std::errc{} || end != length.data() + length.size() || bits < 0 || bits > bits_max)
    return std::nullopt;
  network.bits = bits + (address->v4 ? mapped_bits : 0);
  return network;
}

bool contains(const Network& network, const Bytes& bytes) {
  for (int bit = 0; bit < network.bits; bit += 8) {
    const auto i = static_cast<std::size_t>(bit / 8);
    const int rest = std::min(8, network.bits - bit);
    const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
    if ((bytes[i] & mask) != (network.bytes[i] & mask)) return false;
  }
  return true;
}

bool is_trusted(std::string_view text, const std::vector<std::string>& trusted) {
  const auto address = parse_address(text);
  return address && std::ranges::any_of(trusted, [&](const std::string& entry) {
           const auto network = parse_network(entry);
           return network && contains(*network, address->bytes);
         });
}

}  // namespace

bool is_network(std::string_view text) { return parse_network(text).has_value(); }

std::string client_address(const net::Request& request, const std::vector<std::string>& trusted) {
  if (trusted.empty() || !is_trusted(request.peer, trusted)) return std::string(request.peer);
  std::string client(request.peer);
  // The last field and its last entry are the nearest proxy's word; what a client wrote itself
  // stands before.
  for (const net::Field& field : std::views::reverse(request.fields)) {
    if (fold_case(field.name) != "x-forwarded-for") continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const auto comma = rest.rfind(',');
      const std::string_view entry =
          trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
      if (!parse_address(entry)) return client;
      client = entry;
      if (!is_trusted(entry, trusted)) return client;
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
    }
  }
  return client;
}

}  // namespace todo::http
