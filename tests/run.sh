#!/usr/bin/env bash
# Installs what is missing, builds every preset, runs every test, and ends with "N passed, N failed".
#   tests/run.sh [--quick]     --quick: release build, unit and end-to-end tests only
# With CI set, a skipped test is a failure.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

quick=
case ${1:-} in
'') ;;
--quick) quick=yes ;;
*) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac

results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT
trap 'echo "run.sh: interrupted: no result" >&2; exit 130' INT TERM HUP
jobs=$(nproc)
started=$SECONDS

say() { printf '\n== %s (%d s)\n' "$*" $((SECONDS - started)); }

# A step of its own that has no test runner: it passes or fails whole.
step() {
    local name=$1
    shift
    if "$@" >"$results/step.log" 2>&1; then
        echo "pass $name" >>"$results/steps"
    else
        echo "fail $name" >>"$results/steps"
        echo "FAILED: $name"
        tail -n 40 "$results/step.log"
    fi
}

build() {
    say "build $1"
    step "build $1 without a warning" sh -c "cmake --preset $1 >/dev/null && cmake --build --preset $1 -- -j$jobs"
}

unit() { # preset, and what of it
    # Many of them wait for a broker's or a server's timeouts: more at a time than there are processors.
    ctest --preset "$1" -R "${2:-.}" -j$((jobs * 3)) --output-junit "$results/unit-$1.xml" >"$results/ctest-$1.log" 2>&1
    local code=$?
    ended "unit tests, $1" $code 8
    [ "$code" -eq 0 ] || grep -v '^ *Start' "$results/ctest-$1.log" | tail -n 80
}

# A runner that neither passed nor reported failures has not run everything, whatever results it left.
ended() { # name, its exit status, the one that means failures
    [ "$2" -eq 0 ] || [ "$2" -eq "$3" ] || echo "fail $1: the runner ended with status $2" >>"$results/steps"
}

end_to_end() { # preset, pytest arguments
    local preset=$1
    shift
    say "end-to-end tests, $preset"
    DELIGHTD=$PWD/build/$preset/delightd DELIGHT_LOAD=$PWD/build/release/delight-load DELIGHT_PRESET=$preset \
        /usr/bin/python3 -m pytest -q -p no:cacheprovider -rs -n $((jobs * 2)) --dist load --junitxml "$results/e2e-$preset.xml" tests/e2e "$@"
    ended "end-to-end tests, $preset" $? 1
}

say "packages"
deploy/packages.sh build redis test || { echo "0 passed, 1 failed"; exit 1; }
deploy/packages.sh broker || echo "no Java or Maven: tests that need a real broker are skipped"

export PYTHONDONTWRITEBYTECODE=1
# Check's time-outs only end what hangs: on a busy machine that takes longer to tell.
export CK_TIMEOUT_MULTIPLIER=4
# Only frames inside librdkafka are excused (it is not built with the sanitizer).
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp history_size=4 ${TSAN_OPTIONS:-}"
export ASAN_OPTIONS="detect_stack_use_after_return=1 ${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp print_suppressions=0 ${LSAN_OPTIONS:-}"

build release
if [ -n "$quick" ]; then
    say "unit tests"
    unit release
else
    build asan-ubsan
    build tsan
    build fuzz # everything by clang; its units run under the same sanitizers with gcc
    say "unit tests: release, asan-ubsan, tsan"
    # At once, since they mostly wait. Of tsan, what has threads.
    export -f unit ended
    export results jobs
    xargs -P 3 -n 2 bash -c 'unit "$@"' unit <<<'release . asan-ubsan . tsan ^(core/test_ring|log/|kafka/|redis/test_link|redis/test_view$)'
    say "fuzzing"
    unit fuzz '^fuzz/'
    say "scripts, unit file"
    step "shellcheck" sh -c 'shellcheck -x tests/*.sh tests/broker/*.sh tests/package/*.sh deploy/*.sh bench/*.sh .ci/run'
    step "systemd exposure at most 1.5" tests/unit_exposure.sh
    say "package, in bare roots of Debian 12 and 13"
    tests/package.sh --results "$results/steps"
    ended "package tests" $? 1
fi
end_to_end release
if [ -z "$quick" ]; then
    export DELIGHT_TIMEOUT_FACTOR=3 # the sanitizers' price
    end_to_end asan-ubsan -m 'not release_only'
    end_to_end tsan -m 'not release_only'
fi

say "result"
/usr/bin/python3 tests/summary.py "$results"
