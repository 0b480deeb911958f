#pragma once

namespace todo::storage::sqlite {

// The name of an SQLite VFS that is the usual one but for the write-ahead log. SQLite writes each
// frame's head and page by themselves, one behind the other; here they are gathered, and go to the
// disk together when SQLite wants them synced, read or cut off, or when there are enough. Only for
// a connection with synchronous = FULL, which syncs what it commits before anybody can look for it
// in the file.
const char* gathering_vfs();

}  // namespace todo::storage::sqlite
