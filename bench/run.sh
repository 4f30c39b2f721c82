#!/usr/bin/env bash
# The benchmark suite: delightd beside what a user could pick instead, all of them on this machine, in turn. bench/README.md tells more.
#   bench/run.sh [--quick] [--figures LIST] [--candidates LIST] [--events N] [--rounds N] [--help] ...
# Installs what is missing, builds delightd and the other candidates (into the cache folder), starts a real broker, and goes on where
# it was interrupted. Prints a Markdown table, and leaves it and a plot (SVG) beside the results.
set -euo pipefail
cd "$(dirname "$0")/.."

export PYTHONDONTWRITEBYTECODE=1
python=/usr/bin/python3
[ -x $python ] || deploy/packages.sh test

# What only tells or prints needs nothing built.
for word; do
    case $word in -h | --help | --report) exec $python bench/suite/main.py "$@" ;; esac
done

deploy/packages.sh build redis broker test bench
cmake --preset release >/dev/null
cmake --build --preset release --target delightd delight-load noop-consumer core-distance >/dev/null
exec $python bench/suite/main.py "$@"
