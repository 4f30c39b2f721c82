# shellcheck shell=bash disable=SC2154
# Sourced by kafka.sh: Kafka's own command line on a cluster that runs.
# Uses dir, misuse, die, fact, nodes_of, alive, resolve and run_java.

bootstrap_of_running() {
    local n all list=
    IFS=, read -ra all <<<"$(fact bootstrap)"
    for n in $(nodes_of); do if alive "$dir/node-$n/pid"; then list+=${list:+,}${all[n - 1]}; fi; done
    [[ -n $list ]] || die "no node of $dir is running"
    echo "$list"
}

tool() {
    local class=${1:-} bootstrap
    [[ -n $class ]] || misuse "tool: which class?"
    shift
    bootstrap=$(bootstrap_of_running)
    resolve
    run_java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$class" --bootstrap-server "$bootstrap" "$@"
}

topic() {
    local verb=${1:-} name=${2:-} arguments=()
    (($# < 1)) || shift
    case $verb in
    create | delete | partitions | config) [[ -n $name ]] || misuse "topic $verb: which topic?"; shift ;;
    esac
    case $verb in
    create) tool org.apache.kafka.tools.TopicCommand --create --topic "$name" "$@" >&2 ;;
    delete) tool org.apache.kafka.tools.TopicCommand --delete --topic "$name" ;;
    list) tool org.apache.kafka.tools.TopicCommand --list --exclude-internal ;;
    describe) tool org.apache.kafka.tools.TopicCommand --describe ${name:+--topic "$name"} ;;
    partitions) tool org.apache.kafka.tools.TopicCommand --alter --topic "$name" --partitions "${1:?how many}" ;;
    config)
        if (($# == 0)); then
            tool kafka.admin.ConfigCommand --entity-type topics --entity-name "$name" --describe
            return
        fi
        while (($# > 0)); do
            case $1 in
            --add) arguments+=(--add-config "${2:?}") ;;
            --delete) arguments+=(--delete-config "${2:?}") ;;
            *) misuse "topic config: unknown option $1" ;;
            esac
            shift 2
        done
        tool kafka.admin.ConfigCommand --entity-type topics --entity-name "$name" --alter "${arguments[@]}"
        ;;
    *) misuse "topic: create, delete, list, describe, partitions or config" ;;
    esac
}
