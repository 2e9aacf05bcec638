# shellcheck shell=bash
# Builds librdkafka once per user and machine, with the mends of script/setup.d/librdkafka.patch, and has cargo link it.
# Sourced by script/setup. Needs: cache, say, fail, cargo_folder_of.
#
# The sources are those of the crate rdkafka-sys, and so are the flags. Why not the crate's own build: the newest crate
# has librdkafka 2.12.1, which can end the process when a broker comes back. With cargo's override of a build script
# (`[target.TRIPLE.rdkafka]`, written by cargo.sh) the crate stays as it is.
#
# TLS is OpenSSL's, the system's own, linked as a shared library: so its mends come with the system's updates. SASL's
# PLAIN, SCRAM and OAUTHBEARER come with it. Kerberos would need Cyrus SASL at run time.

librdkafka_crate=4.10.0+2.12.1 # rdkafka-sys, as Cargo.lock has it
librdkafka_patch=$root/script/setup.d/librdkafka.patch
librdkafka_dir="$cache/librdkafka-$librdkafka_crate-$(cksum <"$librdkafka_patch" | cut -d ' ' -f 1)-ssl-posix-$(uname -m)"

librdkafka_present() { [ -f "$librdkafka_dir/librdkafka.a" ]; }

librdkafka_build() {
  librdkafka_present && return
  say "building librdkafka once into $librdkafka_dir (about half a minute on two cores)"
  local started build crate zstd
  started=$(date +%s)
  build="$cache/librdkafka-build"
  crate=$(cargo_folder_of "rdkafka-sys-$librdkafka_crate")
  zstd=$(cargo_folder_of "zstd-sys-")/zstd/lib
  rm -rf "$build" && mkdir -p "$build"
  cp -R "$crate/librdkafka/." "$build"
  librdkafka_mend "$build"
  if ! librdkafka_compile "$build" "$zstd" >"$build/log" 2>&1; then
    tail -n 30 "$build/log" >&2
    fail "librdkafka did not build; the whole log is $build/log"
  fi
  mkdir -p "$librdkafka_dir.part"
  cp "$build/src/librdkafka.a" "$librdkafka_dir.part"
  mv "$librdkafka_dir.part" "$librdkafka_dir"
  rm -rf "$build"
  say "librdkafka is ready after $(($(date +%s) - started)) s"
}

# The ceiling: the cache may lie in a repository of the user, whose files git would take the patch for.
librdkafka_mend() { # folder
  (cd "$1" && GIT_CEILING_DIRECTORIES=$(dirname "$1") git apply "$librdkafka_patch") ||
    fail "the librdkafka of rdkafka-sys is another one: see whether script/setup.d/librdkafka.patch is still needed"
}

# Without the threads of C11, whose condition variables know no time but that of day; the patch says more.
# configure asks the linker for zstd before it uses its headers. The library itself is that of zstd-sys, which cargo
# builds and links; one symbol answers the question.
librdkafka_compile() ( # folder folder-of-zstd
  cd "$1" || return
  mkdir asked
  printf 'void ZSTD_getFrameContentSize(void) {}\n' >asked/zstd.c
  cc -fPIC -c asked/zstd.c -o asked/zstd.o && ar crs asked/libzstd.a asked/zstd.o || return
  CFLAGS="-I$2" LDFLAGS="-L$PWD/asked" ./configure --enable-ssl --disable-gssapi --disable-curl --enable-zlib \
    --enable-zstd --disable-lz4-ext --disable-c11threads || return
  env -u MAKEFLAGS make -j "$(getconf _NPROCESSORS_ONLN)" -C src librdkafka.a
)
