#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "storage/sqlite/connection.h"
#include "support/temp_folder.h"

namespace todo::storage::sqlite {

// Sees what SQLite asks of the disk, from any of its threads. A path is empty for temporary files.
class DiskWatcher {
 public:
  enum class Call { open, read, write, truncate, sync, size, remove, map };

  virtual ~DiskWatcher() = default;
  // What the call answers instead of being done; nothing: it is done.
  virtual std::optional<int> instead_of(Call, std::string_view /*path*/) { return std::nullopt; }
  // What was done.
  virtual void opened(std::string_view /*path*/) {}
  virtual void wrote(std::string_view /*path*/, std::string_view /*data*/, std::int64_t /*at*/) {}
  virtual void truncated(std::string_view /*path*/, std::int64_t /*size*/) {}
  virtual void removed(std::string_view /*path*/, bool /*folder_synced*/) {}
};

// Every file that SQLite opens from now on lies on this disk, which fails as it is told: an SQLite
// VFS before the usual one. One a process; safe from any thread.
class FailingDisk {
 public:
  // Text that tests put where the disk is to fail: pages that hold it.
  static constexpr std::string_view bad_sector = "<this sector is damaged>";

  static FailingDisk& instance() {
    static FailingDisk disk;
    return disk;
  }
  // `code`: an SQLite result code. With `everywhere` false only pages with the bad sector's text.
  void fail_writes(int code, bool everywhere) {
    everywhere_ = everywhere;
    write_code_ = code;
  }
  void fail_reads(int code) { read_code_ = code; }
  void fail_syncs(int code) { sync_code_ = code; }
  // Until the next call of this: nullptr ends it. While nothing is open.
  void watch(DiskWatcher* watcher) { watcher_ = watcher; }
  void heal() { write_code_ = read_code_ = sync_code_ = SQLITE_OK; }

 private:
  struct File {
    sqlite3_file base;
    sqlite3_file* real;
    const char* name;  // SQLite keeps it while the file is open
  };
  using Call = DiskWatcher::Call;
  static sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

  static std::string_view path(sqlite3_file* file) {
    const char* name = reinterpret_cast<File*>(file)->name;
    return name == nullptr ? std::string_view{} : name;
  }
  static std::optional<int> instead_of(Call call, std::string_view path) {
    DiskWatcher* watcher = instance().watcher_;
    return watcher == nullptr ? std::nullopt : watcher->instead_of(call, path);
  }
  template <class Work>
  static int watched(Call call, sqlite3_file* file, Work work) {
    const auto answer = instead_of(call, path(file));
    return answer ? *answer : work(real(file));
  }

  FailingDisk() {
    // The library is configured by the first connection, and knows no other order.
    const test::TempFolder folder;
    const Connection first(folder.file("first.db"), Access::read_write);
    usual_ = sqlite3_vfs_find(nullptr);
    vfs_ = *usual_;
    vfs_.pNext = nullptr;
    vfs_.zName = "failing";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + usual_->szOsFile;
    vfs_.xOpen = &FailingDisk::open;
    vfs_.xDelete = &FailingDisk::remove;
    sqlite3_vfs_register(&vfs_, 1);
  }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    FailingDisk& disk = instance();
    auto* self = reinterpret_cast<File*>(file);
    self->real = reinterpret_cast<sqlite3_file*>(self + 1);
    self->name = name;
    self->base.pMethods = nullptr;
    if (const auto answer = instead_of(Call::open, path(file))) return *answer;
    const int code = disk.usual_->xOpen(disk.usual_, name, self->real, flags, out_flags);
    if (self->real->pMethods != nullptr) self->base.pMethods = &methods();
    DiskWatcher* watcher = disk.watcher_;
    if (code == SQLITE_OK && watcher != nullptr) watcher->opened(path(file));
    return code;
  }
  static int remove(sqlite3_vfs*, const char* name, int sync_folder) {
    FailingDisk& disk = instance();
    if (const auto answer = instead_of(Call::remove, name)) return *answer;
    const int code = disk.usual_->xDelete(disk.usual_, name, sync_folder);
    DiskWatcher* watcher = disk.watcher_;
    if (code == SQLITE_OK && watcher != nullptr) watcher->removed(name, sync_folder != 0);
    return code;
  }

  static bool is_bad(const void* data, int size) {
    return std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size))
        .contains(bad_sector);
  }

  static int read(sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
    const int code = watched(
        Call::read, file, [&](sqlite3_file* f) { return f->pMethods->xRead(f, data, size, at); });
    const int wanted = instance().read_code_;
    return code == SQLITE_OK && wanted != SQLITE_OK && is_bad(data, size) ? wanted : code;
  }
  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
    const int wanted = instance().write_code_;
    if (wanted != SQLITE_OK && (instance().everywhere_ || is_bad(data, size))) return wanted;
    const int code = watched(
        Call::write, file, [&](sqlite3_file* f) { return f->pMethods->xWrite(f, data, size, at); });
    DiskWatcher* watcher = instance().watcher_;
    if (code == SQLITE_OK && watcher != nullptr)
      watcher->wrote(path(file), {static_cast<const char*>(data), static_cast<std::size_t>(size)},
                     at);
    return code;
  }
  static int sync(sqlite3_file* file, int flags) {
    const int wanted = instance().sync_code_;
    if (wanted != SQLITE_OK) return wanted;
    return watched(Call::sync, file, [&](sqlite3_file* f) { return f->pMethods->xSync(f, flags); });
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    const int code = watched(Call::truncate, file,
                             [&](sqlite3_file* f) { return f->pMethods->xTruncate(f, size); });
    DiskWatcher* watcher = instance().watcher_;
    if (code == SQLITE_OK && watcher != nullptr) watcher->truncated(path(file), size);
    return code;
  }

  // All else goes to the usual disk. Version 2: with shared memory, without mapped pages.
  static const sqlite3_io_methods& methods() {
    static const sqlite3_io_methods all = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
      m.xRead = &read;
      m.xWrite = &write;
      m.xTruncate = &truncate;
      m.xSync = &sync;
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
        return watched(Call::size, f,
                       [&](sqlite3_file* own) { return own->pMethods->xFileSize(own, size); });
      };
      m.xLock = [](sqlite3_file* f, int kind) { return real(f)->pMethods->xLock(real(f), kind); };
      m.xUnlock = [](sqlite3_file* f, int k) { return real(f)->pMethods->xUnlock(real(f), k); };
      m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
        return real(f)->pMethods->xCheckReservedLock(real(f), out);
      };
      m.xFileControl = [](sqlite3_file* f, int op, void* argument) {
        return real(f)->pMethods->xFileControl(real(f), op, argument);
      };
      m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
      m.xDeviceCharacteristics = [](sqlite3_file* f) {
        return real(f)->pMethods->xDeviceCharacteristics(real(f));
      };
      m.xShmMap = [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
        return watched(Call::map, f, [&](sqlite3_file* own) {
          return own->pMethods->xShmMap(own, page, size, extend, out);
        });
      };
      m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
        return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
      };
      m.xShmBarrier = [](sqlite3_file* f) { real(f)->pMethods->xShmBarrier(real(f)); };
      m.xShmUnmap = [](sqlite3_file* f, int remove) {
        return real(f)->pMethods->xShmUnmap(real(f), remove);
      };
      return m;
    }();
    return all;
  }

  sqlite3_vfs vfs_{};
  sqlite3_vfs* usual_ = nullptr;
  std::atomic<DiskWatcher*> watcher_ = nullptr;
  std::atomic<int> write_code_ = SQLITE_OK;
  std::atomic<int> read_code_ = SQLITE_OK;
  std::atomic<int> sync_code_ = SQLITE_OK;
  std::atomic<bool> everywhere_ = false;
};

}  // namespace todo::storage::sqlite
