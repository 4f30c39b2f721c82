#!/usr/bin/env bash
# Installs the Debian packages that are missing, and starts none of their services.
#   deploy/packages.sh GROUP...     groups: build redis broker test bench
# "broker" (Java and Maven for the real Kafka) may fail: whoever needs it says what follows from that.
set -euo pipefail

# shellcheck disable=SC2034 # the groups are read by name
build=(gcc libc6-dev cmake ninja-build pkg-config librdkafka-dev libhiredis-dev libuv1-dev libjansson-dev libyaml-dev
       libjemalloc-dev libssl-dev libsystemd-dev libmicrohttpd-dev libncurses-dev uthash-dev libxxhash-dev libjs-chart.js)
# shellcheck disable=SC2034
redis=(redis-server redis-tools)
# shellcheck disable=SC2034
broker=(default-jdk-headless maven procps iproute2)
# shellcheck disable=SC2034
test=(check clang llvm libclang-rt-dev python3 python3-pytest python3-pytest-xdist python3-redis python3-confluent-kafka python3-yaml
      python3-jsonschema python3-prometheus-client prometheus openssl kcat procps iproute2 tmux systemd shellcheck file dpkg-dev man-db
      libnss-myhostname mandoc mmdebstrap zsh zstd chromium chromium-driver python3-selenium)
# shellcheck disable=SC2034 # what stands beside delightd in bench/
bench=(g++ libsimdjson-dev python3-venv)

missing=()
for group in "$@"; do
    case $group in build | redis | broker | test | bench) ;; *) echo "packages.sh: no group '$group'" >&2; exit 64 ;; esac
    declare -n packages=$group
    for package in "${packages[@]}"; do
        # The machine's own Java and Maven will do, wherever they come from.
        case $package in
        default-jdk-headless) command -v java >/dev/null && continue ;;
        maven) command -v mvn >/dev/null && continue ;;
        # A root that debootstrap made has no /etc/hosts.
        libnss-myhostname) getent hosts localhost >/dev/null && continue ;;
        esac
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
fi
echo "Installing: ${missing[*]}" >&2

# A package's service must not start: for the time of the installation, policy says no.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    policy_made=yes
fi
export DEBIAN_FRONTEND=noninteractive
install=(apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}")
log=$(mktemp)
trap 'rm -f "$log"; if [ "${policy_made:-}" ]; then rm -f $policy; fi' EXIT
if ! { apt-get update -q && "${install[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    echo "packages.sh: could not install ${missing[*]}" >&2
    exit 1
fi
