#include "app/data_directory.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "base/text.h"

namespace todo::app {
namespace {

constexpr std::size_t key_random_bytes = 48;
constexpr std::size_t key_bytes_min = 32;
constexpr int lock_attempts = 5;
constexpr std::chrono::milliseconds lock_pause{40};

std::unexpected<std::string> failed(const std::string& what, const std::string& path) {
  return std::unexpected(fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// `in_use` of another process holds the lock for a moment.
bool lock_soon(int fd) {
  for (int i = 0; i < lock_attempts; ++i) {
    if (i > 0) std::this_thread::sleep_for(lock_pause);
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) break;
  }
  return false;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

std::expected<DataDirectory, std::string> DataDirectory::open(const std::string& path) {
  // The folder, and what SQLite and others make in it, is for its owner alone from the start.
  ::umask(0077);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return std::unexpected(fmt::format("DATA_DIR {} cannot be made: {}", path, error.message()));
  Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return failed("DATA_DIR cannot be opened:", path);
  return DataDirectory(path, std::move(folder));
}

std::expected<FileLock, std::string> DataDirectory::lock() const {
  const std::string path = path_ + "/lock";
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return failed("cannot open", path);
  if (!lock_soon(fd.get())) {
    if (errno != EWOULDBLOCK) return failed("cannot lock", path);
    const std::string pid = first_line(path);
    return std::unexpected(fmt::format(
        "DATA_DIR {} is in use by another todo-backend{}: stop it, or name another folder", path_,
        pid.empty() ? "" : " (process " + pid + ")"));
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd.get(), 0) != 0 || !write_all(fd.get(), pid))
    return failed("cannot write", path);
  return fd;
}

bool DataDirectory::in_use() const {
  const std::string path = path_ + "/lock";
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

std::string DataDirectory::control_socket() const {
  std::string path = path_ + "/control.sock";
  if (path.size() < sizeof(sockaddr_un::sun_path)) return path;
  return fmt::format("/proc/self/fd/{}/control.sock", folder_.get());
}

std::expected<Key, std::string> DataDirectory::load_or_make_key(const std::string& name) const {
  const std::string path = path_ + "/" + name + ".key";
  if (const Descriptor kept(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); kept.valid()) {
    // Best effort: a volume that is not ours to change may still hold a good key.
    if (struct stat file{}; ::fstat(kept.get(), &file) == 0 && (file.st_mode & 0077) != 0)
      ::fchmod(kept.get(), 0600);
    std::string text = first_line(path);
    if (text.size() < key_bytes_min)
      return std::unexpected(fmt::format(
          "{} holds no key: restore it from a copy, or give the key as a variable", path));
    return Key{std::move(text), false};
  }
  if (errno != ENOENT) return failed("cannot read", path);
  std::array<char, key_random_bytes> random{};
  randombytes_buf(random.data(), random.size());
  const std::string text = base64url_encode({random.data(), random.size()});
  const std::string temporary = path + ".part";
  const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return failed("cannot make", temporary);
  if (!write_all(fd.get(), text + "\n") || ::fsync(fd.get()) != 0)
    return failed("cannot write", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0 || ::fsync(folder_.get()) != 0)
    return failed("cannot make", path);
  return Key{text, true};
}

bool DataDirectory::has_key(const std::string& name) const {
  return ::access((path_ + "/" + name + ".key").c_str(), F_OK) == 0;
}

std::string database_path(const Config& config, const DataDirectory& directory) {
  constexpr std::string_view scheme = "sqlite:";
  return config.database_url.empty() ? directory.database_file()
                                     : config.database_url.substr(scheme.size());
}

}  // namespace todo::app
