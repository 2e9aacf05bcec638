# shellcheck shell=bash
# ClickHouse's engine for the test stack, once per user. Sourced by script/setup. Needs: cache, root, want, say, fail.
#
# It comes as the library of chdb, which npm has for Linux on x86-64; script/stack.d/clickhouse/server.c makes a server of it.

# shellcheck source=script/stack.d/versions.sh
. script/stack.d/versions.sh

clickhouse_present() { [ -x "$stack_clickhouse/server" ]; }

clickhouse_fetch() {
  clickhouse_present && return
  say "fetching ClickHouse $clickhouse_version (180 MB, 10 s to a few minutes)"
  local started part="$stack_clickhouse.part" log="$cache/clickhouse.log"
  started=$(date +%s)
  rm -rf "$part" && mkdir -p "$part"
  (cd "$part" && npm pack --ignore-scripts --silent "$clickhouse_package@$clickhouse_package_version") >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2 && fail "npm could not fetch $clickhouse_package; the whole log is $log"; }
  (cd "$part" && echo "$clickhouse_sha256  $(ls ./*.tgz)" | sha256sum --check --quiet --strict >&2) ||
    fail "$clickhouse_package is not what it was"
  tar -xzf "$part"/*.tgz -C "$part" --strip-components 1 package/libchdb.so
  rm "$part"/*.tgz
  # shellcheck disable=SC2016
  cc -O1 -Wall -Wextra -Werror -pthread -o "$part/server" "$root/script/stack.d/clickhouse/server.c" \
    -L "$part" -l:libchdb.so '-Wl,-rpath,$ORIGIN'
  mv "$part" "$stack_clickhouse"
  say "ClickHouse is in $stack_clickhouse after $(($(date +%s) - started)) s"
}
