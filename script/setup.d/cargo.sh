# shellcheck shell=bash
# What cargo must know so that `cargo test` and editors share RocksDB and one target directory with the scripts; and the
# crates, which are fetched while the system's packages are installed.
# Sourced by script/setup. Needs: cache, rocksdb_dir.

cargo_config() {
  mkdir -p .cargo
  local config
  config="# Written by script/setup; not under version control.
[build]
target-dir = \"${FEEDMILL_TARGET:-$cache/target}\"

[env]
ROCKSDB_LIB_DIR = \"$rocksdb_dir\"
ROCKSDB_STATIC = \"1\""
  if [ "$(cat .cargo/config.toml 2>/dev/null || true)" != "$config" ]; then
    printf '%s\n' "$config" >.cargo/config.toml
  fi
}

cargo_fetch() {
  cargo fetch --quiet --locked --target "$(rustc -vV | sed -n 's/^host: //p')" >&2
}
