#include "storage/sqlite/gathering_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <string>

namespace todo::storage::sqlite {
namespace {

// SQLite's own VFS for Unix writes less than 128 KiB at once (os_unix.c, seekAndWriteFd).
constexpr int gathered_bytes_max = 120 * 1024;

// SQLite allots the memory of an open file: this, and behind it the usual VFS's own.
struct LogFile {
  sqlite3_file base;
  sqlite3_file* real;
  char* gathered;
  int size;          // of what is gathered
  sqlite3_int64 at;  // where in the file that begins
};

LogFile& log_of(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return log_of(file).real; }

// What cannot be written is forgotten: SQLite is told, and writes the frames of its next
// transaction in their place.
int write_gathered(LogFile& log) {
  const int size = log.size;
  log.size = 0;
  if (size == 0) return SQLITE_OK;
  return log.real->pMethods->xWrite(log.real, log.gathered, size, log.at);
}

// Once what was gathered is written.
template <class Work>
int behind_gathered(sqlite3_file* file, Work work) {
  const int code = write_gathered(log_of(file));
  return code == SQLITE_OK ? work(real(file)) : code;
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  LogFile& log = log_of(file);
  if (size > gathered_bytes_max) {
    return behind_gathered(
        file, [&](sqlite3_file* own) { return own->pMethods->xWrite(own, data, size, at); });
  }
  if (at != log.at + log.size || log.size + size > gathered_bytes_max) {
    if (const int code = write_gathered(log); code != SQLITE_OK) return code;
    log.at = at;
  }
  std::memcpy(log.gathered + log.size, data, static_cast<std::size_t>(size));
  log.size += size;
  return SQLITE_OK;
}

// What nobody asked to be synced was not committed.
int close(sqlite3_file* file) {
  delete[] log_of(file).gathered;
  return real(file)->pMethods->xClose(real(file));
}

// A log is neither locked, nor mapped, nor shared memory's.
const sqlite3_io_methods& log_methods() {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods m{};
    m.iVersion = 1;
    m.xClose = &close;
    m.xRead = [](sqlite3_file* file, void* data, int size, sqlite3_int64 at) {
      return behind_gathered(
          file, [&](sqlite3_file* own) { return own->pMethods->xRead(own, data, size, at); });
    };
    m.xWrite = &write;
    m.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
      return behind_gathered(
          file, [&](sqlite3_file* own) { return own->pMethods->xTruncate(own, size); });
    };
    m.xSync = [](sqlite3_file* file, int flags) {
      return behind_gathered(file,
                             [&](sqlite3_file* own) { return own->pMethods->xSync(own, flags); });
    };
    m.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
      return behind_gathered(
          file, [&](sqlite3_file* own) { return own->pMethods->xFileSize(own, size); });
    };
    m.xLock = [](sqlite3_file* file, int kind) {
      return real(file)->pMethods->xLock(real(file), kind);
    };
    m.xUnlock = [](sqlite3_file* file, int kind) {
      return real(file)->pMethods->xUnlock(real(file), kind);
    };
    m.xCheckReservedLock = [](sqlite3_file* file, int* out) {
      return real(file)->pMethods->xCheckReservedLock(real(file), out);
    };
    m.xFileControl = [](sqlite3_file* file, int operation, void* argument) {
      return real(file)->pMethods->xFileControl(real(file), operation, argument);
    };
    m.xSectorSize = [](sqlite3_file* file) {
      return real(file)->pMethods->xSectorSize(real(file));
    };
    m.xDeviceCharacteristics = [](sqlite3_file* file) {
      return real(file)->pMethods->xDeviceCharacteristics(real(file));
    };
    return m;
  }();
  return methods;
}

// The usual one's functions, but for xOpen.
struct GatheringVfs : sqlite3_vfs {
  explicit GatheringVfs(sqlite3_vfs& base)
      : sqlite3_vfs(base), usual(&base), name(std::string("gathering-") + base.zName) {
    pNext = nullptr;
    zName = name.c_str();
    szOsFile = static_cast<int>(sizeof(LogFile)) + base.szOsFile;
    xOpen = &GatheringVfs::open;
  }

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                  int* out_flags) {
    sqlite3_vfs* base = static_cast<GatheringVfs*>(vfs)->usual;
    if ((flags & SQLITE_OPEN_WAL) == 0) return base->xOpen(base, path, file, flags, out_flags);
    auto* log = new (file) LogFile{};
    log->real = reinterpret_cast<sqlite3_file*>(log + 1);
    log->real->pMethods = nullptr;
    log->gathered = new (std::nothrow) char[gathered_bytes_max];
    if (log->gathered == nullptr) return SQLITE_NOMEM;
    const int code = base->xOpen(base, path, log->real, flags, out_flags);
    if (log->real->pMethods != nullptr) {
      log->base.pMethods = &log_methods();  // SQLite closes it, whatever the code
    } else {
      delete[] log->gathered;
    }
    return code;
  }

  sqlite3_vfs* const usual;
  const std::string name;
};

}  // namespace

// The usual one may change: tests put a disk of theirs before it.
const char* gathering_vfs() {
  static std::mutex mutex;
  static std::deque<GatheringVfs> made;
  const std::lock_guard lock(mutex);
  sqlite3_vfs* usual = sqlite3_vfs_find(nullptr);
  const auto known = std::ranges::find(made, usual, &GatheringVfs::usual);
  if (known != made.end()) return known->zName;
  GatheringVfs& vfs = made.emplace_back(*usual);
  sqlite3_vfs_register(&vfs, 0);
  return vfs.zName;
}

}  // namespace todo::storage::sqlite
