#pragma once

#include <expected>
#include <optional>
#include <string>

#include "app/config.h"
#include "app/operations.h"

// `login` and `add`: subcommands of somebody who uses a server, near or far, over HTTP.
namespace todo::app {

struct Client {
  std::optional<std::string> url;    // TODO_URL
  std::optional<std::string> token;  // TODO_TOKEN
  std::string local_url;             // where a server with these settings listens
  std::string login_file;            // what `login` writes and `add` reads
};

// TODO_URL, TODO_TOKEN, HOST, PORT, XDG_CONFIG_HOME and HOME; no other setting matters here. Fails
// with a sentence that names the variable.
std::expected<Client, std::string> load_client(const Lookup& lookup);

// Signs in, makes an API token and keeps it in the login file (0600), in place of the one that was
// there. The session itself is ended again.
OperationResult log_in(const Client& client, const std::string& email, const std::string& password);

// Makes the task that the text says, and tells what it is.
OperationResult add_task(const Client& client, const std::string& text);

}  // namespace todo::app
