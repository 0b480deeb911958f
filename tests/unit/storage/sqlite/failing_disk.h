#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstring>
#include <string>
#include <string_view>

#include "storage/sqlite/connection.h"
#include "support/temp_folder.h"

namespace todo::storage::sqlite {

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
  void heal() { write_code_ = read_code_ = sync_code_ = SQLITE_OK; }

 private:
  struct File {
    sqlite3_file base;
    sqlite3_file* real;
  };
  static sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

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
    sqlite3_vfs_register(&vfs_, 1);
  }

  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    FailingDisk& disk = instance();
    auto* self = reinterpret_cast<File*>(file);
    self->real = reinterpret_cast<sqlite3_file*>(self + 1);
    self->base.pMethods = nullptr;
    const int code = disk.usual_->xOpen(disk.usual_, name, self->real, flags, out_flags);
    if (self->real->pMethods != nullptr) self->base.pMethods = &methods();
    return code;
  }

  static bool is_bad(const void* data, int size) {
    return std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size))
        .contains(bad_sector);
  }

  static int read(sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
    const int code = real(file)->pMethods->xRead(real(file), data, size, at);
    const int wanted = instance().read_code_;
    return code == SQLITE_OK && wanted != SQLITE_OK && is_bad(data, size) ? wanted : code;
  }
  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
    const int wanted = instance().write_code_;
    if (wanted != SQLITE_OK && (instance().everywhere_ || is_bad(data, size))) return wanted;
    return real(file)->pMethods->xWrite(real(file), data, size, at);
  }
  static int sync(sqlite3_file* file, int flags) {
    const int wanted = instance().sync_code_;
    return wanted != SQLITE_OK ? wanted : real(file)->pMethods->xSync(real(file), flags);
  }

  // All else goes to the usual disk. Version 2: with shared memory, without mapped pages.
  static const sqlite3_io_methods& methods() {
    static const sqlite3_io_methods all = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); };
      m.xRead = &read;
      m.xWrite = &write;
      m.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
        return real(f)->pMethods->xTruncate(real(f), size);
      };
      m.xSync = &sync;
      m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
        return real(f)->pMethods->xFileSize(real(f), size);
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
        return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
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
  std::atomic<int> write_code_ = SQLITE_OK;
  std::atomic<int> read_code_ = SQLITE_OK;
  std::atomic<int> sync_code_ = SQLITE_OK;
  std::atomic<bool> everywhere_ = false;
};

}  // namespace todo::storage::sqlite
