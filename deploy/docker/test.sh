#!/usr/bin/env bash
# Builds the images of the Dockerfile from ready binaries and runs them, without a Docker daemon:
#   deploy/docker/test.sh DIRECTORY_OF_BINARIES
# buildah (chroot isolation, plain directories as storage) takes the daemon's place, and a
# debootstrap of Debian bookworm that of the base image. Needs root, Debian, curl, jq and cargo.
set -euo pipefail

if (($# != 1)); then
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
binaries=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
for binary in atelier atelier-api atelier-worker; do
    [ -x "$binaries/$binary" ] || { echo "$binaries/$binary is missing" >&2; exit 66; }
done
((EUID == 0)) || { echo "debootstrap and buildah's chroot isolation need root" >&2; exit 77; }

work=$(mktemp -d)
buildah=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)
declare -A running=() listen=()
finish() {
    local pid
    for pid in "$work"/data/*.pid; do
        [ ! -e "$pid" ] || kill -KILL "$(<"$pid")" 2>/dev/null || true
    done
    wait
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "docker: $*" >&2
    tail -n 20 "$work"/*.log >&2 || true
    exit 1
}

say() { printf '%s\n' "-- $*"; }

install_tools() {
    local wanted=() tool
    for tool in buildah debootstrap curl jq; do
        command -v "$tool" >/dev/null || wanted+=("$tool")
    done
    ((${#wanted[@]} == 0)) && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

# A stand-in for debian:bookworm-slim, kept under target/, from the mirror that apt uses.
base_image() {
    local base=target/docker/bookworm-slim.tar container
    if [ ! -e "$base" ]; then
        local mirror
        # shellcheck disable=SC2016 # apt fills it in
        mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
        debootstrap --variant=minbase bookworm "$work/base" ${mirror:+"$mirror"} >"$work/debootstrap.log" || fail "debootstrap failed"
        (cd "$work/base" && rm -rf usr/share/{doc,info,locale,man}/* var/lib/apt/lists/* var/cache/apt/* var/log/*)
        mkdir -p target/docker
        tar --directory "$work/base" --create --file "$base.new" .
        mv "$base.new" "$base"
        rm -rf "$work/base"
    fi
    container=$("${buildah[@]}" from scratch)
    "${buildah[@]}" add --quiet "$container" "$base" / >/dev/null
    "${buildah[@]}" commit --quiet --rm --disable-compression "$container" localhost/bookworm-slim >/dev/null
}

# What .dockerignore lets through is all that Cargo needs, and no more than sources.
context_is_whole() {
    printf 'FROM scratch\nCOPY . /\n' >"$work/Context"
    "${buildah[@]}" bud --quiet --file "$work/Context" --tag context . >/dev/null
    "${buildah[@]}" from --name context localhost/context >/dev/null
    local root
    root=$("${buildah[@]}" mount context)
    (cd "$root" && cargo metadata --format-version 1 --no-deps --offline --locked >/dev/null) || fail "the context lacks a part of the workspace"
    [ ! -e "$root/target" ] && [ ! -e "$root/.git" ] || fail "the context holds more than sources"
    "${buildah[@]}" rm context >/dev/null
}

# bud TARGET [OPTION...]
bud() {
    local target=$1
    shift
    "${buildah[@]}" bud --quiet --isolation chroot --format docker "$@" \
        --build-arg BASE_IMAGE=localhost/bookworm-slim --build-arg RUST_IMAGE=localhost/bookworm-slim \
        --file deploy/docker/Dockerfile --target "$target" --tag "$target" . >"$work/build-$target.log" 2>&1 || fail "$target cannot be built"
}

# Plain directories know no layers, so the stage that all share is built first, once.
build() {
    mkdir -p "$work/build/out"
    local binary target
    for binary in atelier atelier-api atelier-worker; do
        strip -o "$work/build/out/$binary" "$binaries/$binary"
    done
    bud base
    for target in atelier api worker operator; do
        bud "$target" --build-context base=container-image://localhost/base --build-context build="$work/build"
        "${buildah[@]}" from --name "$target" "localhost/$target" >/dev/null
    done
}

describes_itself() {
    local target=$1 program=$2
    "${buildah[@]}" inspect --type image "localhost/$target" | jq --exit-status --arg program "$program" '.Docker.config
        | .User == "10001:10001" and .Entrypoint == [$program] and .StopSignal == "SIGTERM"
          and .Healthcheck.Test == ["CMD", "healthcheck"] and .Labels["org.opencontainers.image.title"] == $program' >/dev/null ||
        fail "the image $target does not describe itself"
}

# in_container NAME COMMAND...: as the image's user, without capabilities, in a root that is
# read-only (which buildah does not offer, so it finds it so) beside /tmp and /data. /run is root's;
# buildah puts a mark there.
in_container() {
    local name=$1 root
    shift
    root=$("${buildah[@]}" mount "$name")
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --propagation private bash -euc '
        mount --bind "$0" "$0"
        mount -o remount,bind,ro "$0"
        mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
        mount -t tmpfs -o mode=755 tmpfs "$0/run"
        exec "$@"' \
        "$root" "${buildah[@]}" run --isolation chroot --cap-drop all --volume "$work/data:/data" \
        --env AUTH=off --env "LISTEN_ADDR=${listen[$name]}" "$name" -- "$@"
}

# The findings come through a file: under load buildah may lose what a short command prints.
runs_as_nobody_special() {
    local name=$1 finding=$work/data/finding
    ! in_container "$name" touch /usr/local/bin/x 2>/dev/null || fail "$name may write to its root"
    in_container "$name" bash -c 'id -u >/data/finding' || fail "$name does not run"
    [ "$(<"$finding")" = 10001 ] || fail "$name runs as $(<"$finding")"
    # Also where the root is not mounted read-only. (find complains of what the user may not see.)
    "${buildah[@]}" run --isolation chroot --volume "$work/data:/data" "$name" -- bash -c '
        find / -xdev \( -writable -not -type l -o -type f -perm /6000 \) \
            -not -path /tmp -not -path /var/tmp -not -path /run/lock -not -path "/data*" >/data/finding 2>/dev/null
        echo end >>/data/finding'
    [ "$(<"$finding")" = end ] || fail "$name may write to, or become another user by: $(<"$finding")"
}

# start NAME COMMAND...: in the background; the process's id is in data/NAME.pid.
start() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # the inner shell's
    in_container "$name" bash -c 'echo $$ >"/data/$0.pid"; exec "$@"' "$name" "$@" >"$work/$name.out" 2>"$work/$name.log" &
    running[$name]=$!
}

healthy() {
    local name=$1
    shift
    for _ in $(seq 150); do
        in_container "$name" "$@" 2>/dev/null && return
        kill -0 "${running[$name]}" 2>/dev/null || break
        sleep 0.2
    done
    fail "$name does not become healthy"
}

stops_cleanly() {
    local name=$1 status=0 started=$SECONDS
    kill -TERM "$(<"$work/data/$name.pid")"
    wait "${running[$name]}" || status=$?
    ((status == 0)) || fail "$name ended with $status at SIGTERM"
    say "$name: drained in $((SECONDS - started)) s after SIGTERM, exit 0"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# compose SERVICE KEY: the words of a list of the compose file, a line each.
compose() { python3 deploy/docker/compose.py words "$1" "$2"; }

say 'tools and base'
install_tools
base_image
context_is_whole
say 'build'
build
describes_itself api atelier-api
describes_itself worker atelier-worker
describes_itself atelier atelier
in_operator() { "${buildah[@]}" run --isolation chroot operator -- operator "$@"; }
in_operator audit --help >/dev/null || fail "the operator image has no atelier"
[ "$(in_operator smoke 2>&1 | head -c 5)" = Makes ] || fail "the operator image has no smoke test"

for name in api worker atelier; do listen[$name]=127.0.0.1:$(free_port); done
mkdir "$work/data"
chown 10001:10001 "$work/data"
for name in api worker atelier; do runs_as_nobody_special "$name"; done

say 'run, by the words of the compose file'
mapfile -t words < <(compose cloud command)
start atelier atelier "${words[@]}"
mapfile -t words < <(compose cloud healthcheck)
healthy atelier "${words[@]}"
for name in api worker; do
    mapfile -t words < <(compose "$name" entrypoint && compose "$name" command)
    ! in_container "$name" healthcheck 2>/dev/null || fail "$name is healthy before it runs"
    start "$name" "${words[@]}"
    healthy "$name" healthcheck
done
scripts/smoke.sh "http://${listen[api]}" 60 || fail "no picture was made"
for name in worker api atelier; do stops_cleanly "$name"; done

"${buildah[@]}" images --format '{{.Name}} {{.Size}}' | grep -E '/(api|worker|atelier|bookworm-slim) '
