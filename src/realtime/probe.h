#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "net/websocket.h"
#include "observability/metrics.h"

namespace todo::realtime {

class Probe {
 public:
  explicit Probe(metrics::Registry& registry)
      : open(registry.gauge("todo_sockets", "WebSockets open")),
        messages(registry.counter("todo_socket_messages_total", "Messages sent on WebSockets")),
        dropped(registry.counter("todo_socket_messages_dropped_total",
                                 "Announcements that could not be looked up for those who listen")),
        other_(closed(registry, "other")) {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      closed_.at(i) =
          &closed(registry, std::to_string(static_cast<std::uint16_t>(codes.at(i))).c_str());
    }
  }

  void count_closed(net::CloseCode code) {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      if (codes.at(i) == code) return closed_.at(i)->add();
    }
    other_.add();
  }

  metrics::Gauge& open;
  metrics::Counter& messages;
  metrics::Counter& dropped;

 private:
  static constexpr std::array codes{
      net::CloseCode::normal,         net::CloseCode::going_away,
      net::CloseCode::protocol_error, net::CloseCode::unsupported_data,
      net::CloseCode::no_status,      net::CloseCode::abnormal,
      net::CloseCode::invalid_text,   net::CloseCode::policy_violation,
      net::CloseCode::too_big,        net::CloseCode::try_again_later,
  };

  static metrics::Counter& closed(metrics::Registry& registry, const char* code) {
    return registry.counter("todo_sockets_closed_total", "WebSockets closed, by code",
                            {{"code", code}});
  }

  metrics::Counter& other_;
  std::array<metrics::Counter*, codes.size()> closed_{};
};

}  // namespace todo::realtime
