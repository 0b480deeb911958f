#!/bin/sh
# backup.sh FOLDER KEEP: dumps the database of DATABASE_DIRECT_URL, or else DATABASE_URL, into FOLDER and
# keeps the newest KEEP dumps. A dump that did not end well is never called .dump.
set -eu

folder=$1
keep=$2
name=todo-$(date -u +%Y-%m-%dT%H%M%SZ)
part=$folder/.$name.part
trap 'rm -f "$part"' EXIT

pg_dump --format=custom --no-owner --no-privileges --file="$part" \
  --dbname="${DATABASE_DIRECT_URL:-$DATABASE_URL}"
# Reads the whole file once more: what pg_restore cannot read is no backup.
pg_restore --file=/dev/null "$part"
sync "$part"
mv "$part" "$folder/$name.dump"
echo "backup: $folder/$name.dump, $(wc -c <"$folder/$name.dump") bytes"

# The names sort by time.
find "$folder" -maxdepth 1 -name 'todo-*.dump' | sort -r | tail -n "+$((keep + 1))" |
  while IFS= read -r old; do
    rm -f "$old"
    echo "backup: removed $old"
  done
