# shellcheck shell=bash
# Installs what is missing on Debian and Ubuntu, and says so before it does. Sourced, not run.
#
#   need NAME...     names of the tables below; nothing happens for those that are there
#   need_popa3d      unpacks popa3d to target/popa3d, for its package cannot stand beside Dovecot's
#   need_mailutils   the same for that of GNU mailutils, whose package puts Dovecot's out on Ubuntu 22.04
#   need_opensmtpd   unpacks OpenSMTPD to target/opensmtpd, for its package would take the place of this machine's MTA
#   need_prometheus  unpacks prometheus and promtool to target/prometheus, for their package would start a service
#   need_s3s         builds s3s-fs, a store that speaks S3, to target/s3s; nothing else is touched
#   need_schemathesis  a tester of HTTP APIs, below target/schemathesis
#   need_browser     a browser and playwright-core, below target/browser
#   need_root        lets sudo ask for its password now, where somebody else than root runs this, and keeps it from
#                    forgetting until the process in `root_keeper` is stopped
#   need_rust        only looks, and tells where to get it

# How to see that a thing is there, and the Debian packages that bring it.
has() {
    # Where Debian leads nobody but root.
    local PATH=$PATH:/usr/sbin:/sbin
    case $1 in
    cc) command -v cc ;;
    openssl-dev) pkg-config --exists openssl ;;
    lmtp) [[ -x /usr/lib/dovecot/lmtp || -x /usr/libexec/dovecot/lmtp ]] ;;
    pop3d) command -v dovecot && [[ -x /usr/lib/dovecot/pop3 || -x /usr/libexec/dovecot/pop3 ]] ;;
    python-venv) python3 -c 'import ensurepip, venv' ;;
    nss) ldconfig -p | grep 'libnss3[.]so' ;;
    expat) ldconfig -p | grep 'libexpat[.]so[.]1' ;;
    ca-certificates) [[ -e /etc/ssl/certs/ca-certificates.crt ]] ;;
    fontconfig) command -v fc-match ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

packages_of() {
    case $1 in
    cc) echo build-essential ;;
    openssl-dev) echo libssl-dev pkg-config ;;
    node) echo nodejs ;;
    pop3d) echo dovecot-core dovecot-pop3d ;;
    # Its version must be that of the others.
    lmtp) echo dovecot-core dovecot-pop3d dovecot-lmtpd ;;
    setpriv) echo util-linux ;;
    python-venv) echo python3-venv ;;
    systemd-analyze) echo systemd ;;
    getmail) echo getmail6 ;;
    nss) echo libnss3 ;;
    expat) echo libexpat1 ;;
    fontconfig) echo fontconfig fonts-dejavu-core ;;
    *) echo "$1" ;;
    esac
}

need() {
    local name packages=()
    for name in "$@"; do
        # shellcheck disable=SC2207  # words, by intention
        has "$name" || packages+=($(packages_of "$name"))
    done
    if [[ ${#packages[@]} -gt 0 ]]; then
        install_packages "${packages[@]}"
    fi
}

# Unpacks a Debian package to a folder. Nothing is installed, so no service starts.
unpack() {
    local name=$1 root=$2 why=$3 work sudo=()
    command -v apt-get >/dev/null || { echo "Please unpack the Debian package $name to $root, then run this again." >&2; exit 69; }
    [[ $EUID -eq 0 ]] || sudo=(sudo)
    echo "Missing here, and unpacked below target now with apt-get ($why): $name"
    work=$(mktemp -d)
    (
        cd "$work"
        apt-get -qq download "$name" || { "${sudo[@]}" apt-get -qq update && apt-get -qq download "$name"; }
    ) </dev/null >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 69; }
    mkdir -p "$root"
    dpkg -x "$work/$name"_*.deb "$root"
    rm -rf "$work"
}

need_prometheus() {
    local root=target/prometheus
    [[ ! -x $root/promtool || ! -x $root/prometheus ]] || return 0
    rm -rf "$root" "$root.deb"
    unpack prometheus "$root.deb" "nothing is installed, and no service starts"
    mkdir -p "$root"
    # Programs that need nothing but libc; the rest of the package is for a service.
    mv "$root.deb"/usr/bin/{prometheus,promtool} "$root"
    rm -rf "$root.deb"
}

# Unpacks a Debian package to target/NAME, to be run with that folder as its root: with the libraries that it and the
# files named after it need, but without what it would read below /etc.
jail() {
    local name=$1 root=target/$1 work library file
    shift
    work=$(mktemp -d)
    unpack "$name" "$work/root" "nothing is installed"
    # What the package depends on may be missing here, too.
    for library in $(apt-cache depends --important "$name" | awk '$1 == "Depends:" && $2 ~ /^lib/ { print $2 }'); do
        [[ $(dpkg-query -W -f '${Status}' "$library" 2>/dev/null) == *" installed" ]] ||
            unpack "$library" "$work/root" "$name needs it"
    done
    for file in "$@" $(find "$work/root" -type f -perm -u+x) /bin/sh; do
        # shellcheck disable=SC2046  # words, by intention
        LD_LIBRARY_PATH=$(find "$work/root" -name '*.so.*' -printf '%h:' | tr -s :) ldd "$file" 2>/dev/null || true
    done | grep -o '/[^ :]*[.]so[^ :]*' | sort -u >"$work/libraries"
    for file in "$@" /bin/sh $(grep -v "^$work" "$work/libraries"); do
        mkdir -p "$work/root${file%/*}"
        cp -L "$file" "$work/root$file"
    done
    rm -rf "$work/root/etc" "$work/root/usr/share" "$root"
    mkdir -p "$work/root/etc" target
    chmod 755 "$work/root"
    mv "$work/root" "$root"
    rm -rf "$work"
}

need_popa3d() {
    local root=target/popa3d module
    [[ ! -x $root/usr/sbin/popa3d ]] || return 0
    # Nobody is asked for a password.
    module=$(echo /lib/*/security/pam_permit.so)
    jail popa3d "$module"
    mkdir -p "$root"/{etc/pam.d,var/mail,var/lib/popa3d}
    printf '%s required pam_permit.so\n' auth account >"$root/etc/pam.d/popa3d"
}

need_opensmtpd() {
    local root=target/opensmtpd
    [[ ! -x $root/usr/sbin/smtpd ]] || return 0
    jail opensmtpd
}

need_mailutils() {
    local root=target/mailutils libraries
    if [[ ! -x $root/usr/sbin/pop3d ]]; then
        rm -rf "$root"
        unpack mailutils-pop3d "$root" "nothing is installed"
    fi
    # (Not -q: under pipefail, what is cut short counts as failed.)
    if ldd "$root/usr/sbin/pop3d" | grep 'not found' >/dev/null; then
        libraries=$(apt-cache depends --important mailutils-pop3d | awk '$1 == "Depends:" && $2 !~ /^</ { print $2 }')
        # shellcheck disable=SC2086  # words, by intention
        install_packages $libraries
    fi
}

need_s3s() {
    local root=target/s3s version=0.14.1 log
    [[ ! -x $root/bin/s3s-fs ]] || return 0
    echo "Missing here, and built to $root now with cargo (nothing is installed; some minutes): s3s-fs $version"
    log=$(mktemp)
    # Without what a debugger would need, it takes a tenth of the disk.
    CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=true cargo install --quiet --locked --debug --features binary \
        --root "$root" --target-dir "$root/build" "s3s-fs@$version" >"$log" 2>&1 || { cat "$log" >&2; exit 69; }
    rm -rf "$log" "$root/build"
}

# It asks the API for everything that its own document promises. From 4.31 on it wants a newer Python than that of
# Ubuntu 22.04, 3.10.
need_schemathesis() {
    local folder=target/schemathesis version=4.30.1
    [[ ! -x $folder/bin/schemathesis ]] || return 0
    need python-venv
    echo "Missing here, and installed below $folder now with pip: schemathesis"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
}

# A browser for the tests of the pages, and what drives it, below target/browser: `path` names the browser, `node` the
# program that runs the script, or `none` says why there is no browser. Where node is older than 20 (Debian 12, Ubuntu),
# npm brings a newer one. Ubuntu's chromium is a snap, which runs in no container and sees no folder of ours: there,
# npm brings a Chromium, too.
need_browser() {
    local folder=target/browser driver=(playwright-core@1.65.1) brought=@sparticuz/chromium@153.0.0 node
    need node npm
    mkdir -p "$folder"
    rm -f "$folder/none"
    # shellcheck source=/dev/null
    if ! has chromium && [[ $(. /etc/os-release && echo "${ID:-}") == debian ]]; then
        install_packages chromium
    fi
    if has chromium && [[ $(readlink -f "$(command -v chromium)") != *snap* ]]; then
        command -v chromium >"$folder/path"
    else
        need nss expat fontconfig
        driver+=("$brought")
        echo "$PWD/$folder/chromium" >"$folder/path"
    fi
    node=$(command -v node)
    if ! node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'; then
        driver+=(node@20)
        node=$PWD/$folder/node_modules/.bin/node
    fi
    echo "$node" >"$folder/node"
    if [[ ! -e $folder/complete || $(<"$folder/complete") != "${driver[*]}" ]]; then
        echo "Missing here, and installed below $folder now with npm: ${driver[*]}"
        if ! npm install --silent --no-fund --no-audit --prefix "$folder" "${driver[@]}" </dev/null; then
            echo "npm could not install ${driver[*]}" | tee "$folder/none" >&2
            return 0
        fi
        [[ ${driver[*]} != *"$brought"* ]] || unpack_browser "$folder" "$node"
        echo "${driver[*]}" >"$folder/complete"
    fi
}

# The Chromium of npm lies packed in its package, for machines on which nothing can be installed.
unpack_browser() {
    "$2" -e '
        const { createReadStream, createWriteStream } = require("fs");
        const { pipeline } = require("stream");
        const [from, to] = process.argv.slice(1);
        pipeline(createReadStream(from), require("zlib").createBrotliDecompress(), createWriteStream(to, { mode: 0o755 }),
            (error) => { if (error) throw error; });
    ' "$1/node_modules/@sparticuz/chromium/bin/chromium.br" "$1/chromium"
}

need_root() {
    [[ $EUID -ne 0 ]] || return 0
    sudo -v || { echo "Please run this as root, or as somebody who may use sudo." >&2; exit 77; }
    # It forgets the password after some minutes, and builds take longer. Reading what never comes is a sleep without a
    # process of its own.
    (while sudo -nv; do read -rt 60 <> <(:) || true; done) </dev/null >/dev/null 2>&1 &
    # shellcheck disable=SC2034  # for those who source this
    root_keeper=$!
}

need_rust() {
    command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    command -v cargo >/dev/null || {
        echo "cargo is not installed: get the Rust toolchain from https://rustup.rs, then run this again" >&2
        exit 69
    }
}

install_packages() {
    local sudo=()
    if ! command -v apt-get >/dev/null; then
        echo "Please install what the Debian packages $* contain, then run this again." >&2
        exit 69
    fi
    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || { echo "Please install $* as root, then run this again." >&2; exit 69; }
        sudo=(sudo)
    fi
    echo "Missing here, and installed now with ${sudo[*]:+sudo }apt-get: $*"
    local quiet_start="" service services=() failed=0 log
    if [[ " $* " == *"-pop3d "* && ! -e /usr/sbin/policy-rc.d ]]; then
        # A package would start a mail server for the whole machine; what is wanted here is the program only. One that is
        # there already is left as it is.
        echo "(Services of their own are kept from starting; only private ones are used.)"
        quiet_start=yes
        for service in dovecot.service dovecot.socket; do
            [[ -e /lib/systemd/system/$service ]] || services+=("$service")
        done
    fi
    log=$(mktemp)
    (
        # Whatever ends this, Ctrl-C too: the file would keep services of others from starting.
        if [[ -n $quiet_start ]]; then
            trap '"${sudo[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
            printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" install -m 755 /dev/stdin /usr/sbin/policy-rc.d || exit
        fi
        "${sudo[@]}" apt-get -qq update &&
            "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" </dev/null
    ) >"$log" 2>&1 || failed=1
    [[ $failed -eq 0 ]] || cat "$log" >&2
    rm -f "$log"
    if [[ -d /run/systemd/system ]]; then
        for service in "${services[@]}"; do
            "${sudo[@]}" systemctl --quiet disable --now "$service" 2>/dev/null || true
        done
    fi
    [[ $failed -eq 0 ]] || { echo "apt-get could not install: $*" >&2; exit 69; }
}
