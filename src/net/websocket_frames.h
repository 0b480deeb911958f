#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "net/websocket.h"

// The bytes of WebSockets: RFC 6455, section 5. Pure.
namespace todo::net {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

// A control frame's payload is not longer (section 5.5).
inline constexpr std::size_t control_bytes_max = 125;

struct FrameHead {
  bool final = true;
  Opcode opcode = Opcode::text;
  std::size_t head_bytes = 0;
  std::size_t payload_bytes = 0;
  std::array<char, 4> mask{};
};

// The head of a client's frame; none: more bytes are needed. Fails with the code that the socket is
// closed with: frames that are not masked, reserved bits, unknown opcodes, lengths in a longer form
// than they need, fragmented or long control frames; a payload of more than `payload_bytes_max`.
std::expected<std::optional<FrameHead>, CloseCode> parse_frame_head(std::string_view bytes,
                                                                    std::size_t payload_bytes_max);

// In place; the payload begins with the mask's first byte.
void unmask(char* payload, std::size_t bytes, const std::array<char, 4>& mask);

// A server's frame: final, not masked.
void append_frame(std::string& to, Opcode opcode, std::string_view payload);

// The payload of a Close, its reason cut to what fits.
std::string close_payload(CloseCode code, std::string_view reason);
// What a client's Close says: no_status where it says nothing. Fails with the code to answer it
// with.
std::expected<CloseCode, CloseCode> parse_close(std::string_view payload);

// The answer to Sec-WebSocket-Key (section 4.2.2).
std::string accept_key(std::string_view key);

}  // namespace todo::net
