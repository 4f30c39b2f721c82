#!/usr/bin/env bash
# The units' sandbox, as systemd rates it: overall exposure at most 1.5.
set -euo pipefail
cd "$(dirname "$0")/.."
for unit in deploy/delightd.service deploy/delightd@.service; do
    line=$(systemd-analyze security --offline=true --no-pager "$unit" | grep 'Overall exposure level')
    echo "$unit: $line"
    exposure=$(grep -o '[0-9]\+\.[0-9]\+' <<<"$line" | head -n 1)
    awk -v exposure="$exposure" 'BEGIN { exit !(exposure != "" && exposure <= 1.5) }'
done
