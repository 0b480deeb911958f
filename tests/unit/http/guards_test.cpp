// Who asks, and how often: rate limits, client addresses, origins, tokens.

#include <sodium.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/text.h"
#include "base/time_text.h"
#include "http/client_address.h"
#include "http/jwt.h"
#include "http/origin_check.h"
#include "http/rate_limiter.h"

namespace todo::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant start = instant_from_ms(1'770'638'400'000);

// --- rate limits ---

TEST(RateLimiterTest, lets_a_burst_pass_and_then_the_rate) {
  RateLimiter limiter({2, 3});
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take("a", start));
  EXPECT_EQ(limiter.take("a", start), 1);
  EXPECT_TRUE(limiter.take("a", start + milliseconds{499}));
  EXPECT_FALSE(limiter.take("a", start + milliseconds{500}));
  EXPECT_TRUE(limiter.take("a", start + milliseconds{500}));
}

TEST(RateLimiterTest, says_in_whole_seconds_when_there_is_one_again) {
  RateLimiter limiter({1.0 / 6, 1});  // ten a minute
  EXPECT_FALSE(limiter.take("a", start));
  EXPECT_EQ(limiter.take("a", start), 6);
  EXPECT_EQ(limiter.take("a", start + milliseconds{1'500}), 5);
  EXPECT_EQ(limiter.take("a", start + milliseconds{5'900}), 1);
  EXPECT_FALSE(limiter.take("a", start + seconds{6}));
}

TEST(RateLimiterTest, who_waited_as_told_is_let_in) {
  RateLimiter limiter({20.0 / 3'600, 20});
  Instant now = start;
  while (!limiter.take("a", now)) {
  }
  for (int i = 0; i < 100; ++i) {
    const auto wait = limiter.take("a", now);
    ASSERT_TRUE(wait);
    now += seconds{*wait};
    ASSERT_FALSE(limiter.take("a", now)) << i;
  }
}

TEST(RateLimiterTest, being_refused_costs_nothing) {
  RateLimiter limiter({1, 1});
  EXPECT_FALSE(limiter.take("a", start));
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(limiter.take("a", start + milliseconds{i / 2}));
  EXPECT_FALSE(limiter.take("a", start + seconds{1}));
}

TEST(RateLimiterTest, a_rest_never_saves_up_more_than_a_burst) {
  RateLimiter limiter({50, 200});
  for (int round = 0; round < 2; ++round) {
    const Instant now = start + std::chrono::hours{round * 24};
    for (int i = 0; i < 200; ++i) ASSERT_FALSE(limiter.take("a", now)) << i;
    EXPECT_TRUE(limiter.take("a", now));
  }
}

TEST(RateLimiterTest, one_does_not_pay_for_another) {
  RateLimiter limiter({1, 1});
  EXPECT_FALSE(limiter.take("a", start));
  EXPECT_TRUE(limiter.take("a", start));
  EXPECT_FALSE(limiter.take("b", start));
  EXPECT_FALSE(limiter.take("", start));
}

TEST(RateLimiterTest, a_clock_set_back_neither_gives_nor_locks_out) {
  RateLimiter limiter({1, 1});
  EXPECT_FALSE(limiter.take("a", start));
  const Instant back = start - std::chrono::hours{10};
  EXPECT_EQ(limiter.take("a", back), 1);
  EXPECT_FALSE(limiter.take("a", back + seconds{1}));
}

TEST(RateLimiterTest, remembers_a_bounded_number_and_the_busy_ones_last) {
  RateLimiter limiter({0.001, 1}, 1'600);
  EXPECT_FALSE(limiter.take("busy", start));
  for (int i = 0; i < 20'000; ++i) {
    EXPECT_FALSE(limiter.take("passer-by " + std::to_string(i), start));
    EXPECT_TRUE(i % 10 != 0 || limiter.take("busy", start));
  }
}

// --- addresses ---

net::Request from(std::string_view peer, std::vector<net::Field> fields = {}) {
  net::Request request;
  request.peer = peer;
  request.fields = std::move(fields);
  return request;
}

TEST(ClientAddressTest, is_the_peers_where_no_proxy_is_trusted) {
  const auto request = from("203.0.113.9", {{"X-Forwarded-For", "198.51.100.1"}});
  EXPECT_EQ(client_address(request, {}), "203.0.113.9");
  EXPECT_EQ(client_address(request, {"10.0.0.0/8"}), "203.0.113.9");
}

TEST(ClientAddressTest, is_the_last_one_that_no_trusted_proxy_has) {
  const std::vector<std::string> trusted{"10.0.0.0/8", "192.0.2.7"};
  const auto address = [&](std::string_view forwarded) {
    return client_address(from("10.1.2.3", {{"x-forwarded-for", forwarded}}), trusted);
  };
  EXPECT_EQ(address("198.51.100.1"), "198.51.100.1");
  EXPECT_EQ(address("198.51.100.1, 10.9.9.9"), "198.51.100.1");
  EXPECT_EQ(address("198.51.100.1,192.0.2.7 , 10.9.9.9"), "198.51.100.1");
  // What a client wrote itself stands before, and counts for nothing.
  EXPECT_EQ(address("1.1.1.1, 10.0.0.1, 198.51.100.1, 10.9.9.9"), "198.51.100.1");
  EXPECT_EQ(address("10.1.1.1, 10.9.9.9"), "10.1.1.1");
  EXPECT_EQ(address("2001:db8::1"), "2001:db8::1");
}

TEST(ClientAddressTest, reads_several_fields_as_one_list) {
  const auto request = from(
      "10.1.2.3", {{"X-Forwarded-For", "1.1.1.1"}, {"X-Forwarded-For", "198.51.100.1, 10.0.0.2"}});
  EXPECT_EQ(client_address(request, {"10.0.0.0/8"}), "198.51.100.1");
}

TEST(ClientAddressTest, what_is_no_address_ends_the_search) {
  for (const char* forwarded :
       {"", "unknown", "198.51.100.1:1234", "_hidden", "198.51.100.1, garbage", "198.51.100.256",
        ", ", "198.51.100.1 10.0.0.1"}) {
    const auto request = from("10.1.2.3", {{"X-Forwarded-For", forwarded}});
    EXPECT_EQ(client_address(request, {"10.0.0.0/8"}), "10.1.2.3") << forwarded;
  }
  EXPECT_EQ(client_address(from("10.1.2.3"), {"10.0.0.0/8"}), "10.1.2.3");
}

TEST(ClientAddressTest, knows_ipv6_networks_and_mapped_addresses) {
  const auto address = [](std::string_view peer, std::string trusted) {
    return client_address(from(peer, {{"X-Forwarded-For", "198.51.100.1"}}), {std::move(trusted)});
  };
  EXPECT_EQ(address("2001:db8:1::5", "2001:db8::/32"), "198.51.100.1");
  EXPECT_EQ(address("2001:db9::5", "2001:db8::/32"), "2001:db9::5");
  EXPECT_EQ(address("::1", "::1"), "198.51.100.1");
  EXPECT_EQ(address("::ffff:10.0.0.1", "10.0.0.0/8"), "198.51.100.1");
  EXPECT_EQ(address("127.0.0.1", "127.0.0.1"), "198.51.100.1");
  EXPECT_EQ(address("172.31.255.255", "172.16.0.0/12"), "198.51.100.1");
  EXPECT_EQ(address("172.32.0.0", "172.16.0.0/12"), "172.32.0.0");
  EXPECT_EQ(address("203.0.113.9", "0.0.0.0/0"), "198.51.100.1");
  EXPECT_EQ(address("2001:db8::1", "0.0.0.0/0"), "2001:db8::1");
}

TEST(ClientAddressTest, knows_networks_from_other_words) {
  for (const char* text : {"10.0.0.0/8", "10.0.0.1", "::1", "2001:db8::/32", "0.0.0.0/0", "::/0",
                           "10.0.0.0/32", "::1/128"}) {
    EXPECT_TRUE(is_network(text)) << text;
  }
  for (const char* text :
       {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "::1/129", "10.0.0/8", "localhost",
        "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/8 ", "/8", "[::1]"}) {
    EXPECT_FALSE(is_network(text)) << text;
  }
}

// --- origins ---

TEST(OriginCheckTest, lets_our_own_pages_through_and_no_others) {
  const auto allowed = [](std::string_view origin, std::string_view host, const std::string& url) {
    return origin_allowed(from("127.0.0.1", {{"Origin", origin}, {"Host", host}}), url);
  };
  EXPECT_TRUE(allowed("https://todo.example", "internal:8080", "https://todo.example"));
  EXPECT_TRUE(allowed("https://TODO.example", "internal:8080", "https://todo.example/app"));
  EXPECT_TRUE(allowed("http://localhost:8080", "localhost:8080", ""));
  for (const char* origin :
       {"https://evil.example", "http://todo.example", "https://todo.example.evil",
        "https://todo.example:8443", "null", "", "https://todo.example/", "todo.example"}) {
    EXPECT_FALSE(allowed(origin, "todo.example", "https://todo.example")) << origin;
  }
  for (const char* origin : {"http://localhost:8081", "http://localhost", "null", "localhost:8080",
                             "ftp://localhost:8080", "http://localhost:8080/"}) {
    EXPECT_FALSE(allowed(origin, "localhost:8080", "")) << origin;
  }
}

TEST(OriginCheckTest, without_one_origin_or_with_two_nothing_passes) {
  const std::string url = "https://todo.example";
  EXPECT_FALSE(origin_allowed(from("127.0.0.1", {{"Host", "todo.example"}}), url));
  EXPECT_FALSE(origin_allowed(from("127.0.0.1", {{"Origin", url}, {"Origin", url}}), url));
}

// --- tokens ---

const std::string key(32, 'k');
const std::string old_key(40, 'o');

std::string signed_with(const std::string& secret, const std::string& text) {
  crypto_auth_hmacsha256_state state;
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(secret.data()),
                              secret.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                                text.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  return text + "." + base64url_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

// A token with these very bytes in header and claims, signed well.
std::string token(std::string_view header, std::string_view claims) {
  return signed_with(key, base64url_encode(header) + "." + base64url_encode(claims));
}

constexpr std::string_view hs256 = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::string_view good_claims =
    R"({"sub":"0198f2c4-0000-7000-8000-000000000002","jti":"0198f2c4-0000-7000-8000-000000000003",)"
    R"("iat":1770638400,"exp":1770724800})";

JwtClaims claims() {
  return {Uuid::parse("0198f2c4-0000-7000-8000-000000000002").value(),
          Uuid::parse("0198f2c4-0000-7000-8000-000000000003").value(), start,
          start + std::chrono::hours{24}};
}

TEST(JwtTest, what_it_signed_it_knows_again) {
  const Jwt jwt({key});
  const auto known = jwt.verify(jwt.sign(claims()), start);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->user_id, claims().user_id);
  EXPECT_EQ(known->session_id, claims().session_id);
  EXPECT_EQ(known->issued_at, claims().issued_at);
  EXPECT_EQ(known->expires_at, claims().expires_at);
  EXPECT_TRUE(jwt.verify(token(hs256, good_claims), start));
}

TEST(JwtTest, says_hs256_and_nothing_else) {
  const std::string signed_token = Jwt({key}).sign(claims());
  const auto header = base64url_decode(signed_token.substr(0, signed_token.find('.')));
  ASSERT_TRUE(header);
  EXPECT_NE(header->find(R"("alg":"HS256")"), std::string::npos) << *header;
}

TEST(JwtTest, ends_when_it_says_so) {
  const Jwt jwt({key});
  const std::string signed_token = jwt.sign(claims());
  EXPECT_TRUE(jwt.verify(signed_token, claims().expires_at - milliseconds{1}));
  EXPECT_FALSE(jwt.verify(signed_token, claims().expires_at));
  EXPECT_FALSE(jwt.verify(signed_token, claims().expires_at + std::chrono::hours{1}));
}

TEST(JwtTest, the_first_key_signs_and_all_verify) {
  const Jwt before({old_key});
  const Jwt after({key, old_key});
  EXPECT_TRUE(after.verify(before.sign(claims()), start));
  EXPECT_FALSE(before.verify(after.sign(claims()), start));
  EXPECT_TRUE(Jwt({key}).verify(after.sign(claims()), start));
}

TEST(JwtTest, no_other_algorithm_is_taken) {
  const Jwt jwt({key});
  for (const char* header :
       {R"({"alg":"none","typ":"JWT"})", R"({"alg":"NONE"})", R"({"alg":"RS256"})",
        R"({"alg":"HS384"})", R"({"alg":"HS512"})", R"({"alg":"ES256"})", R"({"alg":""})",
        R"({"alg":null})", R"({"alg":256})", R"({"typ":"JWT"})", R"({})", R"([])", R"("HS256")",
        ""}) {
    EXPECT_FALSE(jwt.verify(token(header, good_claims), start)) << header;
  }
  const std::string none =
      base64url_encode(R"({"alg":"none"})") + "." + base64url_encode(good_claims) + ".";
  EXPECT_FALSE(jwt.verify(none, start));
  EXPECT_FALSE(jwt.verify(none + "AA", start));
}

TEST(JwtTest, every_bit_of_a_token_counts) {
  const Jwt jwt({key});
  const std::string good = jwt.sign(claims());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(jwt.verify(bad, start)) << i;
    EXPECT_FALSE(jwt.verify(good.substr(0, i), start)) << i;
  }
  for (const char* more : {"A", "AA", ".", "=", " ", "\n"}) {
    EXPECT_FALSE(jwt.verify(good + more, start)) << more;
    EXPECT_FALSE(jwt.verify(more + good, start)) << more;
  }
  EXPECT_FALSE(Jwt({std::string(32, 'x')}).verify(good, start));
}

TEST(JwtTest, bytes_outside_the_alphabet_and_great_lengths_are_refused) {
  const Jwt jwt({key});
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("..."),
        std::string("a.b.c"), std::string("\xFF.\xFF.\xFF"), std::string("a\0.b.c", 6),
        std::string("+/=.+/=.+/="), std::string(2'048, '.'), std::string(100'000, 'A'),
        std::string("Bearer a.b.c")}) {
    EXPECT_FALSE(jwt.verify(bad, start)) << bad.substr(0, 20);
  }
  // Signed well, yet too long: 2 KiB is the bound.
  std::string padded(good_claims);
  padded.insert(1, "\"pad\":\"" + std::string(1'500, 'x') + "\",");
  EXPECT_FALSE(jwt.verify(token(hs256, padded), start));
}

TEST(JwtTest, claims_must_all_be_there_and_be_what_they_are) {
  const Jwt jwt({key});
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text(good_claims);
    const auto found = text.find(from);
    EXPECT_NE(found, std::string::npos) << from;
    return jwt.verify(token(hs256, text.replace(found, from.size(), to)), start).has_value();
  };
  EXPECT_TRUE(with("\"iat\"", "\"iat\""));
  for (const char* name : {"\"sub\"", "\"jti\"", "\"iat\"", "\"exp\""})
    EXPECT_FALSE(with(name, "\"x\""));
  for (const char* value : {"\"1770724800\"", "-1", "0", "1.5", "null", "true", "[]", "1e400",
                            "9223372036854775807", "253402300800"}) {
    EXPECT_FALSE(with("1770724800", value)) << value;
  }
  EXPECT_FALSE(with("0198f2c4-0000-7000-8000-000000000002", "me"));
  EXPECT_FALSE(with("\"0198f2c4-0000-7000-8000-000000000002\"", "null"));
  for (const char* text : {"", "null", "[]", "{}", "7", "{\"sub\"", "\xFF"}) {
    EXPECT_FALSE(jwt.verify(token(hs256, text), start)) << text;
  }
}

TEST(JwtTest, without_a_key_there_is_none) { EXPECT_THROW(Jwt({}), std::invalid_argument); }

}  // namespace
}  // namespace todo::http
