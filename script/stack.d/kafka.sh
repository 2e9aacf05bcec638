# shellcheck shell=bash
# Kafka: one node, or three, each broker and controller. Sourced by script/stack.
# Needs: dir, port_base, kafka_brokers, kafka_proxy, kafka_secured, kafka_properties, stack_jars, root.

kafka_port() { # part
  case "$1" in kafka) echo "$port_base" ;; kafka2) echo $((port_base + 10)) ;; kafka3) echo $((port_base + 12)) ;; esac
}
# The part of the node with this number.
kafka_part() { case "$1" in 1) echo kafka ;; *) echo "kafka$1" ;; esac }
kafka_of_each() { # format offset: of each node its number, and its port and so many
  local node each=()
  for ((node = 1; node <= kafka_brokers; node++)); do
    # shellcheck disable=SC2059
    each+=("$(printf "$1" "$node" "$(($(kafka_port "$(kafka_part "$node")") + $2))")")
  done
  local IFS=,
  echo "${each[*]}"
}

kafka_address() { kafka_of_each '%.0s127.0.0.1:%s' 0; }
kafka2_address() { echo "127.0.0.1:$(kafka_port kafka2)"; }
kafka3_address() { echo "127.0.0.1:$(kafka_port kafka3)"; }
kafka_ready() { kafka_part_ready kafka; }
kafka2_ready() { kafka_part_ready kafka2; }
kafka3_ready() { kafka_part_ready kafka3; }
kafka_part_ready() { grep -q 'Kafka Server started' "$dir/$1.log" && process_listens "$(kafka_port "$1")"; }
kafka_signal() { echo TERM; }
kafka2_signal() { kafka_signal; }
kafka3_signal() { kafka_signal; }
kafka_start() { kafka_part_start kafka 1; }
kafka2_start() { kafka_part_start kafka2 2; }
kafka3_start() { kafka_part_start kafka3 3; }

# Small where the defaults are for clusters; patient defaults made quick where a test would wait for them:
# an expired transaction is cleaned up after 1 s (10), a group begins at once (3 s), compaction looks each second (15),
# and a broker that was killed may come back after 4 s (9).
kafka_properties_write() { # part node
  local port copies=$kafka_brokers enough=$(((kafka_brokers + 1) / 2))
  port=$(kafka_port "$1")
  local listeners="PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))"
  local advertised="PLAINTEXT://127.0.0.1:$port"
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
node.id=$2
controller.quorum.voters=$(kafka_of_each '%s@127.0.0.1:%s' 1)
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=$listeners
advertised.listeners=$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SECURED:SASL_SSL
log.dirs=$dir/$1/data
num.network.threads=2
num.io.threads=4
offsets.topic.num.partitions=4
default.replication.factor=$copies
min.insync.replicas=$enough
offsets.topic.replication.factor=$copies
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$enough
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$enough
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

# A JVM that starts for it takes as long as the broker does: what it wrote is kept for the next one, beside the jars.
kafka_format() { # part node
  local kept="$stack_jars/formatted.$2.$kafka_brokers"
  [ ! -f "$dir/$1/data/meta.properties" ] || return 0
  if [ -z "$kafka_secured" ] && [ -d "$kept" ]; then
    mkdir -p "$dir/$1/data"
    cp -R "$kept/." "$dir/$1/data"
    return
  fi
  kafka_java kafka.tools.StorageTool format --cluster-id feedmillfeedmillfeedmi \
    ${kafka_secured:+--add-scram 'SCRAM-SHA-512=[name=feedmill,password=secret]'} \
    --config "$dir/$1/server.properties" >"$dir/$1.log" 2>&1 ||
    { tail -n 20 "$dir/$1.log" >&2 && fail "Kafka's storage could not be formatted"; }
  [ -z "$kafka_secured" ] || return 0
  # Whoever else has just kept it had the same; and where nothing can be kept it is made again the next time.
  local made
  if made=$(mktemp -d "$kept.XXXXXX" 2>/dev/null); then
    cp -R "$dir/$1/data/." "$made"
    mv -nT "$made" "$kept" || true
    rm -rf "$made"
  fi
}

kafka_part_start() { # part node
  [ -d "$stack_jars" ] || fail "Kafka's jars are not here yet: script/setup"
  [ "$kafka_brokers" = 1 ] || [ -z "$kafka_proxy$kafka_secured" ] || fail "three brokers have no proxy and no listener with TLS"
  mkdir -p "$dir/$1"
  kafka_properties_write "$1" "$2" >"$dir/$1/server.properties"
  kafka_format "$1" "$2"
  : >"$dir/$1.log" # an old "started" must not count
  process_start_java "$1" -Xmx1g kafka.Kafka "$dir/$1/server.properties"
}
