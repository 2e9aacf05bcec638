# shellcheck shell=bash
# ClickHouse, spoken to over HTTP. Sourced by script/stack. Needs: dir, port_base, stack_clickhouse, fail.

clickhouse_port() { echo $((port_base + 7)); }
clickhouse_address() { echo "http://127.0.0.1:$(clickhouse_port)"; }
clickhouse_ready() { curl -fsS -o /dev/null --max-time 2 "$(clickhouse_address)/ping"; }
clickhouse_signal() { echo TERM; }

clickhouse_start() {
  [ -x "$stack_clickhouse/server" ] || fail "ClickHouse is not here yet: script/setup"
  local home
  mkdir -p "$dir/clickhouse"
  home=$(cd "$dir/clickhouse" && pwd -P)
  process_start clickhouse "$stack_clickhouse/server" "--path=$home/data" "--http_port=$(clickhouse_port)" \
    "--tcp_port=$((port_base + 8))" --listen_host=127.0.0.1 --log-level=warning --server_logs_file=server.log \
    "--query=SYSTEM START LISTEN QUERIES ALL; SELECT count() FROM file('-', LineAsString)"
}
