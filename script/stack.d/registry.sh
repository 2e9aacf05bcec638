# shellcheck shell=bash
# The schema registry: Apicurio, spoken to through its Confluent interface. Sourced by script/stack.
# What it was told is in its folder, so that one that is stopped and started again still knows every id.
# It speaks TLS alone if its properties name a certificate and forbid the rest. Needs: dir, port_base, registry_properties,
# stack_jars, fail.

registry_port() { echo $((port_base + 6)); }
registry_scheme() { case "${registry_properties[*]}" in *quarkus.http.ssl.certificate*) echo https ;; *) echo http ;; esac; }
registry_address() { echo "$(registry_scheme)://127.0.0.1:$(registry_port)/apis/ccompat/v7"; }
registry_signal() { echo TERM; }

# One that asks who is there is ready too.
registry_ready() {
  local status
  status=$(curl -ksS -o /dev/null --max-time 2 -w '%{http_code}' "$(registry_address)/subjects") || return 1
  [ "$status" = 200 ] || [ "$status" = 401 ]
}

registry_start() {
  local home app jvm
  app=$(echo "$stack_jars"/registry/apicurio-registry-app-*-runner.jar)
  [ -f "$app" ] || fail "the registry's jars are not here yet: script/setup"
  mkdir -p "$dir/registry"
  home=$(cd "$dir/registry" && pwd -P)
  mapfile -t jvm < <(process_jvm)
  process_start registry java -Xmx512m "${jvm[@]}" "-Djava.io.tmpdir=$home" \
    -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$(registry_port)" "-Dquarkus.http.ssl-port=$(registry_port)" \
    "-Dapicurio.datasource.url=jdbc:h2:file:$home/registry;WRITE_DELAY=0" "${registry_properties[@]/#/-D}" -jar "$app"
}
