# shellcheck shell=bash
# Builds RocksDB once per user and machine, so that every profile, checkout and editor links the same archive.
# Sourced by script/setup. Needs: cache, say.

rocksdb_crate=0.19.0 # librocksdb-sys, as Cargo.lock has it
rocksdb_dir="$cache/rocksdb-$rocksdb_crate-lz4-$(uname -m)"
rocksdb_sources=355 # about how many objects the build makes; only the progress line depends on it

rocksdb_progress() { # out-dir pid
  while kill -0 "$2" 2>/dev/null; do
    sleep 10
    local done_objects
    done_objects=$(find "$1" -name '*.o' 2>/dev/null | wc -l)
    say "RocksDB: $done_objects of about $rocksdb_sources files, $(($(date +%s) - started)) s"
  done
}

rocksdb_present() { [ -f "$rocksdb_dir/librocksdb.a" ]; }

rocksdb_build() {
  rocksdb_present && return
  say "building RocksDB once into $rocksdb_dir (about 15 minutes on two cores, 3 on eight)"
  local build="$cache/rocksdb-build"
  rm -rf "$build" && mkdir -p "$build/src"
  echo 'fn main() {}' >"$build/src/main.rs"
  cat >"$build/Cargo.toml" <<TOML
[package]
name = "rocksdb-once"
version = "0.0.0"
edition = "2021"

[dependencies]
librocksdb-sys = { version = "=$rocksdb_crate", features = ["lz4"] }

[profile.release.package."*"]
debug = false
TOML
  local started pid
  started=$(date +%s)
  (cd "$build" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC CARGO_TARGET_DIR="$build/target" \
    cargo build --release >"$build/log" 2>&1) &
  pid=$!
  rocksdb_progress "$build/target" "$pid" &
  if ! wait "$pid"; then
    tail -n 30 "$build/log" >&2
    fail "RocksDB did not build; the whole log is $build/log"
  fi
  wait
  mkdir -p "$rocksdb_dir.part"
  find "$build/target/release/build" -name librocksdb.a -exec cp {} "$rocksdb_dir.part/" \;
  [ -f "$rocksdb_dir.part/librocksdb.a" ] || fail "the build of RocksDB left no librocksdb.a"
  mv "$rocksdb_dir.part" "$rocksdb_dir"
  rm -rf "$build"
  say "RocksDB is ready after $(($(date +%s) - started)) s"
}
