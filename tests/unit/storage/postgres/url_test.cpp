#include "storage/postgres/url.h"

#include <gtest/gtest.h>

#include "storage/postgres/connection.h"

namespace todo::storage::postgres {
namespace {

TEST(PostgresUrl, both_schemes_are_ours) {
  EXPECT_TRUE(is_url("postgres://host/db"));
  EXPECT_TRUE(is_url("postgresql://host/db"));
  EXPECT_FALSE(is_url("sqlite:todo.db"));
  EXPECT_FALSE(is_url("postgres:host"));
}

TEST(PostgresUrl, every_parameter_of_libpq_passes) {
  const auto parsed = parse_url(
      "postgresql://ann:s%40cret@ep-cool-1234-pooler.eu-central-1.aws.neon.tech/todo"
      "?sslmode=require&channel_binding=require&options=-c%20geqo%3Doff&target_session_attrs="
      "read-write");
  ASSERT_TRUE(parsed) << parsed.error();
  EXPECT_EQ(parsed->value("user"), "ann");
  EXPECT_EQ(parsed->value("password"), "s@cret");
  EXPECT_EQ(parsed->value("host"), "ep-cool-1234-pooler.eu-central-1.aws.neon.tech");
  EXPECT_EQ(parsed->value("dbname"), "todo");
  EXPECT_EQ(parsed->value("sslmode"), "require");
  EXPECT_EQ(parsed->value("channel_binding"), "require");
  EXPECT_EQ(parsed->value("options"), "-c geqo=off");
  EXPECT_EQ(parsed->value("target_session_attrs"), "read-write");
}

TEST(PostgresUrl, several_hosts_and_sockets_pass) {
  EXPECT_EQ(parse_url("postgres://a:1,b:2/db")->value("host"), "a,b");
  EXPECT_EQ(parse_url("postgres://a:1,b:2/db")->value("port"), "1,2");
  EXPECT_EQ(parse_url("postgres://[::1]:5432/db")->value("host"), "::1");
  EXPECT_EQ(parse_url("postgres://%2Fvar%2Frun/db")->value("host"), "/var/run");
  EXPECT_EQ(parse_url("postgres:///db?host=/var/run")->value("host"), "/var/run");
}

TEST(PostgresUrl, what_the_url_leaves_open_is_ours) {
  const auto parsed = parse_url("postgres://host/db");
  EXPECT_EQ(parsed->value("application_name"), "todo-backend");
  EXPECT_EQ(parsed->value("keepalives"), "1");
  EXPECT_FALSE(parsed->value("tcp_user_timeout").empty());
  EXPECT_FALSE(parsed->connect_timeout);
  EXPECT_EQ(parsed->value("options"), "") << "poolers refuse it";
}

TEST(PostgresUrl, what_the_url_says_goes_before_ours_but_for_the_encoding) {
  const auto parsed = parse_url(
      "postgres://host/db?application_name=mine&tcp_user_timeout=9&connect_timeout=7&"
      "client_encoding=LATIN1");
  EXPECT_EQ(parsed->value("application_name"), "mine");
  EXPECT_EQ(parsed->value("tcp_user_timeout"), "9");
  EXPECT_EQ(parsed->connect_timeout, std::chrono::seconds{7});
  EXPECT_EQ(parsed->value("client_encoding"), "UTF8");
}

TEST(PostgresUrl, what_is_shown_of_it_holds_no_password) {
  EXPECT_EQ(without_password("postgres://ann:secret@host:6543/todo?sslmode=require"),
            "postgres://ann@host:6543/todo");
  EXPECT_EQ(without_password("postgres://ann@host/todo?password=secret"),
            "postgres://ann@host/todo");
  EXPECT_EQ(without_password("postgres://host"), "postgres://host/");
  EXPECT_EQ(without_password("postgres://ann:sec@ret@host/todo"), "postgres://…");
}

// Each has the password "secret" or its halves somewhere where libpq would quote it.
class BadUrl : public testing::TestWithParam<std::string> {};

TEST_P(BadUrl, is_refused_without_a_word_of_the_password) {
  const auto parsed = parse_url(GetParam());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().find("sec"), std::string::npos) << parsed.error();
  EXPECT_EQ(parsed.error().find("ret"), std::string::npos) << parsed.error();
  EXPECT_EQ(without_password(GetParam()), "postgres://…");
  try {
    const Connection connection({.url = GetParam()});
    ADD_FAILURE() << "connected";
  } catch (const ConnectionLost& lost) {
    EXPECT_EQ(std::string(lost.what()).find("sec"), std::string::npos) << lost.what();
  }
}

INSTANTIATE_TEST_SUITE_P(PostgresUrl, BadUrl,
                         testing::Values("postgres://ann:sec@ret@host/db",
                                         "postgres://ann:sec/ret@host/db",
                                         "postgres://ann:sec%zzret@host/db",
                                         "postgres://ann:secret@host/db?nonsense=1",
                                         "postgres://host/db?password=secret&nonsense=1",
                                         "postgres://host/db?password=sec%zzret",
                                         "postgres://ann:secret@host:port:1/db?sslmode",
                                         "postgres://ann:secret@host/db?connect_timeout=soon"));

TEST(PostgresUrl, a_refusal_without_secrets_says_what_is_wrong) {
  EXPECT_NE(parse_url("postgres://host/db?nonsense=1").error().find("nonsense"), std::string::npos);
  EXPECT_NE(parse_url("mysql://host/db").error().find("postgres://"), std::string::npos);
}

}  // namespace
}  // namespace todo::storage::postgres
