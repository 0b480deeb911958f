#include "dapr/secrets.h"

#include "fake_sidecar.h"

namespace todo::dapr {
namespace {

using Values = std::map<std::string, std::string>;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds limit{10};

std::pair<int, std::string> nothing() {
  return {500, R"({"errorCode":"ERR_SECRET_GET","message":"secret not found"})"};
}

TEST(Secrets, each_may_be_a_secret_of_its_own) {
  FakeSidecar sidecar([](const auto& asked) -> std::pair<int, std::string> {
    if (asked.path.ends_with("/healthz/outbound")) return {204, ""};
    if (asked.path == "/v1.0/secrets/todo-secrets/JWT_SECRET")
      return {200, R"({"JWT_SECRET":"j"})"};
    if (asked.path == "/v1.0/secrets/todo-secrets/AUDIT_KEY") return {200, R"({"value":"a"})"};
    return nothing();
  });
  const auto found = fetch_secrets({sidecar.port(), "token"}, "todo-secrets",
                                   {"JWT_SECRET", "AUDIT_KEY", "DATABASE_URL"}, limit);
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ(*found, (Values{{"JWT_SECRET", "j"}, {"AUDIT_KEY", "a"}}));
  for (const auto& asked : sidecar.asked()) EXPECT_EQ(asked.token, "token");
}

TEST(Secrets, one_secret_may_hold_them_all) {
  FakeSidecar sidecar([](const auto& asked) -> std::pair<int, std::string> {
    if (asked.path.ends_with("/healthz/outbound")) return {204, ""};
    if (asked.path == "/v1.0/secrets/todo-secrets/todo-backend")
      return {200, R"({"JWT_SECRET":"j","AUDIT_KEY":"a","other":"o"})"};
    return nothing();
  });
  const auto found =
      fetch_secrets({sidecar.port(), ""}, "todo-secrets", {"JWT_SECRET", "AUDIT_KEY"}, limit);
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ(*found, (Values{{"JWT_SECRET", "j"}, {"AUDIT_KEY", "a"}}));
}

TEST(Secrets, a_store_that_is_unknown_is_said) {
  FakeSidecar sidecar([](const auto& asked) -> std::pair<int, std::string> {
    if (asked.path.ends_with("/healthz/outbound")) return {204, ""};
    return {401, R"({"errorCode":"ERR_SECRET_STORE_NOT_FOUND"})"};
  });
  const auto found = fetch_secrets({sidecar.port(), ""}, "vault", {"JWT_SECRET"}, limit);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().find("vault"), std::string::npos) << found.error();
}

TEST(Secrets, the_sidecar_is_waited_for_and_not_for_ever) {
  std::atomic<int> asked = 0;
  FakeSidecar sidecar([&](const auto&) { return std::pair(++asked < 3 ? 500 : 204, "{}"); });
  EXPECT_TRUE(fetch_secrets({sidecar.port(), ""}, "todo-secrets", {}, limit));
  EXPECT_FALSE(fetch_secrets({1, ""}, "todo-secrets", {"JWT_SECRET"}, milliseconds{1}));
}

}  // namespace
}  // namespace todo::dapr
