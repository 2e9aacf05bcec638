# shellcheck shell=bash
# PostgreSQL with logical replication, database `feedmill`, no password, nothing synced to disk.
# It refuses to run as root: then it runs as the user `postgres`. Sourced by script/stack. Needs: dir, port_base.

postgres_port() { echo $((port_base + 3)); }
postgres_address() { echo "postgres://postgres@127.0.0.1:$(postgres_port)/feedmill"; }
postgres_ready() { process_listens "$(postgres_port)" && grep -q 'ready to accept connections' "$dir/postgres.log"; }
postgres_signal() { echo INT; } # its "fast" shutdown: it does not wait for clients

postgres_bin() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
  [ -x "$found/postgres" ] || found=$(dirname "$(readlink -f "$(command -v postgres)")")
  [ -x "$found/initdb" ] || fail "PostgreSQL is not here: script/setup"
  echo "$found"
}

postgres_as_owner() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

# A folder that its user can reach: root's home is closed to the user postgres, so then a link to /var/tmp.
postgres_home() {
  [ -e "$dir/postgres" ] && return
  if [ "$(id -u)" != 0 ] || postgres_as_owner test -x "$dir"; then
    mkdir "$dir/postgres"
  else
    ln -s "$(mktemp -d /var/tmp/feedmill-postgres-XXXXXX)" "$dir/postgres"
  fi
  [ "$(id -u)" != 0 ] || chown postgres "$(readlink -f "$dir/postgres")"
}

postgres_init() { # bin
  [ ! -f "$dir/postgres/data/PG_VERSION" ] || return 0
  local data
  data=$(readlink -f "$dir/postgres")/data
  {
    (cd / && postgres_as_owner "$1/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync) &&
      (cd / && postgres_as_owner "$1/postgres" --single -D "$data" postgres <<<"CREATE DATABASE feedmill")
  } >"$dir/postgres.log" 2>&1 || { tail -n 20 "$dir/postgres.log" >&2 && fail "PostgreSQL could not be initialised"; }
}

postgres_start() {
  local bin
  bin=$(postgres_bin)
  postgres_home
  : >"$dir/postgres.log"
  postgres_init "$bin"
  local as=()
  [ "$(id -u)" != 0 ] || as=(setpriv --reuid postgres --regid postgres --init-groups)
  process_start postgres "${as[@]}" "$bin/postgres" -D "$(readlink -f "$dir/postgres")/data" -p "$(postgres_port)" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c wal_level=logical \
    -c max_wal_senders=10 -c max_replication_slots=10 -c fsync=off -c shared_buffers=32MB
}
