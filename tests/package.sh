#!/usr/bin/env bash
# The Debian package in bare Debian 12 and 13 roots: built by the README's commands, built once more elsewhere and otherwise,
# which has to give the same bytes, then installed, run, upgraded, removed and purged (package/lifecycle.sh).
#   tests/package.sh [--results FILE] [--keep] [RELEASE...]    default: bookworm trixie
# Prints "pass NAME", "fail NAME" and "skip NAME" lines, and appends them to FILE; --keep: leaves the roots and says where.
# Needs root, and a Debian archive in apt's configuration. The roots are kept as archives in a cache folder,
# DELIGHT_ROOT_CACHE (default ${XDG_CACHE_HOME:-~/.cache}/delightd/roots), for a month.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

results=/dev/null
keep=
while [ $# -gt 0 ]; do
    case $1 in
    --results) results=$(realpath "${2:?}"); shift 2 ;;
    --keep) keep=yes; shift ;;
    -*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 64 ;;
    *) break ;;
    esac
done
releases=("${@:-bookworm}")
[ $# -gt 0 ] || releases=(bookworm trixie)

cache=${DELIGHT_ROOT_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/delightd/roots}
work=$(mktemp -d -t delightd-package.XXXXXX) || exit 1
if [ -n "$keep" ]; then echo "roots: $work"; else trap 'rm -rf --one-file-system "$work"' EXIT; fi
trap 'exit 130' INT TERM HUP

verdict() { echo "$1" | tee -a "$results" "$work/verdicts"; }

# A command in a root, with processes and mounts of its own: nothing of it is left when it ends.
inside() { # root, command...
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --uts --fork --kill-child sh -c '
        root=$1
        shift
        mount -t proc proc "$root/proc" && exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
            CMAKE_BUILD_PARALLEL_LEVEL=2 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' sh "$@" </dev/null
}

# Reads a command's log only if it failed.
quiet() { # log, command...
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { echo "--- $log: $*"; tail -n 40 "$log"; return 1; } >&2
}

# Sets mirror, or why it cannot be done here.
look_around() {
    mirror='' reason=''
    if [ "$(id -u)" -ne 0 ]; then
        reason="not root"
    elif ! command -v mmdebstrap zstd unshare >/dev/null; then
        reason="mmdebstrap or zstd is missing"
    elif ! unshare --mount --pid --uts --fork true 2>/dev/null; then
        reason="no namespaces may be made here"
    else
        # Where this machine's own release comes from, the others do, too.
        # shellcheck disable=SC2016 # apt's own variables
        mirror=$(. /etc/os-release && apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
            sed -nE "s/^(${VERSION_CODENAME:-none}|stable) main //p" | head -n 1)
        [ -n "$mirror" ] || reason="apt's configuration names no Debian archive"
    fi
}

# ---- Roots ----

# What apt was told here of proxies, certificates and dates holds in a root, too.
apt_options() { apt-config dump | grep -E '^Acquire::(https?|Retries|Check-|ForceIPv)[^ ]* "' || true; }

# bare: what mmdebstrap --variant=minbase makes. build: that, and what the README says a build needs.
make_root() { # release, bare|build, archive
    local release=$1 kind=$2 archive=$3 root=$work/$1-new
    mkdir -p "$root"
    if [ "$kind" = bare ]; then
        apt_options >"$work/$release.apt"
        mmdebstrap --variant=minbase --format=directory --aptopt="$work/$release.apt" "$release" "$root" "$mirror" || return 1
        # Without ca-certificates in it, apt there has nothing to trust by.
        case $mirror in https:*) mkdir -p "$root/etc/ssl/certs" && cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/" ;; esac
    else
        unpack "$release" bare "$root" || return 1
        mkdir "$root/tmp/deploy"
        cp deploy/packages.sh "$root/tmp/deploy/"
        inside "$root" sh -c 'cd /tmp && deploy/packages.sh build && apt-get install -y --no-install-recommends file dpkg-dev &&
            apt-get clean' || return 1
        rm -r "$root/tmp/deploy"
    fi
    # It appears whole, and takes the place of its forerunners.
    tar -C "$root" --one-file-system --zstd -cf "$archive.new.$$" . && find "$cache" -name "$release-$kind-*.tar.zst" -delete &&
        mv "$archive.new.$$" "$archive" && rm -rf --one-file-system "$root"
}

# Another list of packages is another archive.
archive_of() { # release, bare|build
    local key
    key=$(sha256sum deploy/packages.sh | cut -c1-12)
    echo "$cache/$1-$2-$key.tar.zst"
}

unpack() { # release, bare|build, folder
    local archive
    archive=$(archive_of "$1" "$2")
    [ -e "$archive" ] || quiet "$work/$1-$2.log" make_root "$1" "$2" "$archive" || return 1
    mkdir -p "$3" && tar -C "$3" --zstd -xf "$archive"
}

# ---- Build ----

source_to() { # folder
    mkdir -p "$1" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -c | tar -xm -C "$1"
}

build() { # root
    source_to "$1/src/delightd" && inside "$1" sh -ec 'cd /src/delightd
        cmake --preset release -DBUILD_TESTING=OFF && cmake --build --preset release
        cd build/release && cpack -G DEB'
}

# The same source at another time, in another folder, under another name of the host, with other habits.
build_elsewhere() { # root
    source_to "$1/home/somebody/else/source" && inside "$1" sh -ec 'hostname elsewhere
        umask 077
        export TZ=ABC-13 LC_ALL=C
        cd /home/somebody/else/source
        cmake --preset release -DBUILD_TESTING=OFF -B /home/built-here && cmake --build /home/built-here -- -j1
        cd /home/built-here && cpack -G DEB'
}

# Prints what differs: file times and modes, then contents.
same_package() { # one, other
    cmp "$1" "$2" && return
    diff <(dpkg-deb -c "$1") <(dpkg-deb -c "$2")
    mkdir "$work/one" "$work/other"
    dpkg-deb -R "$1" "$work/one"
    dpkg-deb -R "$2" "$work/other"
    diff -rq "$work/one" "$work/other"
    rm -r "$work/one" "$work/other"
    return 1
}

# The next version: what it packs has another number and another configuration.
build_next() { # root
    inside "$1" sh -ec 'cd /src/delightd
        echo "# of the next version" >>config/delightd.yaml
        mkdir /src/next && cd build/release && cpack -G DEB -D CPACK_PACKAGE_VERSION=99.0 -B /src/next'
}

# ---- One release ----

package() { # release
    local release=$1 build=$work/$1-build run=$work/$1-run deb other
    if ! unpack "$release" build "$build" || ! unpack "$release" bare "$run"; then
        verdict "fail package, $release: a bare root"
        return
    fi
    if quiet "$work/$release.build.log" build "$build" && deb=$(ls "$build"/src/delightd/build/release/*.deb); then
        verdict "pass package, $release: built by the README's commands"
    else
        verdict "fail package, $release: built by the README's commands"
        return
    fi
    if quiet "$work/$release.again.log" build_elsewhere "$build" && other=$(ls "$build"/home/built-here/*.deb) &&
        quiet "$work/$release.differences" same_package "$deb" "$other"; then
        verdict "pass package, $release: reproducible"
    else
        verdict "fail package, $release: reproducible"
    fi
    quiet "$work/$release.next.log" build_next "$build" || { verdict "fail package, $release: the next version"; return; }
    mkdir "$run/packages"
    cp "$deb" "$run/packages/first.deb"
    cp "$build"/src/next/*.deb "$run/packages/next.deb"
    rm -rf --one-file-system "$build"
    cp tests/package/lifecycle.sh "$run/packages/"
    inside "$run" /packages/lifecycle.sh >"$work/$release.lifecycle.log"
    while read -r word name; do verdict "$word package, $release: $name"; done < <(grep -E '^(pass|fail) ' "$work/$release.lifecycle.log")
    grep -qx 'all steps were taken' "$work/$release.lifecycle.log" || verdict "fail package, $release: not all steps were taken"
    grep -vE '^(pass .*|all steps were taken)$' "$work/$release.lifecycle.log" >&2
}

look_around
if [ -n "$reason" ]; then
    for release in "${releases[@]}"; do verdict "skip package, $release: $reason"; done
    exit 0
fi
mkdir -p "$cache"
find "$cache" -maxdepth 1 -type f -name '*.tar.zst*' -mtime +30 -delete
for release in "${releases[@]}"; do package "$release" & done
wait
! grep -q '^fail ' "$work/verdicts"
