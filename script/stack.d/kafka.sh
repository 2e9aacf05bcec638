# shellcheck shell=bash
# Kafka: one node, broker and controller. Sourced by script/stack.
# Needs: dir, port_base, kafka_proxy, kafka_secured, kafka_properties, stack_jars, root.

kafka_address() { echo "127.0.0.1:$port_base"; }
kafka_ready() { grep -q 'Kafka Server started' "$dir/kafka.log" && process_listens "$port_base"; }
kafka_signal() { echo TERM; }

# Small where the defaults are for clusters; patient defaults made quick where a test would wait for them:
# an expired transaction is cleaned up after 1 s (10), a group begins at once (3 s), compaction looks each second (15),
# and a broker that was killed may come back after 4 s (9).
kafka_properties_write() {
  local listeners="PLAINTEXT://127.0.0.1:$port_base,CONTROLLER://127.0.0.1:$((port_base + 1))"
  local advertised="PLAINTEXT://127.0.0.1:$port_base"
  if [ -n "$kafka_proxy" ]; then
    listeners="$listeners,PROXIED://127.0.0.1:$((port_base + 5))"
    advertised="$advertised,PROXIED://127.0.0.1:$kafka_proxy"
  fi
  if [ -n "$kafka_secured" ]; then
    listeners="$listeners,SECURED://127.0.0.1:$((port_base + 9))"
    advertised="$advertised,SECURED://127.0.0.1:$((port_base + 9))"
    kafka_secured_write
  fi
  cat <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port_base + 1))
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=$listeners
advertised.listeners=$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SECURED:SASL_SSL
log.dirs=$dir/kafka/data
num.network.threads=2
num.io.threads=4
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=4000
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216
PROPERTIES
  [ ${#kafka_properties[@]} = 0 ] || printf '%s\n' "${kafka_properties[@]}"
}

# Kafka wants key and certificate in one file. The user of SCRAM is the storage's, see kafka_format; tokens are not signed.
kafka_secured_write() {
  cat "$kafka_secured/key" "$kafka_secured/certificate" >"$dir/kafka/keystore.pem"
  local of=listener.name.secured login=org.apache.kafka.common.security
  cat <<PROPERTIES
$of.ssl.keystore.type=PEM
$of.ssl.keystore.location=$dir/kafka/keystore.pem
$of.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN,OAUTHBEARER
$of.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required;
$of.plain.sasl.jaas.config=$login.plain.PlainLoginModule required user_feedmill="secret";
$of.oauthbearer.sasl.jaas.config=$login.oauthbearer.OAuthBearerLoginModule required;
PROPERTIES
}

kafka_java() { # class argument...
  java -Dlog.level=warn -cp "$stack_jars/kafka/*:$stack_jars/plugins/converter/*" "-Dlog4j2.configurationFile=$root/script/stack.d/log4j2.properties" "$@"
}

kafka_format() {
  [ ! -f "$dir/kafka/data/meta.properties" ] || return 0
  kafka_java kafka.tools.StorageTool format --cluster-id feedmillfeedmillfeedmi \
    ${kafka_secured:+--add-scram 'SCRAM-SHA-512=[name=feedmill,password=secret]'} \
    --config "$dir/kafka/server.properties" >"$dir/kafka.log" 2>&1 ||
    { tail -n 20 "$dir/kafka.log" >&2 && fail "Kafka's storage could not be formatted"; }
}

kafka_start() {
  [ -d "$stack_jars" ] || fail "Kafka's jars are not here yet: script/setup"
  mkdir -p "$dir/kafka"
  kafka_properties_write >"$dir/kafka/server.properties"
  kafka_format
  : >"$dir/kafka.log" # an old "started" must not count
  process_start_java kafka -Xmx1g kafka.Kafka "$dir/kafka/server.properties"
}
