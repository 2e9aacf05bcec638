# shellcheck shell=bash
# The schema registry: Apicurio, spoken to through its Confluent interface. Sourced by script/stack.
# What it was told is in its folder, so that one that is stopped and started again still knows every id.
# Needs: dir, port_base, stack_jars, fail.

registry_port() { echo $((port_base + 6)); }
registry_address() { echo "http://127.0.0.1:$(registry_port)/apis/ccompat/v7"; }
registry_ready() { curl -fsS -o /dev/null --max-time 2 "$(registry_address)/subjects"; }
registry_signal() { echo TERM; }

registry_start() {
  local home app
  app=$(echo "$stack_jars"/registry/apicurio-registry-app-*-runner.jar)
  [ -f "$app" ] || fail "the registry's jars are not here yet: script/setup"
  mkdir -p "$dir/registry"
  home=$(cd "$dir/registry" && pwd -P)
  process_start registry java -Xmx512m -XX:+UseSerialGC -XX:-UsePerfData "-Djava.io.tmpdir=$home" \
    -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$(registry_port)" \
    "-Dapicurio.datasource.url=jdbc:h2:file:$home/registry;WRITE_DELAY=0" -jar "$app"
}
