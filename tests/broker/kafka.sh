#!/usr/bin/env bash
# A real Apache Kafka for the tests and the demo: resolved once from Maven Central into a cache folder outside the repository,
# started as one or three KRaft nodes on free loopback ports in a temporary folder, and stopped without a trace.
# `kafka.sh --help` says how to use it; everything a cluster owns, its process ids included, lies in its folder (see info).
set -euo pipefail
umask 077

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
self=$here/kafka.sh
java_options=${DELIGHT_KAFKA_JAVA_OPTS:--Xms64m -Xmx768m -XX:+UseSerialGC}
ports_tried=5

usage() {
    cat <<'EOF'
usage: kafka.sh VERB [ARGUMENT...]

  available                   exit 0 if a broker can be had here (Java 17 or newer, and either the cache or Maven);
                              otherwise say why not
  resolve                     fetch Apache Kafka into the cache folder unless it is there; print the folder
  start [OPTION...]           start a cluster, wait until it serves clients, print its facts as NAME=VALUE lines
  stop DIR [--keep] [--now]   stop a cluster and remove its folder (--keep: leave it; --now: KILL at once)
  info DIR                    print the facts of a cluster again, and which nodes run
  stop-node DIR N [--now]     stop node N (1..3) cleanly, or KILL it
  start-node DIR N            start it again on the same ports with what it had on disk
  pause-node, resume-node DIR N   SIGSTOP and SIGCONT
  topic DIR create NAME [--partitions N] [--replication-factor R] [--config K=V]...
  topic DIR delete NAME | list | describe [NAME] | partitions NAME N
  topic DIR config NAME [--add K=V]... [--delete K]...
  tool DIR CLASS [ARGUMENT...]    any class of Kafka's command line with --bootstrap-server filled in, e.g.
                              org.apache.kafka.tools.{AclCommand,GetOffsetShell,TransactionsCommand},
                              org.apache.kafka.tools.consumer.group.ConsumerGroupCommand, kafka.admin.ConfigCommand

options of start:
  --nodes 1|3                 nodes, each broker and controller (default 1)
  --dir DIR                   an empty or new folder (default: a new one under TMPDIR)
  --set KEY=VALUE             a line of server.properties, written as it is after the default one; repeatable
  --listener NAME:PROTOCOL    a further listener: SASL_PLAINTEXT, SSL, SASL_SSL or PLAINTEXT; repeatable. Its address is
                              printed as bootstrap_name; configure it by --set listener.name.name.…
  --scram SPEC                a SCRAM user, as 'SCRAM-SHA-256=[name=alice,password=secret]'; repeatable. Its listener NAME also
                              wants sasl.enabled.mechanisms=SCRAM-SHA-256 and scram-sha-256.sasl.jaas.config=
                              'org.apache.kafka.common.security.scram.ScramLoginModule required;' by --set, as below. Clients
                              with librdkafka before 2.6.1 cannot log in: they repeat a nonce, which Kafka 4 refuses
  --port-file FILE            also write the bootstrap addresses to FILE, once the cluster is ready
  --owner PID                 stop and remove the cluster when that process ends
  --deadline SECONDS          for being ready (default 120)

printed facts: dir, version, nodes, bootstrap, bootstrap_NAME…, pids, logs.

environment:
  DELIGHT_KAFKA_CACHE         cache folder (default ${XDG_CACHE_HOME:-~/.cache}/delightd/kafka-VERSION)
  DELIGHT_KAFKA_JAVA_OPTS     JVM options of a node (default -Xms64m -Xmx768m -XX:+UseSerialGC)
  JAVA_HOME, TMPDIR           as usual

The default listener is plaintext without authentication. Defaults that tests lean on: no automatic topics, any record timestamp is
accepted, no retention, messages up to 32 MiB, no rebalance delay, replication 1 (one node) or 3 with two in sync (three nodes).

A broker with ACLs, where clients of the default listener may do everything and SASL/PLAIN users only what an ACL allows:
  kafka.sh start --listener CLIENT:SASL_PLAINTEXT \
    --set authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
    --set super.users=User:ANONYMOUS \
    --set listener.name.client.sasl.enabled.mechanisms=PLAIN \
    --set 'listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="secret";'
  kafka.sh tool DIR org.apache.kafka.tools.AclCommand --add --allow-principal User:alice --operation Read --topic cx.feedback
and the client, at the address printed as bootstrap_client:
  security.protocol=SASL_PLAINTEXT, sasl.mechanism=PLAIN, sasl.username=alice, sasl.password=secret
A TLS listener is --listener TLS:SSL with --set listener.name.tls.ssl.keystore.type=PEM and
  --set listener.name.tls.ssl.keystore.location=FILE (key and certificate in one PEM file, the key as PKCS#8).
EOF
}

say() { printf 'kafka.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
misuse() { say "$* (see kafka.sh --help)"; exit 2; }

# shellcheck source=SCRIPTDIR/kafka-cache.sh
. "$here/kafka-cache.sh"
# shellcheck source=SCRIPTDIR/kafka-admin.sh
. "$here/kafka-admin.sh"

# ---- ports and processes ----

# A port below the kernel's range for outgoing connections, so that no client takes it while its node is down.
free_port() {
    local low tries port
    read -r low _ </proc/sys/net/ipv4/ip_local_port_range
    ((low > 20000)) || low=32768
    for ((tries = 0; tries < 200; tries++)); do
        port=$((15000 + (RANDOM << 15 | RANDOM) % (low - 15000)))
        [[ " ${taken[*]} " == *" $port "* ]] && continue
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
        taken+=("$port")
        return
    done
    die "no free port on 127.0.0.1"
}

# A process id alone may come to mean another process; with its start time it cannot.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# $1: a file holding a process id and its start time.
alive() {
    local pid started
    [[ -f $1 ]] && read -r pid started <"$1" && [[ -n $started && $(start_time "$pid") == "$started" ]] &&
        [[ $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -c1) != Z ]]
}

pid_of() { local pid; read -r pid _ <"$1" && echo "$pid"; }

signal() { # FILE SIGNAL
    if alive "$1"; then kill "-$2" "$(pid_of "$1")" 2>/dev/null || true; fi
}

# Waits until none of the processes is left. $1: seconds, then files of process ids.
wait_gone() {
    local until=$((SECONDS + $1)) file
    shift
    for file; do
        while alive "$file"; do
            ((SECONDS < until)) || return 1
            sleep 0.05
        done
    done
}

end() { # SIGNAL FILE...
    local sign=$1 file
    shift
    for file; do
        signal "$file" CONT
        signal "$file" "$sign"
    done
    if ! wait_gone 20 "$@"; then
        for file; do signal "$file" KILL; done
        wait_gone 20 "$@" || die "a broker process does not end even when killed: $*"
    fi
    rm -f "$@"
}

# ---- a cluster's folder ----

need_cluster() {
    [[ -n ${1:-} ]] || misuse "which cluster? its folder is missing"
    dir=$1
    [[ -f $dir/.delightd-kafka ]] || die "$dir is not the folder of a cluster that kafka.sh started"
}

need_node() {
    node=${1:-}
    [[ $node =~ ^[1-9]$ && -d $dir/node-$node ]] || misuse "no node '$node' in $dir"
}

nodes_of() { local path; for path in "$dir"/node-*; do echo "${path##*-}"; done; }

fact() { sed -n "s/^$1=//p" "$dir/facts"; }

log_tail() { # NODE
    say "last lines of node $1's log:"
    tail -n 40 "$dir/node-$1/server.log" | cut -c1-300 >&2 || true
}

write_properties() { # NODE
    local in_sync=1 i
    ((nodes < 3)) || in_sync=2
    local listeners=PLAINTEXT://127.0.0.1:${broker_port[$1]} protocols=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT voters=
    for i in "${!extra_name[@]}"; do
        listeners+=,${extra_name[i]}://127.0.0.1:${extra_port[$((i * nodes + $1))]}
        protocols+=,${extra_name[i]}:${extra_protocol[i]}
    done
    for ((i = 1; i <= nodes; i++)); do voters+=${voters:+,}$i@127.0.0.1:${controller_port[i]}; done
    {
        cat "$here/node.properties"
        printf '%s\n' '' "node.id=$1" "log.dirs=$dir/node-$1/data" "controller.quorum.voters=$voters" \
            "listeners=$listeners,CONTROLLER://127.0.0.1:${controller_port[$1]}" "advertised.listeners=$listeners" \
            "listener.security.protocol.map=$protocols" \
            "default.replication.factor=$nodes" "min.insync.replicas=$in_sync"
        for i in offsets.topic transaction.state.log share.coordinator.state.topic; do
            echo "$i.replication.factor=$nodes"
        done
        printf '%s\n' "transaction.state.log.min.isr=$in_sync" "share.coordinator.state.topic.min.isr=$in_sync" "${settings[@]}"
    } >"$dir/node-$1/server.properties"
}

# ---- start ----

format_node() { # NODE
    local spec arguments=()
    for spec in "${scram[@]}"; do arguments+=(--add-scram "$spec"); done
    run_java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$dir/node-$1/tmp" \
        kafka.tools.StorageTool format -t "$cluster_id" -c "$dir/node-$1/server.properties" "${arguments[@]}" \
        >"$dir/node-$1/format.log" 2>&1
}

run_java() {
    "$java" "${archive_option[@]}" -XX:-UsePerfData -Djava.awt.headless=true -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -Ddelightd.level=warn -cp "$(class_path)" "$@"
}

# Starts the process of a node in a session of its own: a terminal's ^C ends the test, which then stops the broker.
launch_node() { # NODE
    local home=$dir/node-$1 file=$dir/node-$1/pid
    local -a options
    read -ra options <<<"$java_options"
    touch "$home/server.log"
    stat -c %s "$home/server.log" >"$home/log-offset"
    rm -f "$file"
    # shellcheck disable=SC2016 # The inner shell expands: it is the process that becomes the broker.
    setsid bash -c 'out=$1; shift
        echo "$$ $(sed "s/.*) //" "/proc/$$/stat" | cut -d" " -f20)" >"$out.new" && mv "$out.new" "$out"
        exec "$@"' kafka-node "$file" \
        "$java" "${options[@]}" "${archive_option[@]}" -XX:-UsePerfData -Djava.awt.headless=true -Djava.net.preferIPv4Stack=true \
        -Djava.io.tmpdir="$home/tmp" -Dkafka.logs.dir="$home" -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -cp "$(class_path)" kafka.Kafka "$home/server.properties" \
        >>"$home/server.log" 2>&1 </dev/null 8>&- &
    disown
    while [[ ! -f $file ]]; do sleep 0.01; done
}

new_log() { tail -c "+$(($(<"$dir/node-$1/log-offset") + 1))" "$dir/node-$1/server.log"; }

# Not grep -q: it would leave its writer with a broken pipe, which pipefail takes for no match.
logged() { new_log "$1" | grep -E "$2" >/dev/null; }

bind_failed() { logged "$1" 'Address already in use|Socket server failed to bind'; }

# Kafka says it started when the cluster has unfenced it; that clients are answered is asked by an ApiVersions request, which
# is allowed before authentication.
answers() { # PORT
    local got
    got=$(
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf '\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff' >&3
        timeout 5 head -c 8 <&3 | od -An -tx1 -j4 | tr -d ' \n'
    ) 2>/dev/null
    [[ $got == 00000001 ]]
}

# 0: ready. 1: failed or out of time. 2: a port was taken by another program.
wait_ready() { # NODE DEADLINE
    local port
    port=$(sed -n 's|^advertised.listeners=PLAINTEXT://127.0.0.1:\([0-9]*\).*|\1|p' "$dir/node-$1/server.properties" | head -n 1)
    until logged "$1" 'Kafka Server started' && answers "$port"; do
        if ! alive "$dir/node-$1/pid"; then
            bind_failed "$1" && return 2
            say "node $1 ended while starting"
            return 1
        fi
        if ((SECONDS >= $2)); then
            say "node $1 is not ready in time"
            return 1
        fi
        sleep 0.1
    done
}

launch_cluster() {
    local i other node_list=() jobs=() failed=0
    taken=()
    extra_port=()
    for ((i = 1; i <= nodes; i++)); do
        free_port && broker_port[i]=${taken[-1]}
        free_port && controller_port[i]=${taken[-1]}
        node_list+=("$i")
    done
    for ((i = 1; i <= nodes * ${#extra_name[@]}; i++)); do free_port && extra_port[i]=${taken[-1]}; done
    for i in "${node_list[@]}"; do
        rm -rf "$dir/node-$i"
        mkdir -p "$dir/node-$i/data" "$dir/node-$i/tmp"
        write_properties "$i"
        format_node "$i" &
        jobs+=($!)
    done
    for i in "${node_list[@]}"; do
        wait "${jobs[i - 1]}" || { say "formatting node $i failed:"; tail -n 20 "$dir/node-$i/format.log" >&2; failed=1; }
    done
    ((failed == 0)) || return 1
    for i in "${node_list[@]}"; do launch_node "$i"; done
    for i in "${node_list[@]}"; do
        wait_ready "$i" "$until" && continue
        failed=$?
        # Another node may have lost its port while this one waits in vain for the quorum.
        for other in "${node_list[@]}"; do bind_failed "$other" && failed=2; done
        ((failed == 2)) || for other in "${node_list[@]}"; do
            if [[ $other == "$i" ]] || ! alive "$dir/node-$other/pid"; then log_tail "$other"; fi
        done
        return "$failed"
    done
}

pid_files() { local n; for n in $(nodes_of); do [[ -f $dir/node-$n/pid ]] && printf '%s\n' "$dir/node-$n/pid"; done; true; }

abandon() {
    local files
    trap - EXIT INT TERM HUP
    mapfile -t files < <(pid_files)
    end KILL "${files[@]}"
    rm -rf "$dir"
    exit "${1:-1}"
}

write_facts() {
    local i n list
    {
        echo "dir=$dir"
        echo "version=$version"
        echo "nodes=$nodes"
        list=
        for ((n = 1; n <= nodes; n++)); do list+=${list:+,}127.0.0.1:${broker_port[n]}; done
        echo "bootstrap=$list"
        for i in "${!extra_name[@]}"; do
            list=
            for ((n = 1; n <= nodes; n++)); do list+=${list:+,}127.0.0.1:${extra_port[$((i * nodes + n))]}; done
            echo "bootstrap_${extra_name[i],,}=$list"
        done
    } >"$dir/facts.new"
    mv "$dir/facts.new" "$dir/facts"
}

# Ends the cluster when the process that wanted it is gone, however it went.
watch_owner() { # PID
    # shellcheck disable=SC2016
    setsid bash -c 'echo "$$ $(sed "s/.*) //" "/proc/$$/stat" | cut -d" " -f20)" >"$1/watch.pid"
        tail --pid="$2" -f /dev/null; exec "$3" stop "$1" --now' kafka-watch "$dir" "$1" "$self" \
        >/dev/null 2>&1 </dev/null 8>&- &
    disown
    while [[ ! -s $dir/watch.pid ]]; do sleep 0.01; done
}

print_facts() {
    local n pids=
    cat "$dir/facts"
    for n in $(nodes_of); do if alive "$dir/node-$n/pid"; then pids+="${pids:+ }$(pid_of "$dir/node-$n/pid")"; fi; done
    echo "pids=$pids"
    echo "logs=$dir/node-*/server.log"
}

add_setting() {
    case $1 in
    process.roles=* | node.id=* | listeners=* | advertised.listeners=* | controller.* | inter.broker.listener.name=* | \
        listener.security.protocol.map=* | log.dir=* | log.dirs=*)
        misuse "${1%%=*} is kafka.sh's own setting; see --listener for more listeners" ;;
    *=*) settings+=("$1") ;;
    *) misuse "--set wants KEY=VALUE, not '$1'" ;;
    esac
}

add_listener() {
    [[ $1 =~ ^([A-Z][A-Z0-9_]*):(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$ ]] ||
        misuse "--listener wants NAME:PROTOCOL in capitals, not '$1'"
    [[ ${BASH_REMATCH[1]} != PLAINTEXT && ${BASH_REMATCH[1]} != CONTROLLER ]] || misuse "listener ${BASH_REMATCH[1]} is there already"
    extra_name+=("${BASH_REMATCH[1]}")
    extra_protocol+=("${BASH_REMATCH[2]}")
}

start() {
    local port_file='' owner='' deadline=120 tried status
    nodes=1 dir='' settings=() extra_name=() extra_protocol=() scram=() broker_port=() controller_port=()
    while (($# > 0)); do
        [[ $# -ge 2 ]] || misuse "start: unknown option or missing value: $1"
        case $1 in
        --nodes) [[ $2 == [13] ]] || misuse "--nodes is 1 or 3"; nodes=$2 ;;
        --dir) dir=$2 ;;
        --set) add_setting "$2" ;;
        --listener) add_listener "$2" ;;
        --scram) scram+=("$2") ;;
        --port-file) port_file=$2 ;;
        --owner) [[ $2 =~ ^[0-9]+$ && -d /proc/$2 ]] || misuse "--owner: no process $2"; owner=$2 ;;
        --deadline) [[ $2 =~ ^[0-9]+$ ]] || misuse "--deadline wants seconds"; deadline=$2 ;;
        *) misuse "start: unknown option $1" ;;
        esac
        shift 2
    done
    java_ok || exit 1
    resolve
    if [[ -n $dir ]]; then
        mkdir -p "$dir"
        dir=$(cd "$dir" && pwd)
        [[ -z $(ls -A "$dir") ]] || die "$dir is not empty"
    else
        dir=$(mktemp -d "${TMPDIR:-/tmp}/delightd-kafka.XXXXXX")
    fi
    touch "$dir/.delightd-kafka"
    trap abandon EXIT
    trap 'abandon 130' INT TERM HUP
    # A cluster id is 16 bytes in URL-safe base64, and must not look like an option.
    cluster_id=d$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c2-22)
    until=$((SECONDS + deadline))
    for ((tried = 1; ; tried++)); do
        status=0
        launch_cluster || status=$?
        ((status == 0)) && break
        ((status == 2 && tried < ports_tried)) || abandon 1
        say "a port was taken meanwhile; trying others"
        mapfile -t files < <(pid_files)
        end KILL "${files[@]}"
    done
    write_facts
    [[ -z $owner ]] || watch_owner "$owner"
    trap - EXIT INT TERM HUP
    if [[ -n $port_file ]]; then
        fact bootstrap >"$port_file.new"
        mv "$port_file.new" "$port_file"
    fi
    print_facts
}

# ---- stop and single nodes ----

stop() {
    local keep=0 sign=TERM files
    # Stopping twice is no error: the second caller finds nothing left to do.
    [[ -z ${1:-} || -e $1 ]] || return 0
    need_cluster "${1:-}"
    shift
    for option; do
        case $option in
        --keep) keep=1 ;;
        --now) sign=KILL ;;
        *) misuse "stop: unknown option $option" ;;
        esac
    done
    if alive "$dir/watch.pid" && [[ $(pid_of "$dir/watch.pid") != "$$" ]]; then
        # The watcher's tail is in its session: both go.
        kill -TERM -- "-$(pid_of "$dir/watch.pid")" 2>/dev/null || true
        wait_gone 5 "$dir/watch.pid" || signal "$dir/watch.pid" KILL
    fi
    mapfile -t files < <(pid_files)
    end "$sign" "${files[@]}"
    ((keep == 1)) || rm -rf "$dir"
}

start_node() {
    local deadline=$((SECONDS + 120)) status
    ! alive "$dir/node-$node/pid" || return 0
    resolve
    # The ports are fixed now, and the old process's may be held for a moment: try until the deadline.
    while true; do
        launch_node "$node"
        status=0
        wait_ready "$node" "$deadline" || status=$?
        ((status != 0)) || return 0
        end KILL "$dir/node-$node/pid"
        if ((status != 2 || SECONDS >= deadline)); then
            log_tail "$node"
            return 1
        fi
        sleep 0.2
    done
}

verb=${1:-}
(($# == 0)) || shift
case $verb in
-h | --help | help) usage ;;
available) available ;;
resolve) resolve && echo "$cache" ;;
start) start "$@" ;;
stop) stop "$@" ;;
info) need_cluster "${1:-}" && print_facts ;;
topic) need_cluster "${1:-}" && shift && topic "$@" ;;
tool) need_cluster "${1:-}" && shift && tool "$@" ;;
stop-node) need_cluster "${1:-}" && need_node "${2:-}" && end "$([[ ${3:-} == --now ]] && echo KILL || echo TERM)" "$dir/node-$node/pid" ;;
start-node) need_cluster "${1:-}" && need_node "${2:-}" && start_node ;;
pause-node) need_cluster "${1:-}" && need_node "${2:-}" && signal "$dir/node-$node/pid" STOP ;;
resume-node) need_cluster "${1:-}" && need_node "${2:-}" && signal "$dir/node-$node/pid" CONT ;;
'') usage >&2; exit 2 ;;
*) misuse "unknown verb $verb" ;;
esac
