# shellcheck shell=bash
# Kafka Connect with Debezium's plugin; it keeps its state in Kafka. Sourced by script/stack.
# Needs: dir, port_base, stack_jars, root.

connect_address() { echo "http://127.0.0.1:$((port_base + 2))"; }
connect_ready() { curl -fsS -o /dev/null --max-time 2 "$(connect_address)/connectors"; }
connect_signal() { echo TERM; }

connect_properties_write() {
  local kind
  cat <<PROPERTIES
bootstrap.servers=$(kafka_address)
group.id=connect
listeners=$(connect_address)
rest.advertised.host.name=127.0.0.1
plugin.path=$stack_jars/plugins
plugin.discovery=service_load
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.flush.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
offset.storage.partitions=1
status.storage.partitions=1
PROPERTIES
  for kind in config offset status; do
    printf '%s.storage.topic=connect-%s\n%s.storage.replication.factor=1\n' $kind $kind $kind
  done
}

connect_start() {
  mkdir -p "$dir/connect"
  connect_properties_write >"$dir/connect/worker.properties"
  process_start_java connect -Xmx512m org.apache.kafka.connect.cli.ConnectDistributed "$dir/connect/worker.properties"
}
