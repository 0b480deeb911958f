#include "net/websocket_frames.h"

#include <sodium.h>

#include <algorithm>

#include <boost/uuid/detail/sha1.hpp>

#include "base/text.h"

namespace todo::net {
namespace {

constexpr unsigned final_bit = 0x80;
constexpr unsigned reserved_bits = 0x70;
constexpr unsigned opcode_bits = 0x0f;
constexpr unsigned mask_bit = 0x80;
constexpr unsigned length_bits = 0x7f;
// Lengths that say that two or eight bytes follow, which hold the length.
constexpr unsigned length_in_2 = 126;
constexpr unsigned length_in_8 = 127;
constexpr std::size_t length_1_max = 125;
constexpr std::size_t length_2_max = 0xffff;
constexpr std::size_t mask_bytes = 4;

unsigned byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<unsigned char>(bytes[index]);
}

void append_number(std::string& to, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) to += static_cast<char>(number >> (8 * i));
}

bool is_opcode(unsigned code) {
  return code <= static_cast<unsigned>(Opcode::binary) ||
         (code >= static_cast<unsigned>(Opcode::close) &&
          code <= static_cast<unsigned>(Opcode::pong));
}

bool is_control(Opcode opcode) { return opcode >= Opcode::close; }

// Those that may be on the wire: assigned ones, a library's or application's own (section 7.4).
bool may_be_sent(std::uint16_t code) {
  constexpr std::array assigned{1000, 1001, 1002, 1003, 1007, 1008,
                                1009, 1010, 1011, 1012, 1013, 1014};
  return std::ranges::find(assigned, code) != assigned.end() || (code >= 3000 && code <= 4999);
}

}  // namespace

std::expected<std::optional<FrameHead>, CloseCode> parse_frame_head(std::string_view bytes,
                                                                    std::size_t payload_bytes_max) {
  if (bytes.size() < 2) return std::nullopt;
  const unsigned first = byte_at(bytes, 0);
  const unsigned second = byte_at(bytes, 1);
  const unsigned code = first & opcode_bits;
  if ((first & reserved_bits) != 0 || !is_opcode(code) || (second & mask_bit) == 0)
    return std::unexpected(CloseCode::protocol_error);
  FrameHead head;
  head.final = (first & final_bit) != 0;
  head.opcode = static_cast<Opcode>(code);
  const unsigned short_length = second & length_bits;
  if (is_control(head.opcode) && (!head.final || short_length > control_bytes_max))
    return std::unexpected(CloseCode::protocol_error);

  std::size_t at = 2;
  std::uint64_t length = short_length;
  if (short_length >= length_in_2) {
    const std::size_t length_bytes = short_length == length_in_2 ? 2 : 8;
    if (bytes.size() < at + length_bytes) return std::nullopt;
    length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) length = length << 8 | byte_at(bytes, at++);
    const bool fits_shorter = length <= (short_length == length_in_8 ? length_2_max : length_1_max);
    if (fits_shorter || length >> 63 != 0) return std::unexpected(CloseCode::protocol_error);
  }
  if (length > payload_bytes_max) return std::unexpected(CloseCode::too_big);
  if (bytes.size() < at + mask_bytes) return std::nullopt;
  std::ranges::copy(bytes.substr(at, mask_bytes), head.mask.begin());
  head.head_bytes = at + mask_bytes;
  head.payload_bytes = length;
  return head;
}

void unmask(char* payload, std::size_t bytes, const std::array<char, 4>& mask) {
  for (std::size_t i = 0; i < bytes; ++i)
    payload[i] = static_cast<char>(payload[i] ^ mask.at(i % mask_bytes));
}

void append_frame(std::string& to, Opcode opcode, std::string_view payload) {
  to += static_cast<char>(final_bit | static_cast<unsigned>(opcode));
  if (payload.size() <= length_1_max) {
    append_number(to, payload.size(), 1);
  } else if (payload.size() <= length_2_max) {
    append_number(to, length_in_2, 1);
    append_number(to, payload.size(), 2);
  } else {
    append_number(to, length_in_8, 1);
    append_number(to, payload.size(), 8);
  }
  to += payload;
}

std::string close_payload(CloseCode code, std::string_view reason) {
  std::string payload;
  append_number(payload, static_cast<std::uint16_t>(code), 2);
  payload += reason.substr(0, control_bytes_max - payload.size());
  return payload;
}

std::expected<CloseCode, CloseCode> parse_close(std::string_view payload) {
  if (payload.empty()) return CloseCode::no_status;
  if (payload.size() == 1) return std::unexpected(CloseCode::protocol_error);
  const auto code = static_cast<std::uint16_t>(byte_at(payload, 0) << 8 | byte_at(payload, 1));
  if (!may_be_sent(code)) return std::unexpected(CloseCode::protocol_error);
  if (!is_valid_utf8(payload.substr(2))) return std::unexpected(CloseCode::invalid_text);
  return static_cast<CloseCode>(code);
}

std::string accept_key(std::string_view key) {
  constexpr std::string_view guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  boost::uuids::detail::sha1 sha1;
  sha1.process_bytes(key.data(), key.size());
  sha1.process_bytes(guid.data(), guid.size());
  unsigned words[5];
  sha1.get_digest(words);
  std::string digest;
  for (const unsigned word : words) append_number(digest, word, sizeof word);
  std::string text(sodium_base64_ENCODED_LEN(20, sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(digest.data()),
                    digest.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // the closing NUL
  return text;
}

}  // namespace todo::net
