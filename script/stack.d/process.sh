# shellcheck shell=bash
# One server as a process: started in its own session, known by its pid, asked whether it is ready.
# A pid is believed only if that process works inside the server's folder, so a reused pid is never killed.
# Sourced by script/stack. Needs: root, dir, brief, stack_jars, say, fail.

# What every JVM is told, a line each. Without its performance data, for whose sake it works in another folder for a moment while
# it starts.
process_jvm() {
  printf '%s\n' -XX:+UseSerialGC -XX:-UsePerfData
  [ "$brief" = no ] || echo -XX:TieredStopAtLevel=1
}

process_start() { # part command...
  local part=$1 home
  shift
  home=$(cd "$dir/$part" && pwd -P)
  (
    cd "$home" || exit # before the fork: from its first moment the process is known by where it works
    setsid "$@" </dev/null >>"$dir/$part.log" 2>&1 9>&- &
    echo $! >"$dir/$part.pid"
  )
}

process_start_java() { # part heap class argument
  local jvm
  mapfile -t jvm < <(process_jvm)
  process_start "$1" java "$2" "${jvm[@]}" "-Djava.io.tmpdir=$dir/$1" -cp "$stack_jars/kafka/*" \
    "-Dlog4j2.configurationFile=$root/script/stack.d/log4j2.properties" "$3" "$4"
}

process_runs() { # part
  local pid home at
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  home=$(cd "$dir/$1" 2>/dev/null && pwd -P) || return 1
  at=$(readlink "/proc/$pid/cwd") || return 1
  case "$at/" in "$home"/*) ;; *) return 1 ;; esac
  ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

process_await() { # part
  local tries=600
  until "${1}_ready" 2>/dev/null; do
    process_runs "$1" || { tail -n 20 "$dir/$1.log" >&2 && fail "$1 ended while starting; its log is $dir/$1.log"; }
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "$1 did not become ready in a minute; its log is $dir/$1.log"
    sleep 0.1
  done
}

process_stop() { # part clean|kill
  process_runs "$1" || { rm -f "$dir/$1.pid" && return; } # so that a reused pid is not waited for
  local signal=KILL
  [ "$2" = kill ] || signal=$("${1}_signal")
  kill -"$signal" "$(cat "$dir/$1.pid")" 2>/dev/null || true
}

# A killed process works nowhere from the first moment, but its threads hold its ports a little longer.
process_lingers() { # part
  local pid tasks
  pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
  process_runs "$1" && return
  tasks=("/proc/$pid/task/"*)
  [ ${#tasks[@]} -gt 1 ]
}

process_gone() { # part
  local tries=300
  while process_lingers "$1"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { say "$1 does not stop by itself; killing it" && process_stop "$1" kill && tries=100; }
    sleep 0.05
  done
  rm -f "$dir/$1.pid"
}

process_listens() { # port
  (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Outlives this script: once that process is gone, so are the servers and their folder.
process_guard() { # pid
  # shellcheck disable=SC2016
  setsid bash -c '
    tail --pid="$1" -f /dev/null
    "$2/script/stack" down --kill --dir "$3"
    rm -rf "$(readlink -f "$3/postgres")" "$3"
  ' guard "$1" "$root" "$dir" </dev/null >/dev/null 2>&1 9>&- &
}
