# shellcheck shell=bash
# Java servers of the test stack, as jars in the cache. Sourced by script/setup. Needs: cache, root, say, fail.
#
#   $stack_jars/kafka     the broker and Connect
#   $stack_jars/streams   Kafka Streams, the peer of the benchmarks
#   $stack_jars/plugins   Connect's plugins: Debezium for PostgreSQL, the Avro converter
#   $stack_jars/registry  the schema registry, an application with its own jars

# shellcheck source=script/stack.d/versions.sh
. script/stack.d/versions.sh

jars_log="$cache/jars.log"

jars_maven() {
  mvn --batch-mode --strict-checksums "$@" >>"$jars_log" 2>&1 && return
  tail -n 20 "$jars_log" >&2
  fail "Maven could not fetch (${*: -1}); the whole log is $jars_log"
}

jars_of_pom() { # folder-of-the-pom output
  jars_maven -f "$root/$1/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$2"
}

jars_debezium() { # output
  local coordinates="io.debezium:debezium-connector-postgres:$debezium_version:tar.gz:plugin"
  jars_maven dependency:copy "-Dartifact=$coordinates" "-DoutputDirectory=$1"
  tar -xzf "$1"/debezium-connector-postgres-*.tar.gz -C "$1"
  rm "$1"/debezium-connector-postgres-*.tar.gz
}

jars_registry() { # output
  jars_maven dependency:copy "-Dartifact=io.apicurio:apicurio-registry-app:$apicurio_version:tar.gz:all" "-DoutputDirectory=$1"
  tar -xzf "$1"/apicurio-registry-app-*.tar.gz -C "$1"
  rm "$1"/apicurio-registry-app-*.tar.gz
}

# Every jar against the sums under version control: what runs here is what ran there.
jars_verify() { # folder
  local sums="$root/script/stack.d/jars.sha256"
  (cd "$1" && sha256sum --check --quiet --strict "$sums" >&2) || fail "jars differ from $sums"
}

jars_present() { [ -d "$stack_jars" ]; }

jars_fetch() {
  jars_present && return
  say "fetching Kafka $kafka_version, Kafka Streams, Debezium $debezium_version and Apicurio $apicurio_version (about 270 MB, 20 s to a few minutes)"
  local started part="$stack_jars.part"
  started=$(date +%s)
  rm -rf "$part" && mkdir -p "$part/plugins" "$part/registry"
  : >"$jars_log"
  jars_of_pom script/stack.d/kafka "$part/kafka"
  jars_of_pom benches/peers/kafka-streams "$part/streams"
  jars_debezium "$part/plugins"
  jars_of_pom script/stack.d/converter "$part/plugins/converter"
  jars_registry "$part/registry"
  jars_verify "$part"
  mv "$part" "$stack_jars"
  say "the jars are in $stack_jars after $(($(date +%s) - started)) s"
}
