#pragma once

#include <expected>
#include <string>

#include "app/config.h"

namespace todo::app {

// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The flock on DATA_DIR/lock; gone with the object or the process.
using FileLock = Descriptor;

struct Key {
  std::string text;
  bool made_new = false;
};

// The folder that holds the database, its keys, backups and the control socket. Made 0700; one that
// is there keeps its mode, since it may be a mounted volume. Its files are 0600 either way.
class DataDirectory {
 public:
  // Makes the folder where it is missing, and sets the process's umask to 077. Fails with a
  // sentence.
  static std::expected<DataDirectory, std::string> open(const std::string& path);

  // Takes the lock at once, or fails and says which process holds it.
  std::expected<FileLock, std::string> lock() const;
  // True while a process holds the lock, this one included. To decide anything by it, take the
  // lock: the answer is old when it arrives.
  bool in_use() const;

  std::string database_file() const { return path_ + "/todo.db"; }
  std::string backups_directory() const { return path_ + "/backups"; }
  // A path that fits a socket address even where the folder's own is too long (108 bytes): then
  // through /proc, while this object lives.
  std::string control_socket() const;

  // DATA_DIR/<name>.key, made at its first use: random, synced, and whole or not there after a
  // crash. One that others could read is made 0600. Fails with a sentence; a file that is there but
  // cannot be read, or is too short for a key, is never replaced.
  std::expected<Key, std::string> load_or_make_key(const std::string& name) const;
  bool has_key(const std::string& name) const;

 private:
  DataDirectory(std::string path, Descriptor folder)
      : path_(std::move(path)), folder_(std::move(folder)) {}
  std::string path_;
  Descriptor folder_;
};

// The SQLite file of this configuration.
std::string database_path(const Config& config, const DataDirectory& directory);

}  // namespace todo::app
