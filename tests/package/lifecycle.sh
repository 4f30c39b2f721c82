#!/bin/bash
# Inside a bare Debian root, with /packages/first.deb and next.deb: the life of the package. Prints "pass NAME" or "fail NAME"
# for each step, the log of one that failed, and at the end "all steps were taken".
set -uo pipefail

log=$(mktemp)
apt=(apt-get install -y -q --no-install-recommends)
# Nothing is started by being installed.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

step() { # name, function
    local code
    (set -ex; "$2") >"$log" 2>&1 # in no condition, where -e would mean nothing
    code=$?
    if [ "$code" -eq 0 ]; then
        echo "pass $1"
    else
        echo "fail $1"
        tail -n 40 "$log"
    fi
}

await() { # seconds, command...
    local - deadline=$((SECONDS + $1))
    set +x
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.1
    done
}

# "!" before a command would be no failure for -e.
not() { if "$@"; then return 1; fi; }

files() { find / -xdev \( -path /proc -o -path /packages -o -path /tmp \) -prune -o -print; }
delightd_files() { files | grep delight; }

# ---- Steps ----

installed() { # without systemd: adduser makes the user
    apt-get update -q
    files | sort >/tmp/before
    [ ! -e /usr/bin/systemd-sysusers ]
    "${apt[@]}" /packages/first.deb
    [ "$(dpkg-query -W -f '${Status}' delightd)" = 'install ok installed' ]
    [ -z "$(dpkg --verify delightd)" ]
    getent passwd delightd | grep -E '^delightd:[^:]*:[1-9][0-9]{0,2}:.*:/nonexistent:/usr/sbin/nologin$'
    not grep 'not found' <(ldd /usr/bin/delightd /usr/bin/delight-load)
    delightd --version | grep -x "delightd $(dpkg-query -W -f '${Version}' delightd)"
    delight-load --version
    for page in man1/delightd.1 man5/delightd.yaml.5 man1/delight-load.1; do
        gzip -dc "/usr/share/man/$page.gz" | grep '^\.SH NAME'
    done
    ls -l /usr/share/bash-completion/completions/delightd /usr/share/zsh/vendor-completions/_delightd
    # What is installed as it comes is good, and the service may read it.
    setpriv --reuid delightd --regid delightd --clear-groups delightd check -c /etc/delightd/delightd.yaml
    delightd config -c /etc/delightd/delightd.yaml | grep '^durability: memory$'
}

as_the_service() { exec setpriv --reuid delightd --regid delightd --clear-groups env "$@"; }

# Events through a broker into Redis, every field of every score recounted.
ran() {
    local folder configuration=/etc/delightd/delightd.yaml daemon bootstrap
    "${apt[@]}" redis-server
    folder=$(mktemp -d)
    trap 'kill $(jobs -p) || true; wait || true' EXIT
    redis-server --port 0 --unixsocket "$folder/redis.sock" --unixsocketperm 777 --save '' --dir "$folder" >"$folder/redis.log" &
    delight-load --embedded-broker cx.feedback:4,cx.deadletter:1 >"$folder/facts" &
    chmod 755 "$folder"
    await 120 grep '^bootstrap=' "$folder/facts"
    bootstrap=$(sed -n 's/^bootstrap=//p' "$folder/facts")
    await 120 redis-cli -s "$folder/redis.sock" ping
    sed -i -e "s,127.0.0.1:9092,$bootstrap," -e "s,redis://127.0.0.1:6379/0,unix://$folder/redis.sock," \
        -e 's,127.0.0.1:9464,127.0.0.1:0,' -e 's,^clock: wall,clock: event,' $configuration
    delightd check -c $configuration --connect
    as_the_service delightd run -c $configuration 2>"$folder/log" &
    daemon=$!
    if ! delight-load --config $configuration --count 20000 --span 6h --malformed 1% --late 1% --retractions 1% --verify; then
        cat "$folder/log"
        return 1
    fi
    delightd get all -c $configuration --window 24h | grep -w nps
    [ "$(delightd top -c $configuration --once | wc -l)" -gt 10 ]
    sed -i 's,^publish_interval: .*,publish_interval: 500ms,' $configuration
    /bin/kill -HUP $daemon # as ExecReload does
    await 120 grep 'reload: changed.*option=publish_interval' "$folder/log"
    kill $daemon
    wait $daemon
    not grep -E 'level=(error|crit)' "$folder/log"
}

units_are_good() {
    "${apt[@]}" systemd
    [ -z "$(systemd-analyze --man=no verify delightd.service delightd@second.service 2>&1)" ]
    systemctl enable delightd.service delightd@second.service
    [ -L /etc/systemd/system/multi-user.target.wants/delightd@second.service ]
}

upgraded() {
    sum=$(sha256sum /etc/delightd/delightd.yaml)
    "${apt[@]}" -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold /packages/next.deb
    [ "$(dpkg-query -W -f '${Version}' delightd)" = 99.0 ]
    [ "$(sha256sum /etc/delightd/delightd.yaml)" = "$sum" ]
    tail -n 1 /etc/delightd/delightd.yaml.dpkg-dist | grep 'of the next version'
    [ -L /etc/systemd/system/multi-user.target.wants/delightd.service ]
    delightd check -c /etc/delightd/delightd.yaml
}

removed() {
    apt-get remove -y -q delightd
    [ ! -e /usr/bin/delightd ]
    [ ! -e /usr/lib/systemd/system/delightd.service ]
    [ -e /etc/delightd/delightd.yaml ]
    [ -z "$(find /etc/systemd -name '*delightd*')" ]
}

purged() {
    apt-get purge -y -q delightd
    [ -z "$(delightd_files)" ]
    getent passwd delightd # stays, as the number of its files' owner
}

installed_under_systemd() { # sysusers makes the user
    userdel delightd
    "${apt[@]}" /packages/next.deb
    getent passwd delightd | grep ':/usr/sbin/nologin$'
    tail -n 1 /etc/delightd/delightd.yaml | grep 'of the next version'
    systemd-sysusers --cat-config | grep '^u delightd'
    apt-get purge -y -q delightd
    [ -z "$(delightd_files)" ]
}

step "installed without systemd" installed
step "events, scores, the recount agrees" ran
step "systemd-analyze verify, systemctl enable" units_are_good
step "upgraded, the changed configuration kept" upgraded
step "removed, the configuration kept" removed
step "purged, nothing left" purged
step "installed and purged under systemd" installed_under_systemd
echo "all steps were taken"
