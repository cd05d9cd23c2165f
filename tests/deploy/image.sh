#!/usr/bin/env bash
# Builds the image twice, of two copies of the sources, in two folders and at two times, and compares every byte; then
# runs it as a pod does: read-only, as user 10001, without a capability.
#
#   tests/deploy/image.sh [DIR]     from any folder, as root; DIR takes the image (oci:DIR:pophook), else nothing is left
#
# Slow: two release builds, some 25 minutes and 8 GB below TMPDIR, so tests/run.sh leaves it out. It needs Debian's
# buildah, crun, umoci, curl and jq, the crates, and a base image: BASE=docker.io/library/rust@sha256:… is pulled; without
# BASE, one is made of Debian 12's packages (debootstrap) and the toolchain that runs here.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=deploy/demo/packages.sh
source deploy/demo/packages.sh

[[ $EUID -eq 0 ]] || { echo "Please run this as root: it mounts, and it makes files of other users." >&2; exit 77; }
need buildah crun umoci curl jq setpriv ip
[[ -n ${BASE:-} ]] || need debootstrap
need_rust

work=$(mktemp -d "${TMPDIR:-/tmp}/pophook-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
say() { printf '\n=== %s (%d s)\n' "$*" "$SECONDS"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# A store of images of our own, which goes with the folder.
build() { buildah --root "$work/images" --runroot "$work/run" --storage-driver vfs "$@"; }

# What Docker's image of Rust holds, as far as the Dockerfile asks for it.
make_base() {
    local root=$work/base wanted=build-essential,ca-certificates,libssl-dev,pkg-config,tzdata
    debootstrap --variant=minbase --include="$wanted" bookworm "$root" >"$work/debootstrap" ||
        { tail -n 20 "$work/debootstrap" >&2; fail "debootstrap failed"; }
    mkdir -p "$root/usr/local/rustup" "$root/usr/local/cargo"
    cp -a "$(rustc --print sysroot)"/{bin,lib} "$root/usr/local/rustup/"
    rm -rf "${root:?}"/{var/cache/apt/archives,proc,sys,dev}/*
    printf '%s\n' 'FROM scratch' 'ADD base /' 'ENV CARGO_HOME=/usr/local/cargo' \
        'ENV PATH=/usr/local/cargo/bin:/usr/local/rustup/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        >"$work/Base"
    build bud --isolation chroot --timestamp 0 --tag localhost/rust -f "$work/Base" "$work" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; fail "the base image cannot be built"; }
    rm -rf "$root"
}

# What is in the working copy, but for what git ignores.
copy_sources() {
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -c 2>/dev/null | tar -x -C "$1"
}

# Builds the image of a copy of the sources, in a folder of the builder's, and writes it as an OCI image.
build_image() {
    local sources=$1 folder=$2 image=$3
    build bud --isolation chroot --timestamp 0 --build-arg "BASE=$BASE" --build-arg "FOLDER=$folder" \
        --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry" \
        --tag "localhost/$image" -f "$sources/deploy/Dockerfile" "$sources" >"$work/$image.log" 2>&1 ||
        { tail -n 40 "$work/$image.log" >&2; fail "the image cannot be built"; }
    build push --quiet "localhost/$image" "oci:$work/$image:pophook"
    umoci unpack --image "$work/$image:pophook" "$work/$image.bundle" >/dev/null
}

digest() { jq -r '.manifests[0].digest' "$work/$1/index.json"; }

# Both now: whoever works on here meanwhile does not make them differ. Nobody's clone has the same times and rights as
# another's.
copy_sources "$work/sources"
elsewhere="$work/elsewhere/and under a longer name"
copy_sources "$elsewhere"
chmod -R go-rwx "$work/elsewhere"
find "$work/elsewhere" -exec touch --date 2001-02-03T04:05:06Z '{}' +

say "the base image, and the crates"
cargo fetch --locked
[[ -n ${BASE:-} ]] || { make_base; BASE=localhost/rust; }

say "the first build"
build_image "$work/sources" /build first

say "the second build, elsewhere and later"
TZ=Asia/Kathmandu LC_ALL=C build_image "$elsewhere" /srv/somebody/elsewhere second

say "the same bytes?"
ls -l "$work/first.bundle/rootfs/usr/local/bin/pophook"
sha256sum "$work"/{first,second}.bundle/rootfs/usr/local/bin/pophook | sed "s|$work/||"
if [[ $(digest first) != "$(digest second)" ]]; then
    diff -rq --no-dereference "$work"/{first,second}.bundle/rootfs || true
    diff <(jq . "$work/first/blobs/sha256/$(digest first | cut -d: -f2)") \
        <(jq . "$work/second/blobs/sha256/$(digest second | cut -d: -f2)") || true
    fail "The two images differ: $(digest first), $(digest second)"
fi
echo "both are $(digest first)"
for folder in /srv/somebody "$work" /usr/local/cargo; do
    ! grep -qaF "$folder" "$work/second.bundle/rootfs/usr/local/bin/pophook" || fail "the program names the folder $folder"
done

say "read-only, as user 10001, without a capability"
tests/deploy/image_runs.sh "$work/first.bundle"
if [[ -n ${1:-} ]]; then
    cp -r "$work/first" "$1"
fi
say "all is well"
