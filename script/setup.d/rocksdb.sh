# shellcheck shell=bash
# Builds RocksDB once per user and machine, so that every profile, checkout and editor links the same archive.
# Sourced by script/setup. Needs: cache, say, fail, cargo_folder_of.
#
# The sources are those of the crate librocksdb-sys, and so are the flags; only the files given to the compiler are
# others. A file of our own includes some thirty sources of one folder (a unity build): the headers, which are most
# of the work, are read a dozen times in place of 342. clang, which bindgen needs anyway, is a quarter quicker here
# than gcc. What the flags were taken from is checked, so that an update of the crate says so.

rocksdb_crate=0.19.0+11.8.1 # librocksdb-sys, as Cargo.lock has it
rocksdb_build_script=2dbb97b102a2c13f0192ee75a49d4fc0f84fa0692ac9ffc84d364a7a28b472a3
rocksdb_dir="$cache/rocksdb-$rocksdb_crate-lz4-unity-$(uname -m)"
rocksdb_unit_max=37     # sources in one file: with more, two cores end further apart
rocksdb_job_kb=1000000 # what a compiler needs at its height, and some

rocksdb_present() { [ -f "$rocksdb_dir/librocksdb.a" ]; }

rocksdb_build() {
  rocksdb_present && return
  say "building RocksDB once into $rocksdb_dir (about 2.5 minutes on two cores, 1 on eight)"
  local started build crate lz4
  started=$(date +%s)
  build="$cache/rocksdb-build"
  crate=$(cargo_folder_of "librocksdb-sys-$rocksdb_crate")
  lz4=$(cargo_folder_of "lz4-sys-")/liblz4/lib
  rocksdb_check "$crate"
  rm -rf "$build" && mkdir -p "$build"
  rocksdb_write_units "$crate" "$build"
  rocksdb_compile "$crate" "$lz4" "$build"
  mkdir -p "$rocksdb_dir.part"
  ar crs "$rocksdb_dir.part/librocksdb.a" "$build"/*.o
  mv "$rocksdb_dir.part" "$rocksdb_dir"
  rm -rf "$build"
  say "RocksDB is ready after $(($(date +%s) - started)) s"
}

# Whether the crate is the one that this file was written for.
rocksdb_check() { # folder-of-the-crate
  local source sum
  sum=$(sha256sum "$1/build.rs" | cut -d ' ' -f 1)
  [ "$sum" = "$rocksdb_build_script" ] ||
    fail "the build script of librocksdb-sys is another one ($sum): compare its flags with script/setup.d/rocksdb.sh"
  while read -r source; do
    [ -f "$1/rocksdb/$source" ] || fail "librocksdb-sys lists $source, and has no such file"
  done < <(rocksdb_sources "$1")
}

# What the crate compiles; it has a version file of its own, written at its release.
rocksdb_sources() { # folder-of-the-crate
  grep -v '^util/build_version.cc$' "$1/rocksdb_lib_sources.txt"
}

# Small folders share their files. No two sources of a file may define one name in an unnamed namespace or a macro:
# the compiler says so.
rocksdb_write_units() { # folder-of-the-crate folder
  rocksdb_sources "$1" | awk -F / -v most="$rocksdb_unit_max" -v to="$2" '
    {
      group = $1
      if (group ~ /^(logging|port|memory|test_util|tools|trace_replay)$/) group = "rest"
      if (group ~ /^(file|env)$/) group = "files"
      if (group ~ /^(cache|memtable|options|monitoring)$/) group = "memory"
      source[group, ++count[group]] = $0
    }
    END {
      for (group in count) {
        files = int((count[group] + most - 1) / most)
        for (n = 1; n <= count[group]; n++)
          printf "#include \"rocksdb/%s\"\n", source[group, n] > (to "/" group int((n - 1) * files / count[group]) ".cc")
      }
    }'
  printf '#include "%s/build_version.cc"\n' "$1" >"$2/version.cc"
}

# The definitions that the crate's build script makes for this system.
rocksdb_defines() {
  printf -- '-D%s ' NDEBUG=1 LZ4=1 HAVE_ALIGNED_NEW HAVE_UINT128_EXTENSION ROCKSDB_PLATFORM_POSIX ROCKSDB_LIB_IO_POSIX
  case "$(uname -s)" in
    Linux) printf -- '-D%s ' OS_LINUX ROCKSDB_SCHED_GETCPU_PRESENT ROCKSDB_AUXV_GETAUXVAL_PRESENT \
      ROCKSDB_FALLOCATE_PRESENT ROCKSDB_RANGESYNC_PRESENT ;;
    Darwin) printf -- '-DOS_MACOSX ' ;;
    *) fail "RocksDB is built here for Linux and macOS: set ROCKSDB_LIB_DIR to an archive of your own" ;;
  esac
}

rocksdb_jobs() {
  local cores free
  cores=$(getconf _NPROCESSORS_ONLN)
  free=$(awk -v job="$rocksdb_job_kb" '/^MemAvailable:/ { print int($2 / job) }' /proc/meminfo 2>/dev/null) || true
  free=${free:-$cores}
  [ "$free" -ge "$cores" ] && free=$cores
  [ "$free" -ge 1 ] && printf '%s' "$free" || printf 1
}

# The largest files first, so that the cores end together.
rocksdb_compile() { # folder-of-the-crate folder-of-lz4 folder
  local flags pid
  flags="-std=c++20 -O2 -fPIC -w -include cstdint $(rocksdb_defines)"
  # shellcheck disable=SC2016 # the inner shell expands them
  (cd "$3" && grep -c include ./*.cc | sort -t : -k 2 -rn | cut -d : -f 1 |
    FLAGS="$flags" CRATE="$1" LZ4="$2" xargs -P "$(rocksdb_jobs)" -I '{}' sh -c \
      'clang++ $FLAGS -I "$CRATE" -I "$CRATE/rocksdb" -I "$CRATE/rocksdb/include" -I "$LZ4" -c "{}" -o "{}.part" &&
        mv "{}.part" "{}.o"') >"$3/log" 2>&1 &
  pid=$!
  rocksdb_progress "$3" "$pid" &
  if ! wait "$pid"; then
    head -n 30 "$3/log" >&2
    fail "RocksDB did not build; the whole log is $3/log"
  fi
  wait
}

rocksdb_progress() { # folder pid
  local all
  all=$(find "$1" -name '*.cc' | wc -l)
  while sleep 10 && kill -0 "$2" 2>/dev/null; do
    say "RocksDB: $(find "$1" -name '*.o' | wc -l) of $all files, $(($(date +%s) - started)) s"
  done
}
