# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by kafka.sh: Apache Kafka's jars in a cache folder outside the repository.
# Uses here, self, say and die; sets version, cache, jars, java, and by resolve archive_option.

pom=$here/pom.xml
version=$(sed -n 's|.*<kafka\.version>\(.*\)</kafka\.version>.*|\1|p' "$pom")
cache=${DELIGHT_KAFKA_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/delightd/kafka-$version}
# Another pom gives another folder, so that a running broker never loses its jars.
jars=$cache/jars-$(sha256sum "$pom" | cut -c1-12)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
archive_option=()

java_ok() {
    local line
    command -v "$java" >/dev/null || { say "no Java: install a JRE, version 17 or newer"; return 1; }
    line=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [[ ${line:-0} -ge 17 ]] || { say "Java ${line:-of unknown version} is too old for Kafka $version: 17 or newer is needed"; return 1; }
}

available() {
    java_ok || return 1
    [[ -d $jars ]] || command -v mvn >/dev/null || {
        say "Apache Kafka $version is not in $cache, and there is no Maven to fetch it"
        return 1
    }
}

class_path() {
    local list
    printf -v list '%s:' "$jars"/*.jar
    printf '%s' "${list%:}"
}

# An archive of parsed classes belongs to one build of the JVM.
archive_file() {
    local program jvm
    program=$(readlink -f "$(command -v "$java")")
    jvm=${program%/bin/java}/lib/server/libjvm.so
    printf '%s/classes-%s.jsa' "$jars" "$({ echo "$program"; stat -Lc '%s %Y' "$jvm" 2>/dev/null; } | sha256sum | cut -c1-12)"
}

# Makes jars and archive_option usable. Two callers at once: the second waits for the first one's lock, then finds the folder.
resolve() {
    local archive
    available || exit 1
    archive=$(archive_file)
    if [[ ! -d $jars || ! -e $archive ]] && [[ -z ${DELIGHT_KAFKA_TRAINING:-} ]]; then
        mkdir -p "$cache"
        exec 8>"$cache/.lock"
        flock 8
        find "$cache" -maxdepth 1 -name '.new.*' -exec rm -rf {} +
        [[ -d $jars ]] || fetch "$(mktemp -d "$cache/.new.XXXXXX")"
        [[ -e $archive ]] || train "$archive"
        exec 8>&-
    fi
    archive_option=()
    if [[ -n ${DELIGHT_KAFKA_TRAINING:-} ]]; then
        return
    elif [[ -s $archive ]]; then
        archive_option=(-XX:SharedArchiveFile="$archive" -Xlog:cds=off -Xlog:cds+dynamic=off)
    fi
}

# The rename makes the folder appear whole.
fetch() {
    local new=$1 name
    say "fetching Apache Kafka $version by Maven into $cache (45 MB, only once)"
    cp "$pom" "$new/pom.xml"
    if ! (cd "$new" && mvn -B -q -f pom.xml org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$new/jars" >"$new/maven.log" 2>&1 8>&- </dev/null); then
        grep -a ERROR "$new/maven.log" | head -n 5 | cut -c1-500 >&2
        rm -rf "$new"
        die "Maven could not fetch Apache Kafka $version"
    fi
    for name in kafka_2.13 kafka-clients kafka-server kafka-tools; do
        [[ -s $new/jars/$name-$version.jar ]] || { rm -rf "$new"; die "Maven left out $name-$version.jar"; }
    done
    mv -T "$new/jars" "$jars"
    rm -rf "$new"
}

# A node that ran once leaves its parsed classes behind: every later one starts with half the processor time. Only a
# convenience: where it fails, an empty file says so, and nodes start without.
train() {
    local new dir
    new=$(mktemp -d "$cache/.new.XXXXXX")
    dir=$new/cluster
    (
        exec 8>&-
        export DELIGHT_KAFKA_TRAINING=1
        export DELIGHT_KAFKA_JAVA_OPTS="-Xms64m -Xmx768m -XX:+UseSerialGC -XX:ArchiveClassesAtExit=$new/classes.jsa"
        "$self" start --dir "$dir" --owner "$$" && "$self" topic "$dir" create training && "$self" stop "$dir"
    ) >"$new/log" 2>&1 </dev/null || {
        say "no class archive; nodes start without:"
        grep '^kafka.sh' "$new/log" | tail -n 5 >&2
        # It may be half written.
        rm -f "$new/classes.jsa"
    }
    "$self" stop "$dir" --now
    [[ -s $new/classes.jsa ]] || : >"$new/classes.jsa"
    mv "$new/classes.jsa" "$1"
    rm -rf "$new"
}
