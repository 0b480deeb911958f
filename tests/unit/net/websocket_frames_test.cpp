#include "net/websocket_frames.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace todo::net {
namespace {

using namespace std::string_literals;

constexpr std::size_t payload_max = 1'024;

// A client's frame, as section 5.2 says.
std::string client_frame(unsigned first, std::string_view payload) {
  std::string bytes(1, static_cast<char>(first));
  if (payload.size() < 126) {
    bytes += static_cast<char>(0x80 | payload.size());
  } else {
    bytes += static_cast<char>(0x80 | 126);
    bytes += static_cast<char>(payload.size() >> 8);
    bytes += static_cast<char>(payload.size());
  }
  const std::string mask = "\x12\x34\x56\x78";
  bytes += mask;
  for (std::size_t i = 0; i < payload.size(); ++i)
    bytes += static_cast<char>(payload[i] ^ mask[i % 4]);
  return bytes;
}

std::string payload_of(std::string bytes) {
  const auto head = parse_frame_head(bytes, payload_max);
  EXPECT_TRUE(head && *head);
  if (!head || !*head) return "?";
  unmask(bytes.data() + (*head)->head_bytes, (*head)->payload_bytes, (*head)->mask);
  return bytes.substr((*head)->head_bytes, (*head)->payload_bytes);
}

CloseCode code_of(const std::string& bytes) {
  const auto head = parse_frame_head(bytes, payload_max);
  EXPECT_FALSE(head);
  return head ? CloseCode::normal : head.error();
}

TEST(WebSocketFrames, the_standards_example_of_a_handshake) {
  EXPECT_EQ(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketFrames, the_standards_example_of_a_masked_text) {
  const std::string hello = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"s;
  const auto head = parse_frame_head(hello, payload_max);
  ASSERT_TRUE(head && *head);
  EXPECT_TRUE((*head)->final);
  EXPECT_EQ((*head)->opcode, Opcode::text);
  EXPECT_EQ((*head)->payload_bytes, 5U);
  EXPECT_EQ(payload_of(hello), "Hello");
}

TEST(WebSocketFrames, a_head_is_read_when_it_is_whole_and_not_before) {
  for (const std::size_t size : {0U, 1U, 125U, 126U, 1'024U}) {
    const std::string payload(size, 'x');
    const std::string bytes = client_frame(0x81, payload);
    const std::size_t head_bytes = bytes.size() - size;
    for (std::size_t i = 0; i < head_bytes; ++i) {
      const auto head = parse_frame_head(bytes.substr(0, i), payload_max);
      EXPECT_TRUE(head && !*head) << size << ", the first " << i;
    }
    EXPECT_EQ(payload_of(bytes), payload);
  }
}

TEST(WebSocketFrames, what_a_client_must_not_send_is_a_protocol_error) {
  EXPECT_EQ(code_of("\x81\x02hi"s), CloseCode::protocol_error) << "not masked";
  for (const unsigned reserved : {0xc1U, 0xa1U, 0x91U})
    EXPECT_EQ(code_of(client_frame(reserved, "hi")), CloseCode::protocol_error);
  for (const unsigned unknown : {0x83U, 0x87U, 0x8bU, 0x8fU})
    EXPECT_EQ(code_of(client_frame(unknown, "hi")), CloseCode::protocol_error);
  EXPECT_EQ(code_of(client_frame(0x09, "hi")), CloseCode::protocol_error) << "a part of a ping";
  EXPECT_EQ(code_of(client_frame(0x89, std::string(126, 'x'))), CloseCode::protocol_error);
  EXPECT_EQ(code_of("\x81\xfe\x00\x7d"s), CloseCode::protocol_error) << "125 in two bytes";
  EXPECT_EQ(code_of("\x81\xff\0\0\0\0\0\0\xff\xff"s), CloseCode::protocol_error);
  EXPECT_EQ(code_of("\x81\xff\x80\0\0\0\0\0\0\0"s), CloseCode::protocol_error);
}

TEST(WebSocketFrames, what_is_too_long_is_known_from_its_head) {
  EXPECT_EQ(code_of(client_frame(0x81, std::string(payload_max + 1, 'x')).substr(0, 4)),
            CloseCode::too_big);
  EXPECT_EQ(code_of("\x81\xff\0\0\0\0\0\x01\0\0"s), CloseCode::too_big);
}

TEST(WebSocketFrames, a_servers_frame_has_the_shortest_length) {
  for (const auto& [size, head] :
       {std::pair{5U, "\x81\x05"s}, std::pair{125U, "\x81\x7d"s},
        std::pair{126U, "\x81\x7e\x00\x7e"s}, std::pair{65'535U, "\x81\x7e\xff\xff"s},
        std::pair{65'536U, "\x81\x7f\0\0\0\0\0\x01\0\0"s}}) {
    std::string bytes;
    append_frame(bytes, Opcode::text, std::string(size, 'x'));
    EXPECT_EQ(bytes.substr(0, head.size()), head) << size;
    EXPECT_EQ(bytes.size(), head.size() + size);
  }
}

TEST(WebSocketFrames, frames_are_made_once_for_many_messages) {
  Frames frames;
  frames.add_text("a");
  frames.add_text("bc");
  EXPECT_EQ(frames.messages(), 2U);
  EXPECT_EQ(frames.bytes(),
            "\x81\x01"
            "a\x81\x02"
            "bc");
}

TEST(WebSocketFrames, a_close_says_why) {
  EXPECT_EQ(close_payload(CloseCode::going_away, "bye"),
            "\x03\xe9"
            "bye");
  EXPECT_EQ(close_payload(CloseCode::going_away, std::string(200, 'x')).size(), control_bytes_max);
  EXPECT_EQ(parse_close("\x03\xe8"
                        "bye"),
            CloseCode::normal);
  EXPECT_EQ(parse_close(""), CloseCode::no_status);
  EXPECT_EQ(parse_close("\x03").error(), CloseCode::protocol_error);
  EXPECT_EQ(parse_close("\x03\xe8\xff").error(), CloseCode::invalid_text);
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65'535}) {
    const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    EXPECT_FALSE(parse_close(payload)) << code;
  }
  for (const int code : {1000, 1003, 1007, 1014, 3000, 4999}) {
    const std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    EXPECT_EQ(parse_close(payload), static_cast<CloseCode>(code));
  }
}

TEST(WebSocketFrames, no_bytes_are_read_beyond_their_end) {
  std::minstd_rand random(1);
  for (int i = 0; i < 20'000; ++i) {
    // A heap block of exactly its size: a sanitizer sees a step too far.
    std::string bytes(random() % 16, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    bytes.shrink_to_fit();
    const auto head = parse_frame_head(bytes, payload_max);
    if (head && *head) {
      EXPECT_LE((*head)->head_bytes, bytes.size());
      EXPECT_LE((*head)->payload_bytes, payload_max);
    }
  }
}

}  // namespace
}  // namespace todo::net
