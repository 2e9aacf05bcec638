# shellcheck shell=bash
# The bytes a real Debezium writes, kept as files: the ground truth of the decoders. Sourced by script/stack.
# Six variants of the same changes: replica identity default or full, each as JSON without and with its schema part, and
# as Avro. Needs: root, dir, parts, port_base, format, while_pid, say, fail.

capture_inputs="$root/script/stack.d/capture"
capture_variants=(default default-schema default-avro full full-schema full-avro)

capture_sql() { # database file
  "$(postgres_bin)/psql" -q -v ON_ERROR_STOP=1 -f "$2" "postgres://postgres@127.0.0.1:$(postgres_port)/$1"
}

capture_database() { # variant
  "$(postgres_bin)/psql" -q -c "CREATE DATABASE \"$1\"" "$(postgres_address)"
  capture_sql "$1" "$capture_inputs/tables.sql"
  case "$1" in full*) capture_sql "$1" "$capture_inputs/identity-full.sql" ;; esac
}

# The converters of a variant, as lines of its connector's configuration.
capture_converters() { # variant
  local converters
  case "$1" in
    *-avro) converters="$(connect_converters avro)"$'\n'schema.name.adjustment.mode=avro ;;
    *-schema) converters=$(connect_converters json true) ;;
    *) converters=$(connect_converters json) ;;
  esac
  # Of every line: what the shell replaces it replaces once, or everywhere.
  # shellcheck disable=SC2001
  sed 's/\(.*\)=\(.*\)/  "\1": "\2",/' <<<"$converters"
}

capture_connector() { # variant
  cat <<JSON
{
  "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
  "database.hostname": "127.0.0.1",
  "database.port": "$(postgres_port)",
  "database.user": "postgres",
  "database.password": "",
  "database.dbname": "$1",
  "topic.prefix": "cdc",
  "plugin.name": "pgoutput",
  "slot.name": "capture_${1//-/_}",
  "publication.name": "feedmill",
  "publication.autocreate.mode": "disabled",
  "snapshot.mode": "initial",
  "skipped.operations": "none",
$(capture_converters "$1")
  "transforms": "route",
  "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
  "transforms.route.regex": "cdc\\\\.public\\\\.(.*)",
  "transforms.route.replacement": "$1.cdc.\$1",
  "topic.creation.default.partitions": "1",
  "topic.creation.default.replication.factor": "1"
}
JSON
}

# Changes made before the connector streams would be part of its snapshot.
capture_await_streaming() {
  local tries=300 query="SELECT count(*) FROM pg_replication_slots WHERE active AND confirmed_flush_lsn IS NOT NULL"
  until [ "$("$(postgres_bin)/psql" -qAt -c "$query" "$(postgres_address)")" = 1 ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "the connector does not stream; see $dir/connect.log"
    sleep 0.2
  done
}

# One after the other: Debezium knows only one server of a name, here \`cdc\`, at a time.
capture_variant() { # variant out
  local url
  url="$(connect_address)/connectors/$1"
  capture_database "$1"
  capture_connector "$1" |
    curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/json' --data-binary @- "$url/config" ||
    fail "Connect refused the connector $1; see $dir/connect.log"
  capture_await_streaming
  capture_sql "$1" "$capture_inputs/changes.sql"
  rm -rf "${2:?}/$1"
  kafka_java "$capture_inputs/Dump.java" "$(kafka_address)" "$2" "$1" "$(registry_address)" >&2
  curl -fsS -X DELETE "$url"
}

capture_note() {
  cat <<NOTE
# What a real Debezium wrote

Bytes of keys and values as they lay in Kafka, captured by \`script/stack capture\` with Debezium $debezium_version
for PostgreSQL on Kafka Connect $kafka_version. Nothing here is written by hand; capture again instead.

\`<variant>/cdc.<table>/<offset>-<op>.key\` and \`.value\`. \`op\` is Debezium's (r snapshot, c create, u update, d delete,
t truncate) or \`tombstone\`. A null key or value has no file.

| variant | replica identity | format |
| --- | --- | --- |
| \`default\` | default: the key only | JSON |
| \`default-schema\` | default | JSON with its schema part |
| \`default-avro\` | default | Avro |
| \`full\` | full: the whole old row | JSON |
| \`full-schema\` | full | JSON with its schema part |
| \`full-avro\` | full | Avro |

Avro is in Confluent's form, by Apicurio's converter $converter_version: a zero, the id of the schema in four bytes, the value. The schemas
are in \`schemas/<id>.avsc\` beside the topics.

The tables, the rows of the snapshot and the changes after it are the \`.sql\` files of \`script/stack.d/capture/\`.
NOTE
}

capture_all() { # out
  local out variant
  mkdir -p "$1"
  out=$(cd "$1" && pwd -P)
  dir=$(mktemp -d)
  # shellcheck disable=SC2034 # read by the parts' own files
  parts=(kafka registry postgres connect)
  # shellcheck disable=SC2034 # as above
  while_pid=$$
  up >&2
  for variant in "${capture_variants[@]}"; do capture_variant "$variant" "$out"; done
  capture_note >"$out/NOTE.md"
  say "$(find "$out" -type f | wc -l) files are in $out"
}
