#pragma once

#include <cstdint>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "failing_disk.h"

// What a database's files are after the power failed. A killed process loses nothing that it wrote
// (the system's cache outlives it), so whether the store syncs in time shows only here.
namespace todo::storage::sqlite {

struct DiskOperation {
  enum class Kind { open, write, truncate, sync, remove, remove_synced, acknowledge };
  Kind kind{};
  std::string file;         // its name without the folder
  std::string data;         // of a write
  std::int64_t number = 0;  // where a write begins; the size after a truncate; the unit that was
                            // acknowledged
};

// All that happens to the files whose path begins with `prefix`, in order. Nothing is really
// synced: the operations say what would be. Shared memory is not kept: after a power failure it is
// made anew.
class DiskRecording final : public DiskWatcher {
 public:
  using Kind = DiskOperation::Kind;

  explicit DiskRecording(std::string prefix) : prefix_(std::move(prefix)) {}

  void acknowledge(std::size_t unit) {
    const std::scoped_lock lock(mutex_);
    operations_.push_back({Kind::acknowledge, "", "", static_cast<std::int64_t>(unit)});
  }
  // While no database is open.
  const std::vector<DiskOperation>& operations() const { return operations_; }

  std::optional<int> instead_of(Call call, std::string_view path) override {
    if (call != Call::sync) return std::nullopt;
    add(Kind::sync, path);
    return SQLITE_OK;
  }
  void opened(std::string_view path) override { add(Kind::open, path); }
  void wrote(std::string_view path, std::string_view data, std::int64_t at) override {
    add(Kind::write, path, at, data);
  }
  void truncated(std::string_view path, std::int64_t size) override {
    add(Kind::truncate, path, size);
  }
  void removed(std::string_view path, bool folder_synced) override {
    add(folder_synced ? Kind::remove_synced : Kind::remove, path);
  }

 private:
  void add(Kind kind, std::string_view path, std::int64_t number = 0, std::string_view data = {}) {
    if (!path.starts_with(prefix_)) return;
    const std::string_view file = path.substr(path.rfind('/') + 1);
    const std::scoped_lock lock(mutex_);
    operations_.push_back({kind, std::string(file), std::string(data), number});
  }

  const std::string prefix_;
  std::mutex mutex_;
  std::vector<DiskOperation> operations_;
};

// Plays a recording up to a moment, and says what a power failure at that moment may leave. Which
// names the folder has is durable as of the folder's last sync, as SQLite makes it: with the first
// sync of each journal and log. Before that a new file may be missing as a whole, and a removed one
// may be back, unless another one took its name.
class Platter {
 public:
  // With `syncs` false no sync does anything: the disk of PRAGMA synchronous = OFF.
  explicit Platter(bool syncs = true) : syncs_(syncs) {}

  // The operation must outlive this.
  void apply(const DiskOperation& operation) {
    using Kind = DiskOperation::Kind;
    if (operation.kind == Kind::acknowledge) {
      acknowledged_.insert(static_cast<std::size_t>(operation.number));
      return;
    }
    File& file = files_[operation.file];
    switch (operation.kind) {
      case Kind::open:
        if (file.removed) file = File{};
        return;
      case Kind::sync:
        if (!syncs_) return;
        file.sync();
        if (!file.named && !operation.file.ends_with(".db")) sync_folder();
        return;
      case Kind::remove_synced:
      case Kind::remove:
        file.removed = true;
        if (syncs_ && operation.kind == Kind::remove_synced) sync_folder();
        return;
      default:
        file.unsynced.push_back(&operation);
    }
  }

  // Writes the files into `folder`. Each write that was not synced is kept, lost or torn for
  // itself: by chance, but none is kept for seed 0 and all are for seed 1.
  void cut_power(std::uint64_t seed, const std::string& folder) const {
    std::mt19937_64 random(seed);
    const auto chance = [&](unsigned one_in) {
      return seed == 0 ? false : seed == 1 || random() % one_in == 0;
    };
    for (const auto& [name, file] : files_) {
      if (file.removed && seed != 0 && chance(2)) continue;
      if (!file.named && !chance(2)) continue;
      std::string image = file.durable;
      for (const DiskOperation* operation : file.unsynced) {
        if (chance(2))
          File::apply(image, *operation, operation->data.size());
        else if (seed > 1 && chance(2))
          File::apply(image, *operation, torn(*operation, random()));
      }
      std::ofstream(folder + "/" + name, std::ios::binary) << image;
    }
  }

  const std::set<std::size_t>& acknowledged() const { return acknowledged_; }

 private:
  struct File {
    std::string durable;  // as of its last sync
    std::vector<const DiskOperation*> unsynced;
    bool named = false;  // its name is durable
    bool removed = false;

    static void apply(std::string& image, const DiskOperation& operation, std::size_t bytes) {
      const auto number = static_cast<std::size_t>(operation.number);
      if (operation.kind == DiskOperation::Kind::truncate) {
        image.resize(number);
      } else if (bytes > 0) {
        if (image.size() < number + bytes) image.resize(number + bytes);
        image.replace(number, bytes, operation.data, 0, bytes);
      }
    }
    void sync() {
      for (const DiskOperation* operation : unsynced)
        apply(durable, *operation, operation->data.size());
      unsynced.clear();
    }
  };

  void sync_folder() {
    std::erase_if(files_, [](const auto& entry) { return entry.second.removed; });
    for (auto& [name, file] : files_) file.named = true;
  }

  // How much of a write is there when only its first sectors are.
  static std::size_t torn(const DiskOperation& write, std::uint64_t random) {
    constexpr std::uint64_t sector = 512;
    const auto begin = static_cast<std::uint64_t>(write.number);
    const std::uint64_t boundaries = (begin + write.data.size()) / sector - begin / sector;
    if (boundaries == 0) return 0;
    return (begin / sector + 1 + random % boundaries) * sector - begin;
  }

  const bool syncs_;
  std::map<std::string, File> files_;
  std::set<std::size_t> acknowledged_;
};

}  // namespace todo::storage::sqlite
