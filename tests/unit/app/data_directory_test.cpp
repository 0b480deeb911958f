#include "app/data_directory.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "app/core.h"
#include "support/temp_folder.h"

namespace todo::app {
namespace {

namespace fs = std::filesystem;

class DataDirectories : public testing::Test {
 protected:
  static unsigned mode(const std::string& path) {
    struct stat file{};
    EXPECT_EQ(::stat(path.c_str(), &file), 0) << path;
    return file.st_mode & 0777U;
  }
  DataDirectory open() {
    auto directory = DataDirectory::open(path_);
    EXPECT_TRUE(directory) << directory.error();
    return std::move(*directory);
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  test::TempFolder folder_;
  const std::string path_ = folder_.file("deep/data");
};

TEST_F(DataDirectories, a_new_folder_is_its_owners_alone) {
  open();
  EXPECT_EQ(mode(path_), 0700U);
}

TEST_F(DataDirectories, a_folder_that_cannot_be_made_is_named) {
  write(folder_.file("file"), "x");
  const auto refused = DataDirectory::open(folder_.file("file"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().contains("DATA_DIR")) << refused.error();
  EXPECT_TRUE(refused.error().contains(folder_.file("file")));
}

TEST_F(DataDirectories, one_process_holds_it_and_the_next_is_told_which) {
  const DataDirectory directory = open();
  EXPECT_FALSE(directory.in_use());
  {
    const auto lock = directory.lock();
    ASSERT_TRUE(lock) << lock.error();
    EXPECT_TRUE(directory.in_use());
    const pid_t child = ::fork();
    if (child == 0) {
      const auto second = DataDirectory::open(path_);
      const auto refused = second->lock();
      const bool told = !refused && refused.error().contains(std::to_string(::getppid())) &&
                        !refused.error().contains('\n') && second->in_use();
      ::_exit(told ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_FALSE(directory.in_use());
  EXPECT_TRUE(directory.lock()) << "gone with its holder";
}

TEST_F(DataDirectories, a_key_is_made_once_and_kept_to_its_owner) {
  const DataDirectory directory = open();
  const auto made = directory.load_or_make_key("jwt");
  ASSERT_TRUE(made) << made.error();
  EXPECT_TRUE(made->made_new);
  EXPECT_GE(made->text.size(), 32U);
  EXPECT_EQ(mode(path_ + "/jwt.key"), 0600U);
  const auto again = directory.load_or_make_key("jwt");
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->made_new);
  EXPECT_EQ(again->text, made->text);
  EXPECT_NE(directory.load_or_make_key("audit")->text, made->text);
  EXPECT_FALSE(fs::exists(path_ + "/jwt.key.part"));
}

TEST_F(DataDirectories, a_key_that_others_could_read_is_made_its_owners) {
  const DataDirectory directory = open();
  const std::string key(40, 'k');
  write(path_ + "/jwt.key", key + "\n");
  ::chmod((path_ + "/jwt.key").c_str(), 0644);
  EXPECT_EQ(directory.load_or_make_key("jwt")->text, key);
  EXPECT_EQ(mode(path_ + "/jwt.key"), 0600U);
}

TEST_F(DataDirectories, a_damaged_key_is_refused_and_never_replaced) {
  const DataDirectory directory = open();
  for (const char* text : {"", "short\n"}) {
    write(path_ + "/audit.key", text);
    const auto refused = directory.load_or_make_key("audit");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().contains(path_ + "/audit.key")) << refused.error();
    EXPECT_EQ(fs::file_size(path_ + "/audit.key"), std::string(text).size());
  }
}

TEST_F(DataDirectories, the_control_socket_fits_its_address_however_long_the_folders_name) {
  EXPECT_EQ(open().control_socket(), path_ + "/control.sock");
  const std::string long_path = folder_.file(std::string(200, 'x'));
  const auto directory = DataDirectory::open(long_path);
  ASSERT_TRUE(directory);
  const std::string socket = directory->control_socket();
  EXPECT_LT(socket.size(), 108U);
  write(socket, "x");
  EXPECT_TRUE(fs::exists(long_path + "/control.sock"));
}

// --- the whole core ---

Config config_in(const std::string& path) {
  Config config;
  config.data_dir = path;
  return config;
}

TEST_F(DataDirectories, everything_the_core_makes_is_its_owners_alone) {
  auto core = Core::open(config_in(path_));
  ASSERT_TRUE(core) << core.error();
  (*core)->start();
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(mode(entry.path()), 0600U) << entry.path();
  }
  EXPECT_TRUE(fs::exists(path_ + "/todo.db"));
  EXPECT_TRUE(fs::exists(path_ + "/jwt.key"));
  EXPECT_TRUE(fs::exists(path_ + "/audit.key"));
}

TEST_F(DataDirectories, a_second_core_is_refused_until_the_first_is_gone) {
  auto first = Core::open(config_in(path_));
  ASSERT_TRUE(first) << first.error();
  const auto second = Core::open(config_in(path_));
  ASSERT_FALSE(second);
  EXPECT_TRUE(second.error().contains("in use")) << second.error();
  EXPECT_EQ(second.error().find('\n'), std::string::npos);
  (*first)->stop();
  (*first)->stop();
  first->reset();
  EXPECT_TRUE(Core::open(config_in(path_)));
}

TEST_F(DataDirectories, given_keys_are_used_and_none_is_made) {
  Config config = config_in(path_);
  config.jwt_secrets = {std::string(32, 'j')};
  config.audit_keys = {std::string(32, 'a'), std::string(32, 'b')};
  const auto core = Core::open(config);
  ASSERT_TRUE(core) << core.error();
  EXPECT_EQ((*core)->jwt_secrets, config.jwt_secrets);
  EXPECT_EQ((*core)->audit_keys.signing_key_id(), AuditKeys(config.audit_keys).signing_key_id());
  EXPECT_FALSE(fs::exists(path_ + "/jwt.key"));
  EXPECT_FALSE(fs::exists(path_ + "/audit.key"));
}

TEST_F(DataDirectories, the_database_may_lie_elsewhere) {
  Config config = config_in(path_);
  config.database_url = "sqlite:" + folder_.file("elsewhere.db");
  const auto core = Core::open(config);
  ASSERT_TRUE(core) << core.error();
  EXPECT_TRUE(fs::exists(folder_.file("elsewhere.db")));
  EXPECT_FALSE(fs::exists(path_ + "/todo.db"));
}

TEST_F(DataDirectories, a_database_that_is_not_ours_stops_the_core_with_a_line) {
  open();
  write(path_ + "/todo.db", std::string(5'000, 'x'));
  const auto core = Core::open(config_in(path_));
  ASSERT_FALSE(core);
  EXPECT_TRUE(core.error().contains(path_ + "/todo.db")) << core.error();
}

}  // namespace
}  // namespace todo::app
