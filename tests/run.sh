#!/usr/bin/env bash
# Everything that must hold before a change goes in: form, lints, documentation, the arrows between the rooms, and
# all tests, against a real mail server. Installs what is missing (Debian, Ubuntu), and says so first.
#
#   tests/run.sh     from any folder; may be run again at any time; leaves nothing running
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/demo/packages.sh
source deploy/demo/packages.sh

if [[ -t 1 ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi

done_steps=()
now="the preparations"
# shellcheck disable=SC2317,SC2329  # called by the trap
closing() {
    local code=$?
    [[ -z ${root_keeper:-} ]] || kill "$root_keeper" 2>/dev/null || true
    echo
    if [[ ${#done_steps[@]} -gt 0 ]]; then
        printf '%s\n' "${done_steps[@]}"
    fi
    if [[ $code -eq 0 ]]; then
        echo "${green}${bold}All is well.${plain} ($SECONDS s)"
    else
        echo "${red}${bold}Failed: $now.${plain} ($SECONDS s)"
    fi
}
trap closing EXIT
# Whoever ends it has seen nothing pass.
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
    now=$1
    shift
    local start=$SECONDS
    printf '\n%s=== %s%s\n' "$bold" "$now" "$plain"
    "$@"
    done_steps+=("$(printf '  %-42s %4d s' "$now" $((SECONDS - start)))")
}

# What lets a process die by a variable of its environment is in the build that was tested, and in no other.
check_crash_points() {
    local program=${CARGO_TARGET_DIR:-target}/debug/pophook
    local names=(-e POPHOOK_CRASH_AT -e 'before claim_unsorted' -e 'after mark_deleted')
    grep -qa "${names[@]}" "$program"
    cargo build --locked
    ! grep -qa "${names[@]}" "$program"
}

# The rules of deploy/prometheus, and when they fire; what they watch is a test in Rust.
check_rules() {
    target/prometheus/promtool check rules deploy/prometheus/rules.yaml
    target/prometheus/promtool test rules deploy/prometheus/rules_test.yaml
}

step "what is missing" need cc openssl-dev openssl ca-certificates pop3d lmtp fetchmail getmail setpriv strace shellcheck
need_popa3d
need_mailutils
need_opensmtpd
need_prometheus
need_schemathesis
need_browser
# Three of the mail servers drop from root to another user.
need_root
need_rust
step "a store for the tests" need_s3s
for tool in fmt clippy; do
    cargo "$tool" --version >/dev/null 2>&1 || {
        name=${tool/fmt/rustfmt}
        echo "cargo $tool is missing, and installed now with rustup: $name"
        rustup component add "$name"
    }
done

step "scripts" shellcheck -x deploy/*.sh deploy/demo/*.sh tests/run.sh tests/deploy/*.sh .ci/run
step "form" cargo fmt --check
step "lints" cargo clippy --all-targets --locked -- -D warnings
step "lints of the crash points" cargo clippy --locked --features crash-points -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --locked
step "alert rules" check_rules
step "tests" cargo test --locked --no-fail-fast --features crash-points
step "no crash points in a plain build" check_crash_points
step "deployment" tests/deploy/run.sh
