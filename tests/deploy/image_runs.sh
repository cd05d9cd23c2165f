#!/usr/bin/env bash
# Runs the program of an image by crun, as a pod does: read-only, as its own user, without a capability, on a spool that is
# empty. Asks for its health and its version, and looks at what the kernel lets it do. Part of tests/deploy/image.sh.
#
#   tests/deploy/image_runs.sh BUNDLE     as root; BUNDLE is what `umoci unpack` made
set -euo pipefail

here=$(realpath "${BASH_SOURCE[0]}")
bundle=$(realpath "$1")

# A network with nothing but a loopback of its own, so that port 8080 is free, and mounts of its own, since crun asks for
# version 2 of control groups.
if [[ ${2:-} != inside ]]; then
    exec unshare --mount --net --pid --fork --mount-proc --kill-child "$here" "$bundle" inside
fi

fail() { printf '%s\n' "$*" "$(tail -n 20 "$work/log" 2>/dev/null)" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/pophook-runs.XXXXXX")
trap 'rm -rf "$work"' EXIT
ip link set lo up
umount --recursive /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 none /sys/fs/cgroup

# The folders that a pod mounts.
mkdir -p "$work"/{spool,config,secrets}
chown 10001:10001 "$work/spool"
chmod 755 "$work"
chmod 700 "$work/spool"
echo a password >"$work/secrets/support-password"
openssl rand -hex 32 >"$work/secrets/ops-token"
token=$(<"$work/secrets/ops-token")
cat >"$work/config/pophook.yaml" <<'END'
spool: { url: "sqlite:/var/lib/pophook/spool.db" }
admin:
  listen: 0.0.0.0:8080
  tokens: [{ name: ops, role: operate, token: { file: /run/secrets/pophook/ops-token } }]
mailboxes:
  - name: support
    host: pop.invalid
    username: support
    start_from: now
    password: { file: /run/secrets/pophook/support-password }
    deliver_to: [desk]
endpoints: [{ name: desk, url: "https://desk.invalid/", signing: none }]
END

# Who it is and what it runs stands in the image; what a pod's securityContext adds, here.
jq --arg work "$work" '
    .root.readonly = true
    | .process.terminal = false
    | .process.noNewPrivileges = true
    | .process.capabilities = {bounding: [], effective: [], inheritable: [], permitted: [], ambient: []}
    | .linux.namespaces |= map(select(.type != "network"))
    | .linux.resources = {}
    | def folder($from; $to; $options): {source: $from, destination: $to, type: "bind", options: (["bind"] + $options)};
    .mounts = (.mounts | map(select(.destination | startswith("/sys/fs/cgroup") or . == "/etc/resolv.conf" | not)))
        + [folder($work + "/spool"; "/var/lib/pophook"; ["rw", "nosuid", "nodev", "noexec"]),
           folder($work + "/config"; "/etc/pophook"; ["ro"]),
           folder($work + "/secrets"; "/run/secrets/pophook"; ["ro"]),
           {source: "tmpfs", destination: "/tmp", type: "tmpfs", options: ["nosuid", "nodev", "size=64m"]}]
    ' "$bundle/config.json" >"$work/config.json"
[[ $(jq -c '[.process.user.uid, .process.user.gid]' "$work/config.json") == '[10001,10001]' ]] || fail "the image names another user"

crun() { command crun --root "$work/state" --cgroup-manager=disabled "$@"; }
mkdir "$work/bundle"
ln -s "$bundle/rootfs" "$work/bundle/rootfs"
cp "$work/config.json" "$work/bundle/config.json"
# It gives what it is started with to the container's user: not /dev/null, which belongs to all.
: >"$work/nothing"
crun run --bundle "$work/bundle" pophook <"$work/nothing" >"$work/log" 2>&1 &
runner=$!

answer() { curl --silent --max-time 5 --noproxy '*' --output /dev/null --write-out '%{http_code}' "$@" || true; }
for _ in {1..300}; do
    [[ $(answer http://127.0.0.1:8080/healthz) != 200 ]] || break
    kill -0 "$runner" 2>/dev/null || fail "it ended"
    sleep 0.1
done
expect() { [[ $2 == "$3" ]] || fail "$1: $2 in place of $3"; echo "  $1: $2"; }
expect "/healthz" "$(answer http://127.0.0.1:8080/healthz)" 200
expect "/readyz" "$(answer http://127.0.0.1:8080/readyz)" 200
expect "/metrics" "$(answer http://127.0.0.1:8080/metrics)" 200
expect "the API, to nobody" "$(answer http://127.0.0.1:8080/api/v1/mailboxes)" 401
expect "the API, with a token" "$(answer -H "Authorization: Bearer $token" http://127.0.0.1:8080/api/v1/mailboxes)" 200

pid=$(crun state pophook | jq .pid)
status() { sed -n "s/^$1:\t//p" "/proc/$pid/status"; }
expect "its user" "$(status Uid | tr '\t' ' ')" "10001 10001 10001 10001"
for kind in CapInh CapPrm CapEff CapBnd CapAmb; do
    expect "$kind" "$(status $kind)" 0000000000000000
done
expect "no new privileges" "$(status NoNewPrivs)" 1
expect "its root is" "$(awk '$5 == "/" { split($6, words, ","); print words[1] }' "/proc/$pid/mountinfo")" ro
expect "check, inside of it" "$(crun exec pophook /usr/local/bin/pophook check -c /etc/pophook/pophook.yaml <"$work/nothing" >"$work/check" 2>&1; echo $?)" 0
expect "the spool's owner and rights" "$(stat -c '%u %a' "$work/spool/spool.db")" "10001 600"

crun kill pophook TERM
wait "$runner" && code=0 || code=$?
expect "its exit code after SIGTERM" "$code" 0
