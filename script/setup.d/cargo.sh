# shellcheck shell=bash
# What cargo must know so that `cargo test` and editors share the native libraries and one target directory with the
# scripts; and the crates, which are fetched while the system's packages are installed.
# Sourced by script/setup. Needs: cache, fail, rocksdb_dir, librdkafka_dir.

cargo_config() {
  mkdir -p .cargo
  local config
  config="# Written by script/setup; not under version control.
[build]
target-dir = \"${FEEDMILL_TARGET:-$cache/target}\"

[env]
ROCKSDB_LIB_DIR = \"$rocksdb_dir\"
ROCKSDB_STATIC = \"1\"

[target.$(cargo_host).rdkafka]
rustc-link-search = [\"native=$librdkafka_dir\"]
rustc-link-lib = [\"static=rdkafka\", \"dylib=ssl\", \"dylib=crypto\"]"
  if [ "$(cat .cargo/config.toml 2>/dev/null || true)" != "$config" ]; then
    printf '%s\n' "$config" >.cargo/config.toml
  fi
}

cargo_host() { rustc -vV | sed -n 's/^host: //p'; }

cargo_fetch() {
  cargo fetch --quiet --locked --target "$(cargo_host)" >&2
}

# The folder of a crate's sources, fetched and verified by cargo.
cargo_folder_of() { # beginning-of-its-name
  local manifest
  manifest=$(cargo metadata --locked --format-version 1 2>"$cache/metadata.log" |
    grep -o '"manifest_path":"[^"]*"' | cut -d '"' -f 4 | grep -F "/$1" | head -n 1) || true
  [ -n "$manifest" ] || { cat "$cache/metadata.log" >&2 && fail "Cargo.lock has no $1: see the scripts in script/setup.d"; }
  dirname "$manifest"
}
