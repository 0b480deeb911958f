#include "app/config.h"

#include <algorithm>
#include <map>
#include <variant>

#include <gtest/gtest.h>

#include "app/command_line.h"

namespace todo::app {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

using Environment = std::map<std::string, std::string, std::less<>>;

Lookup lookup_in(const Environment& environment) {
  return [environment](std::string_view name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
}

const std::string key_a(32, 'a');
const std::string key_b(40, 'b');
// What no message may show.
const std::string secret = "hunter2";

// Of one variable: texts that are taken, each with a check of what it means, and texts that are
// not.
struct Rule {
  std::vector<std::pair<std::string, std::function<bool(const Config&)>>> good;
  std::vector<std::string> bad;
};

template <class T>
std::function<bool(const Config&)> is(T Config::* member, T value) {
  return [=](const Config& config) { return config.*member == value; };
}
template <std::uint16_t Config::* member>
Rule port_rule(std::vector<std::string> also_bad) {
  Rule rule{{{"1", is(member, std::uint16_t{1})}, {"65535", is(member, std::uint16_t{65535})}},
            {"65536", "-1", "+1", "1.5", "80 ", " 80", "0x50", "http", "99999999999999999999"}};
  rule.bad.insert(rule.bad.end(), also_bad.begin(), also_bad.end());
  return rule;
}
Rule switch_rule(bool Config::* member) {
  return {{{"on", is(member, true)}, {"off", is(member, false)}},
          {"On", "true", "1", "yes", "onoff", "on "}};
}
Rule duration_rule(seconds Config::* member, std::vector<std::string> also_bad) {
  Rule rule{{{"1s", is(member, seconds{1})},
             {"90s", is(member, seconds{90})},
             {"2m", is(member, seconds{minutes{2}})},
             {"3h", is(member, seconds{hours{3}})},
             {"4d", is(member, seconds{days{4}})}},
            {"15", "m", "-1m", "1.5h", "1w", "1 m", "1M", "36501d", "99999999999999999999d", "m1"}};
  rule.bad.insert(rule.bad.end(), also_bad.begin(), also_bad.end());
  return rule;
}
Rule keys_rule(std::vector<std::string> Config::* member) {
  using Keys = std::vector<std::string>;
  return {{{key_a, is(member, Keys{key_a})},
           {key_a + "," + key_b, is(member, Keys{key_a, key_b})},
           {key_a + " , " + key_b, is(member, Keys{key_a, key_b})}},
          {secret, "," + key_a, key_a + "," + secret, ",", key_a.substr(1)}};
}
Rule token_rule(std::string Config::* member) {
  return {{{"t-._~+/=", is(member, std::string("t-._~+/="))}},
          {"with space " + secret, secret + "\n", secret + "\x7f", "ü" + secret}};
}

const std::map<std::string, Rule, std::less<>>& rules() {
  static const std::map<std::string, Rule, std::less<>> all{
      {"HOST",
       {{{"0.0.0.0", is(&Config::host, std::string("0.0.0.0"))},
         {"::1", is(&Config::host, std::string("::1"))},
         {"[::1]", is(&Config::host, std::string("::1"))},
         {"fe80::1%eth0", is(&Config::host, std::string("fe80::1%eth0"))},
         {"todo.example.com", is(&Config::host, std::string("todo.example.com"))}},
        {"1.2.3.4:80", "a b", "http://x", "[]", "::1/64", "a\nb"}}},
      {"PORT", port_rule<&Config::port>({})},
      {"METRICS_PORT", port_rule<&Config::metrics_port>({})},
      {"APP_PORT", port_rule<&Config::app_port>({"0"})},
      {"DAPR_HTTP_PORT", port_rule<&Config::dapr_http_port>({"0"})},
      {"PUBLIC_URL",
       {{{"https://todo.example.com",
          is(&Config::public_url, std::string("https://todo.example.com"))},
         {"http://LocalHost:8080", is(&Config::public_url, std::string("http://localhost:8080"))},
         {"https://todo.example.com:443",
          is(&Config::public_url, std::string("https://todo.example.com"))},
         {"http://[::1]:8080", is(&Config::public_url, std::string("http://[::1]:8080"))}},
        {"todo.example.com", "ftp://x", "https://", "https://x/path", "https://x/", "https://x?q",
         "https://user:" + secret + "@x", "https://x:0", "https://x:99999", "https://[::1"}}},
      {"TRUSTED_PROXIES",
       {{{"10.0.0.0/8, ::1",
          is(&Config::trusted_proxies, std::vector<std::string>{"10.0.0.0/8", "::1"})}},
        {"10.0.0.0/33", "10.0.0", "proxy.example.com", ",10.0.0.1", "::1/129"}}},
      {"REGISTRATION", switch_rule(&Config::registration)},
      {"RATE_LIMITS", switch_rule(&Config::rate_limits)},
      {"SOCKETS_MAX",
       {{{"1", is(&Config::sockets_max, 1)}, {"20000", is(&Config::sockets_max, 20'000)}},
        {"-1", "many", "1.5"}}},
      {"SOCKETS_PER_USER_MAX", {{{"1", is(&Config::sockets_per_user_max, 1)}}, {"-1", "many"}}},
      {"DATA_DIR", {{{"/data", is(&Config::data_dir, std::string("/data"))}}, {}}},
      {"DATABASE_URL",
       {{{"sqlite:/data/x.db", is(&Config::database_url, std::string("sqlite:/data/x.db"))},
         {"postgres://x/y?sslmode=require",
          is(&Config::database_url, std::string("postgres://x/y?sslmode=require"))}},
        {"sqlite:", "/data/x.db", "sqlite::memory:", "mysql://ann:" + secret + "@x/y",
         "postgres://ann:" + secret + "@[x/y", "postgres://ann:" + secret + "@x/y?colour=red"}}},
      {"DATABASE_DIRECT_URL",
       {{{"postgres://x/y", is(&Config::database_direct_url, std::string("postgres://x/y"))}},
        {"sqlite:/x", "mysql://ann:" + secret + "@x/y"}}},
      {"DB_POOL",
       {{{"1", is(&Config::db_pool, 1)}, {"1000", is(&Config::db_pool, 1000)}},
        {"0", "1001", "-1", "many"}}},
      {"JWT_SECRET", keys_rule(&Config::jwt_secrets)},
      {"AUDIT_KEY", keys_rule(&Config::audit_keys)},
      {"REMINDER_INTERVAL", duration_rule(&Config::reminder_interval, {"0", "0s"})},
      {"AUDIT_RETENTION", duration_rule(&Config::audit_retention, {"0", "0d"})},
      {"SHUTDOWN_DELAY",
       {{{"1s", is(&Config::shutdown_delay, seconds{1})},
         {"5s", is(&Config::shutdown_delay, seconds{5})}},
        {"5", "-1s", "1h", "s"}}},
      {"EVENT_BUS",
       {{{"embedded", is(&Config::event_bus, std::string("embedded"))},
         {"dapr", is(&Config::event_bus, std::string("dapr"))}},
        {"kafka", "Embedded", "Dapr"}}},
      {"PUBSUB_NAME",
       {{{"a.b-c_9", is(&Config::pubsub_name, std::string("a.b-c_9"))}}, {"a/b", "a b", "ü"}}},
      {"APP_API_TOKEN", token_rule(&Config::app_api_token)},
      {"DAPR_API_TOKEN", token_rule(&Config::dapr_api_token)},
      {"SECRET_STORE",
       {{{"todo-secrets", is(&Config::secret_store, std::string("todo-secrets"))}},
        {"a/b", "a b", "ü"}}},
      {"OPENAI_API_KEY", token_rule(&Config::openai_api_key)},
      {"OPENAI_BASE_URL",
       {{{"http://localhost:1/v1",
          is(&Config::openai_base_url, std::string("http://localhost:1/v1"))}},
        {"localhost", "https://user:" + secret + "@x", "https://x?q"}}},
      {"OPENAI_MODEL", {{{"any", is(&Config::openai_model, std::string("any"))}}, {}}},
      {"OTEL_EXPORTER_OTLP_ENDPOINT",
       {{{"http://localhost:4318",
          is(&Config::otlp_endpoint, std::string("http://localhost:4318"))}},
        {"localhost:4318", "https://x", "http://user:" + secret + "@x", "http://x?q"}}},
      {"LOG_LEVEL",
       {{{"debug", is(&Config::log_level, log::Level::debug)},
         {"error", is(&Config::log_level, log::Level::error)}},
        {"Debug", "warn", "3"}}},
  };
  return all;
}

TEST(Configuration, every_setting_has_its_rule_here) {
  for (const Setting& setting : settings())
    EXPECT_TRUE(rules().contains(setting.variable)) << setting.variable;
  EXPECT_EQ(rules().size(), settings().size());
}

TEST(Configuration, good_values_are_taken_from_variables_and_from_flags) {
  for (const Setting& setting : settings()) {
    const auto rule = rules().find(setting.variable);
    ASSERT_NE(rule, rules().end());
    for (const auto& [text, holds] : rule->second.good) {
      SCOPED_TRACE(std::string(setting.variable) + "=" + text);
      const auto config = load_config(lookup_in({{std::string(setting.variable), text}}));
      ASSERT_TRUE(config) << config.error();
      EXPECT_TRUE(holds(*config));
      const std::string flag = flag_of(setting) + "=" + text;
      const std::array arguments{"todo-backend", "serve", flag.c_str()};
      const auto parsed = parse_command_line(3, arguments.data(), lookup_in({}));
      ASSERT_TRUE(std::holds_alternative<CommandLine>(parsed)) << std::get<Notice>(parsed).text;
      EXPECT_TRUE(holds(std::get<CommandLine>(parsed).config));
    }
  }
}

TEST(Configuration, a_bad_value_stops_with_one_line_that_names_the_variable) {
  for (const Setting& setting : settings()) {
    const auto rule = rules().find(setting.variable);
    ASSERT_NE(rule, rules().end());
    for (const std::string& text : rule->second.bad) {
      SCOPED_TRACE(std::string(setting.variable) + "=" + text);
      const auto config = load_config(lookup_in({{std::string(setting.variable), text}}));
      ASSERT_FALSE(config);
      EXPECT_TRUE(config.error().starts_with(std::string(setting.variable) + " "))
          << config.error();
      EXPECT_EQ(config.error().find('\n'), std::string::npos) << config.error();
      EXPECT_EQ(config.error().find(secret), std::string::npos) << "it shows a secret";
      const std::string flag = flag_of(setting) + "=" + text;
      const std::array arguments{"todo-backend", flag.c_str()};
      const auto parsed = parse_command_line(2, arguments.data(), lookup_in({}));
      ASSERT_TRUE(std::holds_alternative<Notice>(parsed));
      EXPECT_EQ(std::get<Notice>(parsed).exit_code, 2);
      EXPECT_TRUE(std::get<Notice>(parsed).text.starts_with(setting.variable));
      EXPECT_EQ(std::get<Notice>(parsed).text.find(secret), std::string::npos);
    }
  }
}

TEST(Configuration, without_settings_the_defaults_hold) {
  const auto config = load_config(lookup_in({{"HOME", "/home/ann"}}));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->host, "127.0.0.1");
  EXPECT_EQ(config->port, 8080);
  EXPECT_EQ(config->metrics_port, 9464);
  EXPECT_TRUE(config->registration);
  EXPECT_TRUE(config->rate_limits);
  EXPECT_EQ(config->data_dir, "/home/ann/.local/share/todo-app");
  EXPECT_EQ(config->reminder_interval, minutes{15});
  EXPECT_EQ(config->audit_retention, days{90});
  EXPECT_EQ(config->shutdown_delay, seconds{0});
  EXPECT_TRUE(config->jwt_secrets.empty());
  EXPECT_EQ(config->event_bus, "embedded");
  EXPECT_EQ(load_config(lookup_in({{"HOME", "/h"}, {"XDG_DATA_HOME", "/xdg"}}))->data_dir,
            "/xdg/todo-app");
  EXPECT_EQ(load_config(lookup_in({{"HOME", "/h"}, {"XDG_DATA_HOME", "relative"}}))->data_dir,
            "/h/.local/share/todo-app");
  EXPECT_FALSE(load_config(lookup_in({}))->data_dir.empty());
}

TEST(Configuration, an_empty_variable_is_one_that_is_not_set) {
  Environment environment;
  for (const Setting& setting : settings()) environment[std::string(setting.variable)] = "";
  const auto config = load_config(lookup_in(environment));
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->port, 8080);
}

TEST(Configuration, nought_turns_ports_off_and_needs_no_unit) {
  const auto config =
      load_config(lookup_in({{"PORT", "0"}, {"METRICS_PORT", "0"}, {"SHUTDOWN_DELAY", "0"}}));
  ASSERT_TRUE(config) << config.error();
  EXPECT_EQ(config->port, 0);
  EXPECT_EQ(config->metrics_port, 0);
}

TEST(Configuration, a_flag_wins_over_its_variable) {
  const std::array arguments{"todo-backend", "--port", "9000", "--host", ""};
  const auto parsed =
      parse_command_line(5, arguments.data(), lookup_in({{"PORT", "7"}, {"HOST", "0.0.0.0"}}));
  ASSERT_TRUE(std::holds_alternative<CommandLine>(parsed)) << std::get<Notice>(parsed).text;
  EXPECT_EQ(std::get<CommandLine>(parsed).config.port, 9000);
  EXPECT_EQ(std::get<CommandLine>(parsed).config.host, "127.0.0.1") << "an empty one sets it back";
}

TEST(Configuration, processes_on_one_database_must_be_given_its_keys) {
  Environment environment{{"DATABASE_URL", "postgres://x/y"}};
  const auto checked = [&] { return check_keys(*load_config(lookup_in(environment))); };
  EXPECT_TRUE(checked().error().contains("JWT_SECRET"));
  environment["JWT_SECRET"] = key_a;
  EXPECT_TRUE(checked().error().contains("AUDIT_KEY"));
  environment["AUDIT_KEY"] = key_b;
  EXPECT_TRUE(checked());
  environment = {};
  EXPECT_TRUE(checked()) << "an SQLite file has them beside it";
}

TEST(Configuration, secrets_that_are_not_set_can_come_from_elsewhere) {
  auto config = load_config(lookup_in({{"JWT_SECRET", key_a}, {"SECRET_STORE", "todo-secrets"}}));
  ASSERT_TRUE(config);
  EXPECT_EQ(missing_secrets(*config),
            (std::vector<std::string_view>{"DATABASE_URL", "AUDIT_KEY", "OPENAI_API_KEY"}));
  EXPECT_TRUE(set_secret(*config, "AUDIT_KEY", key_b));
  EXPECT_TRUE(set_secret(*config, "DATABASE_URL", "postgres://x/y"));
  EXPECT_TRUE(set_secret(*config, "OPENAI_API_KEY", ""));
  EXPECT_EQ(config->audit_keys, std::vector<std::string>{key_b});
  EXPECT_TRUE(config->uses_postgres());
  EXPECT_EQ(missing_secrets(*config), std::vector<std::string_view>{"OPENAI_API_KEY"});
  const auto bad = set_secret(*config, "DATABASE_URL", "mysql://ann:" + secret + "@x/y");
  ASSERT_FALSE(bad);
  EXPECT_TRUE(bad.error().contains("DATABASE_URL"));
  EXPECT_FALSE(bad.error().contains(secret));
}

TEST(Configuration, what_is_shown_holds_no_secret) {
  Environment environment{{"JWT_SECRET", key_a + secret},
                          {"AUDIT_KEY", key_b + secret},
                          {"APP_API_TOKEN", secret},
                          {"DAPR_API_TOKEN", secret},
                          {"OPENAI_API_KEY", secret},
                          {"DATABASE_URL", "postgres://ann:" + secret + "@x/y"},
                          {"DATABASE_DIRECT_URL", "postgres://ann:" + secret + "@x/y"},
                          {"PORT", "1234"}};
  const auto config = load_config(lookup_in(environment));
  ASSERT_TRUE(config) << config.error();
  const std::string text = describe(*config);
  EXPECT_EQ(text.find(secret), std::string::npos);
  EXPECT_TRUE(text.contains("PORT=1234\n"));
  EXPECT_EQ(std::ranges::count(text, '\n'), static_cast<std::ptrdiff_t>(settings().size()));
}

// --- the command line ---

std::variant<CommandLine, Notice> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "todo-backend");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data(), lookup_in({}));
}

TEST(CommandLines, without_a_subcommand_it_serves) {
  EXPECT_EQ(std::get<CommandLine>(parse({})).command, Command::serve);
  EXPECT_EQ(std::get<CommandLine>(parse({"serve"})).command, Command::serve);
  EXPECT_EQ(std::get<CommandLine>(parse({"migrate"})).command, Command::migrate);
  EXPECT_EQ(std::get<CommandLine>(parse({"check-config"})).command, Command::check_config);
  EXPECT_EQ(std::get<CommandLine>(parse({"healthcheck"})).command, Command::healthcheck);
  EXPECT_EQ(std::get<CommandLine>(parse({"version"})).command, Command::version);
}

TEST(CommandLines, operations_carry_their_arguments) {
  const auto restore =
      std::get<CommandLine>(parse({"audit", "restore", "--user", "ann@example.com", "--all"}));
  EXPECT_EQ(restore.command, Command::operation);
  EXPECT_EQ(restore.operation.name, "audit restore");
  EXPECT_EQ(restore.operation.user, "ann@example.com");
  EXPECT_TRUE(restore.operation.all);
  const auto add = std::get<CommandLine>(
      parse({"user", "add", "ann@example.com", "--timezone", "Europe/Berlin"}));
  EXPECT_EQ(add.operation.name, "user add");
  EXPECT_TRUE(add.needs_password);
  const auto backup = std::get<CommandLine>(parse({"backup", "relative.db"}));
  EXPECT_TRUE(backup.operation.arguments.at(0).starts_with("/"))
      << "the server may run in another folder";
}

TEST(CommandLines, what_is_not_understood_is_named_with_exit_code_two) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> wrong{
      {{"dance"}, "dance"},
      {{"--colour", "red"}, "--colour"},
      {{"events", "dead", "retry"}, "--all"},
      {{"audit", "restore"}, "--user"},
      {{"backup"}, "file"},
      {{"audit"}, ""},
  };
  for (const auto& [arguments, named] : wrong) {
    const auto parsed = parse(arguments);
    ASSERT_TRUE(std::holds_alternative<Notice>(parsed)) << arguments.front();
    EXPECT_EQ(std::get<Notice>(parsed).exit_code, 2);
    EXPECT_TRUE(std::get<Notice>(parsed).text.contains(named)) << std::get<Notice>(parsed).text;
  }
}

TEST(CommandLines, help_lists_every_setting_with_its_default) {
  const auto parsed = parse({"--help"});
  ASSERT_TRUE(std::holds_alternative<Notice>(parsed));
  EXPECT_EQ(std::get<Notice>(parsed).exit_code, 0);
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(std::get<Notice>(parsed).text.contains(setting.variable)) << setting.variable;
    EXPECT_TRUE(std::get<Notice>(parsed).text.contains(flag_of(setting))) << setting.variable;
  }
}

}  // namespace
}  // namespace todo::app
