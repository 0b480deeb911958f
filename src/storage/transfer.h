#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

// Everything that a database holds, told in a way that is the same for all of them: logical tables,
// which each database reads and writes by SQL of its own. By it a database moves into another.
//
// A copy goes table by table, in the order of their keys, page by page, so that its memory is
// bounded and a copy that was broken off knows where it was.
namespace todo::storage::transfer {

enum class Type : std::uint8_t {
  id,
  text,
  bytes,
  integer,  // from here on: a number
  boolean,  // 0 or 1
  instant,  // milliseconds since 1970
  local,    // a wall clock's, in milliseconds since 1970-01-01T00:00
  date,     // days since 1970-01-01
};
constexpr bool is_number(Type type) { return type >= Type::integer; }

struct Column {
  const char* name;
  Type type;
};

// What all databases hold of a kind of row. Folded texts are copied and not made anew: what was
// told apart, or found, by them is so at the target too, whatever the Unicode tables of this
// program; and a deleted account's email is gone while its row is not.
struct Table {
  const char* name;
  std::span<const Column> columns;  // those of the key first, in its order
  std::size_t key_columns;
  int page_rows;

  std::span<const Column> key() const { return columns.first(key_columns); }
};
// Not in it: what tells about the database itself (schema and epoch), and what it derives.
std::span<const Table> tables();

// Rows as bytes: each cell its size, or none for null, and its bytes; a number has eight. The key
// is a row's beginning.
class Page {
 public:
  void clear() {
    bytes_.clear();
    ends_.clear();
  }
  void add_null() { append_size(null_size); }
  void add_number(std::int64_t value) {
    append_size(sizeof value);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void add_bytes(std::string_view bytes) {
    append_size(static_cast<std::uint32_t>(bytes.size()));
    bytes_ += bytes;
  }
  void end_row() { ends_.push_back(bytes_.size()); }
  void add_row(std::string_view row) {
    bytes_ += row;
    end_row();
  }

  std::size_t rows() const { return ends_.size(); }
  std::size_t size() const { return bytes_.size(); }
  std::string_view row(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }

 private:
  friend class Cells;
  static constexpr std::uint32_t null_size = 0xffffffff;
  void append_size(std::uint32_t size) {
    bytes_.append(reinterpret_cast<const char*>(&size), sizeof size);
  }
  std::string bytes_;
  std::vector<std::size_t> ends_;
};

// The cells of a row, one after the other.
class Cells {
 public:
  explicit Cells(std::string_view row) : row_(row) {}

  std::optional<std::string_view> next() {
    std::uint32_t size = 0;
    std::memcpy(&size, row_.data() + at_, sizeof size);
    at_ += sizeof size;
    if (size == Page::null_size) return std::nullopt;
    const std::string_view cell = row_.substr(at_, size);
    at_ += size;
    return cell;
  }
  std::size_t at() const { return at_; }

 private:
  std::string_view row_;
  std::size_t at_ = 0;
};

inline std::int64_t number_of(std::string_view cell) {
  std::int64_t value = 0;
  std::memcpy(&value, cell.data(), sizeof value);
  return value;
}

// Of all rows up to one, in their order: equal for equal rows, whatever the pages.
using Digest = std::array<unsigned char, 32>;

// How far a table is.
struct Position {
  std::int64_t rows = 0;
  std::string last_key;  // the beginning of its last row; empty: no row yet
  Digest digest{};
};
using Positions = std::vector<Position>;  // as tables()

// One consistent snapshot of a database. Used by one thread; every function throws as ReadTx's do.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::string epoch() = 0;  // tells databases apart
  virtual std::int64_t count(const Table& table) = 0;
  // The rows behind a key (empty: from the first on), at most table.page_rows; none: the end.
  virtual void read(const Table& table, std::string_view after_key, Page& page) = 0;
  virtual ReadTx& tx() = 0;  // the same as services see it
};

// A database that is being filled. Used by one thread; every function throws as Tx's do.
class Writer {
 public:
  virtual ~Writer() = default;
  // How far the copy is that this one goes on with: all zeros at its beginning.
  virtual Positions positions() = 0;
  virtual void write(const Table& table, const Page& page) = 0;
  // Keeps what was written since the last time, and how far the table is with it. `before` is the
  // position at the last time: another copy into the same place is noticed by it.
  virtual void commit(const Table& table, const Position& before, const Position& now) = 0;
  // Forgets everything, to begin anew.
  virtual void clear() = 0;
  // A snapshot of what is committed.
  virtual std::unique_ptr<Reader> read_back() = 0;
  // The database is whole: from now on a server may use it. A new epoch: answers that clients
  // cached from another database, or an earlier state of this one, are void.
  virtual void finish() = 0;
};

enum class Stage : std::uint8_t {
  looking_back,  // reads again from the source what was copied before
  copying,
  comparing,  // reads the target
};
// Called after each page; rows of how many.
using Watch = std::function<void(Stage stage, std::int64_t rows, std::int64_t rows_all)>;

struct Copied {
  Positions positions;
  std::int64_t rows = 0;
  std::int64_t rows_before = 0;  // of these, copied by one that was broken off
  bool began_anew = false;       // there was such a one, but the source has changed since
};
// Copies what is not copied yet; does not finish the target. Throws what the two throw, and
// std::runtime_error where the source does not hold what it counted.
Copied copy(Reader& source, Writer& target, const Watch& watch);

// Reads everything back; throws std::runtime_error with a sentence when it is not what was copied.
void compare(Reader& target, const Positions& expected, const Watch& watch);

}  // namespace todo::storage::transfer
