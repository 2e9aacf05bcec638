# shellcheck shell=bash
# Kafka Connect with Debezium's plugin; it keeps its state in Kafka. Sourced by script/stack.
# Needs: dir, port_base, format, stack_jars, root.

connect_address() { echo "http://127.0.0.1:$((port_base + 2))"; }
connect_ready() { curl -fsS -o /dev/null --max-time 2 "$(connect_address)/connectors"; }
connect_signal() { echo TERM; }

# What keys and values are written as. Avro goes in the form of Confluent: a zero, the id of the schema in four bytes, the
# value; the registry is spoken to in its own way, and shows what it was told as <topic>-key and <topic>-value.
connect_converters() { # json|avro [schemas.enable]
  local side registry
  registry="http://127.0.0.1:$(registry_port)/apis/registry/v2"
  for side in key value; do
    case "$1" in
      json) printf '%s=%s\n' "$side.converter" org.apache.kafka.connect.json.JsonConverter \
        "$side.converter.schemas.enable" "${2:-false}" ;;
      avro) printf '%s=%s\n' "$side.converter" io.apicurio.registry.utils.converter.AvroConverter \
        "$side.converter.apicurio.registry.url" "$registry" "$side.converter.apicurio.registry.as-confluent" true \
        "$side.converter.apicurio.registry.use-id" contentId "$side.converter.apicurio.registry.headers.enabled" false \
        "$side.converter.apicurio.registry.auto-register" true ;;
    esac
  done
}

connect_properties_write() {
  local kind
  cat <<PROPERTIES
bootstrap.servers=$(kafka_address)
group.id=connect
listeners=$(connect_address)
rest.advertised.host.name=127.0.0.1
plugin.path=$stack_jars/plugins
plugin.discovery=service_load
$(connect_converters "$format")
offset.flush.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
offset.storage.partitions=1
status.storage.partitions=1
PROPERTIES
  for kind in config offset status; do
    printf '%s.storage.topic=connect-%s\n%s.storage.replication.factor=1\n' $kind $kind $kind
  done
}

# Whoever looks into every class of every jar for what is a plugin takes ten seconds longer. Apicurio does not declare its converter,
# so that is declared here, beside its jars.
connect_plugins_declare() {
  local made jar="$stack_jars/plugins/converter/declared.jar" services=META-INF/services
  [ ! -f "$jar" ] || return 0
  made=$(mktemp -d)
  mkdir -p "$made/$services"
  echo io.apicurio.registry.utils.converter.AvroConverter >"$made/$services/org.apache.kafka.connect.storage.Converter"
  command jar --create --no-manifest --file "$made/declared.jar" -C "$made" "$services"
  mv -f "$made/declared.jar" "$jar"
  rm -r "$made"
}

connect_start() {
  mkdir -p "$dir/connect"
  connect_plugins_declare
  connect_properties_write >"$dir/connect/worker.properties"
  process_start_java connect -Xmx512m org.apache.kafka.connect.cli.ConnectDistributed "$dir/connect/worker.properties"
}
