# shellcheck shell=bash
# Redis, in memory only: what it holds can be written again from Kafka. Sourced by script/stack. Needs: dir, port_base.

redis_port() { echo $((port_base + 4)); }
redis_address() { echo "redis://127.0.0.1:$(redis_port)"; }
redis_ready() { process_listens "$(redis_port)"; }
redis_signal() { echo TERM; }

redis_start() {
  mkdir -p "$dir/redis"
  process_start redis redis-server --bind 127.0.0.1 --port "$(redis_port)" --dir "$(cd "$dir/redis" && pwd -P)" \
    --save '' --appendonly no
}
