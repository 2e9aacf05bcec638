# shellcheck shell=bash disable=SC2034
# What the test stack is made of and where it is kept. Sourced by script/setup and script/stack.
# The folder's name carries the versions, so a new version is a new folder. The poms name kafka's again.

: "${cache:=${FEEDMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/feedmill}}"
kafka_version=4.3.1
debezium_version=3.6.3.Final
# The newest registry that runs on Java 17, and the newest converter that Maven resolves.
apicurio_version=3.0.9
converter_version=2.6.13.Final
clickhouse_version=26.7.3
clickhouse_package=@chdb/lib-linux-x64-gnu
clickhouse_package_version=26.7.3-stable.1
clickhouse_sha256=c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad
stack_clickhouse="$cache/clickhouse-$clickhouse_package_version-$(cksum <"$(dirname "${BASH_SOURCE[0]}")/clickhouse/server.c" | cut -d ' ' -f 1)"
stack_jars="$cache/stack-$kafka_version-$debezium_version-$apicurio_version-$converter_version"
# The Python environment of the example of a producer: other requirements are another folder.
producer_python="$cache/python-$(cksum <"${BASH_SOURCE[0]%/*}/../../examples/producers/python/requirements.txt" | cut -d ' ' -f 1)-$(uname -m)"
