#include "storage/sqlite/files.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "storage/sqlite/schema.h"

namespace todo::storage::sqlite {
namespace {

constexpr int pages_per_step = 4'096;

std::expected<void, std::string> sync_path(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return std::unexpected(path + ": " + std::strerror(errno));
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  if (result != 0) return std::unexpected(path + ": cannot sync: " + std::strerror(error));
  return {};
}

}  // namespace

void remove_database(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"})
    std::filesystem::remove(path + suffix, ignored);
}

std::expected<void, std::string> put_in_place(const std::string& temporary, const std::string& to) {
  namespace fs = std::filesystem;
  ::chmod(temporary.c_str(), 0600);
  if (auto synced = sync_path(temporary, O_RDWR); !synced) return synced;
  std::error_code failed;
  fs::rename(temporary, to, failed);
  if (failed)
    return std::unexpected(fmt::format("cannot rename {}: {}", temporary, failed.message()));
  const std::string directory = fs::absolute(to).parent_path();
  return sync_path(directory, O_RDONLY | O_DIRECTORY);
}

std::expected<void, std::string> copy_database(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  if (fs::exists(to)) return std::unexpected(to + " exists already: name another file");
  const std::string temporary = to + ".part";
  remove_database(temporary);
  try {
    // A connection of its own: its snapshot does not hold up the readers' threads.
    Connection source(from, Access::read_only);
    source.execute("PRAGMA query_only = OFF");
    Query q(source, "VACUUM INTO ?");
    q.bind(temporary).run();
  } catch (const std::exception& error) {
    remove_database(temporary);
    return std::unexpected(fmt::format("cannot copy {} to {}: {}", from, to, error.what()));
  }
  return put_in_place(temporary, to);
}

std::expected<void, std::string> prepare_restore(const std::string& backup, const std::string& to) {
  if (!std::filesystem::is_regular_file(backup))
    return std::unexpected(backup + ": there is no such file");
  remove_database(to);
  std::error_code failed;
  std::filesystem::copy_file(backup, to, failed);
  if (failed) return std::unexpected(fmt::format("cannot copy {}: {}", backup, failed.message()));
  const auto refuse = [&to](std::string why) -> std::expected<void, std::string> {
    remove_database(to);
    return std::unexpected(std::move(why));
  };
  try {
    Connection copy(to, Access::read_write);
    const auto version = read_schema_version(copy);
    if (!version) return refuse(backup + ": " + version.error());
    if (*version == 0) return refuse(backup + ": the file is empty");
    Query check(copy, "PRAGMA quick_check(1)");
    if (!check.step() || check.text() != "ok") return refuse(backup + ": the file is damaged");
    if (*version < schema_version) migrate_schema(copy, *version);
    renew_epoch(copy);
  } catch (const std::exception& error) {
    return refuse(backup + ": " + error.what());
  }
  return {};
}

std::expected<void, std::string> replace_contents(Connection& target, const std::string& path) {
  try {
    Connection source(path, Access::read_write);
    sqlite3_backup* backup = sqlite3_backup_init(target.handle(), "main", source.handle(), "main");
    if (backup == nullptr) throw_error(target.handle(), sqlite3_extended_errcode(target.handle()));
    int code = SQLITE_OK;
    while (code == SQLITE_OK) code = sqlite3_backup_step(backup, pages_per_step);
    const int finished = sqlite3_backup_finish(backup);
    if (code != SQLITE_DONE) throw_error(target.handle(), code);
    if (finished != SQLITE_OK) throw_error(target.handle(), finished);
  } catch (const std::exception& error) {
    return std::unexpected(std::string("the database could not be replaced; it is as it was: ") +
                           error.what());
  }
  return {};
}

}  // namespace todo::storage::sqlite
