#include "app/command_line.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <tuple>

#include <CLI/CLI.hpp>

namespace todo::app {
namespace {

constexpr const char* about =
    R"(todo-backend serves todo-app: tasks that recur, reminders, notifications and an audit trail.

Without a subcommand it serves. Every setting is an environment variable and the same as a flag,
before or after the subcommand; a flag wins. Secrets are better given as variables: everyone on the
machine sees flags.
)";

constexpr const char* epilogue =
    R"(
Durations are a whole number and s, m, h or d.

Exit codes:
  0  done
  1  failed, or not so: a chain does not hold, an id is not there, the server is not ready
  2  the command line or a setting is not understood

Examples:
  todo-backend                                     serve on http://127.0.0.1:8080
  todo-backend serve --port 9000 --data-dir /srv/todo
  todo-backend user add ann@example.com < password.txt
  todo-backend backup /backups/todo-today.db       while the server runs
  todo-backend audit verify                        while the server runs, or without it
  todo-backend copy --from sqlite:/srv/todo/todo.db --to postgres://todo@db.example.com/todo
  todo-backend login ann@example.com               once, then:
  todo-backend add 'pay rent tomorrow 9am every month !urgent #finance'

Subcommands that change data send their work to the server that runs on the same DATA_DIR, and open
the database themselves when none does.

`login` and `add` are for users, and speak HTTP. Of the settings only HOST and PORT matter to them,
and these variables:
  TODO_URL    the server, for example http://todo.example.com:8080
              [default: the one of the login, else http://HOST:PORT]
  TODO_TOKEN  an API token [default: the one that `login` keeps in
              $XDG_CONFIG_HOME/todo-app/login.json, else ~/.config/todo-app/login.json]
)";

constexpr const char* next_step = "Run `todo-backend --help` for what there is.\n";
constexpr const char* settings_group = "Settings";
constexpr std::size_t help_column = 32;

// The parser and where it puts what it finds.
class Parser {
 public:
  Parser() : app_(about, "todo-backend") {
    formatter_->column_width(help_column);
    app_.formatter(formatter_);
    app_.fallthrough();
    app_.require_subcommand(0, 1);
    app_.option_defaults()->group(settings_group);
    for (const Setting& setting : settings()) {
      Flag& flag = flags_[setting.variable];
      const std::string help = std::string(setting.help) + " [" + std::string(setting.variable) +
                               ", default: " + std::string(setting.fallback) + "]";
      flag.option = app_.add_option(flag_of(setting), flag.text, help)->type_name("VALUE");
    }
    app_.option_defaults()->group("Options");
    app_.add_flag("--version", show_version_, "Print the version");
    add(app_, "serve", "Serve the API (the default)", Command::serve);
    add(app_, "migrate", "Bring the database to this version's schema, after a backup",
        Command::migrate);
    add(app_, "check-config", "Check the settings and print them, secrets masked",
        Command::check_config);
    add(app_, "healthcheck", "Exit 0 when the server on HOST and PORT is ready",
        Command::healthcheck);
    add(app_, "version", "Print the version", Command::version);
    add_operations();
    add_client_commands();
  }

  std::variant<CommandLine, Notice> parse(int argc, const char* const* argv,
                                          const Lookup& environment) {
    try {
      app_.parse(argc, argv);
      check_dead_letters();
    } catch (const CLI::CallForHelp&) {
      return Notice{help(), 0};
    } catch (const CLI::ExtrasError&) {
      return mistake(unexpected_argument() + "\n" + next_step);
    } catch (const CLI::ParseError& error) {
      return mistake(said(error) + "\n" + next_step);
    }
    // Whoever asks which version this is may be about to repair the settings.
    if (result_.command == Command::version || show_version_) {
      result_.command = Command::version;
      return std::move(result_);
    }
    const Lookup lookup = [&](std::string_view variable) -> std::optional<std::string> {
      if (const auto flag = flags_.find(variable); flag != flags_.end() && flag->second.given())
        return flag->second.text;
      return environment(variable);
    };
    if (result_.command == Command::login || result_.command == Command::add) {
      auto client = load_client(lookup);
      if (!client) return mistake(client.error() + "\n");
      result_.client = std::move(*client);
      return std::move(result_);
    }
    auto config = load_config(lookup);
    if (!config) return mistake(config.error() + "\n");
    result_.config = std::move(*config);
    return std::move(result_);
  }

 private:
  struct Flag {
    std::string text;
    CLI::Option* option = nullptr;
    // Also as an empty text, which sets a variable of the environment back to its default.
    bool given() const { return option->count() > 0; }
  };

  Notice mistake(std::string text) const {
    const auto chosen = app_.get_subcommands();
    return {std::move(text), 2, chosen.empty() || chosen.front()->get_name() == "serve"};
  }

  // CLI11's words, with the subcommand that they are about.
  std::string said(const CLI::ParseError& error) const {
    std::string where;
    const CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) {
      app = app->get_subcommands().front();
      where += app->get_name() + " ";
    }
    return where.empty() ? error.what() : where.substr(0, where.size() - 1) + ": " + error.what();
  }

  // Of the subcommand that was asked about, with the settings, which CLI11 shows of the program
  // alone.
  std::string help() const {
    std::string text = app_.help();
    if (!app_.get_subcommands().empty()) {
      text += formatter_->make_group(settings_group, false,
                                     app_.get_options([](const CLI::Option* option) {
                                       return option->get_group() == settings_group;
                                     }));
    }
    return text + epilogue;
  }

  // Names the first argument that nobody took. A misspelt flag may have a secret behind it, and a
  // secret with a space in it ends as an argument of its own: neither is shown.
  std::string unexpected_argument() const {
    const std::vector<std::string> extras = app_.remaining(true);
    const auto flag =
        std::ranges::find_if(extras, [](const std::string& text) { return text.starts_with('-'); });
    if (flag != extras.end()) return "there is no flag " + flag->substr(0, flag->find('='));
    const bool with_secret = std::ranges::any_of(settings(), [&](const Setting& setting) {
      return setting.secret && flags_.at(setting.variable).given();
    });
    if (with_secret || extras.empty()) return "there is an argument too many";
    return "there is nothing that “" + extras.front() + "” would be";
  }

  // Nothing named is a mistake; to take it for everything would be a worse one.
  void check_dead_letters() const {
    const Operation& operation = result_.operation;
    const bool changes =
        operation.name == "events dead retry" || operation.name == "events dead drop";
    if (changes && operation.arguments.empty() && !operation.all)
      throw CLI::ValidationError(operation.name, "name event ids, or --all");
  }

  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help,
                Command command) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->fallthrough();
    sub->callback([this, command] { result_.command = command; });
    return sub;
  }

  CLI::App* add_group(CLI::App& parent, const std::string& name, const std::string& help) {
    CLI::App* group = parent.add_subcommand(name, help);
    group->fallthrough();
    group->require_subcommand(1);
    return group;
  }

  CLI::App* add_operation(CLI::App& parent, const std::string& name, const std::string& full_name,
                          const std::string& help, bool needs_password = false) {
    CLI::App* sub = parent.add_subcommand(name, help);
    sub->fallthrough();
    // CLI11 keeps one such callback: callback() and final_callback() are two names for it.
    sub->callback([this, full_name, needs_password] {
      result_.command = Command::operation;
      result_.operation.name = full_name;
      result_.needs_password = needs_password;
    });
    return sub;
  }

  // Paths are the server's to open: it may run in another folder.
  void add_path(CLI::App* sub, const std::string& name, const std::string& help) {
    sub->add_option(name, result_.operation.arguments, help)
        ->expected(1)
        ->transform([](const std::string& path) {
          std::error_code error;
          const auto absolute = std::filesystem::absolute(path, error);
          if (path.empty() || error) throw CLI::ValidationError("must be a path");
          return absolute.string();
        })
        ->required()
        ->type_name("");
  }

  void add_dry_run(CLI::App* sub) {
    sub->add_flag("--dry-run", result_.operation.dry_run, "Only say what it would do");
  }

  void add_user_option(CLI::App* sub, bool required) {
    sub->add_option("--user", result_.operation.user, "The user's email")
        ->required(required)
        ->type_name("EMAIL");
  }

  void add_operations() {
    CLI::App* reminders = add_group(app_, "reminders", "Reminders");
    add_operation(*reminders, "run", "reminders run", "Run the reminder check now");

    CLI::App* audit = add_group(app_, "audit", "The audit trail");
    add_user_option(add_operation(*audit, "verify", "audit verify",
                                  "Check the hash chains; exit 1 when one does not hold"),
                    false);
    add_dry_run(add_operation(*audit, "archive", "audit archive",
                              "Archive entries older than AUDIT_RETENTION"));
    CLI::App* restore_audit = add_operation(*audit, "restore", "audit restore",
                                            "Bring a user's newest archived segment back");
    add_user_option(restore_audit, true);
    restore_audit->add_flag("--all", result_.operation.all, "All segments");
    add_dry_run(restore_audit);
    CLI::App* export_audit = add_operation(*audit, "export", "audit export",
                                           "Write the chains to files, one NDJSON file a user");
    add_user_option(export_audit, false);
    add_path(export_audit, "--output", "The folder to write to");
    add_dry_run(export_audit);
    add_dry_run(
        add_operation(app_, "purge", "purge",
                      "Delete now what has been kept long enough: deleted tasks and accounts, "
                      "notifications, sessions, idempotency keys"));

    CLI::App* events = add_group(app_, "events", "Events");
    CLI::App* dead = add_group(*events, "dead", "Events that could not be applied");
    add_operation(*dead, "list", "events dead list", "Show them");
    for (const auto& [name, help] :
         {std::pair{"retry", "Put them back into the outbox"}, std::pair{"drop", "Delete them"}}) {
      CLI::App* sub = add_operation(*dead, name, std::string("events dead ") + name, help);
      CLI::Option* ids =
          sub->add_option("ids", result_.operation.arguments, "Event ids")->type_name("ID");
      sub->add_flag("--all", result_.operation.all, "All of them")->excludes(ids);
    }

    add_path(add_operation(app_, "backup", "backup",
                           "Copy the database to a new file, while the server runs"),
             "file", "The file to make");
    add_path(add_operation(app_, "restore", "restore",
                           "Replace everything by a backup, while the server runs"),
             "file", "A file that backup made");

    CLI::App* copy = add(app_, "copy",
                         "Move everything into another, empty database and verify it; a copy that "
                         "was broken off goes on where it was",
                         Command::copy);
    for (const auto& [name, where, help] :
         {std::tuple{"--from", &result_.copy.from,
                     "The source: sqlite:PATH, which nothing serves meanwhile, or postgres://…"},
          std::tuple{"--to", &result_.copy.to,
                     "The target: sqlite:PATH, a new file, or postgres://…, an empty database"}}) {
      copy->add_option(name, *where, help)->required()->type_name("URL");
    }

    CLI::App* user = add_group(app_, "user", "Accounts");
    CLI::App* user_add =
        add_user(*user, "add", "Make an account; the password comes from standard input", true);
    user_add->add_option("--name", result_.operation.display_name, "The display name")
        ->type_name("");
    user_add
        ->add_option("--timezone", result_.operation.timezone,
                     "A tzdata name, for example Europe/Berlin")
        ->type_name("ZONE");
    add_user(*user, "passwd", "Set a password, from standard input, and end the sessions", true);
    add_user(*user, "disable", "Lock an account and end its sessions", false);
    add_user(*user, "enable", "Unlock an account", false);
  }

  void add_client_commands() {
    CLI::App* login =
        add(app_, "login", "Sign in to a server, for `add`; the password comes from standard input",
            Command::login);
    login->add_option("email", result_.email, "Your email; asked for where it is left out")
        ->type_name("EMAIL");
    CLI::App* add_task = add(app_, "add", "Add a task", Command::add);
    add_task
        ->add_option_function<std::vector<std::string>>(
            "text",
            [this](const std::vector<std::string>& words) {
              for (const std::string& word : words)
                result_.text += (result_.text.empty() ? "" : " ") + word;
            },
            "What is to be done, with its date, rule, !priority and #category")
        ->required()
        ->type_name("TEXT");
  }

  CLI::App* add_user(CLI::App& group, const std::string& name, const std::string& help,
                     bool needs_password) {
    CLI::App* sub = add_operation(group, name, "user " + name, help, needs_password);
    sub->add_option("email", result_.operation.arguments, "The account's email")
        ->required()
        ->expected(1)
        ->type_name("EMAIL");
    if (needs_password) {
      const std::string flag_help = "Says what is so: the password is a line of standard input";
      sub->add_flag("--password-stdin", flag_help);
    }
    return sub;
  }

  std::shared_ptr<CLI::Formatter> formatter_ = std::make_shared<CLI::Formatter>();
  CLI::App app_;
  bool show_version_ = false;
  CommandLine result_;
  std::map<std::string_view, Flag> flags_;
};

}  // namespace

std::variant<CommandLine, Notice> parse_command_line(int argc, const char* const* argv,
                                                     const Lookup& environment) {
  return Parser().parse(argc, argv, environment);
}

}  // namespace todo::app
