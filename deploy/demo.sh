#!/usr/bin/env bash
# pophook at work, on your own machine: a private mail server with a dozen mails, pophook, and a receiver that checks
# the signatures. Everything listens on 127.0.0.1, lies in one temporary folder and is gone at the end.
#
#   deploy/demo.sh           until Ctrl-C
#   deploy/demo.sh --once    ends by itself when all mail was delivered
#
# POPHOOK=/path/to/pophook takes a binary that is there already instead of building one.
set -euo pipefail

once=
case "${1:-}" in
--once) once=yes ;;
'') ;;
*) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=deploy/demo/packages.sh
source "$root/deploy/demo/packages.sh"

if [[ -t 1 ]]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
indent() { sed 's/^/    /'; }
fail() {
    printf '\n%s%s%s\n' "$red$bold" "$*" "$plain" >&2
    exit 1
}

# --- the end, whatever brings it ------------------------------------------------------------------------------------
dir=
pids=()
# shellcheck disable=SC2317,SC2329  # called by the trap
clean_up() {
    local code=$? pid at
    trap - EXIT INT TERM
    # pophook first, which began last: it finishes what it has under way.
    for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
        pid=${pids[at]}
        kill -TERM "$pid" 2>/dev/null || continue
        wait "$pid" 2>/dev/null || true
    done
    if [[ -n $dir ]]; then
        rm -rf "$dir"
        printf '\n%sStopped; %s is removed.%s\n' "$dim" "$dir" "$plain"
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 0' INT TERM

# Waits until something answers on a port of 127.0.0.1, but no longer than the process that should.
answers() {
    local port=$1 pid=$2
    for _ in {1..200}; do
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

free_port() {
    local port
    while :; do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
        (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# --- 1. the program -------------------------------------------------------------------------------------------------
need openssl ca-certificates pop3d setpriv curl jq
if [[ -z ${POPHOOK:-} ]]; then
    need cc openssl-dev
    need_rust
    say "Building pophook (release)"
    cargo build --release --locked --manifest-path "$root/Cargo.toml"
    target=$(cargo metadata --no-deps --format-version 1 --manifest-path "$root/Cargo.toml" | jq -r .target_directory)
    POPHOOK=$target/release/pophook
fi
[[ -x $POPHOOK ]] || fail "$POPHOOK is no program"

dir=$(mktemp -d "${TMPDIR:-/tmp}/pophook-demo.XXXXXX")
# Dovecot reads its maildrops as another user when it is started by root.
[[ $EUID -ne 0 ]] || chmod 711 "$dir"
# No proxy stands between programs of one machine.
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost

# --- 2. a mail server with mails --------------------------------------------------------------------------------------
say "Starting a private Dovecot, with a certificate of a throw-away authority"
for attempt in 1 2 3; do
    "$root/deploy/demo/dovecot.sh" "$dir/dovecot" support >"$dir/dovecot.env" &
    dovecot=$!
    for _ in {1..200}; do
        ! grep -q '^DOVECOT=1' "$dir/dovecot.env" || break
        kill -0 "$dovecot" 2>/dev/null || break
        sleep 0.1
    done
    fact() { sed -n "s/^$1=//p" "$dir/dovecot.env"; }
    pop3s_port=$(fact POP3S_PORT) ca_file=$(fact CA_FILE) mail_dir=$(fact MAIL_DIR)/support
    if [[ -n $pop3s_port ]] && answers "$pop3s_port" "$dovecot"; then
        pids+=("$dovecot")
        break
    fi
    kill "$dovecot" 2>/dev/null || true
    [[ $attempt -lt 3 ]] || { cat "$dir/dovecot/dovecot.log" >&2 || true; fail "Dovecot does not start"; }
done
echo "    Dovecot $(fact VERSION) on 127.0.0.1:$pop3s_port (TLS) and :$(fact POP3_PORT) (STLS)"

wanted=0
for mail in "$root"/deploy/demo/mails/*.eml; do
    name=$(basename "$mail" .eml)
    install -m 644 "$mail" "$mail_dir/tmp/$name"
    mv "$mail_dir/tmp/$name" "$mail_dir/new/$name"
    wanted=$((wanted + 1))
done
left() { find "$mail_dir/new" "$mail_dir/cur" -type f | wc -l; }

say "The maildrop before: $wanted mails"
curl -sS --cacert "$ca_file" --user support:pw "pop3s://localhost:$pop3s_port/" | tr -d '\r' |
    while read -r number size; do
        name=$(find "$mail_dir/new" "$mail_dir/cur" -type f -printf '%f\n' | sort | sed -n "${number}s/:.*//p")
        printf '    %2d  %6d bytes  %s\n' "$number" "$size" "$name"
    done

# --- 3. a receiver, and pophook -----------------------------------------------------------------------------------------
receive_port=$(free_port)
admin_port=$(free_port)
key="whsec_$(openssl rand -base64 32)"
(umask 077 && printf '%s' "$key" >"$dir/signing-key" && printf 'pw' >"$dir/password")

arrived=$dir/arrived.jsonl
"$POPHOOK" receive --listen "127.0.0.1:$receive_port" --secret "$key" --json >"$arrived" 2>"$dir/receive.log" &
receive=$!
pids+=("$receive")
answers "$receive_port" "$receive" || { cat "$dir/receive.log" >&2; fail "pophook receive does not start"; }

cat >"$dir/pophook.yaml" <<END
spool:
  url: sqlite:$dir/spool.db
mailboxes:
  - name: support
    host: localhost
    port: $pop3s_port
    tls: implicit
    ca_file: $ca_file
    username: support
    password: { file: $dir/password }
    poll_interval: 5s
    start_from: all
    retention:
      on_server: delete_when_delivered
    deliver_to: [desk]
endpoints:
  - name: desk
    url: http://127.0.0.1:$receive_port/
    signing_keys: [ { file: $dir/signing-key } ]
admin:
  listen: 127.0.0.1:$admin_port
END
say "The configuration: take mail, post it, and delete it on the server when it was accepted"
indent <"$dir/pophook.yaml"
"$POPHOOK" check -c "$dir/pophook.yaml" >"$dir/check.log" 2>&1 || { cat "$dir/check.log" >&2; fail "pophook check refuses it"; }

say "Starting pophook run"
"$POPHOOK" run -c "$dir/pophook.yaml" >"$dir/run.log" 2>&1 &
run=$!
pids+=("$run")

# The posts that arrived, one JSON object a line; what else the receiver says is no JSON, or no mail.
posts() { jq -cR 'fromjson? | first(.. | objects | select(.type? == "mail.received"))' "$arrived" || true; }
count() { posts | jq -r .data.id | sort -u | wc -l; }

shown=
for _ in {1..300}; do
    state="$(count) of $wanted mails arrived, $(left) left in the maildrop"
    if [[ $state != "$shown" ]]; then
        [[ -t 1 ]] && printf '\r\e[K    %s' "$state" || printf '    %s\n' "$state"
        shown=$state
    fi
    [[ $(count) -lt $wanted || $(left) -gt 0 ]] || break
    kill -0 "$run" 2>/dev/null || break
    sleep 0.2
done
[[ ! -t 1 ]] || echo
if [[ $(count) -lt $wanted || $(left) -gt 0 ]]; then
    tail -n 20 "$dir/run.log" "$dir/receive.log" >&2
    fail "Not all of it arrived within a minute: $shown"
fi

# --- 4. what came of it -----------------------------------------------------------------------------------------------
# Reads posts, prints a line for each.
summary() {
    jq -r '.data | [
        (.from[0].address // "-"),
        (if (.attachments | length) > 0 then "\(.attachments | length) att." else "" end),
        (if (.defects | length) > 0 then "\(.defects | length) def." else "" end),
        (.subject // "(no subject)" | if length > 60 then .[:59] + "…" else . end)
    ] | join("\t")' | while IFS= read -r line; do
        # Not by IFS: empty fields count.
        from=${line%%$'\t'*} rest=${line#*$'\t'}
        printf '    %-34s %-7s %-7s %s\n' "$from" "${rest%%$'\t'*}" \
            "$(cut -f2 <<<"$rest")" "$(cut -f3- <<<"$rest")"
    done
}

say "One of the posts, with long texts cut and empty fields left out"
posts | jq -s '
    (map(select((.data.attachments | length) > 1)) + .)[0]
    | .data |= with_entries(select(.value != null and .value != []))
    | walk(if type == "string" and length > 72 then "\(.[:64])… (\(length) characters)" else . end)
    | .data.headers |= (if length > 3 then .[:3] + ["… and \(length - 3) more"] else . end)' | indent

say "All of them"
posts | summary

say "The maildrop after: $(left) mails"
say "The spool (pophook spool list)"
"$POPHOOK" spool list -c "$dir/pophook.yaml" | indent

say "Metrics: http://127.0.0.1:$admin_port/metrics"
curl -sS "http://127.0.0.1:$admin_port/metrics" |
    grep -E '^pophook_(visits|messages|retrieved|delivery_attempts|deliveries|spool_messages|dead_letters)[a-z_]*({.*})? ' |
    grep -vE ' 0$' | indent || true
echo
echo "    Health: http://127.0.0.1:$admin_port/healthz and /readyz; the page: http://127.0.0.1:$admin_port/"

if [[ -n $once ]]; then
    printf '\n%sAll %d mails were delivered, each with a valid signature, and the maildrop is empty.%s\n' \
        "$green$bold" "$wanted" "$plain"
    exit 0
fi

say "Still running. Put another mail into the maildrop from a second terminal:"
cat <<END
    d=$mail_dir
    printf 'From: you@example.com\nSubject: hello\n\nIt works.\n' >\$d/tmp/hello && mv \$d/tmp/hello \$d/new/\$(date +%s%N)

and it appears here within five seconds. Everything lies in $dir (logs: run.log, receive.log).
${bold}Ctrl-C ends the demo.${plain}

END
seen=$(posts | wc -l)
while kill -0 "$run" 2>/dev/null; do
    total=$(posts | wc -l)
    if [[ $total -gt $seen ]]; then
        posts | tail -n +$((seen + 1)) | summary
        seen=$total
    fi
    sleep 1
done
tail -n 20 "$dir/run.log" >&2
fail "pophook run ended by itself"
