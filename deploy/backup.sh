#!/bin/sh
# Copies Redis's append-only file and the archive while both are in use: backup.sh REDIS_DIRECTORY STORE DESTINATION
# Run it on Redis's machine. REDIS_PORT (6379) and REDISCLI_AUTH as for redis-cli. PostgreSQL has pg_dump instead of STORE.
# The copy of Redis may end within a command that was being written: Redis leaves that one out when it loads the file.
set -eu
redis_directory=$1 store=$2 destination=$3
cli() { redis-cli -p "${REDIS_PORT:-6379}" "$@"; }
umask 077
mkdir -p "$destination/redis" "$destination/store"

# While the file is copied it must not be replaced by a shorter one.
percentage=$(cli config get auto-aof-rewrite-percentage | tail -n 1)
cli config set auto-aof-rewrite-percentage 0 >/dev/null
trap 'cli config set auto-aof-rewrite-percentage "$percentage" >/dev/null' EXIT
while cli info persistence | grep -q '^aof_rewrite_in_progress:1'; do sleep 1; done
cp -R "$redis_directory"/appendonly* "$destination/redis/"

if [ -f "$store/calls.db" ]; then
  sqlite3 "$store/calls.db" ".backup '$destination/store/calls.db'"
fi
