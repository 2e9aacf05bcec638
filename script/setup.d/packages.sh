# shellcheck shell=bash
# Programs from the system's packages. Sourced by script/setup. Needs: want, say, fail.

# command or file -> Debian package
packages_table() {
  cat <<'TABLE'
build command:cc gcc
build command:c++ g++
build command:make make
build command:clang clang
build file:libclang libclang-dev
build file:zlib.h zlib1g-dev
build file:openssl libssl-dev
all command:javac openjdk-17-jdk-headless
all command:mvn maven
all command:npm npm
all command:python3 python3
all file:ensurepip python3-venv
all file:initdb postgresql
all command:redis-server redis-server
all command:chromium chromium
all command:prometheus prometheus
all command:curl curl
all command:unzip unzip
TABLE
}

packages_present() { # kind:name
  case "$1" in
    command:*) command -v "${1#*:}" >/dev/null 2>&1 ;;
    file:libclang) [ -n "$(ls /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang*.so* "${LIBCLANG_PATH:-/nowhere}"/libclang* 2>/dev/null)" ] ;;
    file:zlib.h) [ -f /usr/include/zlib.h ] ;;
    file:openssl) [ -f /usr/include/openssl/ssl.h ] ;;
    file:ensurepip) python3 -c 'import ensurepip' 2>/dev/null ;;
    file:initdb) [ -n "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || command -v initdb >/dev/null 2>&1 ;;
  esac
}

# An older compiler would say so only after RocksDB was built.
rust_ensure() {
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
  command -v cargo >/dev/null 2>&1 || fail "missing: cargo, Rust $wanted or later (rustup.rs)"
  found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || true
  [ -n "$found" ] || fail "missing: rustc, Rust $wanted or later (rustup.rs)"
  [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" = "$wanted" ] ||
    fail "Rust $wanted or later is needed, rustc here is $found (rustup update)"
}

packages_ensure() {
  local scope what package missing=""
  while read -r scope what package; do
    [ "$want" = build ] && [ "$scope" != build ] && continue
    packages_present "$what" || missing="$missing $package"
  done < <(packages_table)
  [ -z "$missing" ] && return
  [ "$want" = check ] && fail "missing:$missing"
  command -v apt-get >/dev/null 2>&1 || fail "this is no Debian; please install what provides:$missing"
  local sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo"
  say "installing from Debian's packages (about a minute):$missing"
  # A server installed only for its program must not be started as a service of the system.
  $sudo apt-get update -qq >/dev/null
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
