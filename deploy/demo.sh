#!/usr/bin/env bash
# From a bare Debian to live scores: installs what is missing, builds, runs broker, Redis, daemon and load generator on
# free ports of 127.0.0.1 in a temporary folder, shows the scores, and ends all it started.
#   deploy/demo.sh [--seconds N]    N: how long to show them (default 60; 0: until Ctrl-C)
#                  [--rate N]       events per second (default 2000)
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
rate=2000
while [ $# -gt 0 ]; do
    case $1 in
    --seconds) seconds=${2-none}; shift $(($# > 1 ? 2 : 1)) ;;
    --rate) rate=${2-none}; shift $(($# > 1 ? 2 : 1)) ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "demo.sh: what is '$1'? See demo.sh --help" >&2; exit 64 ;;
    esac
done
case $seconds$rate in *[!0-9]*) echo "demo.sh: --seconds and --rate take whole numbers" >&2; exit 64 ;; esac

folder=$(mktemp -d -t delightd-demo.XXXXXX)
pids=()
broker_dir=
cleanup() {
    trap - EXIT
    trap '' INT TERM HUP # whoever is impatient would leave things running
    # The daemon first, so that it drains while Redis and the broker are there.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null || true
        wait "${pids[i]}" 2>/dev/null || true
    done
    [ -z "$broker_dir" ] || tests/broker/kafka.sh stop "$broker_dir" --now >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "demo.sh: $1" >&2
    for log in "$folder"/*.log; do
        [ -s "$log" ] && { echo "--- $log" >&2; tail -n 15 "$log" >&2; }
    done
    exit 1
}

await() { # what, seconds, command...
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "waited in vain for $what"
        sleep 0.1
    done
}

free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
    done
    fail "no free port"
}

echo "1/5 packages"
deploy/packages.sh build redis
echo "2/5 build"
build() { cmake --preset release -DBUILD_TESTING=OFF && cmake --build --preset release; }
build >"$folder/build.log" 2>&1 || fail "the build failed"

echo "3/5 broker"
if deploy/packages.sh broker && tests/broker/kafka.sh available >/dev/null 2>&1 &&
    tests/broker/kafka.sh start --owner $$ >"$folder/broker.facts" 2>"$folder/broker.log"; then
    broker_dir=$(sed -n 's/^dir=//p' "$folder/broker.facts")
    bootstrap=$(sed -n 's/^bootstrap=//p' "$folder/broker.facts")
    for topic in "cx.feedback --partitions 4" "cx.deadletter --partitions 1"; do
        # shellcheck disable=SC2086 # name and option
        tests/broker/kafka.sh topic "$broker_dir" create $topic >/dev/null || fail "no topic"
    done
    echo "    Apache Kafka $(sed -n 's/^version=//p' "$folder/broker.facts") at $bootstrap"
else
    echo "    no Apache Kafka to be had here (it needs Java 17 and Maven): using the embedded broker, librdkafka's mock cluster."
    [ ! -s "$folder/broker.log" ] || sed 's/^/    /' "$folder/broker.log" | tail -n 3
    echo "    It keeps 5 MiB per partition and cannot look up by time: good for a demo, no proof of anything."
    build/release/delight-load --embedded-broker "cx.feedback:4,cx.deadletter:1" >"$folder/broker.facts" 2>"$folder/broker.log" &
    pids+=($!)
    await "the embedded broker" 10 grep -q '^bootstrap=' "$folder/broker.facts"
    bootstrap=$(sed -n 's/^bootstrap=//p' "$folder/broker.facts")
fi

echo "4/5 Redis, delightd"
port=$(free_port)
redis-server --bind 127.0.0.1 --port "$port" --save '' --appendonly no --dir "$folder" >"$folder/redis.log" 2>&1 &
pids+=($!)
await "Redis" 10 redis-cli -p "$port" ping
cat >"$folder/delightd.yaml" <<YAML
instance: demo
kafka:
  topics: [cx.feedback]
  dead_letter_topic: cx.deadletter
  properties: {bootstrap.servers: "$bootstrap"}
redis: {url: "redis://127.0.0.1:$port/0"}
http: {listen: "127.0.0.1:0"}
windows: [1m, 5m, 1h]
segments: [channel, tier]
targets: {nps: 0, csat: 60, service_level: 60, wait_p95_ms: 60s}
YAML
build/release/delight-load --touchpoints 12 --print-catalogue >>"$folder/delightd.yaml"
build/release/delightd run -c "$folder/delightd.yaml" >"$folder/delightd.log" 2>&1 &
daemon=$!
pids+=("$daemon")

echo "5/5 events, $rate/s"
build/release/delight-load --brokers "$bootstrap" --topic cx.feedback --rate "$rate" --seconds $((seconds > 0 ? seconds : 86400)) \
    --touchpoints 12 --segments 'channel=app|web|branch,tier=vip|basic' --late 0.01 --duplicates 0.005 --retractions 0.005 \
    --malformed 0.005 >"$folder/load.log" 2>&1 &
pids+=($!)
read_redis() { redis-cli -p "$port" --raw "$@"; }
has_scores() { [ -n "$(read_redis hget 'cx:{all}:5m' nps)" ]; }
await "the first scores" 30 has_scores
http=$(sed -n 's/.*msg="serving HTTP".* port=\([0-9]*\).*/\1/p' "$folder/delightd.log")

row() { # subject
    local values
    mapfile -t values < <(read_redis hmget "cx:{$1}:5m" events nps nps_low nps_high csat ces delight service_level wait_p95_ms fcr complaints)
    printf '%-38s %8s %8s [%8s,%8s] %8s %8s %8s %8s %8s %8s %6s\n' "$1" "${values[@]/#%/}"
}

show() {
    printf '%-38s %8s %8s [%8s,%8s] %8s %8s %8s %8s %8s %8s %6s\n' 'subject, last 5 minutes' events NPS low high CSAT CES delight \
        'SL %' 'p95 ms' 'FCR %' compl.
    row all
    while read -r subject; do row "$subject"; done < <(read_redis smembers cx:subjects:journey | sort)
    while read -r subject; do row "$subject"; done < <(read_redis zrevrange cx:rank:nps:touchpoint:5m 0 11)
    row 'all|tier=vip'
    printf '\n%s  as of %s\n' "$(tr '\r' '\n' <"$folder/load.log" | grep ' sent, ' | tail -n 1)" "$(date +%T)"
}

ends=$((SECONDS + seconds))
while [ "$seconds" -eq 0 ] || [ $SECONDS -lt $ends ]; do
    kill -0 "$daemon" 2>/dev/null || fail "delightd has ended"
    picture=$(show)
    if [ -t 1 ]; then
        printf '\033[H\033[2J%s\n\nThe live page: http://127.0.0.1:%s/\nTry: redis-cli -p %s hgetall "cx:{all}:5m"     curl 127.0.0.1:%s/metrics     Ctrl-C ends the demo\n' "$picture" "$http" "$port" "$http"
        sleep 1
    else
        printf '%s\n\n' "$picture"
        sleep 5
    fi
done

kill "$daemon"
wait "$daemon" || fail "delightd did not end well"
echo "The demo is over; everything it started is stopped. Next: README.md, \"Send your first event\"."
